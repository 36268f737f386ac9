"""Two relays at once: whichever is stopped, killed or late, no event is skipped, placed twice or turned round.

The schedules are drawn from seeds: writers that commit in any order or not at all, two relays that settle and are left
with their answer unheard, a reader of the feed in between.
"""

import random
from contextlib import ExitStack

import psycopg
import pytest

from sync import events, postgres, queries
from sync.models import Event, Settled
from sync.services import admit
from tests import make
from tests.sync.test_relay import WEB

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

SETTLE = "SELECT settled FROM sync_settle()"
SUBJECTS = [f"member/{number}" for number in range(4)]
STEPS = 60


class Writer:
    """A transaction that holds the streams it wrote to until it ends."""

    def __init__(self, connection: psycopg.Connection):
        self.connection, self.subjects = connection, set()

    def write(self, subject: str) -> None:
        """Two facts of a subject that no other open transaction has written to."""
        if not self.subjects:
            self.connection.execute("BEGIN")
        self.subjects.add(subject)
        rows = [events.Recorded("order.updated", subject, {}, WEB).row() for _ in range(2)]
        self.connection.execute(*events.written(rows))

    def end(self, how: str) -> None:
        self.connection.execute(how)
        self.subjects = set()


class Schedule:
    """A seed's story; `feed` is what a reader has been given so far."""

    def __init__(self, seed: int, channel):
        self.chance, self.channel, self.stack = random.Random(seed), channel, ExitStack()
        self.writers = [Writer(self._connect()) for _ in range(4)]
        self.relays = [self._connect() for _ in range(2)]
        self.feed, self.position, self.committed = [], 0, 0

    def run(self) -> None:
        """Many steps by chance, then everybody ends and one relay settles what is left."""
        with self.stack:
            for _step in range(STEPS):
                self.chance.choices([self._write, self._end, self._settle, self._read], [5, 3, 4, 2])[0]()
            for writer in self.writers:
                writer.end("COMMIT") if writer.subjects else None
            for relay in self.relays:
                relay.execute("ROLLBACK") if self._holds(relay) else None
            self.relays[0].execute(SETTLE)
            self._read()

    def _write(self) -> None:
        taken = set().union(*(writer.subjects for writer in self.writers))
        if free := [subject for subject in SUBJECTS if subject not in taken]:
            self.chance.choice(self.writers).write(self.chance.choice(free))

    def _end(self) -> None:
        if open_now := [writer for writer in self.writers if writer.subjects]:
            self.chance.choice(open_now).end(self.chance.choice(["COMMIT", "COMMIT", "COMMIT", "ROLLBACK"]))

    def _settle(self) -> None:
        """One relay settles; at times it falls asleep within its batch, and another step finds it deposed or awake."""
        relay = self.chance.choice(self.relays)
        if self._holds(relay):
            relay.execute(self.chance.choice(["COMMIT", "ROLLBACK"]))  # it wakes late, or was killed in its sleep
        elif self.chance.random() < 0.4:
            relay.execute("BEGIN")
            relay.execute(SETTLE)
        else:
            relay.execute(SETTLE)

    def _read(self) -> None:
        page = queries.feed(self.channel, after=self.position, limit=100, types=[])
        self.feed, self.position = [*self.feed, *page.events], page.position

    def _holds(self, relay: psycopg.Connection) -> bool:
        return relay.info.transaction_status != psycopg.pq.TransactionStatus.IDLE

    def _connect(self) -> psycopg.Connection:
        return self.stack.enter_context(postgres.connect("test"))


@pytest.mark.parametrize("first", range(0, 100, 10))
def test_whoever_settles_and_whoever_wakes_late_nothing_is_skipped_or_turned_round(first):
    website = make.channel("website")
    for subject in SUBJECTS:
        admit(subject, website)
    for seed in range(first, first + 10):
        schedule = Schedule(seed, website)
        schedule.position = Settled.objects.order_by("-position").values_list("position", flat=True).first() or 0
        before = Event.objects.count()
        schedule.run()
        assert Settled.objects.count() == Event.objects.count() > before, seed
        assert len(schedule.feed) == Event.objects.count() - before, seed
        for subject in SUBJECTS:
            placed = Event.objects.filter(subject=subject).order_by("settled__position")
            assert list(placed.values_list("sequence", flat=True)) == list(range(1, placed.count() + 1)), seed
