"""Placing orders: once per channel and its own number, with amounts that add up."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from members import services as members
from members.models import Scope
from orders import queries, terms
from orders.models import Line, Order, OrderTerms, Recipient
from orders.services import news, pricing
from orders.services.redeeming import capture, hold_for
from sync import ids, inbox, prepared, secret
from sync.act import Actor, act
from sync.clock import Clock
from sync.models import Channel
from sync.rows import Rows
from sync.services import admit

NUMBERS_TRIED = 5
ORDERS, LINES, RECIPIENTS = Rows(Order), Rows(Line), Rows(Recipient)
ENTERED = f"ON CONFLICT DO NOTHING RETURNING {ORDERS.of('orders_order')}"


class ExternalIdConflict(Exception):
    """The channel used this number for another order."""

    def __init__(self, number: str):
        super().__init__(_("The channel's number already stands for another order"))
        self.number = number


class BuyerFrozen(Exception):
    """The member may not place orders."""

    def __init__(self):
        super().__init__(_("A frozen member cannot place orders"))


@dataclass(frozen=True)
class Redeeming:
    """The points an order is to be paid with, and whether a proof showed the member: None where none was sent."""

    points: int = 0
    is_present: bool | None = None


NOTHING = Redeeming()


@act
def place(
    *,
    channel: Channel,
    external_id: str,
    items: list[dict],
    by: Actor,
    shipping_fen: int = 0,
    discounts: list[dict] = (),
    redeeming: Redeeming = NOTHING,
    member: UUID | None = None,
    is_by_phone: bool = False,
    address: dict | None = None,
    contact: dict | None = None,
    buyer_note: str = "",
    placed_at: datetime | None = None,
    total_fen: int | None = None,
    digest: bytes | None = None,
) -> tuple[Order, bool]:
    """Enter an order once; returns it and whether it is new. Without a member it is a guest's.

    `is_by_phone`: a phone told whose it is, which shows nothing of who holds the number now.
    `digest` tells the same request from another one under the same number; by default it is made of what is placed.
    Points are held until it closes unpaid. An order of nothing to pay is paid at once. Raises AmountMismatch,
    ExternalIdConflict, BuyerFrozen, NoMember, TooManyPoints; loyalty's NotPresent, NotEnough, Frozen.
    """
    asked = {"items": items, "shipping": shipping_fen, "discounts": list(discounts), "points": redeeming.points}
    digest = digest or digest_of(channel, asked | {"member": member, "total": total_fen})
    holder, handling = members.present(member) if member else None, terms.of(channel)
    order = Order(channel=channel, external_id=external_id, request_digest=digest, member=holder)
    try:
        pricing.first(order, items, shipping_fen, discounts, redeeming.points, claimed_fen=total_fen)
    except pricing.REFUSALS:
        if known := _known(order):  # what was possible then may not be now
            return known, False
        raise
    order.is_by_phone, order.buyer_note, order.placed_at = is_by_phone, buyer_note or None, placed_at or Clock()
    if order.total_fen:
        order.closes_at = Clock(after=timedelta(minutes=handling.close_after_minutes))
    else:
        order.payment_status, order.paid_at = Order.PaymentStatus.PAID, Clock()
    order, is_new = enter(order)
    if not is_new:
        return same(order, digest), False
    if holder and holder.is_frozen(Scope.ORDERS):
        raise BuyerFrozen
    enter_parts(order, lines_of(order, items), address, contact)
    _begin(order, redeeming, handling, by)
    inbox.wake(news.known_as(channel.code, external_id))  # what was told of it before
    return order, True


def digest_of(channel: Channel, asked: dict) -> bytes:
    """What is kept of a request to know it again: a keyed hash of its values, whatever their order."""
    said = {name: value for name, value in asked.items() if value not in (None, "")}  # left out is the same as empty
    canonical = json.dumps(said, sort_keys=True, default=str, ensure_ascii=False)
    return secret.keyed_digest(canonical, f"order/{channel.code}")


def _known(order: Order) -> Order | None:
    """The order that stands under the channel's number already, when it was asked for in the same way."""
    taken = {"channel": order.channel, "external_id": order.external_id, "request_digest": order.request_digest}
    return Order.objects.select_related("channel").filter(**taken).first()


def same(order: Order, digest: bytes) -> Order:
    """The order that stands under a number already; raises ExternalIdConflict when something else was asked for."""
    if bytes(order.request_digest) != digest:
        raise ExternalIdConflict(order.number)
    return order


def enter(order: Order) -> tuple[Order, bool]:
    """Insert the order unless the channel's number is taken; waits for whoever is inserting the same one."""
    order.updated_at = Clock()
    taken = {"channel": order.channel, "external_id": order.external_id}
    for _attempt in range(NUMBERS_TRIED):
        for made in ORDERS.found(*ORDERS.insert(order, ENTERED)):
            made.channel = order.channel
            return made, True
        if kept := Order.objects.select_related("channel").filter(**taken).first():
            return kept, False
        order.number = ids.number("D")  # somebody has that number: eight digits a day do collide
    raise RuntimeError("No free order number was found")


def lines_of(order: Order, items: list[dict]) -> list[Line]:
    """The lines that an order is to have."""
    return [Line(order=order, position=n, **item) for n, item in enumerate(items, start=1)]


def enter_parts(order: Order, lines: list[Line], address: dict | None, contact: dict | None) -> None:
    """What hangs on an order that was just entered: its lines, and where they go."""
    parts = [LINES.insert(line) for line in lines]
    if address or contact:
        parts.append(RECIPIENTS.insert(recipient_of(order, address or {}, contact or {})))
    prepared.together(*parts)


def recipient_of(order: Order, address: dict, contact: dict) -> Recipient:
    """Where the goods go; the contact stands in for what the address leaves open."""
    phone = contact.get("phone") or address.get("phone")
    place = {name: address.get(name, "") for name in queries.PLACE}
    return Recipient(
        order=order,
        receiver=address.get("receiver") or contact.get("name"),
        phone=address.get("phone") or phone,
        address=json.dumps(place, ensure_ascii=False) if address else None,
        contact=json.dumps(contact, ensure_ascii=False) if contact else None,
    )


def _begin(order: Order, redeeming: Redeeming, terms: OrderTerms, by: Actor) -> None:
    """Tell the order, set its points aside, and settle it if there is nothing to pay."""
    if order.member_id is None:
        admit(news.subject_of(order), order.channel)
    news.tell("order.placed", order, by)
    if redeeming.points:
        hold_for(order, terms, by, is_present=redeeming.is_present)
    if order.payment_status == Order.PaymentStatus.PAID:
        news.tell("order.paid", order, by)
        capture(order, by)
