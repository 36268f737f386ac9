"""Reconciliation: what should agree is compared, what does not is kept open until it agrees again.

Knowledge lives above (`RECONCILIATIONS` names generators of `Mismatch`), the engine is here. A reconciliation runs
once at a time wherever it is started; one that fails is recorded and does not stop the others.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from django.conf import settings
from django.db import connection, transaction
from django.utils.module_loading import import_string

from sync.ids import uuid7
from sync.models import Discrepancy, ReconciliationRun

logger = logging.getLogger(__name__)

BATCH = 1_000
LIMIT = "10min"  # per statement; the web's own limit is far too short for a whole ledger

FIND = """
INSERT INTO sync_discrepancy (id, reconciliation, subject, field, expected, found, first_seen_at, last_seen_at)
SELECT id, %s, subject, field, expected, found, clock_timestamp(), clock_timestamp()
FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[]) AS seen(id, subject, field, expected, found)
ON CONFLICT (reconciliation, subject, field) WHERE resolved_at IS NULL
DO UPDATE SET expected = EXCLUDED.expected, found = EXCLUDED.found, last_seen_at = EXCLUDED.last_seen_at
"""
RESOLVE = """
UPDATE sync_discrepancy SET resolved_at = clock_timestamp()
WHERE reconciliation = %s AND resolved_at IS NULL AND last_seen_at < %s
"""
UNDELIVERED = """
SELECT DISTINCT e.id, n.id, n.url
FROM sync_event e
JOIN sync_settled s ON s.event_id = e.id
JOIN LATERAL (
    SELECT own.id, own.group_id FROM sync_channel own WHERE own.code = e.data->>'channel'
    UNION
    SELECT seen_on.id, seen_on.group_id FROM sync_audience a JOIN sync_channel seen_on ON seen_on.id = a.channel_id
    WHERE a.subject = e.subject AND a.since <= e.time AND e.data->>'channel' IS NULL
) told ON e.only_for IS NULL OR told.group_id = ANY (e.only_for)
JOIN sync_channel c ON c.group_id = told.group_id AND c.is_active
JOIN sync_endpoint n ON n.channel_id = c.id AND n.is_active
WHERE e.time > now() - interval '1 day'
  AND (n.types = '{}' OR e.type = ANY (n.types)) AND e.actor <> 'channel/' || c.code
  AND s.at > (SELECT max(pgh_created_at) FROM sync_endpointevent h WHERE h.pgh_obj_id = n.id)
  AND s.at > (SELECT max(pgh_created_at) FROM sync_channelevent h WHERE h.pgh_obj_id IN (c.id, told.id))
  AND NOT EXISTS (SELECT FROM sync_delivery d WHERE d.event_id = e.id AND d.endpoint_id = n.id)
"""
UNSETTLED = """
SELECT e.id, e.time FROM sync_event e LEFT JOIN sync_settled s ON s.event_id = e.id
WHERE s.position IS NULL AND e.time BETWEEN now() - interval '1 day' AND now() - interval '1 minute'
"""
OVERDUE = """
SELECT d.id, d.next_at FROM sync_delivery d JOIN sync_endpoint n ON n.id = d.endpoint_id AND n.is_active
JOIN sync_channel c ON c.id = n.channel_id AND c.is_active
WHERE d.state = 'waiting' AND d.next_at < now() - interval '10 minutes'
  AND (d.leased_until IS NULL OR d.leased_until < now() - interval '10 minutes')
  AND NOT EXISTS (
    SELECT FROM sync_delivery head
    WHERE head.state = 'waiting' AND head.endpoint_id = d.endpoint_id AND head.subject = d.subject
      AND head.position < d.position)
"""


@dataclass(frozen=True)
class Mismatch:
    """Two things that should agree and do not: `subject` names what (account/<id>), `field` which side of it."""

    subject: str
    field: str
    expected: object
    found: object


def run_all() -> list[ReconciliationRun]:
    """Run every reconciliation of the settings once; those running elsewhere are left to whoever runs them."""
    return [ran for path in settings.RECONCILIATIONS if (ran := run(path))]


def run(path: str) -> ReconciliationRun | None:
    """Run one reconciliation and keep what it found; None when it is running elsewhere. A failure is recorded."""
    with transaction.atomic():
        if not _claimed(path):
            return None
        ran = ReconciliationRun(name=path, started_at=_now())
        try:
            with transaction.atomic():
                ran.found = _compare(path, import_string(path), ran.started_at)
        except Exception as error:
            logger.exception("Reconciliation %s failed", path)
            ran.error = f"{type(error).__name__}: {error}"[:2_000]
        ran.finished_at = _now()
        ran.save(force_insert=True)
    return ran


def drop_before(time: datetime) -> int:
    """Forget runs that began, and discrepancies that were resolved, before `time`. Returns how many."""
    over = Discrepancy.objects.filter(resolved_at__lt=time).delete()[0]
    return over + ReconciliationRun.objects.filter(started_at__lt=time).delete()[0]


def deliveries() -> Iterator[Mismatch]:
    """Every event settles within a minute, has a delivery for each endpoint that is due one, and none is forgotten.

    Looks one day back. An endpoint or channel changed after an event settled is not judged by it.
    """
    for event, since in _rows(UNSETTLED):
        yield Mismatch(f"event/{event}", "settled", "settled within a minute", f"waiting since {since:%m-%d %H:%M:%S}")
    for event, endpoint, url in _rows(UNDELIVERED):
        yield Mismatch(f"event/{event}", f"delivery/{endpoint}", f"a delivery to {url}"[:200], "none")
    for delivery, due in _rows(OVERDUE):
        yield Mismatch(f"delivery/{delivery}", "next_at", "tried when due", f"due since {due:%m-%d %H:%M:%S}")


def _compare(path: str, reconciliation: Callable[[], Iterator[Mismatch]], began: datetime) -> int:
    found, mismatches = 0, iter(reconciliation())
    while batch := list(islice(mismatches, BATCH)):
        unique = {(each.subject, each.field): each for each in batch}
        found += len(unique)
        _keep(path, list(unique.values()))
    with connection.cursor() as cursor:
        cursor.execute(RESOLVE, [path, began])
    return found


def _keep(path: str, batch: list[Mismatch]) -> None:
    columns = [
        [uuid7() for _each in batch],
        [each.subject[:120] for each in batch],
        [each.field[:60] for each in batch],
        [str(each.expected)[:200] for each in batch],
        [str(each.found)[:200] for each in batch],
    ]
    with connection.cursor() as cursor:
        cursor.execute(FIND, [path, *columns])


def _claimed(path: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = '{LIMIT}'")
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [f"reconcile {path}"])
        return cursor.fetchone()[0]


def _now() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return cursor.fetchone()[0]


def _rows(sql: str) -> Iterator[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        yield from cursor
