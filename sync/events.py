"""Recording facts: `record` in an act, all of them written by one statement as the act's last.

The first one may be written by the very statement that makes it true (`ahead`); what follows waits for the end.

The sequence of a subject is taken under its stream row's lock, so sequence order is commit order; several subjects
are locked in ascending order. After the commit, and in the same round trip, one bare NOTIFY wakes a relay that sleeps
(`sync/relay.py`): in the act's own transaction it would make all commits wait for each other.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from uuid import UUID

import orjson
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from sync import prepared
from sync.ids import request_id, uuid7

DOORBELL = "sync"
# Held by a relay from before its last look until the bell: where nobody holds it, a look is still to come.
ASLEEP = "hashtextextended('sync_asleep', 0)"
# Wakes who sleeps; nothing waits for a disk. A doorbell that fails costs a second: the relay sweeps.
RING = f"""
SELECT set_config('synchronous_commit', 'off', TRUE), pg_notify('{DOORBELL}', '')
WHERE NOT pg_try_advisory_xact_lock({ASLEEP})
"""

# Where a change began is no news for another sharing group that sees the subject: to all of them it is the hub that
# tells it. `among` is the channel of a fact that is told to whoever sees its subject, null for any other.
ELSEWHERE = """
EXISTS (
    SELECT FROM sync_channel own JOIN sync_audience a ON a.subject = {subject}
    JOIN sync_channel other ON other.id = a.channel_id AND other.group_id <> own.group_id WHERE own.code = {among})
"""
WRITE = f"""
WITH recorded AS (
    SELECT * FROM unnest(
        %s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[]
    ) WITH ORDINALITY AS r(id, subject, type, source, actor, correlation_id, data, only_for, among, n)
), streams AS (
    INSERT INTO sync_stream AS s (subject, head)
    SELECT subject, count(*) FROM recorded GROUP BY subject ORDER BY subject
    ON CONFLICT (subject) DO UPDATE SET head = s.head + EXCLUDED.head
    RETURNING subject, head
)
INSERT INTO sync_event (id, subject, sequence, type, source, actor, correlation_id, data, only_for, time)
SELECT r.id, r.subject, s.head + 1 - row_number() OVER (PARTITION BY r.subject ORDER BY r.n DESC),
    r.type, CASE WHEN {ELSEWHERE.format(subject="r.subject", among="r.among")} THEN '/hub' ELSE r.source END,
    r.actor, r.correlation_id, r.data::jsonb, r.only_for::bigint[], clock_timestamp()
FROM recorded r JOIN streams s USING (subject) ORDER BY r.n
"""  # noqa: S608 - constants

# Most acts record one fact: the same with nothing to unnest, join or number, nor to look up where it began elsewhere.
ONE = """
WITH stream AS (
    INSERT INTO sync_stream AS s (subject, head) VALUES (%(subject)s, 1)
    ON CONFLICT (subject) DO UPDATE SET head = s.head + 1
    RETURNING subject, head
)
INSERT INTO sync_event (id, subject, sequence, type, source, actor, correlation_id, data, only_for, time)
SELECT %(id)s::uuid, subject, head, %(type)s, {source}, %(actor)s, %(correlation_id)s, %(data)s::text::jsonb,
    %(only_for)s::text::bigint[], clock_timestamp() FROM stream
"""
ELSEWHERE_OR_SOURCE = f"""CASE WHEN {ELSEWHERE.format(subject="stream.subject", among="%(among)s::text")}
    THEN '/hub' ELSE %(source)s END"""
WRITE_ONE, WRITE_ONE_AMONG = ONE.format(source="%(source)s"), ONE.format(source=ELSEWHERE_OR_SOURCE)
ROW = ["id", "subject", "type", "source", "actor", "correlation_id", "data", "only_for", "among"]


class NotInAnAct(Exception):
    """A fact can only be recorded in the act that makes it true."""


class Waiting:
    """Facts on the on-commit list, for the end of their act."""

    def rows(self) -> list[tuple]:
        """As they are written: their values of each of ROW; groups told are a PostgreSQL array."""
        raise NotImplementedError

    def __call__(self):
        raise NotInAnAct("Facts were committed without being written")


@dataclass(eq=False)
class Recorded(Waiting):
    """One fact."""

    type: str
    subject: str
    data: dict | Callable[[], dict]
    by: object
    only_for: Iterable[int] | None = None
    others: Iterable[int] | None = None  # who is told the same act's other facts of this type and subject
    id: UUID = field(default_factory=uuid7)
    is_written: bool = False  # ahead of all others; only the bell is left to ring

    def row(self) -> tuple:
        """As it is written."""
        told = self.data() if callable(self.data) else self.data
        groups = self._groups()
        among = self.by.channel or None if groups is None and "channel" not in told else None
        told = orjson.dumps(told, default=str).decode()
        return self.id, self.subject, self.type, self.by.source, str(self.by), request_id.get(), told, groups, among

    def columns(self) -> list:
        """As `sync_record()` takes it, before its data."""
        by = [self.by.source, str(self.by), request_id.get()]
        return [self.id, self.subject, self.type, *by, self._groups()]

    def rows(self) -> list[tuple]:
        return [] if self.is_written else [self.row()]

    def _groups(self) -> str | None:
        return None if self.only_for is None else f"{{{','.join(map(str, self.only_for))}}}"


@dataclass(eq=False)
class RecordedMany(Waiting):
    """Facts of one type about many subjects."""

    type: str
    facts: list[tuple[UUID, str, dict]]
    by: object

    def rows(self) -> list[tuple]:
        told = self.type, self.by.source, str(self.by), request_id.get()
        return [
            (id, subject, *told, orjson.dumps(data, default=str).decode(), None, None)
            for id, subject, data in self.facts
        ]


def of_member(member: UUID) -> str:
    """The subject of a member's stream."""
    return f"member/{member}"


