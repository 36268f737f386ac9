"""Points as members' clients read them all day: PostgreSQL builds the JSON, in one round trip.

`queries.as_points` and `told.as_entry` say what is to be read; tests hold both forms equal. What time has done to an
account since it was last touched is settled before it is read, so no expired hold or lot is ever shown as alive.
"""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from loyalty.counted import GROWTH, SPEND
from loyalty.models import Account, Programme
from loyalty.services import settling
from loyalty.told import TOLD_AS
from sync import prepared
from sync.clock import Clock

INSTANT = """'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'"""


def _instant(sql: str) -> str:
    return f"to_char({sql} AT TIME ZONE 'UTC', {INSTANT})"


POINTS = f"""
WITH me AS MATERIALIZED (
    SELECT m.created_at AS registered_at, a.* FROM members_member m LEFT JOIN loyalty_account a ON a.member_id = m.id
    WHERE m.id = %(member)s
), terms AS MATERIALIZED (
    SELECT p.notice_days, p.qualify_by = 'growth' AS by_growth,
        date_trunc('day', clock_timestamp() AT TIME ZONE 'Asia/Shanghai' - make_interval(months => p.window_months))
            AT TIME ZONE 'Asia/Shanghai' AS since
    FROM (
        SELECT id, notice_days, window_months, qualify_by FROM loyalty_programme
        UNION ALL SELECT 9, %(notice_days)s, %(window_months)s, %(qualify_by)s ORDER BY id LIMIT 1
    ) p
), ladder AS (
    SELECT t.id, t.code, t.name, t.threshold_fen AS rank, t.threshold_fen = min(t.threshold_fen) OVER () AS is_lowest,
        CASE WHEN NOT terms.by_growth THEN t.threshold_fen
            WHEN t.threshold_fen = min(t.threshold_fen) OVER () THEN coalesce(t.threshold_growth, 0)
            ELSE t.threshold_growth END AS threshold
    FROM loyalty_tier t, terms
), qualified AS MATERIALIZED (
    SELECT coalesce(CASE WHEN terms.by_growth
        THEN (SELECT sum(c.gained - c.lost) FROM ({GROWTH}) c WHERE c.account_id = me.id AND c.at >= terms.since)
        ELSE (SELECT sum(c.gained - c.lost) FROM ({SPEND}) c WHERE c.account_id = me.id AND c.at >= terms.since)
        END, 0)::bigint AS total
    FROM me, terms
)
SELECT coalesce(me.due_at <= clock_timestamp(), FALSE), json_build_object(
    'available', coalesce(me.available, 0), 'pending', coalesce(me.pending, 0),
    'held', coalesce(me.held, 0), 'debt', coalesce(me.debt, 0),
    'expiring', coalesce((
        SELECT json_agg(json_build_object('points', l.points, 'at', {_instant("l.expires_at")}) ORDER BY l.expires_at)
        FROM (
            SELECT expires_at, sum(remaining)::bigint AS points FROM loyalty_lot, terms
            WHERE account_id = me.id AND remaining > 0 AND expires_at > clock_timestamp()
                AND expires_at <= clock_timestamp() + make_interval(days => terms.notice_days)
            GROUP BY expires_at
        ) l), '[]'),
    'tier', (
        SELECT json_build_object(
            'code', t.code, 'name', t.name, 'since', {_instant("coalesce(me.tier_since, me.registered_at)")},
            'until', {_instant("me.tier_until")}, 'qualifying', qualified.total,
            'next', (
                SELECT json_build_object('code', n.code, 'missing', n.threshold - qualified.total) FROM ladder n
                WHERE n.rank > t.rank AND n.threshold > qualified.total ORDER BY n.rank LIMIT 1
            ),
            'benefits', coalesce((
                SELECT json_agg(json_build_object('code', b.code, 'name', b.name, 'value', b.value) ORDER BY b.code)
                FROM loyalty_benefit b WHERE b.tier_id = t.id), '[]'))
        FROM ladder t, qualified WHERE t.id = me.tier_id OR (me.tier_id IS NULL AND t.is_lowest)
    ),
    'version', coalesce(me.version, 0))::text
FROM me
"""  # noqa: S608 - expressions of our own


