"""The dashboard's figures: what changes by the second is asked each time, what is counted over whole tables rarely.

A count is kept thirty times as long as it took, so that counting never takes more than a thirtieth of one core.
"""

import threading
from collections.abc import Callable
from datetime import datetime
from time import monotonic
from uuid import UUID

from django.db import connection
from django.utils import timezone

from sync import notices
from sync.models import Alert, Discrepancy, Heartbeat

SHORTEST, TIMES = 2.0, 30  # seconds that a count is kept at least; times its own duration
FEW, MANY = 5, 10_000

SUCCESS = """
SELECT count(*), count(*) FILTER (WHERE status BETWEEN 200 AND 299) FROM sync_attempt
WHERE at > now() - make_interval(secs => %s)
"""
SETTLED = """
SELECT percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY extract(epoch FROM s.at - e.time) * 1000)
FROM (SELECT id, time FROM sync_event WHERE time > now() - interval '5 minutes' ORDER BY time DESC LIMIT 5000) e
JOIN sync_settled s ON s.event_id = e.id
"""
DELIVERED = """
SELECT percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY extract(epoch FROM d.finished_at - e.time) * 1000)
FROM (SELECT event_id, finished_at FROM sync_delivery
    WHERE finished_at > now() - interval '5 minutes' AND state = 'delivered' ORDER BY finished_at DESC LIMIT 5000) d
JOIN sync_event e ON e.id = d.event_id
"""
BACKLOG = f"""
SELECT (SELECT count(*) FROM (SELECT FROM sync_delivery WHERE state = 'waiting' LIMIT {MANY}) x),
    (SELECT count(*) FROM (SELECT FROM sync_inboxmessage WHERE state = 'waiting' LIMIT {MANY}) x),
    (SELECT count(*) FROM (SELECT FROM sync_event e LEFT JOIN sync_settled s ON s.event_id = e.id
        WHERE e.time > now() - interval '10 minutes' AND s.position IS NULL LIMIT {MANY}) x)
"""  # noqa: S608 - a number of ours
CHANNELS = """
WITH people AS (
    SELECT home_channel_id AS channel, count(*) AS members, count(*) FILTER (WHERE created_at >= %(today)s) AS joined
    FROM members_member GROUP BY 1
), booked AS (
    SELECT channel_id AS channel, count(*) AS orders FROM orders_order GROUP BY 1
), sold AS (
    SELECT channel_id AS channel, count(*) FILTER (WHERE placed_at >= %(today)s) AS placed,
        sum(paid_fen) FILTER (WHERE paid_at >= %(today)s) AS paid_fen
    FROM orders_order WHERE updated_at >= %(today)s GROUP BY 1
), given AS (
    SELECT channel_id AS channel, sum(available + pending) FILTER (WHERE available + pending > 0) AS earned,
        -sum(available + pending) FILTER (WHERE available + pending < 0) AS spent
    FROM loyalty_entry WHERE id >= %(first_id)s AND created_at >= %(today)s GROUP BY 1
), pushed AS (
    SELECT n.channel_id AS channel, count(*) AS attempts,
        count(*) FILTER (WHERE a.status BETWEEN 200 AND 299) AS arrived
    FROM sync_attempt a JOIN sync_delivery d ON d.id = a.delivery_id JOIN sync_endpoint n ON n.id = d.endpoint_id
    WHERE a.at > now() - interval '5 minutes' GROUP BY 1
), waits AS (
    SELECT n.channel_id AS channel, count(*) AS waiting
    FROM (SELECT endpoint_id FROM sync_delivery WHERE state = 'waiting' LIMIT 10000) d
    JOIN sync_endpoint n ON n.id = d.endpoint_id GROUP BY 1
)
SELECT c.code, c.name, c.is_active, coalesce(members, 0) AS members, coalesce(joined, 0) AS joined,
    coalesce(orders, 0) AS orders, coalesce(placed, 0) AS placed, coalesce(paid_fen, 0)::bigint AS paid_fen,
    coalesce(earned, 0)::bigint AS earned, coalesce(spent, 0)::bigint AS spent,
    coalesce(attempts, 0) AS attempts, coalesce(arrived, 0) AS arrived, coalesce(waiting, 0) AS waiting
FROM sync_channel c
LEFT JOIN people ON people.channel = c.id LEFT JOIN booked ON booked.channel = c.id
LEFT JOIN sold ON sold.channel = c.id LEFT JOIN given ON given.channel = c.id
LEFT JOIN pushed ON pushed.channel = c.id LEFT JOIN waits ON waits.channel = c.id
ORDER BY c.is_active DESC, members DESC NULLS LAST, c.code
"""
MINUTES = """
SELECT to_char(m AT TIME ZONE 'Asia/Shanghai', 'HH24:MI') AS at, coalesce(e.n, 0) AS events,
    coalesce(a.arrived, 0) AS arrived, coalesce(a.failed, 0) AS failed
FROM generate_series(date_trunc('minute', now()) - interval '59 minutes', now(), interval '1 minute') m
LEFT JOIN (SELECT date_trunc('minute', time) AS at, count(*) AS n FROM sync_event
    WHERE time > now() - interval '1 hour' GROUP BY 1) e ON e.at = m
LEFT JOIN (SELECT date_trunc('minute', at) AS at, count(*) FILTER (WHERE status BETWEEN 200 AND 299) AS arrived,
    count(*) FILTER (WHERE status IS NULL OR status NOT BETWEEN 200 AND 299) AS failed
    FROM sync_attempt WHERE at > now() - interval '1 hour' GROUP BY 1) a ON a.at = m
ORDER BY m
"""
POINTS = "SELECT coalesce(sum(available + pending + held), 0)::bigint FROM loyalty_account"


