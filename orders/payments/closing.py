"""Closing orders: what is open at a provider is asked about and closed there first, then the order. Never in an act."""

import logging
from uuid import UUID

from django.db import connection

from orders import services
from orders.models import Order, Payment
from orders.payments import checkout, wechat_pay
from sync.act import SYSTEM, Actor
from sync.http import Problem

logger = logging.getLogger(__name__)

TRIES = 3  # payments that may be opened while the ones before them are being closed
AT_ONCE = 20
# Claimed by moving the time on, before anybody is asked: two never close one at a time, and what fails is tried again
# after half a minute, then each time when it is twice as late, at last every quarter of an hour.
CLAIM = """
WITH due AS MATERIALIZED (
    SELECT d.id, make_interval(mins => coalesce(t.close_after_minutes, 60)) AS allowed
    FROM orders_order d LEFT JOIN orders_orderterms t ON t.channel_id = d.channel_id
    WHERE d.payment_status = 'unpaid' AND d.closes_at <= now()
    ORDER BY d.closes_at LIMIT %s FOR NO KEY UPDATE OF d SKIP LOCKED
)
UPDATE orders_order o SET closes_at = clock_timestamp() + greatest(interval '30 seconds',
    least(interval '15 minutes', clock_timestamp() - o.created_at - due.allowed))
FROM due WHERE o.id = due.id
RETURNING o.id
"""
NOT_NOW = (services.InProgress, wechat_pay.Unavailable, wechat_pay.Refused, Problem)


def cancel(*, order: UUID, by: Actor, reason: str = "") -> Order:
    """Close an unpaid order, every open payment of it closed at its provider first. Not to be called in a transaction.

    Again changes nothing. `reason` is what staff say for it. Raises Order.DoesNotExist; WrongState when it is paid, as
    the provider may be the first to say; InProgress while money is on its way; Unavailable or Refused by the provider.
    """
    for _try in range(TRIES):
        try:
            return services.close(order=order, by=by, reason=reason)
        except services.Occupied as occupied:
            make_way(occupied.payment)
    raise services.InProgress


def make_way(payment: Payment) -> None:
    """Close an open payment on both sides; money that is there is taken: raises WrongState. Otherwise as `cancel`."""
    try:
        checkout.make_way(payment)
    except services.InProgress:
        if Order.objects.filter(pk=payment.order_id, payment_status=Order.PaymentStatus.PAID).exists():
            raise services.WrongState from None
        raise


def close_due() -> int:
    """Close the unpaid orders whose time is over, asking their providers first. Not to be called in a transaction.

    Without a provider's word nothing is closed: it is asked again later. Returns how many were tried.
    """
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, [AT_ONCE])
        due = [row[0] for row in cursor.fetchall()]
    for order in due:
        try:
            cancel(order=order, by=SYSTEM)
        except services.WrongState:
            continue  # paid, as we just heard
        except NOT_NOW as error:
            logger.warning("Order %s is closed later: %s", order, error)
    return len(due)
