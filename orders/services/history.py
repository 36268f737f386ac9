"""Orders taken over from before: entered once as they ended, with the money, parcels and refunds they had.

They earn nothing, close nothing, are uploaded and noticed nowhere; what is told of them reaches streams and the feed,
and no webhook.
"""

from collections import Counter
from datetime import datetime
from functools import partial
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from members import services as members
from orders import reading, rules
from orders.models import Line, Order, Payment, Refund, RefundLine, Shipment, ShipmentLine
from orders.services import news, placing, pricing
from orders.services.paying import TransactionKnown
from orders.shipping import carriers
from sync import clock, events, inbox
from sync.act import Actor, act
from sync.models import Channel
from sync.services import admit

Money, Goods, Back = Order.PaymentStatus, Order.FulfilmentStatus, Order.RefundStatus
ARRIVED = (Goods.DELIVERED, Goods.COMPLETED)
SENT = (Goods.SHIPPED, *ARRIVED)


class Contradiction(Exception):
    """What is told of the order cannot all be true; `field` names where."""

    def __init__(self, field: str, why: object):
        super().__init__(why)
        self.field = field


@act
def place_history(
    *,
    channel: Channel,
    external_id: str,
    items: list[dict],
    past: dict,
    by: Actor,
    digest: bytes,
    shipping_fen: int = 0,
    discounts: list[dict] = (),
    member: UUID | None = None,
    is_by_phone: bool = False,
    address: dict | None = None,
    contact: dict | None = None,
    buyer_note: str = "",
    placed_at: datetime | None = None,
    total_fen: int | None = None,
) -> tuple[Order, bool]:
    """Enter an order as it ended; returns it and whether it is new. `past` is what a validated PastIn says.

    Raises AmountMismatch, ExternalIdConflict, Contradiction, TransactionKnown; then nothing was entered.
    """
    holder = members.present(member) if member else None
    order = Order(channel=channel, external_id=external_id, request_digest=digest, member=holder, is_history=True)
    pricing.first(order, items, shipping_fen, discounts, 0, claimed_fen=total_fen)
    order.is_by_phone, order.buyer_note, order.placed_at = is_by_phone, buyer_note or None, placed_at or clock.now()
    lines = placing.lines_of(order, items)
    parcels = [_goods_of(lines, parcel.get("items"), "shipments") for parcel in past["shipments"]]
    _end(order, lines, parcels, past)
    order, is_new = placing.enter(order)
    if not is_new:
        return placing.same(order, digest), False
    placing.enter_parts(order, lines, address, contact)
    try:
        with transaction.atomic():
            payment = _enter_payment(order, past["payments"])
            _enter_parcels(order, past["shipments"], parcels)
            _enter_refunds(order, lines, payment, past["refunds"], by)
    except IntegrityError as error:
        raise TransactionKnown from error
    _tell(order, by)
    return order, True


def _end(order: Order, lines: list[Line], parcels: list[Counter], past: dict) -> None:
    """How the order ended. Raises Contradiction, AmountMismatch."""
    goods = _goods(lines, parcels, past)
    _end_money(order, past, is_sent=goods != Goods.NONE)
    _end_goods(order, goods, past)
    _end_refunds(order, lines, past)


def _end_money(order: Order, past: dict, *, is_sent: bool) -> None:
    told = past["payments"] or past["refunds"] or past.get("paid_at") or is_sent or order.total_fen == 0
    order.payment_status = past.get("payment_status") or (Money.PAID if told else Money.CLOSED)
    if order.payment_status == Money.CLOSED:
        if past["payments"] or past["refunds"] or is_sent:
            raise Contradiction("payment_status", _("An order that was closed was neither paid nor shipped"))
        order.closed_at = past.get("closed_at") or order.placed_at
        return
    if any(payment["amount_fen"] != order.total_fen for payment in past["payments"]):
        raise rules.AmountMismatch(order.total_fen)
    paid_at = past["payments"][0]["paid_at"] if past["payments"] else past.get("paid_at")
    order.paid_fen, order.paid_at = order.total_fen, paid_at or order.placed_at


def _goods(lines: list[Line], parcels: list[Counter], past: dict) -> str:
    """Where the goods ended, as told or as their parcels say; counted on the lines. Raises Contradiction."""
    for goods in parcels:
        for line in lines:
            line.shipped_quantity += goods[line.pk]
    if any(line.shipped_quantity > line.quantity for line in lines):
        raise Contradiction("shipments", _("There is not so much of a line"))
    is_all = all(line.shipped_quantity == line.quantity for line in lines)
    arrived = parcels and all(parcel.get("delivered_at") for parcel in past["shipments"])
    whole = Goods.DELIVERED if arrived else Goods.SHIPPED
    seen = (whole if is_all else Goods.PARTIAL) if parcels else Goods.NONE
    told = past.get("fulfilment_status") or seen
    fits = {Goods.NONE: told != Goods.PARTIAL, Goods.PARTIAL: told in {Goods.PARTIAL, Goods.COMPLETED}}
    if not fits.get(seen, told in SENT):
        raise Contradiction("fulfilment_status", _("The parcels say otherwise"))
    return told


