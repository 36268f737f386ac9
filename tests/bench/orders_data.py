"""Members with twenty orders of three lines each; and the list of one as PostgreSQL alone would make it."""

from uuid import UUID

from members.models import Member
from tests import make
from tests.bench.ledger_data import execute, member
from tests.bench.ledger_data import fill as fill_accounts

ORDERS_EACH, LINES, SIGNED_IN = 20, 3, 20
FILL = """
SET session_replication_role = replica;  -- no history, no checks: it adds up by itself

INSERT INTO orders_order (
    id, number, channel_id, external_id, member_id, request_digest, payment_status, fulfilment_status, refund_status,
    items_fen, shipping_fen, discounts, discount_fen, points_redeemed, points_discount_fen, total_fen, paid_fen,
    refunded_fen, points_earned, is_history, placed_at, paid_at, shipped_at, written_at, version)
SELECT hub_uuid7(), 'B' || m.number || '-' || n, %(channel)s, m.number || '-' || n, m.id, '',
    CASE WHEN n %% 4 = 0 THEN 'unpaid' ELSE 'paid' END, CASE WHEN n %% 4 = 1 THEN 'shipped' ELSE 'none' END, 'none',
    37700, 1000, '[{"kind": "coupon", "code": "AUTUMN", "name": "秋茶节", "amount_fen": 700}]', 700, 0, 0, 38000,
    CASE WHEN n %% 4 = 0 THEN 0 ELSE 38000 END, 0, CASE WHEN n %% 4 = 0 THEN 0 ELSE 380 END, FALSE,
    now() - n * interval '1 day', CASE WHEN n %% 4 = 0 THEN NULL ELSE now() - n * interval '1 day' END,
    CASE WHEN n %% 4 = 1 THEN now() END, '{}', 3
FROM members_member m, generate_series(1, %(each)s) n;

INSERT INTO sync_stream (subject, head) SELECT 'member/' || id, 0 FROM members_member;

INSERT INTO orders_line (
    id, order_id, position, external_line_id, sku, name, quantity, unit_price_fen, image_url, refunded_quantity)
SELECT hub_uuid7(), o.id, n, 'L' || n, 'TEA-' || n, '明前龙井 ' || n || ' 罐装 250g', n, 12900 - n * 1000,
    'https://images.example/tea/' || n || '.webp', 0
FROM orders_order o, generate_series(1, %(lines)s) n;

INSERT INTO orders_shipment (
    id, order_id, carrier, tracking_number, state, watch, watch_problem, watch_tries, shipped_at, version)
SELECT hub_uuid7(), id, '中通快递', '7530' || external_id, 'shipped', 'none', '', 0, now(), 1
FROM orders_order WHERE fulfilment_status = 'shipped';

INSERT INTO orders_shipmentline (shipment_id, line_id, quantity)
SELECT s.id, l.id, l.quantity FROM orders_shipment s JOIN orders_line l ON l.order_id = s.order_id;

SET session_replication_role = origin;
"""
FLOOR = """
SELECT json_build_object('next', NULL, 'previous', NULL, 'results', json_agg(told ORDER BY placed_at DESC, id DESC))
FROM (
    SELECT o.placed_at, o.id, json_build_object(
        'number', o.number, 'channel', c.code, 'external_id', o.external_id, 'member_id', o.member_id,
        'status', CASE o.payment_status WHEN 'unpaid' THEN 'pending_payment' WHEN 'closed' THEN 'cancelled'
            ELSE CASE o.fulfilment_status WHEN 'shipped' THEN 'shipped' ELSE 'paid' END END,
        'status_label', CASE o.payment_status WHEN 'unpaid' THEN '待付款' WHEN 'closed' THEN '已关闭'
            ELSE CASE o.fulfilment_status WHEN 'shipped' THEN '待收货' ELSE '待发货' END END,
        'payment_status', o.payment_status, 'fulfilment_status', o.fulfilment_status,
        'refund_status', o.refund_status,
        'lines', (
            SELECT json_agg(json_build_object(
                'id', l.id, 'external_line_id', l.external_line_id, 'sku', l.sku, 'name', l.name,
                'quantity', l.quantity, 'unit_price_fen', l.unit_price_fen, 'image_url', l.image_url,
                'refunded_quantity', l.refunded_quantity) ORDER BY l.position)
            FROM orders_line l WHERE l.order_id = o.id),
        'items_fen', o.items_fen, 'shipping_fen', o.shipping_fen, 'discounts', o.discounts,
        'discount_fen', o.discount_fen, 'points_redeemed', o.points_redeemed,
        'points_discount_fen', o.points_discount_fen, 'total_fen', o.total_fen, 'paid_fen', o.paid_fen,
        'refunded_fen', o.refunded_fen, 'points_earned', o.points_earned,
        'shipments', coalesce((
            SELECT json_agg(json_build_object(
                'id', s.id, 'carrier', s.carrier, 'carrier_name', coalesce(k.name, s.carrier),
                'tracking_number', s.tracking_number, 'state', s.state, 'lines', (
                    SELECT json_agg(json_build_object('line_id', h.line_id, 'quantity', h.quantity) ORDER BY h.id)
                    FROM orders_shipmentline h WHERE h.shipment_id = s.id),
                'events', '[]'::json) ORDER BY s.id)
            FROM orders_shipment s LEFT JOIN orders_carrier k ON k.code = s.carried_by_id
            WHERE s.order_id = o.id AND s.withdrawn_at IS NULL), '[]'),
        'buyer_note', '',
        'placed_at', to_char(o.placed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
        'paid_at', to_char(o.paid_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
        'completed_at', to_char(o.completed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
        'updated_at', to_char(o.updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
        'version', o.version) AS told
    FROM orders_order o JOIN sync_channel c ON c.id = o.channel_id
    WHERE o.member_id = %s ORDER BY o.placed_at DESC, o.id DESC LIMIT 21
) p
"""


def fill(members: int) -> dict[UUID, str]:
    """So many members with points and orders; the access tokens of those who are signed in."""
    fill_accounts(members)
    channel = make.channel("website")
    execute(FILL, {"channel": channel.pk, "each": ORDERS_EACH, "lines": LINES})
    execute("VACUUM ANALYZE")
    return {member(n): signed_in(n, channel) for n in range(1, min(SIGNED_IN, members) + 1)}


def signed_in(n: int, channel) -> str:
    """The access token of the nth member, whose session was seen just now."""
    client = make.member_client(Member.objects.get(pk=member(n)), channel)
    return client.session.tokens.access
