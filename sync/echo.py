"""Echo: what the hub told is not told back to it as news.

An id that the hub gave to a fact is never a channel's message id, nor has a message a place in a stream: what does is
the hub's own webhook, reflected. A receiver that reacts to a fact carries on its `correlationid`: a backend that tells
in a chain what it told there before, after another one of its sharing group told it, is heard no more about that
subject in that chain. Receivers that say nothing of the kind are known by what they do (`sync/turns.py`). Whatever goes
round ends in quarantine, where a person sees it and may let it through.

Only backends of one sharing group hear each other, and none of them can react to what was recorded after it had sent
its message: neither others nor what came later make an echo of anybody's fact.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import connection

from sync import prepared, turns
from sync.events import Recorded
from sync.ids import REQUEST_ID, as_uuid, made_at
from sync.models import Channel, Event, ForwardedPush, InboxMessage

ECHO = "echo"
CHAIN = timedelta(hours=24)  # from its beginning on, for chains that the hub began
# Whether a backend tells a type in a chain again after another one told it; about which subjects backends took turns.
# No more is read than the newest facts of each stream.
LOOK = f"""
SELECT coalesce(bool_or(has_returned), false), coalesce(array_agg(subject) FILTER (WHERE turns >= %(turns)s), '{{}}')
FROM (
    SELECT subject, count(*) FILTER (WHERE is_turn) AS turns,
        min(sequence) FILTER (WHERE is_carried AND is_mine) < max(sequence) FILTER (WHERE is_carried AND NOT is_mine)
            AS has_returned
    FROM (
        SELECT e.subject, e.sequence, e.actor = %(me)s AS is_mine,
            %(chain)s::text <> '' AND e.correlation_id = %(chain)s AS is_carried,
            e.actor <> lag(e.actor) OVER (PARTITION BY e.subject ORDER BY e.sequence)
                AND e.time > %(until)s::timestamptz - interval '{turns.WITHIN}' AS is_turn
        FROM unnest(%(subjects)s::text[]) AS told(subject)
        JOIN sync_stream s ON s.subject = told.subject
        JOIN sync_event e ON e.subject = s.subject AND e.sequence > s.head - {turns.LOOKED_AT}
        WHERE e.type = %(type)s AND e.time < %(until)s::timestamptz
            AND e.time > %(until)s::timestamptz - interval '24 hours'
            AND e.actor IN (SELECT 'channel/' || code FROM sync_channel WHERE group_id = %(group)s)
    ) AS recent GROUP BY subject
) AS judged
"""  # noqa: S608 - constants
# The same of guest orders: each begins a stream of its own.
LOOK_AT_CHAIN = """
SELECT min(written) FILTER (WHERE actor = %(me)s) < max(written) FILTER (WHERE actor <> %(me)s)
FROM (
    SELECT e.written, e.actor, e.type, e.time, e.sequence FROM sync_event e
    WHERE e.correlation_id = %(chain)s AND e.correlation_id <> '' LIMIT 2000
) AS chain
WHERE sequence = 1 AND type = %(type)s AND time < %(until)s::timestamptz
    AND actor IN (SELECT 'channel/' || code FROM sync_channel WHERE group_id = %(group)s)
"""


class Loop(Exception):
    """What is about to be told goes round between channels."""


def issued(names: Iterable[str]) -> set[str]:
    """Which of these message ids the hub itself gave to something it told, however they are spelled."""
    spelled = {name: found for name in names if (found := as_uuid(name))}
    if not spelled:
        return set()
    ids = set(spelled.values())
    known = {*Event.objects.filter(pk__in=ids).values_list("pk", flat=True)}
    known |= {*ForwardedPush.objects.filter(pk__in=ids).values_list("pk", flat=True)}
    return {name for name, found in spelled.items() if found in known}


def chain_of(told: dict) -> str:
    """The correlation of what the sender of an event reacts to, where it says so in a form that is ours."""
    given = told.get("correlationid")
    return given if isinstance(given, str) and REQUEST_ID.fullmatch(given) else ""


def refuse_loops(channel: Channel, message: InboxMessage, chain: str) -> None:
    """Refuse what the act at hand is about to tell, for this message of a channel, if it goes round; raises Loop.

    Not what a person let through.
    """
    if _goes_round(channel, message, chain) and not message.replays.filter(problem=ECHO).exists():
        raise Loop


def _goes_round(channel: Channel, message: InboxMessage, chain: str) -> bool:
    facts = [hook[1] for hook in connection.run_on_commit if isinstance(hook[1], Recorded)]
    facts = [fact for fact in facts if fact.type == message.type] or facts  # else all that came of it
    known = {"me": f"channel/{channel.code}", "group": channel.group_id, "chain": chain, "until": message.received_at}
    for type in sorted({fact.type for fact in facts}):
        told = [fact for fact in facts if fact.type == type]
        subjects = sorted({fact.subject for fact in told})
        asked = known | {"type": type, "subjects": subjects, "turns": turns.TURNS}
        ((has_returned, suspected),) = prepared.run(LOOK, asked)
        if has_returned or any(turns.are_taken(fact, known) for fact in told if fact.subject in suspected):
            return True
        if _is_ours(chain, message.received_at) and any(each.startswith("order/") for each in subjects):
            ((has_returned,),) = prepared.run(LOOK_AT_CHAIN, asked)
            if has_returned:
                return True
    return False


def _is_ours(chain: str, now: datetime) -> bool:
    """Whether the hub began this chain, and not long ago: nobody can have meant it for anything else."""
    began = made_at(chain)
    return began is not None and abs(now - began) < CHAIN
