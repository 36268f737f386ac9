"""Orders as they are read all day: PostgreSQL builds the JSON, a whole page in one statement.

`queries.as_order` says what is to be read; tests hold both forms equal. One statement is also one moment: no order is
ever shown with the lines, parcels or sums of another version. What is encrypted PostgreSQL cannot open: it leaves a
mark, and only rows that have such parts are touched again here.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from orders import rules
from orders.models import Order, Shipment
from orders.queries import EVENTS_SHOWN
from orders.rules import Status
from sync import prepared, secret

MARK = "\x01"  # JSON has no bare control characters: PostgreSQL escapes those of texts
INSTANT = """'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'"""
KEY = ("placed_at", "id")


def _instant(name: str) -> str:
    return f"'{name}', to_char(o.{name} AT TIME ZONE 'UTC', {INSTANT})"


def _columns(names: str, table: str) -> str:
    return ", ".join(f"'{name}', {table}.{name}" for name in names.split())


def _case(of: str, choices: dict) -> str:
    whens = " ".join(f"WHEN '{value}' THEN {then}" for value, then in choices.items())
    return f"CASE {of} {whens} END"


def _quoted(statuses: dict[str, Status]) -> dict[str, str]:
    return {value: f"'{status}'" for value, status in statuses.items()}


STATUS = f"""CASE o.payment_status WHEN 'closed' THEN '{Status.CANCELLED}' WHEN 'unpaid' THEN '{Status.PENDING_PAYMENT}'
ELSE CASE WHEN o.open_refunds > 0 THEN '{Status.REFUNDING}' ELSE coalesce(
    {_case("o.refund_status", _quoted(rules.BY_REFUND))}, {_case("o.fulfilment_status", _quoted(rules.BY_FULFILMENT))}
) END END"""
LABEL = _case("o.status", {status: f"%({status})s" for status in Status.values})
LINE = f"'id', l.id, {_columns('external_line_id sku name quantity unit_price_fen image_url refunded_quantity', 'l')}"
PARCEL = "'id', s.id, 'carrier', s.carrier, 'carrier_name', coalesce(k.name, s.carrier), " + _columns(
    "tracking_number state", "s"
)
HEAD = f"""
    {_columns("number", "o")}, 'channel', c.code, {_columns("external_id member_id status", "o")},
    'status_label', {LABEL}, {_columns("payment_status fulfilment_status refund_status", "o")},
    'lines', coalesce((
        SELECT json_agg(json_build_object({LINE}) ORDER BY l.position) FROM orders_line l WHERE l.order_id = o.id
    ), '[]'),
    {_columns("items_fen shipping_fen discounts discount_fen points_redeemed points_discount_fen total_fen", "o")},
    {_columns("paid_fen refunded_fen points_earned", "o")}
"""  # noqa: S608 - expressions of our own
TAIL = ", ".join([*map(_instant, ("placed_at", "paid_at", "completed_at", "updated_at")), _columns("version", "o")])
PARCELS = f"""
    SELECT
        string_agg(left(json_build_object({PARCEL}, 'lines', coalesce((
            SELECT json_agg(json_build_object('line_id', h.line_id, 'quantity', h.quantity) ORDER BY h.id)
            FROM orders_shipmentline h WHERE h.shipment_id = s.id
        ), '[]'))::text, -1)
            || ', "events" : ' || CASE WHEN s.tracking IS NULL THEN '[]' ELSE '{MARK}' END || '}}', ', ' ORDER BY s.id
        ) AS told,
        array_agg(s.id ORDER BY s.id) FILTER (WHERE s.tracking IS NOT NULL) AS tracked,
        array_agg(s.tracking ORDER BY s.id) FILTER (WHERE s.tracking IS NOT NULL) AS tracking
    FROM orders_shipment s LEFT JOIN orders_carrier k ON k.code = s.carried_by_id
    WHERE s.order_id = o.id AND s.withdrawn_at IS NULL
"""  # noqa: S608 - expressions of our own
READ = f"""
SELECT o.placed_at, o.id,
    left(json_build_object({HEAD})::text, -1) || ', "shipments" : [' || coalesce(p.told, '') || '], "buyer_note" : '
        || CASE WHEN o.buyer_note IS NULL THEN '""' ELSE '{MARK}' END || ', '
        || substr(json_build_object({TAIL})::text, 2),
    p.tracked, p.tracking, o.buyer_note
FROM page o JOIN sync_channel c ON c.id = o.channel_id CROSS JOIN LATERAL ({PARCELS}) p
"""  # noqa: S608 - expressions of our own
FILTERS = {
    "status": f"{STATUS} = %(status)s",
    "channel": "o.channel_id = (SELECT id FROM sync_channel WHERE code = %(channel)s)",
    "placed_after": "o.placed_at > %(placed_after)s",
    "placed_before": "o.placed_at < %(placed_before)s",
    "number": "o.number = %(number)s",
}
BEYOND = ("beyond_at", "beyond_id")


class Row(NamedTuple):
    """An order: its place in the list, and `as_order` as JSON."""

    placed_at: datetime
    id: UUID
    told: str


def of_member(member: UUID, asked: dict, most: int, key: Sequence | None = None, falling: bool = True) -> list[Row]:
    """So many orders of a member that the filters ask for, beyond the one with that key, newest first or last.

    Labels are in the language at hand. By its index a page costs the same at any depth.
    """
    return [_row(*columns) for columns in prepared.run(*page_of(member, asked, most, key, falling))]


def page_of(member: UUID, asked: dict, most: int, key: Sequence | None, falling: bool) -> tuple[str, dict]:
    """The statement of a page and its parameters."""
    labels = {status.value: str(status.label) for status in Status}
    named = labels | asked | {"member": member, "most": most} | dict(zip(BEYOND, key or (), strict=False))
    return _statement(tuple(asked), key is not None, falling), named


@lru_cache
def _statement(asked: tuple[str, ...], is_beyond: bool, falling: bool) -> str:
    order = "ORDER BY o.placed_at DESC, o.id DESC" if falling else "ORDER BY o.placed_at, o.id"
    beyond = [f"(o.placed_at, o.id) {'<' if falling else '>'} (%(beyond_at)s, %(beyond_id)s)"] if is_beyond else []
    where = " AND ".join(["o.member_id = %(member)s", *(FILTERS[name] for name in asked), *beyond])
    page = f"SELECT o.*, {STATUS} AS status FROM orders_order o WHERE {where} {order} LIMIT %(most)s"  # noqa: S608
    return f"WITH page AS MATERIALIZED ({page}) {READ} {order}"


def _row(placed_at: datetime, id: UUID, told: str, tracked: list | None, tracking: list | None, note) -> Row:
    if tracked or note is not None:
        opened = [_events(*parcel) for parcel in zip(tracked or (), tracking or (), strict=True)]
        if note is not None:
            opened.append(json.dumps(_open(Order, "buyer_note", id, note), ensure_ascii=False))
        pieces = told.split(MARK)
        told = "".join(piece for pair in zip(pieces, [*opened, ""], strict=True) for piece in pair)
    return Row(placed_at, id, told)


def _events(parcel: UUID, tracking: bytes) -> str:
    told = _open(Shipment, "tracking", parcel, tracking)
    return json.dumps(json.loads(told or "[]")[:EVENTS_SHOWN], ensure_ascii=False)


def _open(model: type, name: str, id: UUID, sealed: bytes) -> str:
    return secret.unseal(sealed, f"{model._meta.db_table}.{name}:{id}").decode()
