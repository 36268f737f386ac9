"""What happened before the sandbox was opened, told as if it had been told then."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson

from config.sandbox.seed.dice import Dice
from sync import prepared
from sync.act import Actor
from sync.models import Stream

BEAT = timedelta(milliseconds=1)  # between the facts of one act

WRITE = """
INSERT INTO sync_event (id, subject, sequence, type, source, actor, correlation_id, data, time)
SELECT id, subject, sequence, type, source, actor, '', data::jsonb, time
FROM unnest(%s::uuid[], %s::text[], %s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::timestamptz[])
    WITH ORDINALITY AS f(id, subject, sequence, type, source, actor, data, time, n)
ORDER BY n
"""


@dataclass(frozen=True)
class Fact:
    """A fact of the past."""

    type: str
    subject: str
    at: datetime
    by: Actor
    data: dict


class History:
    """Facts in the order they happened, with what is to be written of them."""

    def __init__(self, facts: Iterable[Fact], dice: Dice):
        self.heads, self.rows = Counter(), []
        for fact in sorted(facts, key=lambda fact: fact.at):
            self.heads[fact.subject] += 1
            data = orjson.dumps(fact.data, default=str).decode()
            named = (dice.uuid7(fact.at), fact.subject, self.heads[fact.subject], fact.type)
            self.rows.append((*named, fact.by.source, str(fact.by), data, fact.at))

    def store(self) -> None:
        """Write events and stream heads."""
        Stream.objects.bulk_create(Stream(subject=subject, head=head) for subject, head in self.heads.items())
        prepared.run(WRITE, [list(column) for column in zip(*self.rows, strict=True)])
