"""Recording facts: `record` in an act, all of them written by one statement as the act's last.

The sequence of a subject is taken under its stream row's lock, so sequence order is commit order; several subjects
are locked in ascending order. After the commit, and in the same round trip, one bare NOTIFY wakes the relay
(`sync/relay.py`): in the act's own transaction it would make all commits wait for each other.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

import orjson
from django.db import connection, transaction

from sync import prepared
from sync.ids import request_id, uuid7

DOORBELL = "sync"
# Wakes the relay; nothing waits for a disk. A doorbell that fails costs a second: the relay sweeps.
RING = f"SELECT set_config('synchronous_commit', 'off', TRUE), pg_notify('{DOORBELL}', '')"

WRITE = """
WITH recorded AS (
    SELECT * FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[])
        WITH ORDINALITY AS r(id, subject, type, source, actor, correlation_id, data, n)
), streams AS (
    INSERT INTO sync_stream AS s (subject, head)
    SELECT subject, count(*) FROM recorded GROUP BY subject ORDER BY subject
    ON CONFLICT (subject) DO UPDATE SET head = s.head + EXCLUDED.head
    RETURNING subject, head
)
INSERT INTO sync_event (id, subject, sequence, type, source, actor, correlation_id, data, time)
SELECT r.id, r.subject, s.head + 1 - row_number() OVER (PARTITION BY r.subject ORDER BY r.n DESC),
    r.type, r.source, r.actor, r.correlation_id, r.data::jsonb, clock_timestamp()
FROM recorded r JOIN streams s USING (subject) ORDER BY r.n
"""

# Most acts record one fact: the same with nothing to unnest, join or number.
WRITE_ONE = """
WITH stream AS (
    INSERT INTO sync_stream AS s (subject, head) VALUES (%s, 1)
    ON CONFLICT (subject) DO UPDATE SET head = s.head + 1
    RETURNING subject, head
)
INSERT INTO sync_event (id, subject, sequence, type, source, actor, correlation_id, data, time)
SELECT %s::uuid, subject, head, %s, %s, %s, %s, %s::text::jsonb, clock_timestamp() FROM stream
"""


class NotInAnAct(Exception):
    """A fact can only be recorded in the act that makes it true."""


@dataclass(eq=False)
class Recorded:
    """A fact waiting on the on-commit list for the end of its act."""

    type: str
    subject: str
    data: dict | Callable[[], dict]
    by: object
    id: UUID = field(default_factory=uuid7)

    def row(self) -> tuple:
        """As it is written: id, subject, type, source, actor, correlation, data."""
        data = orjson.dumps(self.data() if callable(self.data) else self.data, default=str).decode()
        return self.id, self.subject, self.type, self.by.source, str(self.by), request_id.get(), data

    def __call__(self):
        raise NotInAnAct(f"{self.type} was committed without being written")


def of_member(member: UUID) -> str:
    """The subject of a member's stream."""
    return f"member/{member}"


def of_order(number: str) -> str:
    """The subject of a guest order's stream."""
    return f"order/{number}"


def record(type: str, *, subject: str, data: dict | Callable[[], dict], by) -> UUID:
    """Append a fact to the act that is open; a callable `data` is asked at the end of the act. Returns its id."""
    if not connection.in_atomic_block:
        raise NotInAnAct(type)
    fact = Recorded(type, subject, data, by)
    transaction.on_commit(fact)
    return fact.id


def last() -> prepared.Asked | None:
    """The act's last statement: it writes what was recorded and survived, in that order. None if nothing was."""
    hooks = connection.run_on_commit
    facts = [hook[1] for hook in hooks if isinstance(hook[1], Recorded)]
    if not facts:
        return None
    connection.run_on_commit = [hook for hook in hooks if not isinstance(hook[1], Recorded)]
    return written([fact.row() for fact in facts])


def written(rows: list[tuple]) -> prepared.Asked:
    """The statement that writes any number of facts (`Recorded.row`) of any number of subjects."""
    if len(rows) > 1:
        return WRITE, [list(column) for column in zip(*rows, strict=True)]
    ((id, subject, *told),) = rows
    return WRITE_ONE, [subject, id, *told]
