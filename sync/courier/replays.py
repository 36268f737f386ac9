"""Sending again what staff ask for: the same events under the same ids, in order, to an endpoint that is on.

Chosen deliveries wait anew at once. A range of the one order is queued by the courier page by page, a page whenever
the endpoint has worked off the one before: fresh facts do not wait behind it, and a courier that dies loses nothing.
Nobody is sent what its channel may not see now, nor anything older than 14 days.
"""

from datetime import datetime, timedelta
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from sync.clock import Clock
from sync.courier import DOORBELL
from sync.models import Endpoint, Replay

REACH = timedelta(days=14)
MOST = 1_000  # deliveries that are chosen one by one
PAGE = 500

# Whether the endpoint's channel may see the event (`e`) now, and could when it happened: as the relay fans out.
TOLD = """
e.time > now() - interval '14 days' AND e.actor <> 'channel/' || c.code
AND e.data->>'history' IS DISTINCT FROM 'true' AND (e.only_for IS NULL OR c.group_id = ANY (e.only_for)) AND CASE
    WHEN e.data->>'channel' IS NULL THEN EXISTS (
        SELECT FROM sync_audience a JOIN sync_channel seen_on ON seen_on.id = a.channel_id
        WHERE a.subject = e.subject AND a.since <= e.time AND seen_on.group_id = c.group_id)
    ELSE EXISTS (SELECT FROM sync_channel own WHERE own.code = e.data->>'channel' AND own.group_id = c.group_id) END
"""
WAIT = "state = 'waiting', next_at = clock_timestamp(), finished_at = NULL, lease = NULL, leased_until = NULL"

# What is under way now is left alone; what waits for its next try is tried at once.
CHOSEN = f"""
WITH chosen AS (
    SELECT d.id FROM sync_delivery d JOIN sync_event e ON e.id = d.event_id
    JOIN sync_endpoint n ON n.id = d.endpoint_id AND n.is_active
    JOIN sync_channel c ON c.id = n.channel_id AND c.is_active
    WHERE d.id = ANY (%s) AND (d.leased_until IS NULL OR d.leased_until < now()) AND {TOLD}
    ORDER BY d.position FOR NO KEY UPDATE OF d SKIP LOCKED
)
UPDATE sync_delivery d SET {WAIT}, attempts = CASE d.state WHEN 'waiting' THEN d.attempts ELSE 0 END
FROM chosen WHERE d.id = chosen.id RETURNING d.id, d.endpoint_id, d.position
"""  # noqa: S608 - constants

STEP = f"""
WITH job AS MATERIALIZED (
    SELECT r.*, n.types, n.channel_id FROM sync_replay r JOIN sync_endpoint n ON n.id = r.endpoint_id AND n.is_active
    JOIN sync_channel c ON c.id = n.channel_id AND c.is_active
    WHERE r.finished_at IS NULL AND (
        SELECT count(*) FROM (
            SELECT FROM sync_delivery w WHERE w.endpoint_id = r.endpoint_id AND w.state = 'waiting' LIMIT {PAGE}
        ) waiting) < {PAGE}
    ORDER BY r.id LIMIT 1 FOR NO KEY UPDATE OF r SKIP LOCKED
), page AS MATERIALIZED (
    SELECT s.* FROM job CROSS JOIN LATERAL (
        SELECT position, event_id FROM sync_settled
        WHERE position > job.reached AND position <= job.last ORDER BY position LIMIT {PAGE}
    ) s
), told AS MATERIALIZED (
    SELECT p.position, e.id, e.subject
    FROM page p JOIN sync_event e ON e.id = p.event_id CROSS JOIN job JOIN sync_channel c ON c.id = job.channel_id
    WHERE (job.types = '{{}}' OR e.type = ANY (job.types)) AND {TOLD}
), there AS (
    SELECT d.id FROM told t CROSS JOIN job JOIN sync_delivery d ON d.event_id = t.id AND d.endpoint_id = job.endpoint_id
    WHERE d.state = 'dead' OR (d.state = 'delivered' AND job.is_whole AND d.finished_at < job.created_at)
    ORDER BY d.position FOR NO KEY UPDATE OF d SKIP LOCKED
), again AS (
    UPDATE sync_delivery d SET {WAIT}, attempts = 0 FROM there WHERE d.id = there.id RETURNING d.id
), never_sent AS (
    INSERT INTO sync_delivery (event_id, endpoint_id, subject, position, state, attempts)
    SELECT t.id, job.endpoint_id, t.subject, t.position, 'waiting', 0 FROM told t CROSS JOIN job ORDER BY t.position
    ON CONFLICT (event_id, endpoint_id) DO NOTHING RETURNING id
), queued AS (
    SELECT (SELECT count(*) FROM again) + (SELECT count(*) FROM never_sent) AS many
)
UPDATE sync_replay r SET
    queued = r.queued + queued.many, reached = coalesce((SELECT max(position) FROM page), r.last),
    finished_at = CASE WHEN (SELECT count(*) FROM page) < {PAGE} THEN clock_timestamp() END
FROM job, queued WHERE r.id = job.id RETURNING queued.many AS queued
"""  # noqa: S608 - constants

