"""Placing orders: once per channel and its own number, with amounts that add up."""

import json
from datetime import datetime
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from members import services as members
from members.models import Scope
from orders import queries, rules
from orders.models import Line, Order, Recipient
from orders.services import news
from sync import ids, secret
from sync.act import Actor, act
from sync.clock import Clock
from sync.models import Channel
from sync.services import admit

NUMBERS_TRIED = 5


class ExternalIdConflict(Exception):
    """The channel used this number for another order."""

    def __init__(self, number: str):
        super().__init__(_("The channel's number already stands for another order"))
        self.number = number


class BuyerFrozen(Exception):
    """The member may not place orders."""

    def __init__(self):
        super().__init__(_("A frozen member cannot place orders"))


@act
def place(
    *,
    channel: Channel,
    external_id: str,
    items: list[dict],
    by: Actor,
    shipping_fen: int = 0,
    discounts: list[dict] = (),
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
    An order of nothing to pay is paid at once. Raises AmountMismatch, ExternalIdConflict, BuyerFrozen.
    """
    amounts = rules.sums(items, shipping_fen, discounts, claimed_fen=total_fen)
    digest = digest or digest_of(channel, {"items": items, "member": member, "total": amounts.total_fen})
    holder = members.present(member) if member else None
    order, is_new = _enter(
        Order(
            channel=channel,
            external_id=external_id,
            member=holder,
            is_by_phone=is_by_phone,
            request_digest=digest,
            discounts=list(discounts),
            buyer_note=buyer_note or None,
            placed_at=placed_at or Clock(),
            updated_at=Clock(),
            **_amounts(amounts),
        )
    )
    if not is_new:
        if bytes(order.request_digest) != digest:
            raise ExternalIdConflict(order.number)
        return order, False
    if holder and holder.is_frozen(Scope.ORDERS):
        raise BuyerFrozen
    _enter_parts(order, items, address, contact)
    _tell(order, by)
    return order, True


def digest_of(channel: Channel, asked: dict) -> bytes:
    """What is kept of a request to know it again: a keyed hash of its values, whatever their order."""
    said = {name: value for name, value in asked.items() if value not in (None, "")}  # left out is the same as empty
    canonical = json.dumps(said, sort_keys=True, default=str, ensure_ascii=False)
    return secret.keyed_digest(canonical, f"order/{channel.code}")


def _amounts(amounts: rules.Sums) -> dict:
    free = amounts.total_fen == 0
    return {
        "items_fen": amounts.items_fen,
        "shipping_fen": amounts.shipping_fen,
        "discount_fen": amounts.discount_fen,
        "total_fen": amounts.total_fen,
        "payment_status": Order.PaymentStatus.PAID if free else Order.PaymentStatus.UNPAID,
        "paid_at": Clock() if free else None,
    }


def _enter(order: Order) -> tuple[Order, bool]:
    """Insert the order unless the channel's number is taken; waits for whoever is inserting the same one."""
    taken = {"channel": order.channel, "external_id": order.external_id}
    for _attempt in range(NUMBERS_TRIED):
        Order.objects.bulk_create([order], ignore_conflicts=True)
        kept = Order.objects.select_related("channel").filter(**taken).first()
        if kept:
            return kept, kept.pk == order.pk
        order.number = ids.number("D")  # somebody has that number: eight digits a day do collide
    raise RuntimeError("No free order number was found")


def _enter_parts(order: Order, items: list[dict], address: dict | None, contact: dict | None) -> None:
    Line.objects.bulk_create(Line(order=order, position=n, **item) for n, item in enumerate(items, start=1))
    if address or contact:
        recipient_of(order, address or {}, contact or {}).save(force_insert=True)


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


def _tell(order: Order, by: Actor) -> None:
    subject = news.subject_of(order)
    if order.member_id is None:
        admit(subject, order.channel)
    news.tell("order.placed", order, by)
    if order.payment_status == Order.PaymentStatus.PAID:
        news.tell("order.paid", order, by)
