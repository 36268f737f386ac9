"""Orders as they are read all day: PostgreSQL builds the JSON, a whole page in one statement.

`queries.as_order` says what is to be read; tests hold both forms equal. One statement is also one moment: no order is
ever shown with the lines, parcels or sums of another version. What is encrypted PostgreSQL cannot open: it is marked
in its place, and only orders that have such parts are touched again here.
"""

import json
import re
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.utils.translation import get_language, override

from members.auth import WHOSE
from orders import rules
from orders.models import Order, Shipment
from orders.queries import EVENTS_SHOWN, without_words
from orders.rules import Status
from sync import prepared, secret
from sync.clock import seen_until
from sync.models import Channel

INSTANT = """'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'"""
BY_PLACING, BY_CHANGE = ("placed_at", "id"), ("updated_at", "id")
# PostgreSQL writes no bare tab into JSON: it escapes those of texts, and indents nothing.
SEALED = re.compile(rb'\[\t"(tracking|buyer_note)","([0-9a-f-]+)","([0-9a-f]*)"\]')


def _columns(table: str, names: str) -> str:
    return ", ".join(f"{table}.{name}" for name in names.split())


def _instant(name: str) -> str:
    return f"to_char(o.{name} AT TIME ZONE 'UTC', {INSTANT}) AS {name}"


def _case(of: str, choices: dict) -> str:
    whens = " ".join(f"WHEN '{value}' THEN {then}" for value, then in choices.items())
    return f"CASE {of} {whens} END"


def _sealed(table: str, name: str, empty: str) -> str:
    mark = f"""'[\t"{name}","' || {table}.id || '","' || encode({table}.{name}, 'hex') || '"]'"""
    return f"CASE WHEN {table}.{name} IS NULL THEN '{empty}' ELSE {mark} END::json"


def _quoted(statuses: dict[str, Status]) -> dict[str, str]:
    return {value: f"'{status}'" for value, status in statuses.items()}


STATUS = f"""CASE o.payment_status WHEN 'closed' THEN '{Status.CANCELLED}' WHEN 'unpaid' THEN '{Status.PENDING_PAYMENT}'
ELSE CASE WHEN o.open_refunds > 0 THEN '{Status.REFUNDING}' ELSE coalesce(
    {_case("o.refund_status", _quoted(rules.BY_REFUND))}, {_case("o.fulfilment_status", _quoted(rules.BY_FULFILMENT))}
) END END"""
LABEL = "/* what the status is called */"
LINES = f"""
SELECT json_agg(line) FROM (
    SELECT {_columns("l", "id external_line_id sku name quantity unit_price_fen image_url refunded_quantity")}
    FROM orders_line l WHERE l.order_id = o.id ORDER BY l.position
) line
"""  # noqa: S608 - names of our own columns
INSIDE = """
SELECT json_agg(inside) FROM (
    SELECT h.line_id, h.quantity FROM orders_shipmentline h WHERE h.shipment_id = s.id ORDER BY h.id
) inside
"""
PARCELS = f"""
SELECT json_agg(parcel) FROM (
    SELECT s.id, s.carrier,
        coalesce((SELECT k.name FROM orders_carrier k WHERE k.code = s.carried_by_id), s.carrier) AS carrier_name,
        s.tracking_number, s.state, coalesce(({INSIDE}), '[]') AS lines, {_sealed("s", "tracking", "[]")} AS events
    FROM orders_shipment s WHERE s.order_id = o.id AND s.withdrawn_at IS NULL ORDER BY s.id
) parcel
"""  # noqa: S608 - expressions of our own
ORDER = f"""
SELECT o.number, c.code AS channel, o.external_id, o.member_id, o.status, {LABEL} AS status_label,
    o.payment_status, o.fulfilment_status, o.refund_status, coalesce(({LINES}), '[]') AS lines,
    o.items_fen, o.shipping_fen, o.discounts, o.discount_fen, o.points_redeemed, o.points_discount_fen, o.total_fen,
    o.paid_fen, o.refunded_fen, o.points_earned, coalesce(({PARCELS}), '[]') AS shipments,
    {_sealed("o", "buyer_note", '""')} AS buyer_note,
    {", ".join(map(_instant, ("placed_at", "paid_at", "completed_at", "updated_at")))}, o.version
"""
FOUND = f"""
SELECT o.placed_at, o.updated_at, o.id, (SELECT convert_to(row_to_json(told)::text, 'UTF8') FROM ({ORDER}) told) AS told
FROM page o JOIN sync_channel c ON c.id = o.channel_id
"""  # noqa: S608 - expressions of our own
# In one row: PostgreSQL sends it when it is whole, and the hub is woken once; bytes, that need no decoding to be sent.
READ = "SELECT array_agg(placed_at), array_agg(updated_at), array_agg(id), array_agg(told) FROM found"
FILTERS = {
    "id": "o.id = %(id)s",
    "number": "o.number = %(number)s",
    "member": "o.member_id = %(member)s",
    "token": f"o.member_id = {WHOSE}",
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
    told: bytes


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
    return rows(prepared.run(*statement(asked, most, *place)))


def rows(found: list[tuple]) -> list[Row]:
    """What the statement of a page found."""
    ((placed, updated, ids, told),) = found
    return [] if ids is None else list(map(Row, placed, updated, ids, map(_opened, told)))


def first_of_token(most: int) -> prepared.Asked:
    """The statement of the first page of the member whose access token it is; the digest is yet to be named."""
    sql, named = statement({"token": None}, most)
    return sql, {"most": named["most"]}


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
    found = f"{FOUND} {order}".replace(LABEL, _case("o.status", labels))
    return f"WITH page AS MATERIALIZED ({page}), found AS MATERIALIZED ({found}) {READ}"


def _opened(told: bytes) -> bytes:
    return SEALED.sub(_open, told) if b"\t" in told else told


def _open(found: re.Match) -> bytes:
    name, id, sealed = (each.decode() for each in found.groups())
    table = (Order if name == "buyer_note" else Shipment)._meta.db_table
    said = secret.unseal(bytes.fromhex(sealed), f"{table}.{name}:{id}").decode()
    shown = said if name == "buyer_note" else json.loads(said or "[]")[:EVENTS_SHOWN]
    return json.dumps(shown, ensure_ascii=False).encode()
