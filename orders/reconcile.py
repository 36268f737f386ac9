"""What orders must agree with: their money, the points they brought and took, their parcels, what WeChat is told.

Each is one statement over all orders, so that no act falls between the two sides of a comparison. Every row is a
subject, a field of it, what it should be, and what it is.
"""

from collections.abc import Iterator

from django.db import connection

from sync.reconcile import Mismatch

LIMIT = 10_000  # so many wrong rows are one catastrophe, not a list

# A purchase is written in the act that settles the order; points below one yuan, or without a rule, leave no entry.
# Both follow the order by its number, not by its owner: members merge. Points that wait and come later, or settle a
# debt, are the same earning: what an entry gave is its contra side. An order given to another member earns anew (its
# next turn, its former purchase kept as <number>~<turn>); of what it earned before nothing may be left.
EARNINGS = f"""
WITH told AS (
    SELECT id, contra, substring(reference FROM '^order:([^:]+):paid') AS number,
        coalesce(substring(reference FROM ':paid:([0-9]+)$'), '0')::integer AS turn
    FROM loyalty_entry WHERE kind = 'earned' AND source = 'hub' AND reference LIKE 'order:%:paid%'
), turns AS (
    SELECT *, max(turn) OVER (PARTITION BY number) AS last FROM told
), earned AS (
    SELECT number, sum(-contra)::bigint AS points, count(*) FROM turns t
    WHERE turn = last OR -contra <> (SELECT coalesce(sum(r.contra), 0) FROM loyalty_entry r WHERE r.reverses_id = t.id)
    GROUP BY 1
), paid AS (
    SELECT number, points_earned, paid_fen FROM orders_order
    WHERE payment_status = 'paid' AND member_id IS NOT NULL AND NOT is_history
), bought AS (
    SELECT order_number AS number, points, paid_fen FROM loyalty_purchase WHERE strpos(order_number, '~') = 0
)
SELECT 'order/' || coalesce(p.number, e.number, b.number), 'points_earned',
    coalesce('one earning of ' || p.points_earned || ' points', 'no paid order of a member'),
    coalesce(e.count || ' of ' || e.points || ' points', 'none')
        || coalesce(', a purchase of ' || b.paid_fen || ' fen for ' || b.points || ' points', ', no purchase')
FROM paid p FULL JOIN earned e USING (number) FULL JOIN bought b USING (number)
WHERE p.number IS NULL OR coalesce(e.points, 0) <> p.points_earned OR coalesce(e.count, 0) > 1
    OR coalesce(b.points, 0) <> p.points_earned OR coalesce(b.paid_fen, 0) <> p.paid_fen
ORDER BY 1 LIMIT {LIMIT}
"""  # noqa: S608 - a number of our own
# Money that went back takes its points with it, once per refund, in the act that ends the refund.
REVERSALS = f"""
WITH back AS (
    SELECT o.number, r.number AS refund, r.amount_fen, r.points_reversed
    FROM orders_refund r JOIN orders_order o ON o.id = r.order_id JOIN loyalty_purchase b ON b.order_number = o.number
    WHERE r.state = 'done' AND r.case_id IS NULL AND r.amount_fen > 0
), taken AS (
    SELECT b.order_number, f.reference AS refund, f.fen, f.points
    FROM loyalty_purchaserefund f JOIN loyalty_purchase b ON b.id = f.purchase_id
), each_refund AS (
    SELECT 'refund/' || coalesce(b.refund, t.refund), 'points_reversed',
        coalesce(b.amount_fen || ' fen, ' || b.points_reversed || ' points', 'no refund'),
        coalesce(t.fen || ' fen, ' || t.points || ' points', 'no reversal')
    FROM back b FULL JOIN taken t ON t.refund = b.refund
    WHERE (b.amount_fen, b.points_reversed) IS DISTINCT FROM (t.fen, t.points)
), each_purchase AS (
    SELECT 'order/' || o.number, 'purchase_refunded_fen', o.refunded_fen::text, b.refunded_fen::text
    FROM loyalty_purchase b JOIN orders_order o ON o.number = b.order_number WHERE b.refunded_fen <> o.refunded_fen
)
SELECT * FROM each_refund UNION ALL SELECT * FROM each_purchase ORDER BY 1, 2 LIMIT {LIMIT}
"""  # noqa: S608 - a number of our own
PAYMENTS = f"""
SELECT 'order/' || o.number, 'paid_fen',
    CASE o.payment_status WHEN 'paid' THEN o.total_fen ELSE 0 END || ' fen (' || o.payment_status || ')',
    o.paid_fen || ' fen on the order, ' || coalesce(p.fen, 0) || ' fen of payments'
FROM orders_order o
LEFT JOIN (
    SELECT order_id, sum(amount_fen)::bigint AS fen FROM orders_payment WHERE state = 'paid' GROUP BY order_id
) p ON p.order_id = o.id
WHERE NOT o.is_history
    AND (o.paid_fen <> coalesce(p.fen, 0) OR (o.payment_status = 'paid' AND o.paid_fen <> o.total_fen))
ORDER BY 1 LIMIT {LIMIT}
"""  # noqa: S608 - a number of our own
REFUNDS = f"""
WITH sums AS (
    SELECT order_id, coalesce(sum(amount_fen) FILTER (WHERE state = 'done'), 0) AS done_fen,
        coalesce(sum(amount_fen) FILTER (WHERE state = 'processing'), 0) AS processing_fen,
        count(*) FILTER (WHERE state IN ('requested', 'processing')) AS open
    FROM orders_refund WHERE order_id IS NOT NULL AND case_id IS NULL GROUP BY order_id
), goods AS (
    SELECT order_id, sum(refunded_quantity) > 0 AS any_back, bool_and(refunded_quantity = quantity) AS all_back
    FROM orders_line GROUP BY order_id
)
SELECT 'order/' || o.number, v.field, v.expected, v.found
FROM orders_order o LEFT JOIN sums s ON s.order_id = o.id LEFT JOIN goods g ON g.order_id = o.id
CROSS JOIN LATERAL (VALUES
    ('refunded_fen', coalesce(s.done_fen, 0)::text, o.refunded_fen::text),
    ('refunding_fen', coalesce(s.processing_fen, 0)::text, o.refunding_fen::text),
    ('open_refunds', coalesce(s.open, 0)::text, o.open_refunds::text),
    ('refund_status', CASE WHEN o.refunded_fen = o.paid_fen AND (o.paid_fen > 0 OR g.all_back) THEN 'full'
        WHEN o.refunded_fen > 0 OR g.any_back THEN 'partial' ELSE 'none' END, o.refund_status)
) v (field, expected, found)
WHERE v.expected <> v.found
ORDER BY 1, 2 LIMIT {LIMIT}
"""  # noqa: S608 - a number of our own
LINES = f"""
WITH back AS (
    SELECT b.line_id, sum(b.quantity) AS quantity FROM orders_refundline b JOIN orders_refund r ON r.id = b.refund_id
    WHERE r.state = 'done' AND r.case_id IS NULL GROUP BY b.line_id
), sent AS (
    SELECT c.line_id, sum(c.quantity) AS quantity FROM orders_shipmentline c
    JOIN orders_shipment s ON s.id = c.shipment_id WHERE s.withdrawn_at IS NULL GROUP BY c.line_id
)
SELECT 'order/' || o.number, 'line ' || l.position || v.field, v.expected::text, v.found::text
FROM orders_line l JOIN orders_order o ON o.id = l.order_id
LEFT JOIN back b ON b.line_id = l.id LEFT JOIN sent s ON s.line_id = l.id
CROSS JOIN LATERAL (VALUES
    (' refunded_quantity', coalesce(b.quantity, 0), l.refunded_quantity),
    (' shipped_quantity', coalesce(s.quantity, 0), l.shipped_quantity)
) v (field, expected, found)
WHERE v.expected <> v.found
ORDER BY 1, 2 LIMIT {LIMIT}
"""  # noqa: S608 - a number of our own
# What parcels say is the least that is so: a channel may know more (all arrived, completed), and what was paid back
# need not be sent. What says itself how much is on its way has to be exactly what the parcels say.
GOODS = f"""
WITH lines AS (
    SELECT order_id, bool_or(shipped_quantity < quantity - refunded_quantity) AS is_missing
    FROM orders_line GROUP BY order_id
), parcels AS (
    SELECT order_id, bool_and(delivered_at IS NOT NULL) AS arrived FROM orders_shipment
    WHERE withdrawn_at IS NULL GROUP BY order_id
), said AS (
    SELECT o.number, o.fulfilment_status, CASE WHEN p.order_id IS NULL THEN 'none' WHEN l.is_missing THEN 'partial'
        WHEN p.arrived THEN 'delivered' ELSE 'shipped' END AS by_parcels
    FROM orders_order o JOIN lines l ON l.order_id = o.id LEFT JOIN parcels p ON p.order_id = o.id
    WHERE NOT o.is_history
)
SELECT 'order/' || number, 'fulfilment_status', by_parcels, fulfilment_status FROM said
WHERE by_parcels <> fulfilment_status AND (fulfilment_status IN ('partial', 'shipped')
    OR array_position(ARRAY['none', 'partial', 'shipped', 'delivered', 'completed'], by_parcels)
        > array_position(ARRAY['none', 'partial', 'shipped', 'delivered', 'completed'], fulfilment_status::text))
ORDER BY 1 LIMIT {LIMIT}
"""  # noqa: S608 - a number of our own
# Points that pay are spent by the act that settles the order: from their hold, or late, when that had run out.
REDEEMED = f"""
WITH spent AS (
    SELECT h.entry_id AS hold, e.id, e.contra FROM loyalty_hold h JOIN loyalty_entry e ON e.follows_id = h.entry_id
    WHERE e.kind = 'spent'
    UNION ALL
    SELECT h.entry_id, e.id, e.contra FROM loyalty_entry e
    JOIN loyalty_hold h ON h.reference || ':late' = e.reference AND h.source = e.source
    WHERE e.kind = 'spent' AND e.source = 'hub' AND e.reference LIKE 'order:%:points:late'
), returned AS (
    SELECT s.hold, sum(-r.contra) AS points FROM spent s JOIN loyalty_entry r ON r.reverses_id = s.id GROUP BY s.hold
), sums AS (
    SELECT hold, sum(contra) AS points FROM spent GROUP BY hold
), told AS (
    SELECT order_id, sum(points_returned) AS points FROM orders_refund
    WHERE state = 'done' AND case_id IS NULL GROUP BY order_id
)
SELECT 'order/' || o.number, v.field, v.expected, v.found
FROM orders_order o LEFT JOIN loyalty_hold h ON h.entry_id = o.hold_id LEFT JOIN sums s ON s.hold = o.hold_id
LEFT JOIN returned r ON r.hold = o.hold_id LEFT JOIN told t ON t.order_id = o.id
CROSS JOIN LATERAL (VALUES
    ('points_redeemed', CASE o.payment_status WHEN 'paid' THEN o.points_redeemed ELSE 0 END || ' points spent',
        coalesce(s.points, 0) || ' points spent'),
    ('hold', CASE o.payment_status WHEN 'unpaid' THEN 'set aside' ELSE 'over' END,
        CASE WHEN o.hold_id IS NULL THEN 'none' WHEN o.payment_status = 'unpaid' AND h.state <> 'captured'
            THEN 'set aside' WHEN o.payment_status <> 'unpaid' AND h.state <> 'held' THEN 'over' ELSE h.state END),
    ('points_returned', coalesce(t.points, 0)::text, coalesce(r.points, 0)::text)
) v (field, expected, found)
WHERE (o.points_redeemed > 0 OR o.hold_id IS NOT NULL) AND NOT o.is_history AND v.expected <> v.found
ORDER BY 1, 2 LIMIT {LIMIT}
"""  # noqa: S608 - a number of our own
UPLOADS = f"""
SELECT 'payment/' || p.id, 'shipping_upload', 'WeChat is told of the shipping', 'nobody meant to'
FROM orders_payment p JOIN orders_order o ON o.id = p.order_id JOIN sync_channel c ON c.id = p.channel_id
LEFT JOIN orders_orderterms t ON t.channel_id = c.id
WHERE p.state = 'paid' AND p.provider = 'wechat_pay' AND p.app_id <> '' AND c.kind = 'mini_program'
    AND coalesce(t.uploads_shipping, TRUE) AND NOT o.is_history
    AND EXISTS (SELECT FROM orders_shipment s WHERE s.order_id = o.id AND s.withdrawn_at IS NULL)
    AND NOT EXISTS (SELECT FROM orders_shippingupload u WHERE u.payment_id = p.id)
ORDER BY 1 LIMIT {LIMIT}
"""  # noqa: S608 - a number of our own


