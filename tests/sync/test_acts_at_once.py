"""Acts in acts about several subjects in any order, beside each other: none is refused, no stream has a gap."""

import random
from collections import Counter
from contextlib import suppress

import pytest
from django.db import transaction
from django.db.models import Count, Max, Min

from sync import act, events, postgres
from sync.act import SYSTEM
from sync.models import Event, Settled, Stream
from tests.loyalty.make_points import at_once

pytestmark = pytest.mark.django_db(transaction=True)

THREADS, ACTS, SUBJECTS = 6, 40, 5


class Aborted(Exception):
    """The act changes its mind."""


class Writer:
    """Acts of one thread; `told` counts what they may be relied on to have told, by subject."""

    def __init__(self, seed: int):
        self.chance, self.told = random.Random(seed), Counter()

    def run(self) -> Counter:
        for _act in range(ACTS):
            with suppress(Aborted):
                self.told += act.outermost(self.work)
        return self.told

    def work(self) -> Counter:
        told = Counter()
        for _part in range(self.chance.randint(1, 4)):
            told += self.part(depth=0)
        if self.chance.random() < 0.1:
            raise Aborted
        return told

    def part(self, depth: int) -> Counter:
        """An act in the act: facts of a few subjects, perhaps parts of its own, perhaps taken back."""
        subjects, told = self.subjects(), Counter()

        @act.act
        def record() -> None:
            events.record_many("member.updated", [(subject, {}) for subject in subjects], by=SYSTEM)
            told.update(subjects)
            if depth < 2 and self.chance.random() < 0.4:
                told.update(self.part(depth + 1))

        taken_back = self.chance.random() < 0.2
        with transaction.atomic():
            record()
            transaction.set_rollback(taken_back)
        return Counter() if taken_back else told

    def subjects(self) -> list[str]:
        found = [f"member/{n}" for n in range(SUBJECTS)]
        return self.chance.sample(found, self.chance.randint(1, SUBJECTS))


def storm(seed: int) -> Counter:
    """What all threads told. Fails when one of them was refused anything."""
    writers = [Writer(seed * 100 + n) for n in range(THREADS)]
    found = at_once(THREADS, lambda n: writers[n].run())
    assert not [each for each in found if isinstance(each, Exception)]
    return sum(found, Counter())


def streams() -> dict[str, tuple]:
    counted = Event.objects.values("subject").annotate(n=Count("pk"), low=Min("sequence"), high=Max("sequence"))
    return {each["subject"]: (each["n"], each["low"], each["high"]) for each in counted}


@pytest.mark.parametrize("seed", range(4))
def test_of_subjects_in_opposite_orders_none_is_refused_and_no_stream_has_a_gap(seed):
    told = storm(seed)
    assert streams() == {subject: (count, 1, count) for subject, count in told.items()}
    assert {each.pk: each.head for each in Stream.objects.all()} == dict(told)
    with postgres.connect("relay") as relay:
        relay.execute("SELECT sync_settle()")
    for subject in told:
        order = Settled.objects.filter(event__subject=subject).order_by("position")
        assert list(order.values_list("event__sequence", flat=True)) == list(range(1, told[subject] + 1))
