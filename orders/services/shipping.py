"""Parcels: sent, corrected, taken back, followed. Every act holds the lock of the order, and of its member before it.

Who may call: a channel for its own orders, staff, facts from outside; `track` is the carrier's word. What holds: no
line is shipped beyond its quantity; the same parcel again is that parcel; a parcel that arrived is neither corrected
nor taken back; what a carrier told later is not overwritten by what it told before.
"""

import json
from datetime import datetime
from uuid import UUID

from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext_lazy as _

from orders.models import Carrier, Order, Shipment
from orders.services import packing
from orders.services.changing import is_forgotten
from orders.services.fulfilling import count_shipped, follow_parcels, notify_shipment, set_goods
from orders.services.locks import lock_order
from orders.services.opening import WrongState
from orders.shipping import carriers, kuaidi100, uploading
from sync import clock
from sync.act import Actor, act
from sync.clock import Clock
from sync.http import Problem

Goods, State, Watch = Order.FulfilmentStatus, Shipment.State, Shipment.Watch
ARRIVED = {Goods.DELIVERED, Goods.COMPLETED}
LONGEST_FOLLOWED = 32  # characters of a waybill that 快递100 takes


@act
def ship(
    *,
    order: UUID,
    carrier: str,
    tracking_number: str,
    by: Actor,
    items: list[dict] | None = None,
    shipped_at: datetime | None = None,
    is_fact: bool = False,
) -> tuple[Shipment, bool]:
    """Send a parcel, and tell the parcel and whether it is new. Without `items` it holds all that is left.

    `items` name a line by `line_id` or `external_line_id`, with a `quantity`. A fact may come before money is known,
    or after it went back. Raises Order.DoesNotExist; WrongState for an order that is not to be shipped and for more
    than is left of it; Problem `invalid` for a line that is not the order's, or a waybill that cannot be one.
    """
    found = lock_order(order)
    label = _label(carrier, tracking_number)
    lines = list(found.lines.all())
    goods = None if items is None else packing.goods_of(lines, items)
    if known := _same(found, label, goods):
        return known, False
    if not is_fact:
        _refuse_unless_due(found)
    goods = goods or packing.rest_of(lines, but_refunded=not is_fact)
    packing.refuse_excess(lines, goods, beside={})
    parcel = Shipment.objects.create(order=found, shipped_at=shipped_at or clock.now(), **label)
    packing.pack(parcel, goods)
    _set_out(parcel)
    count_shipped(found)
    follow_parcels(found, by, "order.shipped")
    uploading.want(found, by)
    notify_shipment(found, parcel)
    return parcel, True


@act
def correct_shipment(
    *,
    shipment: UUID,
    by: Actor,
    carrier: str | None = None,
    tracking_number: str | None = None,
    items: list[dict] | None = None,
) -> Shipment:
    """Say anew who carries a parcel, under which waybill, or what is in it; what is left out stays.

    Another waybill is another journey: what was told of the old one goes. The same again changes nothing. Raises
    Shipment.DoesNotExist; WrongState for a parcel that arrived and for more than is left; Problem as `ship`.
    """
    order, parcel = _locked(shipment)
    label = _label(carrier or parcel.carrier, parcel.tracking_number if tracking_number is None else tracking_number)
    lines, held = list(order.lines.all()), packing.contents(parcel)
    goods = held if items is None else packing.goods_of(lines, items)
    is_renamed = any(getattr(parcel, name) != value for name, value in label.items())
    if not is_renamed and goods == held:
        return parcel
    _refuse_if_arrived(order, parcel)
    packing.refuse_excess(lines, goods, beside=held)
    if is_renamed:
        _rename(parcel, label)
    _repack(order, parcel, goods, held)
    follow_parcels(order, by, "order.updated", rising="order.shipped", may_fall=True)
    uploading.want(order, by)
    return parcel