ENDS = "SELECT coalesce(min(position), 1), coalesce(max(position), 0) FROM sync_settled"
GIVEN = "SELECT position, at FROM sync_settled WHERE position >= %s ORDER BY position LIMIT 1"


class NotReplayed(Exception):
    """It cannot be sent again; the message is for whoever asked."""


@transaction.atomic
def resend(deliveries: list[int], *, by: str, reason: str) -> int:
    """Let chosen deliveries wait anew, due now. Returns how many; raises NotReplayed.

    Left alone is what is under way, older than 14 days, of an endpoint that is off, or no more the channel's to see.
    """
    if not reason.strip():
        raise NotReplayed(_("Say why"))
    if len(deliveries) > MOST:
        raise NotReplayed(_("At most {most} at once: replay a range instead").format(most=MOST))
    chosen: dict[UUID, list[tuple[int, int]]] = {}
    with connection.cursor() as cursor:
        cursor.execute(CHOSEN, [deliveries])
        for delivery, endpoint, position in cursor:
            chosen.setdefault(endpoint, []).append((position, delivery))
    Replay.objects.bulk_create(_done(endpoint, sorted(found), by, reason) for endpoint, found in chosen.items())
    transaction.on_commit(_ring, robust=True)
    return sum(map(len, chosen.values()))


def ask(
    endpoint: Endpoint,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    first: int | None = None,
    last: int | None = None,
    is_whole: bool = False,
    by: str,
    reason: str,
) -> Replay:
    """Ask for a range, by the time at which the relay put events in order or by position; all there is without either.

    Without `is_whole` only what failed for good or was never sent. One at a time for each endpoint; raises NotReplayed.
    """
    oldest = timezone.now() - REACH
    if not reason.strip():
        raise NotReplayed(_("Say why"))
    if since and since < oldest:
        raise NotReplayed(_("At most 14 days back"))
    if not endpoint.is_active:
        raise NotReplayed(_("The endpoint is off: switch it on first"))
    low, high = _ends()
    first = max(first or low, first_since(since or oldest))
    last = min(last or high, first_since(until) - 1 if until else high)
    if last < first:
        raise NotReplayed(_("There is nothing in this range"))
    known = {"first": first, "last": last, "reached": first - 1, "is_whole": is_whole, "by": by, "reason": reason}
    try:
        with transaction.atomic():
            made = Replay.objects.create(endpoint=endpoint, **known)
    except IntegrityError as error:
        if "replay_one_at_a_time" not in str(error):
            raise
        raise NotReplayed(_("A replay of this endpoint is under way")) from error
    transaction.on_commit(_ring, robust=True)
    return made


def stop(replay: UUID) -> bool:
    """Queue nothing more of a range; what is queued goes out. Returns whether it was under way."""
    return bool(Replay.objects.filter(pk=replay, finished_at=None).update(finished_at=Clock()))


def first_since(moment: datetime) -> int:
    """The first position that was given at `moment` or later; the one after the last when there is none."""
    low, high = _ends()
    high += 1
    while low < high:
        middle = (low + high) // 2
        with connection.cursor() as cursor:
            cursor.execute(GIVEN, [middle])
            position, at = cursor.fetchone()
        low, high = (low, middle) if at >= moment else (position + 1, high)
    return low


def _done(endpoint: UUID, found: list[tuple[int, int]], by: str, reason: str) -> Replay:
    first, last = found[0][0], found[-1][0]
    known = {"chosen": [delivery for _position, delivery in found], "queued": len(found), "finished_at": Clock()}
    return Replay(
        endpoint_id=endpoint, first=first, last=last, reached=last, is_whole=True, by=by, reason=reason, **known
    )


def _ends() -> tuple[int, int]:
    with connection.cursor() as cursor:
        cursor.execute(ENDS)
        return cursor.fetchone()


def _ring() -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"NOTIFY {DOORBELL}")
