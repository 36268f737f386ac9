"""Editing orders: what they cost until they are paid, where they go until they are shipped, what their buyer notes.

What a channel tells as a fact may come late: field by field the newest word stands, by when it was said and not by when
it arrived. What comes too late to change anything is kept as superseded.
"""

import json
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext_lazy as _

from orders.models import Order, Recipient
from orders.services import lines, pricing
from orders.services.casing import settle_if_it_fits
from orders.services.changing import change, is_forgotten
from orders.services.locks import lock_order
from orders.services.opening import LIVE, Occupied, WrongState
from orders.services.placing import recipient_of
from orders.services.settling import settle
from orders.services.superseding import supersede
from sync import clock
from sync.act import Actor, act

AMOUNTS = ("items", "shipping_fen", "discounts")
FIELDS = (*AMOUNTS, "address", "buyer_note")
PERSONAL = ("address", "buyer_note")
SAID_LATER, PAID, SHIPPED, ERASED = "said later", "paid", "shipped", "erased"
HERE = (Order.FulfilmentStatus.NONE, Order.FulfilmentStatus.PARTIAL)


@act
def edit(
    *,
    order: UUID,
    changes: dict,
    by: Actor,
    occurred_at: datetime | None = None,
    unless: Callable[[Order], None] = lambda order: None,
) -> Order:
    """Change what `changes` names: items, shipping_fen, discounts, address, buyer_note; `total_fen` is what they claim.

    `occurred_at` makes it a fact: what is too late for it is kept as superseded and the rest is done. Otherwise raises
    WrongState for what is paid, closed or shipped, and for what is personal of somebody erased. Points stay set aside;
    what they take off is reckoned anew. Money that came before for just this amount settles the order, and so does a
    total of nothing. The same again changes nothing. `unless` sees the locked order and may refuse by raising. Raises
    Order.DoesNotExist, AmountMismatch, lines.NoSuchLine; Occupied while a payment of another amount is open: its
    provider has to close it first.
    """
    found = lock_order(order)
    unless(found)
    told = {name: changes[name] for name in FIELDS if name in changes}
    late = _too_late(found, told, occurred_at)
    if late and occurred_at is None:
        raise WrongState(_("This can no longer be changed"))
    for reason in sorted(set(late.values())):
        supersede(order=found, type="order.updated", reason=reason, occurred_at=occurred_at, by=by)
    fresh = {name: value for name, value in told.items() if name not in late}
    if fresh:
        _note_times(found, fresh, occurred_at)
        _write(found, fresh, None if late else changes.get("total_fen"), by)
    return found


def _too_late(order: Order, told: dict, occurred_at: datetime | None) -> dict[str, str]:
    """The fields that cannot be changed any more, each with why: a newer word, money, goods under way, an erasure."""
    late = {name: SAID_LATER for name in told if occurred_at and _written(order, name) > occurred_at}
    is_paid = order.payment_status == Order.PaymentStatus.PAID
    is_closed = order.payment_status == Order.PaymentStatus.CLOSED and occurred_at is None
    for name in told:
        if name in AMOUNTS and (is_paid or is_closed):
            late.setdefault(name, PAID)
        if name == "address" and (is_closed or _has_left(order, occurred_at)):
            late.setdefault(name, SHIPPED)
    if is_forgotten(order):
        late |= {name: ERASED for name in PERSONAL if name in told}
    if "items" in told and "items" not in late and lines.moves_goods(order, told["items"]):
        late["items"] = SHIPPED
    return late


def _has_left(order: Order, occurred_at: datetime | None) -> bool:
    """Whether the goods were under way when the address was written."""
    left_at = order.shipped_at or order.delivered_at or order.completed_at
    if occurred_at and left_at:
        return occurred_at >= left_at
    return order.fulfilment_status not in HERE


def _written(order: Order, name: str) -> datetime:
    said = order.written_at.get(name)
    return parse_datetime(said) if said else datetime.min.replace(tzinfo=order.placed_at.tzinfo)


def _note_times(order: Order, fresh: dict, occurred_at: datetime | None) -> None:
    """Who reads an order and changes it says the newest word, however far ahead another clock was."""
    now = clock.now()
    times = {name: max(occurred_at or now, _written(order, name)).isoformat() for name in fresh}
    order.written_at = order.written_at | times
    order.save(update_fields=["written_at"])


def _write(order: Order, fresh: dict, claimed_fen: int | None, by: Actor) -> None:
    amounts = _amounts(order, fresh, claimed_fen)
    fields = {name: value for name, value in amounts.items() if getattr(order, name) != value}
    if "buyer_note" in fresh and (order.buyer_note or "") != (fresh["buyer_note"] or ""):
        fields["buyer_note"] = fresh["buyer_note"] or None
    moved = "address" in fresh and _move(order, fresh["address"])
    changed = "items" in fresh and lines.rewrite(order, fresh["items"])
    if not (fields or moved or changed):
        return
    change(order, "order.updated", by, **fields)
    if amounts and order.payment_status != Order.PaymentStatus.PAID:
        _settle(order, by)


def _amounts(order: Order, fresh: dict, claimed_fen: int | None) -> dict:
    """What the order costs with what is changed; nothing when that says nothing of what it costs.

    Raises AmountMismatch, NoSuchLine, Occupied.
    """
    if not any(name in fresh for name in AMOUNTS):
        return {}
    items = lines.after(order, fresh["items"]) if "items" in fresh else lines.of(order)
    discounts = fresh.get("discounts", order.discounts)
    amounts = pricing.again(order, items, fresh.get("shipping_fen", order.shipping_fen), discounts, claimed_fen)
    others = order.payments.filter(state__in=LIVE).exclude(amount_fen=amounts["total_fen"])
    if live := others.select_related("order", "merchant").first():
        raise Occupied(live)
    return amounts


def _move(order: Order, address: dict) -> bool:
    """Send the goods somewhere else; False when they were going there."""
    kept = Recipient.objects.filter(order=order).first()
    wanted = recipient_of(order, address, json.loads(kept.contact or "{}") if kept else {})
    if kept and (kept.receiver, kept.phone, kept.address) == (wanted.receiver, wanted.phone, wanted.address):
        return False
    if kept:
        wanted.pk, wanted._state.adding = kept.pk, False
    wanted.save()
    return True


def _settle(order: Order, by: Actor) -> None:
    if order.total_fen == 0 and not (order.closed_at and order.points_redeemed):
        settle(order, paid_fen=0, paid_at=clock.now(), by=by)
    else:
        settle_if_it_fits(order, by)
