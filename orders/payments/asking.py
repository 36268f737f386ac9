"""Asking WeChat Pay about payments on their way: a notification may be lost, a process may have died between calls."""

import logging

from django.db import connection
from django.db.models import F

from orders import services
from orders.models import Order, Payment
from orders.payments import checkout, providers, transactions, wechat_pay
from sync import clock
from sync.http import Problem

logger = logging.getLogger(__name__)

AT_ONCE = 20
# Half a minute after it was opened, then after 1, 5 and 30 minutes, then hourly; when it expires, which is before its
# order closes; and as soon as its order is no longer unpaid. Claimed before the call: two never ask about one at a
# time. A call without an answer does not count, and is made again after half a minute, after all others. (An array is
# made once; as a list to look in, it may be made again for each row, and claim more than the limit.)
CLAIM = """
UPDATE orders_payment SET asked_at = clock_timestamp() WHERE id = ANY (ARRAY(
    SELECT p.id FROM orders_payment p JOIN orders_order o ON o.id = p.order_id
    WHERE p.state IN ('opening', 'open') AND p.provider = ANY(%s) AND clock_timestamp() >= greatest(
        p.asked_at + interval '30 seconds',
        least(
            CASE p.asks
                WHEN 0 THEN p.created_at + interval '30 seconds'
                WHEN 1 THEN p.created_at + interval '1 minute'
                WHEN 2 THEN p.created_at + interval '5 minutes'
                WHEN 3 THEN p.created_at + interval '30 minutes'
                ELSE p.asked_at + interval '1 hour'
            END,
            p.expires_at,
            CASE WHEN o.payment_status <> 'unpaid' THEN p.created_at END))
    ORDER BY coalesce(p.asked_at, p.created_at) LIMIT %s FOR NO KEY UPDATE OF p SKIP LOCKED))
RETURNING id
"""


def ask_due() -> int:
    """Ask about every payment whose time has come. Not to be called in a transaction. Returns how many were asked."""
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, [list(providers.ASKED), AT_ONCE])
        due = [row[0] for row in cursor.fetchall()]
    for payment in Payment.objects.select_related("merchant", "order").filter(pk__in=due):
        try:
            ask(payment)
        except wechat_pay.Unavailable as error:
            logger.warning("Payment %s is asked about again soon: %s", payment.pk, error)
            continue
        except (wechat_pay.Refused, services.InProgress, Problem) as error:
            logger.warning("Payment %s is asked about again later: %s", payment.pk, error)
        Payment.objects.filter(pk=payment.pk).update(asks=F("asks") + 1)
    return len(due)


def ask(payment: Payment) -> None:
    """Settle what was paid, close what can no longer be. Raises Unavailable, Refused, InProgress."""
    told = checkout.told_of(payment)
    if transactions.is_paid(told):
        checkout.settle(told)
    elif told.get("trade_state") in checkout.UNPAYABLE:
        services.close_payment(payment=payment.pk)
    elif _is_over(payment):
        checkout.make_way(payment)


def _is_over(payment: Payment) -> bool:
    """Whether nobody should pay by it any more: never told how to, too late, or nothing to pay."""
    unpaid = payment.order.payment_status == Order.PaymentStatus.UNPAID
    return payment.state == Payment.State.OPENING or payment.expires_at <= clock.now() or not unpaid