class Kept:
    """A value that is computed again when it is old, by one thread while the others use the last one."""

    def __init__(self, compute: Callable[[], dict]):
        self.compute, self.value, self.until = compute, None, 0.0
        self.lock = threading.Lock()

    def __call__(self) -> dict:
        if self.value is None or monotonic() >= self.until:
            with self.lock:
                if self.value is None or monotonic() >= self.until:
                    began = monotonic()
                    self.value = self.compute()
                    self.until = monotonic() + max(SHORTEST, TIMES * (monotonic() - began))
        return self.value


def figures() -> dict:
    """All that the dashboard shows, as JSON; times in milliseconds, money in fen."""
    return {"at": timezone.now().isoformat(), "sync": _now(), "watch": _watch(), **counted()}


def _counted() -> dict:
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    today = {"today": midnight, "first_id": _first_id(midnight)}
    channels = _rows(CHANNELS, today)
    return {
        "channels": channels,
        "totals": {
            "members": sum(each["members"] for each in channels),
            "orders": sum(each["orders"] for each in channels),
            "points": _row(POINTS)[0],
        },
        "minutes": _rows(MINUTES),
        "hour": _rate(3600),
    }


counted = Kept(_counted)


def _now() -> dict:
    deliveries, inbox, unsettled = _row(BACKLOG)
    return {
        "success": _rate(300),
        "settled": _row(SETTLED)[0] or [None, None],
        "delivered": _row(DELIVERED)[0] or [None, None],
        "backlog": {"deliveries": deliveries, "inbox": inbox, "unsettled": unsettled, "many": MANY},
    }


def _watch() -> dict:
    alerts = Alert.objects.filter(resolved_at=None).select_related("rule").order_by("-id")
    found = Discrepancy.objects.filter(resolved_at=None).order_by("-id")
    beats = Heartbeat.objects.order_by("name")[:20]
    return {
        "alerts": [
            {"name": each.rule.name, "about": notices.about(each.subject), "at": each.opened_at.isoformat()}
            for each in alerts[:FEW]
        ],
        "alerts_open": alerts[:MANY].count(),
        "discrepancies": [
            {"subject": each.subject, "field": each.field, "expected": each.expected, "found": each.found}
            for each in found[:FEW]
        ],
        "discrepancies_open": found[:MANY].count(),
        "processes": [{"name": each.name, "seen": each.at.isoformat()} for each in beats],
    }


def _rate(seconds: int) -> dict:
    attempts, arrived = _row(SUCCESS, [seconds])
    return {"attempts": attempts, "rate": arrived / attempts if attempts else None}


def _first_id(moment: datetime) -> UUID:
    """The lowest id that a row made at or after a moment can have."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)


def _row(sql: str, parameters=None) -> tuple:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchone()


def _rows(sql: str, parameters=None) -> list[dict]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]
