"""Asking WeChat Pay about payments on their way: a notification may be lost, a process may have died between calls."""

import logging

from django.db import connection

from orders import services
from orders.models import Payment
from orders.payments import checkout, transactions, wechat_pay
from sync import clock
from sync.http import Problem

logger = logging.getLogger(__name__)

AT_ONCE = 20
# Half a minute after it was opened, then each time when it is twice as old. Claimed before the call: two never ask
# about one at a time, and what fails is asked about at its next time.
CLAIM = """
UPDATE orders_payment SET asked_at = clock_timestamp() WHERE id IN (
    SELECT id FROM orders_payment
    WHERE state IN ('opening', 'open') AND provider = 'wechat_pay'
        AND clock_timestamp() - coalesce(asked_at, created_at) >= greatest(interval '30 seconds', asked_at - created_at)
    ORDER BY created_at LIMIT %s FOR NO KEY UPDATE SKIP LOCKED)
RETURNING id
"""


def ask_due() -> int:
    """Ask about every payment whose time has come. Not to be called in a transaction. Returns how many were asked."""
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, [AT_ONCE])
        due = [row[0] for row in cursor.fetchall()]
    for payment in Payment.objects.select_related("merchant").filter(pk__in=due):
        try:
            ask(payment)
        except (wechat_pay.Unavailable, wechat_pay.Refused, services.InProgress, Problem) as error:
            logger.warning("Payment %s is asked about again later: %s", payment.pk, error)
    return len(due)


def ask(payment: Payment) -> None:
    """Settle what was paid, close what can no longer be. Raises Unavailable, Refused, InProgress."""
    told = checkout.told_of(payment)
    if transactions.is_paid(told):
        checkout.settle(told)
    elif told.get("trade_state") in checkout.UNPAYABLE:
        services.close_payment(payment=payment.pk)
    elif payment.state == Payment.State.OPENING or payment.expires_at <= clock.now():
        checkout.make_way(payment)