@act
def withdraw_shipment(*, shipment: UUID, by: Actor) -> Order:
    """Take back a parcel that was entered by mistake: it is not shown any more, its goods are to be sent again.

    Raises Shipment.DoesNotExist, also for one taken back before; WrongState for a parcel that arrived.
    """
    order, parcel = _locked(shipment)
    _refuse_if_arrived(order, parcel)
    parcel.withdrawn_at, parcel.watch, parcel.watch_at, parcel.callback = Clock(), Watch.OVER, None, None
    parcel.version += 1
    parcel.save(update_fields=["withdrawn_at", "watch", "watch_at", "callback", "version"])
    count_shipped(order)
    follow_parcels(order, by, "order.updated", may_fall=True)
    uploading.want(order, by)
    return order


@act
def track(*, shipment: UUID, told: list[dict], state: str, by: Actor, carrier: str = "") -> bool:
    """Keep what the carrier tells of a parcel, in place of what it told before; False where that changes nothing.

    `told` is newest first: {at, text, state, place}, `at` an instant as text. A list whose newest time is older than
    what is known came late and changes nothing. `carrier`: who has turned out to carry it, by 快递100's code. A parcel
    told as signed for counts as arrived at once: what follows from that cannot be undone only when the order
    completes, days later. Nothing is kept of the parcels of somebody erased. Raises Shipment.DoesNotExist, also for a
    parcel taken back.
    """
    order, parcel = _locked(shipment)
    if is_forgotten(order):
        return False
    known = json.loads(parcel.tracking) if parcel.tracking else []
    is_news = bool(told) and not _is_older(told, known) and (told, state) != (known, parcel.state)
    other = Carrier.objects.filter(pk=carrier).exclude(pk=parcel.carried_by_id).first()
    if not (is_news or other):
        return False
    parcel.carried_by = other or parcel.carried_by
    if is_news:
        _hear(parcel, told, state)
    parcel.version += 1
    parcel.save(update_fields=["carried_by", "tracking", "state", "told_at", "delivered_at", "version"])
    follow_parcels(order, by, "order.tracking_updated")
    return True


@act
def let_go(*, shipment: UUID, watch: str, problem: str = "") -> None:
    """Nobody tells of a parcel any more (`watch` is over or refused): its order need not wait for that.

    Raises Shipment.DoesNotExist.
    """
    order, parcel = _locked(shipment)
    parcel.watch, parcel.watch_problem = watch, problem
    parcel.watch_at = None if watch == Watch.OVER else parcel.watch_at
    parcel.save(update_fields=["watch", "watch_problem", "watch_at"])
    set_goods(order)
    order.save(update_fields=["completes_at"])


def _locked(shipment: UUID) -> tuple[Order, Shipment]:
    order_id = Shipment.objects.values_list("order_id", flat=True).get(pk=shipment)
    order = lock_order(order_id)
    rows = Shipment.objects.select_for_update(no_key=True, of=["self"]).select_related("carried_by")
    return order, rows.get(pk=shipment, withdrawn_at=None)


def _label(carrier: str, tracking_number: str) -> dict:
    """What stands on a parcel. Raises Problem `invalid`."""
    carrier, number = carriers.carrier_as_told(carrier), carriers.waybill(tracking_number)
    known = carriers.find(carrier)
    if not number and carriers.is_sent(known):
        raise Problem.field("tracking_number", _("A parcel of this carrier has a waybill"), "required")
    return {"carrier": carrier, "carried_by": known, "tracking_number": number}


def _same(order: Order, label: dict, goods: packing.Goods | None) -> Shipment | None:
    """The parcel that was told already: the same waybill of the same carrier, with the same goods where any are named.

    What has no waybill is told by its goods; where none are named, by nothing being left to send.
    """
    rows = order.shipments.filter(withdrawn_at=None, tracking_number__iexact=label["tracking_number"])
    is_whole = goods is None and (label["tracking_number"] or _is_all_sent(order))
    for parcel in rows.order_by("pk"):
        if _is_carried(parcel, label) and (is_whole or packing.contents(parcel) == goods):
            return parcel
    return None


