"""Goods that arrived, orders that are over: told by the channel, the carrier, the buyer, or by the clock."""

from datetime import datetime, timedelta
from uuid import UUID

from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from orders import terms
from orders.models import Order
from orders.services.changing import change
from orders.services.fulfilling import notify_arrival
from orders.services.locks import lock_order
from orders.services.opening import WrongState
from orders.shipping import uploading
from sync import clock
from sync.act import SYSTEM, Actor, act

Goods = Order.FulfilmentStatus
ON_THEIR_WAY = (Goods.SHIPPED, Goods.DELIVERED)
AT_ONCE = 500
LATER = timedelta(hours=1)  # while a refund is open


@act
def deliver(*, order: UUID, by: Actor, at: datetime | None = None, is_fact: bool = False) -> Order:
    """All goods arrived, `at` (default: now). Told again it changes nothing.

    Raises Order.DoesNotExist, and WrongState where nothing can arrive (any more): not paid, not wholly shipped,
    completed without it. A fact may come before money and parcels are known.
    """
    found = lock_order(order)
    if found.delivered_at:
        return found
    if found.fulfilment_status == Goods.COMPLETED or not (is_fact or _is_on_its_way(found)):
        raise WrongState(_("Nothing of this order is waiting to be delivered"))
    at = at or clock.now()
    times = {"delivered_at": at, "completes_at": at + _waiting(found)}
    change(found, "order.delivered", by, fulfilment_status=Goods.DELIVERED, **times)
    notify_arrival(found)
    uploading.want(found, by)
    return found


@act
def complete(*, order: UUID, by: Actor, at: datetime | None = None, is_fact: bool = False) -> Order:
    """The buyer has it and is content, `at` (default: now). Told again it changes nothing, unless a fact says earlier.

    Raises Order.DoesNotExist, and WrongState for what is not paid or not wholly shipped. A fact may come before both.
    """
    found = lock_order(order)
    if found.fulfilment_status == Goods.COMPLETED:
        if is_fact and at and at < found.completed_at:
            change(found, "order.updated", by, completed_at=at)
        return found
    if not (is_fact or _is_on_its_way(found)):
        raise WrongState(_("This order cannot be completed yet"))
    times = {"completed_at": at or clock.now(), "completes_at": None}
    change(found, "order.completed", by, fulfilment_status=Goods.COMPLETED, **times)
    return found


def complete_due() -> int:
    """Complete the orders of which nobody said a word in time. Returns how many were looked at."""
    waiting = Order.objects.filter(fulfilment_status__in=ON_THEIR_WAY, completes_at__lte=Now())
    due = list(waiting.order_by("completes_at").values_list("pk", flat=True)[:AT_ONCE])
    for order in due:
        _complete_by_itself(order)
    return len(due)


@act
def _complete_by_itself(order: UUID) -> None:
    found = lock_order(order)
    if found.fulfilment_status not in ON_THEIR_WAY or not found.completes_at or found.completes_at > clock.now():
        return
    if _is_on_its_way(found) and not found.open_refunds and found.refund_status != Order.RefundStatus.FULL:
        complete(order=order, by=SYSTEM)
        return
    found.completes_at = clock.now() + LATER if found.open_refunds else None  # nothing to complete, or not yet
    found.save(update_fields=["completes_at"])


def _is_on_its_way(order: Order) -> bool:
    return order.payment_status == Order.PaymentStatus.PAID and order.fulfilment_status in ON_THEIR_WAY


def _waiting(order: Order) -> timedelta:
    """How long after its arrival an order completes by itself."""
    return timedelta(days=terms.of(order.channel).complete_after_days)