RENAMED = " ".join(f"WHEN '{kind}' THEN '{told}'" for kind, told in TOLD_AS.items())
# An account's versions are the order of its entries. Where accounts became one, or were one a page ago, time is: all
# their entries are sorted.
ENTRIES = f"""
WITH mine AS MATERIALIZED (
    SELECT a.id, a.absorbed, a.absorbed <> '{{{{}}}}' {{or_were}} AS are_several,
        coalesce(a.due_at <= clock_timestamp(), FALSE) AS is_due
    FROM loyalty_account a WHERE a.member_id = %(member)s
), page AS MATERIALIZED (
    SELECT e.* FROM mine CROSS JOIN LATERAL (
        SELECT * FROM loyalty_entry WHERE account_id = mine.id {{after}} ORDER BY version {{way}} LIMIT %(most)s
    ) e WHERE NOT mine.are_several
    UNION ALL (
        SELECT e.* FROM mine CROSS JOIN LATERAL unnest(mine.id || mine.absorbed) AS own (id) CROSS JOIN LATERAL (
            SELECT * FROM loyalty_entry WHERE account_id = own.id {{later}} OFFSET 0
        ) e WHERE mine.are_several ORDER BY e.created_at {{way}}, e.version {{way}}, e.id {{way}} LIMIT %(most)s
    )
)
SELECT e.created_at, e.version, e.id, mine.is_due, convert_to(json_build_object(
    'id', e.id, 'kind', CASE e.kind {RENAMED} ELSE e.kind END,
    'points', CASE e.contra WHEN 0 THEN -(e.pending + e.held) ELSE -e.contra END,
    'available_after', e.available_after, 'reference', coalesce(f.reference, e.reference), 'channel', c.code,
    'created_at', {_instant("e.created_at")}, 'available_at', {_instant("e.available_at")},
    'expires_at', {_instant("e.expires_at")})::text, 'UTF8')
FROM mine, page e LEFT JOIN loyalty_entry f ON f.id = e.follows_id LEFT JOIN sync_channel c ON c.id = e.channel_id
ORDER BY CASE WHEN mine.are_several THEN e.created_at END {{way}}, e.version {{way}}, e.id {{way}}
"""  # noqa: S608 - expressions of our own
OR_WERE = "OR NOT EXISTS (SELECT FROM loyalty_entry WHERE id = %(id)s::uuid AND account_id = a.id)"
AFTER = "AND version {side} %(version)s::bigint"
LATER = "AND (created_at, version, id) {side} (%(created_at)s::timestamptz, %(version)s::bigint, %(id)s::uuid)"
KEY = ("created_at", "version", "id")


class Line(NamedTuple):
    """An entry: its place in the list, whether its account must be settled first, and `as_entry` as JSON."""

    created_at: datetime
    version: int
    id: UUID
    is_due: bool
    told: bytes


def points(member: UUID) -> str:
    """A member's points and tier as JSON: `queries.as_points`."""
    is_due, told = _points(member)
    if is_due:
        settling.settle(member)
        _is_due, told = _points(member)
    return told


def _points(member: UUID) -> tuple[bool, str]:
    terms = Programme()  # where none were set
    named = {name: getattr(terms, name) for name in ("notice_days", "window_months")}
    return prepared.run(POINTS, {"member": member, "qualify_by": str(terms.qualify_by)} | named)[0]


def entries(member: UUID, most: int, key: list | None = None, falling: bool = True) -> list[Line]:
    """So many entries of a member, and of accounts theirs absorbed, beyond the one with that key, newest first or last.

    A page costs the same at any depth; of a member who absorbed others, as much as all entries of theirs.
    """
    way, side = ("DESC", "<") if falling else ("ASC", ">")
    or_were, after, later = (part.format(side=side) if key else "" for part in (OR_WERE, AFTER, LATER))
    sql = ENTRIES.format(or_were=or_were, after=after, later=later, way=way)
    named = {"member": member, "most": most} | dict(zip(KEY, key or [], strict=False))
    return [Line(*row) for row in prepared.run(sql, named)]


def settle_if_due(member: UUID) -> None:
    """Let time have its effect on the member's account before it is read."""
    if Account.objects.filter(member=member, due_at__lte=Clock()).exists():
        settling.settle(member)
