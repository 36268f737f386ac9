"""What is forgotten, and when. Deletes are batched and may be stopped at any time."""

from django.conf import settings
from django.db import connection

BATCH = 5_000
EVENTS = """
WITH old AS (SELECT id FROM sync_event WHERE time < now() - %s * interval '1 day' ORDER BY time LIMIT %s),
sent AS (SELECT d.id FROM sync_delivery d JOIN old ON old.id = d.event_id),
a AS (DELETE FROM sync_attempt USING sent WHERE delivery_id = sent.id),
d AS (DELETE FROM sync_delivery USING old WHERE event_id = old.id),
s AS (DELETE FROM sync_settled USING old WHERE event_id = old.id)
DELETE FROM sync_event USING old WHERE sync_event.id = old.id
"""
BATCHES = "DELETE FROM sync_batch WHERE at < now() - interval '1 day' AND id < (SELECT max(id) FROM sync_batch)"
BODIES = """
UPDATE sync_inboxmessage SET body = NULL
WHERE state = 'applied' AND applied_at < now() - interval '3 days' AND body IS NOT NULL
"""
MESSAGES = "DELETE FROM sync_inboxmessage WHERE received_at < now() - %s * interval '1 day'"


def drop_events() -> int:
    """Forget events older than EVENT_RETENTION_DAYS with their deliveries; streams keep their heads. Counts them."""
    dropped = 0
    while found := _run(EVENTS, settings.EVENT_RETENTION_DAYS, BATCH):
        dropped += found
    return dropped


def drop_batches() -> int:
    """Forget the relay's old snapshots; it needs the last one. Returns how many."""
    return _run(BATCHES)


def drop_messages() -> int:
    """Forget what was in messages applied three days ago, and after the retention the messages. Returns how many."""
    return _run(BODIES) + _run(MESSAGES, settings.EVENT_RETENTION_DAYS)


def _run(sql: str, *parameters) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.rowcount