def of_order(number: str) -> str:
    """The subject of a guest order's stream."""
    return f"order/{number}"


def record(
    type: str, *, subject: str, data: dict | Callable[[], dict], by, only_for: Iterable[int] | None = None
) -> UUID:
    """Append a fact to the act that is open; a callable `data` is asked at the end of the act. Returns its id.

    Told are all who see the subject; of what belongs to some sharing groups (`only_for`), these of them.
    """
    fact = Recorded(type, subject, data, by, only_for)
    _append(fact)
    return fact.id


def record_for(groups: list[int], others: list[int], type: str, *, subject: str, data: dict, by) -> UUID:
    """Append a fact that is told to the channels of some sharing groups only, of those that see the subject.

    It takes the place of what else the act tells them of this type and subject: that is for the `others`.
    """
    fact = Recorded(type, subject, data, by, groups, others)
    _append(fact)
    return fact.id


def record_many(type: str, facts: Iterable[tuple[str, dict]], *, by) -> int:
    """Append facts of one type about any number of subjects: (subject, data), in their order. Returns how many.

    However many, they are one entry of the act, written by the one statement that writes all of its facts.
    """
    found = [(uuid7(), subject, data) for subject, data in facts]
    if found:
        _append(RecordedMany(type, found, by))
    return len(found)


def ahead(type: str, *, subject: str, by, only_for: Iterable[int] | None = None) -> Recorded | None:
    """An act's first fact, for the statement that makes it true to write by `sync_record()`; then say so: `is_told`.

    None if it has to be recorded instead: something was before it, and the cause comes first; or all who see its
    subject are told what began on a channel, and where it began is looked up at the end. From such a statement on the
    act holds the subject's stream, so it locks nothing any more that another one may hold while it writes there.
    """
    waiting = connections[DEFAULT_DB_ALIAS].run_on_commit
    if (only_for is None and by.channel) or any(isinstance(hook[1], Waiting) for hook in waiting):
        return None
    return Recorded(type, subject, {}, by, only_for)


def is_told(fact: Recorded, data: Callable[[], dict]) -> None:
    """A fact went ahead, with the data that this gives whoever asks."""
    fact.data, fact.is_written = data, True
    _append(fact)


def _append(facts: Waiting) -> None:
    django = connections[DEFAULT_DB_ALIAS]
    if not django.in_atomic_block:
        raise NotInAnAct(facts.type)
    django.on_commit(facts)


def last(django: BaseDatabaseWrapper) -> list[prepared.Asked] | None:
    """The act's last statement: it writes what was recorded and survived, in that order. None if nothing was recorded,
    no statement if all of it is written.

    Raises NotInAnAct when asking for their data records more: nothing would write it.
    """
    waiting = [hook[1] for hook in django.run_on_commit if isinstance(hook[1], Waiting)]
    if not waiting:
        return None
    if len(waiting) > 1:
        _share_out([each for each in waiting if isinstance(each, Recorded)])
    rows = [row for each in waiting for row in each.rows()]
    others = [hook for hook in django.run_on_commit if not isinstance(hook[1], Waiting)]
    if len(others) + len(waiting) < len(django.run_on_commit):
        raise NotInAnAct("A fact was recorded by what another one tells")
    django.run_on_commit = others
    return [written(rows)] if rows else []


def _share_out(facts: list[Recorded]) -> None:
    """Nobody is told twice: once a fact is for some groups only, the like of it is for the others."""
    for special in [fact for fact in facts if fact.others is not None]:
        for fact in facts:
            if fact.others is None and (fact.type, fact.subject) == (special.type, special.subject):
                told = special.others if fact.only_for is None else fact.only_for
                fact.only_for = sorted({*told} & {*special.others})


def written(rows: list[tuple]) -> prepared.Asked:
    """The statement that writes any number of facts (`Recorded.row`) of any number of subjects."""
    if len(rows) > 1:
        return WRITE, [list(column) for column in zip(*rows, strict=True)]
    return WRITE_ONE if rows[0][-1] is None else WRITE_ONE_AMONG, dict(zip(ROW, rows[0], strict=True))
