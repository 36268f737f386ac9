"""What orders must agree with."""

from collections.abc import Iterator

from django.db import connection

from sync.reconcile import Mismatch

# Points below one yuan, or without a rule, leave no entry. Entries follow the order by its number, not by its owner:
# members merge. A rule counts for what was paid after it was made.
EARNINGS = """
WITH earned AS (
    SELECT substring(reference FROM '^order:(.+):paid$') AS number, sum(available + pending - debt) AS points, count(*)
    FROM loyalty_entry WHERE kind = 'earned' AND source = 'hub' AND reference LIKE 'order:%:paid'
    GROUP BY 1
), paid AS (
    SELECT o.number, o.points_earned, o.paid_fen >= 100 AND EXISTS (
        SELECT FROM loyalty_earnrule r WHERE r.created_at <= o.paid_at AND r.points_per_yuan > 0) AS should_earn
    FROM orders_order o
    WHERE o.payment_status = 'paid' AND o.member_id IS NOT NULL AND NOT o.is_history
)
SELECT coalesce(p.number, e.number), p.points_earned, e.points, coalesce(e.count, 0)
FROM paid p FULL JOIN earned e USING (number)
WHERE p.number IS NULL OR coalesce(e.points, 0) <> p.points_earned OR coalesce(e.count, 0) > 1
    OR (p.should_earn AND e.points IS NULL)
ORDER BY 1 LIMIT 10000
"""
PAYMENTS = """
SELECT o.number, o.payment_status, o.total_fen, o.paid_fen, coalesce(p.fen, 0)
FROM orders_order o
LEFT JOIN (
    SELECT order_id, sum(amount_fen)::bigint AS fen FROM orders_payment WHERE state = 'paid' GROUP BY order_id
) p ON p.order_id = o.id
WHERE NOT o.is_history
    AND (o.paid_fen <> coalesce(p.fen, 0) OR (o.payment_status = 'paid' AND o.paid_fen <> o.total_fen))
ORDER BY 1 LIMIT 10000
"""


def earnings() -> Iterator[Mismatch]:
    """Every paid order of a member has exactly its earning, and every earning its paid order."""
    with connection.cursor() as cursor:
        cursor.execute(EARNINGS)
        for number, told, points, entries in cursor:
            expected = "no paid order of a member" if told is None else f"one earning of {told or 'some'} points"
            found = "none" if points is None else f"{entries} of {points} points"
            yield Mismatch(f"order/{number}", field="points_earned", expected=expected, found=found)


def payments() -> Iterator[Mismatch]:
    """Every paid order was paid its total, by payments that add up to it; nobody paid for an order that is not paid."""
    with connection.cursor() as cursor:
        cursor.execute(PAYMENTS)
        for number, status, total_fen, paid_fen, received_fen in cursor:
            due_fen = total_fen if status == "paid" else 0
            found = f"{paid_fen} fen on the order, {received_fen} fen of payments"
            yield Mismatch(f"order/{number}", field="paid_fen", expected=f"{due_fen} fen ({status})", found=found)
