"""Merges, their undoing, sign-ins, purchases and changes among a few members at once: no deadlock, no gap."""

import random
from collections import Counter

import pytest
from django.db.models import Count, Max, Min

from members import profile, services, sight
from members.models import Member, Merge
from members.profile import Said
from members.records import EVERYTHING
from sync.act import act
from sync.http import Problem
from sync.models import Channel, Event, Stream
from tests import make
from tests.loyalty.make_points import at_once
from tests.members.make_merging import merge, unmerge
from tests.orders import make_orders

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

THREADS, ACTS = 5, 8


@act
def change(member: Member, channel: Channel, nickname: str) -> None:
    (found,) = services.lock(member.pk)
    profile.note(found, Said({"nickname": nickname}, channel), by=make.STAFF)


@act
def show(member: Member, channel: Channel) -> None:
    sight.show(*services.lock(member.pk), channel)


class Person:
    """Does things of one thread; keeps what was refused, of which nothing but Problem may be."""

    def __init__(self, seed: int, members: list[Member], channels: list[Channel]):
        self.chance, self.members, self.channels = random.Random(seed), members, channels

    def run(self) -> list[str]:
        refused = []
        for _act in range(ACTS):
            try:
                self.chance.choice([self.merge, self.merge, self.unmerge, self.buy, self.change, self.show])()
            except Problem as problem:
                refused.append(problem.code)
        return refused

    def merge(self) -> None:
        merge(*self.chance.sample(self.members, 2))

    def unmerge(self) -> None:
        if standing := list(Merge.objects.filter(undone_at=None).order_by("at")):
            unmerge(self.chance.choice(standing))

    def buy(self) -> None:
        make_orders.order(member=self.chance.choice(self.members), channel=self.chance.choice(self.channels))

    def change(self) -> None:
        change(self.chance.choice(self.members), self.channels[0], f"N{self.chance.random()}")

    def show(self) -> None:
        show(self.chance.choice(self.members), self.chance.choice(self.channels))


@pytest.mark.parametrize("seed", range(3))
def test_none_is_refused_for_anothers_sake_and_no_stream_has_a_gap(seed):
    channels = [make.channel("website"), make.channel("stranger", group="elsewhere"), make.channel("third", group="3")]
    members = [make.member(channel=channels[n % 2], phone=make.mobile()) for n in range(5)]
    found = at_once(THREADS, lambda n: Person(seed * 10 + n, members, channels).run())

    assert not [each for each in found if isinstance(each, Exception)]
    assert {code for refused in found for code in refused} <= {"case_closed"}
    counted = Event.objects.values("subject").annotate(n=Count("pk"), low=Min("sequence"), high=Max("sequence"))
    heads = dict(Stream.objects.values_list("subject", "head"))
    for each in counted:
        assert (each["low"], each["high"], heads[each["subject"]]) == (1, each["n"], each["n"])
    assert_told_once()


def assert_told_once() -> None:
    """Who came to see a member was told all of them as often as it came to: once, and once more for each undoing."""
    introduced = Event.objects.filter(type="member.updated", data__changed=list(EVERYTHING), only_for__isnull=False)
    times = Counter((event.subject, group) for event in introduced for group in event.only_for)
    undone = Merge.objects.exclude(undone_at=None).count()
    assert all(count <= 1 + undone for count in times.values()), times
