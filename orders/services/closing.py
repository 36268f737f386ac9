"""Closing orders that nobody pays. Providers are asked before: see `orders/payments/closing.py`."""

from uuid import UUID

from orders.models import Intervention, Order
from orders.services import redeeming
from orders.services.changing import change
from orders.services.locks import lock_order
from orders.services.opening import LIVE, Occupied, WrongState
from sync.act import Actor, act
from sync.clock import Clock

Payment = Order.PaymentStatus


@act
def close(*, order: UUID, by: Actor, reason: str = "") -> Order:
    """Close an unpaid order: nobody can pay it any more, points set aside for it go back. Once: again changes nothing.

    `reason` is what staff say for it. Raises Order.DoesNotExist, WrongState when it is paid, Occupied while a payment
    of it is open: its provider has to be asked about it and to close it first.
    """
    found = lock_order(order)
    if found.payment_status == Payment.CLOSED:
        return found
    if found.payment_status == Payment.PAID:
        raise WrongState
    if live := found.payments.filter(state__in=LIVE).select_related("order", "merchant").first():
        raise Occupied(live)
    change(found, "order.cancelled", by, payment_status=Payment.CLOSED, closed_at=Clock(), closes_at=None)
    redeeming.release(found, by)
    if reason:
        Intervention.objects.create(order=found, kind=Intervention.Kind.CLOSED, reason=reason, by=str(by))
    return found
