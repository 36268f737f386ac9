"""Members are told some days before points expire: once per member and day of expiry."""

from datetime import UTC, datetime
from uuid import UUID

from django.db import connection
from django.utils.timezone import get_default_timezone

from loyalty.models import Programme
from members import notices
from sync import events
from sync.act import SYSTEM, act
from sync.http import instant

BATCH, OCCASION = 1_000, "points_expiring"
Place = tuple[datetime, UUID]  # in the order of DUE
BEGIN: Place = (datetime(2000, 1, 1, tzinfo=UTC), UUID(int=0))

# An account's `due_at` is never later than the first expiry of its lots: whoever is due by then is looked at, in turn.
DUE = """
SELECT a.id, a.due_at FROM loyalty_account a
WHERE a.due_at <= clock_timestamp() + make_interval(days => %(days)s) AND (a.due_at, a.id) > (%(due_at)s, %(id)s)
ORDER BY a.due_at, a.id LIMIT %(batch)s FOR NO KEY UPDATE SKIP LOCKED
"""
TELL = """
WITH due AS (
    SELECT l.account_id, (l.expires_at AT TIME ZONE 'Asia/Shanghai')::date AS day,
        min(l.expires_at) AS at, sum(l.remaining)::bigint AS points
    FROM loyalty_lot l
    WHERE l.account_id = ANY(%(accounts)s) AND l.remaining > 0 AND l.expires_at > clock_timestamp()
        AND l.expires_at <= clock_timestamp() + make_interval(days => %(days)s)
    GROUP BY 1, 2
), told AS (
    INSERT INTO loyalty_expirynotice (account_id, expires_on, points)
    SELECT account_id, day, points FROM due ON CONFLICT (account_id, expires_on) DO NOTHING
    RETURNING account_id, expires_on
)
SELECT a.member_id, d.points, d.at, a.available, a.pending, a.held, a.debt, a.version
FROM told t JOIN due d ON (d.account_id, d.day) = (t.account_id, t.expires_on)
JOIN loyalty_account a ON a.id = d.account_id
ORDER BY a.id, d.at
"""


def tell_due() -> int:
    """Tell every member whose points expire within the programme's days of notice; returns how many notices.

    May be run again, beside itself, or killed: each batch is an act of its own, and nobody is told twice. An account
    that somebody holds is left for the next run.
    """
    days, told, after = Programme.current().notice_days, 0, BEGIN
    while after is not None:
        after, count = tell_batch(days, after)
        told += count
    return told


@act
def tell_batch(days: int, after: Place, batch: int = BATCH) -> tuple[Place | None, int]:
    """Tell those of the next accounts; returns the last account looked at (None: all are), and how many notices."""
    with connection.cursor() as cursor:
        cursor.execute(DUE, {"days": days, "due_at": after[0], "id": after[1], "batch": batch})
        accounts = cursor.fetchall()
        cursor.execute(TELL, {"days": days, "accounts": [row[0] for row in accounts]})
        told = cursor.fetchall()
    news = ((events.of_member(member), as_expiring(points, at, balance)) for member, points, at, *balance in told)
    events.record_many("points.expiring", news, by=SYSTEM)
    _notify(told)
    last = accounts[-1] if accounts else None
    return last and (last[1], last[0]), len(told)


def _notify(told: list[tuple]) -> None:
    """Messages to those who accepted them, or to all where they go by text message: one per day of expiry."""
    who = notices.reachable({member for member, *_rest in told}, OCCASION)
    for member, points, at, *_balance in told:
        if member in who:
            day = f"{at.astimezone(get_default_timezone()):%Y-%m-%d}"
            notices.notify(member, OCCASION, f"expiry/{day}", {"points": str(points), "at": notices.moment(at)})


def as_expiring(points: int, at: datetime, balance: list[int]) -> dict:
    """What the event tells: so many points go at that time, of this balance."""
    names = ("available", "pending", "held", "debt", "version")
    return {"points": points, "at": instant(at), "balance": dict(zip(names, balance, strict=True))}