def _is_carried(parcel: Shipment, label: dict) -> bool:
    """Whether it is this carrier's, by whatever name."""
    known, told = label["carried_by"], carriers.folded(label["carrier"])
    return told == carriers.folded(parcel.carrier) or (known is not None and known.pk == parcel.carried_by_id)


def _is_all_sent(order: Order) -> bool:
    return all(line.shipped_quantity >= line.quantity for line in order.lines.all())


def _refuse_unless_due(order: Order) -> None:
    given_back = order.refunded_fen + order.refunding_fen
    is_paid_back = order.refund_status == Order.RefundStatus.FULL or 0 < order.paid_fen <= given_back
    if order.payment_status != Order.PaymentStatus.PAID or is_paid_back or order.fulfilment_status in ARRIVED:
        raise WrongState(_("The order is not waiting to be shipped"))


def _refuse_if_arrived(order: Order, parcel: Shipment) -> None:
    if parcel.delivered_at or order.fulfilment_status in ARRIVED:
        raise WrongState(_("The parcel has arrived"))


def _set_out(parcel: Shipment) -> None:
    """A new journey: followed where 快递100 knows the carrier, over at once where there is nothing to carry."""
    kind = parcel.carried_by.kind if parcel.carried_by else None
    is_known = kind == Carrier.Kind.EXPRESS and parcel.carried_by.is_active and kuaidi100.is_on()
    follows = is_known and len(parcel.tracking_number) <= LONGEST_FOLLOWED and not parcel.order.is_history
    parcel.watch, parcel.watch_at = (Watch.WANTED, Clock()) if follows else (Watch.NONE, None)
    if kind == Carrier.Kind.VIRTUAL:
        parcel.state, parcel.delivered_at = State.DELIVERED, parcel.shipped_at
    parcel.save(update_fields=["watch", "watch_at", "state", "delivered_at"])


def _rename(parcel: Shipment, label: dict) -> None:
    for name, value in label.items():
        setattr(parcel, name, value)
    forgotten = {"state": State.SHIPPED, "tracking": None, "told_at": None, "callback": None}
    for name, value in (forgotten | {"watch_tries": 0, "watch_problem": ""}).items():
        setattr(parcel, name, value)
    parcel.version += 1
    parcel.save(update_fields=[*label, *forgotten, "watch_tries", "watch_problem", "version"])
    _set_out(parcel)


def _repack(order: Order, parcel: Shipment, goods: packing.Goods, held: packing.Goods) -> None:
    """What the parcel holds from now on; where that is less, what it was said to hold is kept as taken back."""
    if goods == held:
        return
    if any(goods.get(line, 0) < quantity for line, quantity in held.items()):
        label = {name: getattr(parcel, name) for name in ("carrier", "carried_by", "tracking_number", "shipped_at")}
        packing.pack(Shipment.objects.create(order=order, withdrawn_at=Clock(), watch=Watch.OVER, **label), held)
    packing.pack(parcel, goods)
    count_shipped(order)


def _hear(parcel: Shipment, told: list[dict], state: str) -> None:
    parcel.tracking, parcel.state = json.dumps(told, ensure_ascii=False), state
    parcel.told_at = parse_datetime(told[0]["at"])
    if state == State.DELIVERED and parcel.delivered_at is None:
        signed = [each["at"] for each in told if each["state"] == State.DELIVERED]
        parcel.delivered_at = parse_datetime(signed[-1] if signed else told[0]["at"])


def _is_older(told: list[dict], known: list[dict]) -> bool:
    """Whether a list was told before the one that is known; of two with one newest time the longer is newer."""
    return bool(known) and (told[0]["at"], len(told)) < (known[0]["at"], len(known))
