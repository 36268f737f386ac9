"""Small acts of the ground floor: who comes to see a subject, who ceases to."""

from collections.abc import Iterable
from functools import partial
from uuid import UUID

from django.db import connection, transaction

from sync.act import act
from sync.models import Audience, Channel

ADMIT = """
WITH admitted AS (
    INSERT INTO sync_audience (subject, channel_id) VALUES (%(subject)s, %(channel)s)
    ON CONFLICT (subject, channel_id) DO NOTHING
)
SELECT NOT EXISTS (
    SELECT FROM sync_audience a JOIN sync_channel c ON c.id = a.channel_id
    WHERE a.subject = %(subject)s AND c.group_id = %(group)s
)
"""
# What waits for a group that does not see its subject; what belongs to a channel (its data names it) is that one's.
LOST = """
FROM sync_delivery d JOIN sync_endpoint n ON n.id = d.endpoint_id JOIN sync_channel c ON c.id = n.channel_id
JOIN sync_event e ON e.id = d.event_id
WHERE d.subject = ANY (%s) AND d.state = 'waiting' AND e.data->>'channel' IS NULL AND NOT EXISTS (
    SELECT FROM sync_audience a JOIN sync_channel seen_on ON seen_on.id = a.channel_id
    WHERE a.subject = d.subject AND seen_on.group_id = c.group_id
)
"""
# What waited behind it, for the next try of what is withdrawn, is due.
WITHDRAW = f"""
WITH lost AS MATERIALIZED (
    SELECT d.id, d.endpoint_id, d.subject {LOST} {{which}}
), tries AS (
    DELETE FROM sync_attempt a USING lost WHERE a.delivery_id = lost.id
), gone AS (
    DELETE FROM sync_delivery d USING lost WHERE d.id = lost.id
), behind AS MATERIALIZED (
    SELECT d.id FROM (SELECT DISTINCT endpoint_id, subject FROM lost) queue JOIN sync_delivery d
        ON d.endpoint_id = queue.endpoint_id AND d.subject = queue.subject AND d.state = 'waiting'
    WHERE d.id NOT IN (SELECT id FROM lost) AND (d.leased_until IS NULL OR d.leased_until < now())
    FOR NO KEY UPDATE OF d SKIP LOCKED
)
UPDATE sync_delivery d SET next_at = clock_timestamp() FROM behind WHERE d.id = behind.id
"""  # noqa: S608 - constants
# An act waits for no courier, which may wait for it: what one holds just now is left for afterwards.
LOST_OF_SUBJECTS = WITHDRAW.format(which="FOR UPDATE OF d SKIP LOCKED")
LOST_ONE = WITHDRAW.format(which="AND d.id = ANY (%s) FOR UPDATE OF d")
SETTLED = "SELECT pg_advisory_xact_lock(hashtextextended('sync_settle', 0))"  # once no batch is under way


def admit(subject: str, channel: Channel) -> bool:
    """Let a channel, and with it its sharing group, see a subject. True when none of the group did before.

    Of several at once one is told so, if all of them lock what the subject is first.
    """
    with connection.cursor() as cursor:
        cursor.execute(ADMIT, {"subject": subject, "channel": channel.pk, "group": channel.group_id})
        return cursor.fetchone()[0]


@act
def dismiss(subjects: Iterable[str], channels: Iterable[UUID] | None = None) -> int:
    """Let these channels, all of them by default, see subjects no more. Returns how many ceased to see one.

    What waits to be sent to groups that see a subject no more is withdrawn; what a courier holds, which goes out within
    two seconds or not at all, comes to nothing. A part of an act that has locked what the subjects are.
    """
    seen = Audience.objects.filter(subject__in=list(subjects))
    if channels is not None:
        seen = seen.filter(channel__in=list(channels))
    ceased = list(seen.values_list("pk", "subject"))
    Audience.objects.filter(pk__in=[pk for pk, _subject in ceased]).delete()
    if lost := sorted({subject for _pk, subject in ceased}):
        _withdraw(LOST_OF_SUBJECTS, lost)
        transaction.on_commit(partial(_withdraw_the_rest, lost), robust=True)
    return len(ceased)


def _withdraw_the_rest(subjects: list[str]) -> None:
    """What the relay was just about to hand out by what it saw before, and what a courier held then.

    The relay is waited for outside the act: it must not wait for us. Rows are then taken one by one: who holds none
    may wait for any.
    """
    with connection.cursor() as cursor:
        cursor.execute(SETTLED)
        cursor.execute(f"SELECT d.id {LOST}", [subjects])
        left = [id for (id,) in cursor]
    for id in left:
        _withdraw(LOST_ONE, subjects, [id])


def _withdraw(sql: str, *parameters) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
