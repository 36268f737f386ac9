"""Backends that take turns in telling one thing about one subject, as nobody does who tells news of their own.

A mirror that marks nothing is known by this: it tells the same thing again and again, each time after it was told what
another backend made of it. Who works on one member beside another does not: it tells of this order, then of that one,
many in one request, or before it can have heard of the other's.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

import orjson
from django.db import connection

from sync.events import Recorded

TURNS = 16  # that two backends may take in telling each its one thing about a subject, within:
WITHIN = "1 hour"
LOOKED_AT = 300  # facts of a stream, at most
# With whom it came to, and when: tried to be delivered, or not to be delivered and to be read in the feed since then.
FACTS = f"""
SELECT e.actor, e.correlation_id, e.time, t.at, heard.at,
    e.data -> 'number', e.data -> 'total_fen', e.data -> 'changed', e.data #> '{{entry,points}}'
FROM sync_stream s
JOIN sync_event e ON e.subject = s.subject AND e.sequence > s.head - {LOOKED_AT}
LEFT JOIN sync_settled t ON t.event_id = e.id
LEFT JOIN LATERAL (
    SELECT jsonb_object_agg(told.actor, told.at) AS at FROM (
        SELECT 'channel/' || c.code AS actor, min(least(a.at, d.finished_at)) AS at
        FROM sync_delivery d JOIN sync_endpoint p ON p.id = d.endpoint_id JOIN sync_channel c ON c.id = p.channel_id
        LEFT JOIN sync_attempt a ON a.delivery_id = d.id
        WHERE d.event_id = e.id GROUP BY c.code
    ) AS told
) AS heard ON true
WHERE s.subject = %(subject)s AND e.type = %(type)s
    AND e.time < %(until)s::timestamptz AND e.time > %(until)s::timestamptz - interval '{WITHIN}'
    AND e.actor IN (SELECT 'channel/' || code FROM sync_channel WHERE group_id = %(group)s)
ORDER BY e.sequence
"""  # noqa: S608 - constants


@dataclass(frozen=True)
class Told:
    """A fact that a backend told in a request; `thing` is what of, `heard` when each backend came to know it."""

    actor: str
    request: str
    at: datetime
    thing: str
    heard: dict[str, datetime | None] = field(default_factory=dict)
    settled_at: datetime | None = None

    @property
    def occasion(self) -> tuple:
        """What is told at once is told at one: a request, as far as it is applied within a minute."""
        return self.actor, self.request, self.at.replace(second=0, microsecond=0)

    def was_known_to(self, later: "Told") -> bool:
        """Whether a later fact can be what a backend made of this one."""
        known = self.heard.get(later.actor, self.settled_at)
        return known is not None and known < later.at


def are_taken(fact: Recorded, known: dict) -> bool:
    """Whether a fact that `me` is about to tell would go on with turns that were taken for too long.

    `known` are me, the sharing group, and until when facts count.
    """
    data = fact.data() if callable(fact.data) else fact.data
    thing = thing_of(fact.type, orjson.loads(orjson.dumps(data, default=str)))
    with connection.cursor() as cursor:
        cursor.execute(FACTS, known | {"subject": fact.subject, "type": fact.type})
        facts = [_told(fact.type, row) for row in cursor.fetchall()]
    return most(facts, known["me"], thing) >= TURNS


def most(facts: Iterable[Told], me: str, thing: str) -> int:
    """The turns that I took with another one, I in telling this thing and it in telling one of its own; none once it
    was I who told it last. Facts come in their order."""
    facts = list(_by_occasion(facts))
    found = 0
    for other in {(each.actor, each.thing) for each in facts if each.actor != me}:
        pair = [each for each in facts if (each.actor, each.thing) in {(me, thing), other}]
        if pair[-1].actor != me:
            found = max(found, _turns(pair))
    return found


def thing_of(type: str, data: dict) -> str:
    """What a fact tells of, by the contract's words: its order, the fields that changed, so many points.

    An order that is placed is always another one: it is known by its total.
    """
    order = data.get("total_fen") if type == "order.placed" else data.get("number")
    points = (data.get("entry") or {}).get("points")
    return str([each for each in (order, data.get("changed"), points) if each is not None])


def _turns(pair: list[Told]) -> int:
    """How often the one told after the other had, and can have known."""
    found, run = 0, pair[:1]
    for each in pair[1:]:
        if each.actor == run[-1].actor:
            run.append(each)
            continue
        found += any(before.was_known_to(each) for before in run)
        run = [each]
    return found


def _by_occasion(facts: Iterable[Told]) -> Iterator[Told]:
    """The first of each thing that was told at one time."""
    seen = set()
    for each in facts:
        if (each.occasion, each.thing) not in seen:
            seen.add((each.occasion, each.thing))
            yield each


def _told(type: str, row: tuple) -> Told:
    """A row of the statement; what is JSON comes as its text."""
    actor, request, at, settled_at, *told = row
    heard, number, total, changed, points = (each and orjson.loads(each) for each in told)
    known = {name: when and datetime.fromisoformat(when) for name, when in (heard or {}).items()}
    data = {"number": number, "total_fen": total, "changed": changed, "entry": {"points": points}}
    return Told(actor, request, at, thing_of(type, data), known, settled_at)