def earnings() -> Iterator[Mismatch]:
    """Every paid order of a member is a purchase of the same sum with exactly its earning, and the other way round."""
    return _found(EARNINGS)


def reversals() -> Iterator[Mismatch]:
    """Every refund of a purchase took back its points, and nothing else did."""
    return _found(REVERSALS)


def payments() -> Iterator[Mismatch]:
    """Every paid order was paid its total, by payments that add up to it; nobody paid for an order that is not paid."""
    return _found(PAYMENTS)


def refunds() -> Iterator[Mismatch]:
    """What an order says of money that went back, or is on its way, is what its refunds add up to."""
    return _found(REFUNDS)


def lines() -> Iterator[Mismatch]:
    """Of each line so much was sent as its parcels hold, and so much came back as its refunds say."""
    return _found(LINES)


def goods() -> Iterator[Mismatch]:
    """Every order is at least as far as its parcels say, and on its way exactly as they say."""
    return _found(GOODS)


def redeemed() -> Iterator[Mismatch]:
    """Points that pay for an order were spent if it is paid, are set aside until then, and came back as refunds say."""
    return _found(REDEEMED)


def uploads() -> Iterator[Mismatch]:
    """WeChat is to be told of the shipping of everything paid in a mini-program."""
    return _found(UPLOADS)


def _found(sql: str) -> Iterator[Mismatch]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        for subject, field, expected, found in cursor:
            yield Mismatch(subject, field, expected, found)
