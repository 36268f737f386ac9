"""What orders must agree with."""

from collections.abc import Iterator

from django.db import connection

from sync.reconcile import Mismatch

# A purchase is written in the act that settles the order; points below one yuan, or without a rule, leave no entry.
# Both follow the order by its number, not by its owner: members merge. Points that wait and come later, or settle a
# debt, are the same earning: what an entry gave is its contra side.
EARNINGS = """
WITH earned AS (
    SELECT substring(reference FROM '^order:(.+):paid$') AS number, sum(-contra)::bigint AS points, count(*)
    FROM loyalty_entry WHERE kind = 'earned' AND source = 'hub' AND reference LIKE 'order:%:paid'
    GROUP BY 1
), paid AS (
    SELECT o.number, o.points_earned, o.paid_fen
    FROM orders_order o
    WHERE o.payment_status = 'paid' AND o.member_id IS NOT NULL AND NOT o.is_history
), bought AS (
    SELECT order_number AS number, points, paid_fen FROM loyalty_purchase
)
SELECT coalesce(p.number, e.number, b.number), p.points_earned, e.points, coalesce(e.count, 0), b.points, b.paid_fen
FROM paid p FULL JOIN earned e USING (number) FULL JOIN bought b USING (number)
WHERE p.number IS NULL OR coalesce(e.points, 0) <> p.points_earned OR coalesce(e.count, 0) > 1
    OR coalesce(b.points, 0) <> p.points_earned OR coalesce(b.paid_fen, 0) <> p.paid_fen
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
    """Every paid order of a member is a purchase of the same sum with exactly its earning, and the other way round."""
    with connection.cursor() as cursor:
        cursor.execute(EARNINGS)
        for number, told, points, entries, bought, bought_fen in cursor:
            expected = "no paid order of a member" if told is None else f"one earning of {told} points"
            found = "none" if points is None else f"{entries} of {points} points"
            found += ", no purchase" if bought is None else f", a purchase of {bought_fen} fen for {bought} points"
            yield Mismatch(f"order/{number}", field="points_earned", expected=expected, found=found)


def payments() -> Iterator[Mismatch]:
    """Every paid order was paid its total, by payments that add up to it; nobody paid for an order that is not paid."""
    with connection.cursor() as cursor:
        cursor.execute(PAYMENTS)
        for number, status, total_fen, paid_fen, received_fen in cursor:
            due_fen = total_fen if status == "paid" else 0
            found = f"{paid_fen} fen on the order, {received_fen} fen of payments"
            yield Mismatch(f"order/{number}", field="paid_fen", expected=f"{due_fen} fen ({status})", found=found)
