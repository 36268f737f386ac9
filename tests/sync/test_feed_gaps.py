"""Late commits: in whatever order acts end, a reader of the feed gets everything, once, in the order of each stream."""

import random
from collections import defaultdict
from contextlib import ExitStack

import pytest

from sync import events, postgres
from sync.act import SYSTEM
from sync.services import admit
from tests import make

pytestmark = pytest.mark.django_db(transaction=True)

WRITERS = 5


class Reader:
    """A channel's backend that goes on where it was."""

    def __init__(self):
        self.backend, self.cursor, self.read = make.backend_client("website"), None, []

    def look(self, limit: int) -> None:
        """Read all there is, so many at a time."""
        while True:
            asked = {"limit": limit} | ({"after": self.cursor} if self.cursor else {})
            page = self.backend.get("feed", **asked).json()
            self.read += [(event["subject"], int(event["sequence"])) for event in page["results"]]
            self.cursor = page["cursor"]
            if not page["has_more"]:
                return


class Writer:
    """A transaction at a time, on a connection of its own, about subjects that nobody else has open."""

    def __init__(self, connection):
        self.connection, self.open = connection, []

    def write(self, subjects: list[str]) -> None:
        rows = [events.Recorded("order.paid", subject, {}, SYSTEM).row() for subject in subjects]
        self.connection.execute("BEGIN")
        self.connection.execute(events.WRITE, [list(column) for column in zip(*rows, strict=True)])
        self.open = subjects

    def end(self, word: str) -> None:
        self.connection.execute(word)
        self.open = []


class Crowd:
    """Writers who begin and end in an order by chance; `committed` is how far each stream got."""

    def __init__(self, chance: random.Random, writers: list[Writer], subjects: list[str]):
        self.chance, self.writers, self.subjects = chance, writers, subjects
        self.committed: dict[str, int] = defaultdict(int)

    def step(self) -> None:
        """One of them begins or ends a transaction."""
        writer, chance = self.chance.choice(self.writers), self.chance
        free = [each for each in self.subjects if not any(each in other.open for other in self.writers)]
        if writer.open:
            self._end(writer, chance.choice(["COMMIT", "COMMIT", "ROLLBACK"]))
        elif free:
            writer.write(chance.sample(free, chance.randint(1, min(3, len(free)))))

    def finish(self) -> None:
        """All commit what they have open."""
        for writer in self.writers:
            self._end(writer, "COMMIT")

    def _end(self, writer: Writer, word: str) -> None:
        for subject in writer.open if word == "COMMIT" else ():
            self.committed[subject] += 1
        writer.end(word)


def settle(connection) -> None:
    connection.execute("SELECT sync_settle()")


def test_ten_commits_after_eleven_and_both_are_told():
    admit("member/10", make.channel()), admit("member/11", make.channel())
    reader = Reader()
    with postgres.connect("ten") as one, postgres.connect("eleven") as other, postgres.connect("relay") as relay:
        ten, eleven = Writer(one), Writer(other)
        ten.write(["member/10"])
        eleven.write(["member/11"])
        eleven.end("COMMIT")
        settle(relay)
        reader.look(100)
        assert reader.read == [("member/11", 1)]
        ten.end("COMMIT")
        settle(relay)
        reader.look(100)
        assert reader.read == [("member/11", 1), ("member/10", 1)]


@pytest.mark.parametrize("seed", range(12))
def test_nothing_is_skipped_or_repeated_in_any_order_of_commits(seed):
    chance = random.Random(seed)
    subjects = [f"member/{n}" for n in range(8)]
    for subject in subjects:
        admit(subject, make.channel())
    reader = Reader()
    with ExitStack() as stack:
        relays = [stack.enter_context(postgres.connect("relay")) for _relay in range(2)]
        writers = [Writer(stack.enter_context(postgres.connect("test"))) for _writer in range(WRITERS)]
        crowd = Crowd(chance, writers, subjects)
        for _step in range(80):
            crowd.step()
            if chance.random() < 0.4:
                settle(chance.choice(relays))
            if chance.random() < 0.3:
                reader.look(chance.choice([1, 2, 100]))
        crowd.finish()
        settle(relays[0])
    reader.look(100)
    for subject in subjects:
        told = [sequence for about, sequence in reader.read if about == subject]
        assert told == list(range(1, crowd.committed[subject] + 1)), (seed, subject)
    assert len(reader.read) == sum(crowd.committed.values())