def _end_goods(order: Order, goods: str, past: dict) -> None:
    order.fulfilment_status = goods
    left = [parcel["shipped_at"] for parcel in past["shipments"] if parcel.get("shipped_at")]
    came = [parcel["delivered_at"] for parcel in past["shipments"] if parcel.get("delivered_at")]
    if goods in SENT:
        order.shipped_at = past.get("shipped_at") or max(left, default=order.paid_at)
    if goods in ARRIVED:
        order.delivered_at = past.get("delivered_at") or max(came, default=order.shipped_at)
    if goods == Goods.COMPLETED:
        order.completed_at = past.get("completed_at") or order.delivered_at


def _end_refunds(order: Order, lines: list[Line], past: dict) -> None:
    for refund in past["refunds"]:
        for line_id, quantity in _goods_of(lines, refund["items"], "refunds").items():
            next(line for line in lines if line.pk == line_id).refunded_quantity += quantity
    if any(line.refunded_quantity > line.quantity for line in lines):
        raise Contradiction("refunds", _("There is not so much of a line"))
    order.refunded_fen = sum(_amount(refund) for refund in past["refunds"])
    if order.refunded_fen > order.paid_fen:
        raise rules.AmountMismatch(order.total_fen)
    seen = Back.PARTIAL if past["refunds"] else Back.NONE
    order.refund_status = Back.FULL if order.refunded_fen and order.refunded_fen == order.paid_fen else seen
    if past.get("refund_status") not in {None, order.refund_status}:
        raise Contradiction("refund_status", _("The refunds say otherwise"))


def _amount(refund: dict) -> int:
    return sum(item["amount_fen"] for item in refund["items"]) + refund["shipping_fen"]


def _goods_of(lines: list[Line], items: list[dict] | None, field: str) -> Counter:
    """Pieces by line; all of them where none are named. Raises Contradiction."""
    if items is None:
        return Counter({line.pk: line.quantity for line in lines})
    found = Counter()
    for item in items:
        found[_line_of(lines, item, field).pk] += item["quantity"]
    return found


def _line_of(lines: list[Line], item: dict, field: str) -> Line:
    """The line that the channel's number or, where only one has it, the article names. Raises Contradiction."""
    name = "external_line_id" if item.get("external_line_id") else "sku"
    named = [line for line in lines if getattr(line, name) == item.get(name)]
    if len(named) != 1:
        raise Contradiction(field, _("This is not a line of the order"))
    return named[0]


def _enter_payment(order: Order, payments: list[dict]) -> Payment | None:
    for told in payments:
        return Payment.objects.create(order=order, channel=order.channel, state=Payment.State.PAID, **told)
    return None


def _enter_parcels(order: Order, told: list[dict], parcels: list[Counter]) -> None:
    for parcel, goods in zip(told, parcels, strict=True):
        state = Shipment.State.DELIVERED if parcel.get("delivered_at") else Shipment.State.SHIPPED
        name = carriers.carrier_as_told(parcel["carrier"])
        made = Shipment.objects.create(
            order=order,
            carrier=name,
            carried_by=carriers.find(name),
            tracking_number=carriers.waybill(parcel["tracking_number"]),
            state=state,
            shipped_at=parcel.get("shipped_at") or order.shipped_at or order.paid_at,
            delivered_at=parcel.get("delivered_at"),
        )
        ShipmentLine.objects.bulk_create(
            ShipmentLine(shipment=made, line_id=line, quantity=quantity) for line, quantity in goods.items() if quantity
        )


def _enter_refunds(order: Order, lines: list[Line], payment: Payment | None, refunds: list[dict], by: Actor) -> None:
    for told in refunds:
        made = Refund.objects.create(
            order=order,
            payment=payment,
            channel=order.channel,
            external_id=told["external_id"],
            state=Refund.State.DONE,
            shipping_fen=told["shipping_fen"],
            amount_fen=_amount(told),
            reason=told["reason"] or None,
            asked_by=str(by),
            **told["executed"],
        )
        fen = Counter()
        for item in told["items"]:
            fen[_line_of(lines, item, "refunds").pk] += item["amount_fen"]
        goods = _goods_of(lines, told["items"], "refunds")
        RefundLine.objects.bulk_create(
            RefundLine(refund=made, line_id=line, quantity=goods[line], amount_fen=amount)
            for line, amount in fen.items()
        )


def _tell(order: Order, by: Actor) -> None:
    """On the stream and in the feed; the relay makes no deliveries of what is marked as history."""
    subject = news.subject_of(order)
    if order.member_id is None:
        admit(subject, order.channel)
    events.record("order.placed", subject=subject, data=partial(_as_told, order), by=by)
    inbox.wake(news.known_as(order.channel.code, order.external_id))


def _as_told(order: Order) -> dict:
    return reading.as_event(order) | {"history": True}
