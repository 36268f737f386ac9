"""Echo: what the hub told is not told back to it as news.

An id that the hub gave to a fact is never a channel's message id, nor has a message a place in a stream: what does is
the hub's own webhook, reflected. A receiver that reacts to a fact carries on its `correlationid`; a chain that comes
back to where it has been ends there, in quarantine, where a person sees it. Receivers that say nothing of the kind are
known by what they do: channels that take turns in telling one thing about one subject, as no person could.
"""

from collections.abc import Iterable
from uuid import UUID

from django.db import connection

from sync import prepared
from sync.events import Recorded
from sync.models import Event, ForwardedPush

ECHO = "echo"
TURNS = 16  # that senders may take in one chain, or in an hour in telling one type of fact about one subject

# In a chain a sender tells this type again after another one told it; or senders took turns for too long.
CAME_BACK = """
SELECT asked.chain, asked.type
FROM unnest(%(chains)s::text[], %(types)s::text[]) AS asked(chain, type)
WHERE EXISTS (
    SELECT FROM sync_inboxmessage mine JOIN sync_inboxmessage theirs
        ON theirs.correlation_id = mine.correlation_id AND theirs.type = mine.type AND theirs.id > mine.id
    WHERE mine.correlation_id = asked.chain AND mine.type = asked.type AND mine.sender = %(sender)s
        AND theirs.sender <> %(sender)s AND theirs.state = 'applied'
) OR (
    SELECT count(*) FROM (
        SELECT sender <> lag(sender) OVER (ORDER BY id) AS is_turn FROM sync_inboxmessage
        WHERE correlation_id = asked.chain AND state = 'applied'
    ) AS told WHERE is_turn
) >= %(turns)s
"""
LOOP = """
SELECT count(*) FROM unnest(%s::text[], %s::text[]) AS told(subject, type) WHERE (
    SELECT count(*) FROM (
        SELECT e.source <> lag(e.source) OVER (ORDER BY e.sequence) AS is_turn
        FROM sync_stream s JOIN sync_event e ON e.subject = s.subject AND e.sequence > s.head - 300
        WHERE s.subject = told.subject AND e.type = told.type AND e.time > clock_timestamp() - interval '1 hour'
    ) AS recent WHERE is_turn
) >= %s
"""


class Loop(Exception):
    """What is about to be told goes round between channels."""


def issued(names: Iterable[str]) -> set[str]:
    """Which of these message ids the hub itself gave to something it told, however they are spelled."""
    spelled = {name: found for name in names if (found := _as_uuid(name))}
    if not spelled:
        return set()
    ids = set(spelled.values())
    known = {*Event.objects.filter(pk__in=ids).values_list("pk", flat=True)}
    known |= {*ForwardedPush.objects.filter(pk__in=ids).values_list("pk", flat=True)}
    return {name for name, found in spelled.items() if found in known}


def came_back(sender: str, told: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """Which of these (chain, type) the sender is to be heard with no more; one that begins a chain is no echo."""
    carried = sorted({(chain, type) for chain, type in told if chain})
    if not carried:
        return set()
    chains, types = ([*column] for column in zip(*carried, strict=True))
    with connection.cursor() as cursor:
        cursor.execute(CAME_BACK, {"chains": chains, "types": types, "sender": sender, "turns": TURNS})
        return set(cursor.fetchall())


def refuse_loops() -> None:
    """Refuse what the act at hand is about to tell if channels have taken turns in telling it; raises Loop."""
    hooks = (hook[1] for hook in connection.run_on_commit)
    told = sorted({(fact.subject, fact.type) for fact in hooks if isinstance(fact, Recorded)})
    if not told:
        return
    subjects, types = ([*column] for column in zip(*told, strict=True))
    ((found,),) = prepared.run(LOOP, [subjects, types, TURNS])
    if found:
        raise Loop


def _as_uuid(name: str) -> UUID | None:
    try:
        return UUID(name)
    except ValueError:
        return None
