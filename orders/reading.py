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

from django.conf import settings
from django.utils.translation import get_language, override

from orders import rules
from orders.models import Order, Shipment
from orders.queries import EVENTS_SHOWN, without_words
from orders.rules import Status
from sync import prepared, secret
from sync.clock import seen_until
from sync.models import Channel

MARK = "\x01"  # JSON has no bare control characters: PostgreSQL escapes those of texts
INSTANT = """'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'"""
BY_PLACING, BY_CHANGE = ("placed_at", "id"), ("updated_at", "id")


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
LABEL = "/* what the status is called */"
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
SELECT o.placed_at, o.updated_at, o.id,
    left(json_build_object({HEAD})::text, -1) || ', "shipments" : [' || coalesce(p.told, '') || '], "buyer_note" : '
        || CASE WHEN o.buyer_note IS NULL THEN '""' ELSE '{MARK}' END || ', '
        || substr(json_build_object({TAIL})::text, 2),
    p.tracked, p.tracking, o.buyer_note
FROM page o JOIN sync_channel c ON c.id = o.channel_id CROSS JOIN LATERAL ({PARCELS}) p
"""  # noqa: S608 - expressions of our own
FILTERS = {
    "id": "o.id = %(id)s",
    "number": "o.number = %(number)s",
    "member": "o.member_id = %(member)s",
    "group": "o.channel_id IN (SELECT id FROM sync_channel WHERE group_id = %(group)s)",
    "channels": "o.channel_id = ANY(%(channels)s)",
    "channel": "o.channel_id = (SELECT id FROM sync_channel WHERE code = %(channel)s)",
    "external_id": "o.external_id = %(external_id)s",
    "status": f"{STATUS} = %(status)s",
    "placed_after": "o.placed_at > %(placed_after)s",
    "placed_before": "o.placed_at < %(placed_before)s",
    "updated_after": "o.updated_at > %(updated_after)s",
    "updated_before": "o.updated_at < %(updated_before)s",
}
BEYOND = ("beyond_at", "beyond_id")


class Row(NamedTuple):
    """An order: its place in the lists, and `as_order` as JSON."""

    placed_at: datetime
    updated_at: datetime
    id: UUID
    told: str


def one(**asked) -> dict | None:
    """The order by its `id`, or the one of that `number` which a `member` has or a sharing `group` sees; else None."""
    found = page(asked, 1)
    return json.loads(found[0].told) if found else None


def as_event(order: Order) -> dict:
    """What events tell of an order as it stands now, in the hub's own language."""
    with override(settings.LANGUAGE_CODE):
        return without_words(one(id=order.pk))


def of_member(member: UUID, asked: dict, most: int, key: Sequence | None = None, falling: bool = True) -> list[Row]:
    """So many orders of a member that the filters ask for, beyond the one with that key, newest first or last."""
    return page({"member": member} | asked, most, key, falling)


def changes(channel: Channel, asked: dict, most: int, key: Sequence | None = None, falling: bool = False) -> list[Row]:
    """So many orders that a channel sees, by their last change, beyond the one with that key.

    Only up to where no act that is still open can add an older change; all of them by the number of a channel.
    """
    group = list(Channel.objects.filter(group=channel.group_id).values_list("pk", flat=True))  # known to the planner
    until = {} if "external_id" in asked else {"updated_before": seen_until(Order)}
    return page({"channels": group} | until | asked, most, key, falling, BY_CHANGE)


def page(asked: dict, most: int, *place) -> list[Row]:
    """So many orders that the filters ask for, at a place of a list. By its index a page costs the same at any depth.

    Labels are in the language at hand.
    """
    return [_row(*columns) for columns in prepared.run(*statement(asked, most, *place))]


def statement(
    asked: dict, most: int, key: Sequence | None = None, falling: bool = True, order: tuple[str, str] = BY_PLACING
) -> tuple[str, dict]:
    """The statement of a page and its parameters."""
    named = asked | {"most": most} | dict(zip(BEYOND, key or (), strict=False))
    return _statement(tuple(asked), key is not None, falling, order[0], get_language()), named


@lru_cache
def _statement(asked: tuple[str, ...], is_beyond: bool, falling: bool, at: str, _language: str | None) -> str:
    order = f"ORDER BY o.{at} DESC, o.id DESC" if falling else f"ORDER BY o.{at}, o.id"
    beyond = [f"(o.{at}, o.id) {'<' if falling else '>'} (%(beyond_at)s, %(beyond_id)s)"] if is_beyond else []
    where = " AND ".join([*(FILTERS[name] for name in asked), *beyond])
    page = f"SELECT o.*, {STATUS} AS status FROM orders_order o WHERE {where} {order} LIMIT %(most)s"  # noqa: S608
    labels = {status: "'" + str(status.label).replace("'", "''").replace("%", "%%") + "'" for status in Status}
    return f"WITH page AS MATERIALIZED ({page}) {READ} {order}".replace(LABEL, _case("o.status", labels))


def _row(placed_at, updated_at, id: UUID, told: str, tracked: list | None, tracking: list | None, note) -> Row:
    if tracked or note is not None:
        opened = [_events(*parcel) for parcel in zip(tracked or (), tracking or (), strict=True)]
        if note is not None:
            opened.append(json.dumps(_open(Order, "buyer_note", id, note), ensure_ascii=False))
        pieces = told.split(MARK)
        told = "".join(piece for pair in zip(pieces, [*opened, ""], strict=True) for piece in pair)
    return Row(placed_at, updated_at, id, told)


def _events(parcel: UUID, tracking: bytes) -> str:
    told = _open(Shipment, "tracking", parcel, tracking)
    return json.dumps(json.loads(told or "[]")[:EVENTS_SHOWN], ensure_ascii=False)


def _open(model: type, name: str, id: UUID, sealed: bytes) -> str:
    return secret.unseal(sealed, f"{model._meta.db_table}.{name}:{id}").decode()
