"""What is forgotten, and when. Deletes are batched and may be stopped at any time."""

from datetime import UTC, datetime
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import QuerySet

BATCH = 2_000
BEGIN = (datetime(2000, 1, 1, tzinfo=UTC), UUID(int=0))
# Of each stream a beginning goes, never a part in between: from the first event that must stay on, all stay. That is
# the first one that still waits to be delivered, or that somebody holds just now (who makes a delivery of it). What
# waits for an endpoint that is off waits no longer than that: it goes unsent, unless it is just being sent.
EVENTS = """
WITH old AS MATERIALIZED (
    SELECT e.id, e.subject, e.sequence, e.time FROM sync_event e
    WHERE e.time < now() - %(days)s * interval '1 day' AND (e.time, e.id) > (%(time)s, %(id)s)
    ORDER BY e.time, e.id LIMIT %(batch)s FOR UPDATE SKIP LOCKED
), free AS MATERIALIZED (
    SELECT old.* FROM old WHERE NOT EXISTS (
        SELECT FROM sync_delivery d
        JOIN sync_endpoint n ON n.id = d.endpoint_id JOIN sync_channel c ON c.id = n.channel_id
        WHERE d.event_id = old.id AND d.state = 'waiting' AND (n.is_active AND c.is_active OR d.leased_until > now())
    )
), stays AS MATERIALIZED (
    SELECT about.subject, first.sequence
    FROM (SELECT subject, array_agg(id) AS ids FROM free GROUP BY subject) about CROSS JOIN LATERAL (
        SELECT e.sequence FROM sync_event e WHERE e.subject = about.subject AND e.id <> ALL (about.ids)
        ORDER BY e.sequence LIMIT 1
    ) first
), gone AS MATERIALIZED (
    SELECT free.id FROM free LEFT JOIN stays USING (subject)
    WHERE stays.sequence IS NULL OR free.sequence < stays.sequence
), tries AS (
    DELETE FROM sync_attempt a USING sync_delivery d, gone WHERE a.delivery_id = d.id AND d.event_id = gone.id
), deliveries AS (
    DELETE FROM sync_delivery d USING gone WHERE d.event_id = gone.id
), places AS (
    DELETE FROM sync_settled s USING gone WHERE s.event_id = gone.id RETURNING s.position
), horizon AS (
    INSERT INTO sync_horizon AS h (id, position) SELECT 1, max(position) FROM places HAVING count(*) > 0
    ON CONFLICT (id) DO UPDATE SET position = greatest(h.position, EXCLUDED.position), at = now()
), events AS (
    DELETE FROM sync_event e USING gone WHERE e.id = gone.id RETURNING 1
)
SELECT (SELECT count(*) FROM events), last.time, last.id
FROM (SELECT time, id FROM old ORDER BY time DESC, id DESC LIMIT 1) last
"""
BATCHES = "DELETE FROM sync_batch WHERE at < now() - interval '1 day' AND id < (SELECT max(id) FROM sync_batch)"
BODIES = """
UPDATE sync_inboxmessage SET body = NULL WHERE id = ANY (ARRAY(
    SELECT id FROM sync_inboxmessage
    WHERE state = 'applied' AND body IS NOT NULL AND applied_at < now() - interval '3 days'
    ORDER BY applied_at LIMIT %s FOR UPDATE SKIP LOCKED))
"""
# Ids rise with time. What is not applied waits for a person or for what it is about: it is kept.
MESSAGES = """
WITH old AS MATERIALIZED (
    SELECT id, state FROM sync_inboxmessage
    WHERE id > %s AND received_at < now() - %s * interval '1 day' ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM sync_inboxmessage m USING old
    WHERE m.id = old.id AND old.state = 'applied' RETURNING 1
)
SELECT (SELECT count(*) FROM gone), (SELECT id FROM old ORDER BY id DESC LIMIT 1)
"""
REPLAYS = "DELETE FROM sync_replay WHERE finished_at < now() - %s * interval '1 day'"


def drop_events() -> int:
    """Forget events older than EVENT_RETENTION_DAYS with their deliveries; streams keep their heads. Counts them.

    What still waits to be delivered stays, and with it what came after it on its stream; but nothing stays for an
    endpoint or a channel that is off. Some at a time, each time in a transaction of its own that waits for nobody:
    nobody waits for it longer than that takes.
    """
    dropped, (time, id) = 0, BEGIN
    while time is not None:
        count, time, id = _drop(time, id)
        dropped += count
    return dropped


def _drop(time: datetime, id: UUID) -> tuple[int, datetime | None, UUID | None]:
    """Look at the next events after that one; how many of them went, and the last of them."""
    named = {"days": settings.EVENT_RETENTION_DAYS, "time": time, "id": id, "batch": BATCH}
    with connection.cursor() as cursor:
        cursor.execute(EVENTS, named)
        return cursor.fetchone() or (0, None, None)


def drop_batches() -> int:
    """Forget the relay's old snapshots; it needs the last one. Returns how many."""
    return _run(BATCHES)


def drop_messages() -> int:
    """Forget what was in messages applied three days ago, and after the retention the messages. Returns how many.

    Some at a time, as events.
    """
    dropped = 0
    while (count := _run(BODIES, BATCH)) == BATCH:
        dropped += count
    dropped, last = dropped + count, UUID(int=0)
    while last is not None:
        count, last = _drop_messages(last)
        dropped += count
    return dropped


def _drop_messages(last: UUID) -> tuple[int, UUID | None]:
    """Look at the next messages after that one; how many of them went, and the last of them."""
    with connection.cursor() as cursor:
        cursor.execute(MESSAGES, [last, settings.EVENT_RETENTION_DAYS, BATCH])
        return cursor.fetchone()


def in_batches(old: QuerySet) -> int:
    """Delete the rows of a query, some at a time, each time in a transaction of its own. Returns how many."""
    dropped = 0
    while count := old.model.objects.filter(pk__in=old.values("pk")[:BATCH]).delete()[0]:
        dropped += count
    return dropped


def drop_replays() -> int:
    """Forget what staff had sent again, once it is over as long ago as its events are forgotten. Returns how many."""
    return _run(REPLAYS, settings.EVENT_RETENTION_DAYS)


def _run(sql: str, *parameters) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.rowcount
