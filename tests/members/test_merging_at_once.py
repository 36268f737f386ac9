"""Merging while others merge, spend, order and sign in: one merge, and sums are kept."""

import pytest

from loyalty import services as loyalty
from loyalty.models import Account
from members import asking, merging, services, signing_in
from members.identity import Evidence, Shown
from members.models import Identity, Member, Merge, Request, Session
from orders.models import Order
from sync.act import act
from sync.http import Problem
from tests import make
from tests.config.make_staff import person
from tests.loyalty.make_points import at_once, drifted
from tests.members.make_merging import merge, projection, rich
from tests.orders import make_orders

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


def merged(one: Member, other: Member) -> Merge:
    """As staff on both sides would: each names the two their own way round."""

    @act
    def run():
        return merging.merge(*merging.survivor_of(*services.lock(one.id, other.id)), why="one", by=make.STAFF)

    return run()


def outstanding() -> int:
    columns = Account.objects.values_list("available", "pending", "held", "debt")
    return sum(available + pending + held - debt for available, pending, held, debt in columns)


@pytest.mark.parametrize("_turn", range(4))
def test_two_that_absorb_each_other_while_one_spends_and_the_other_buys(_turn):
    one, other = rich("one", points=200), rich("other", points=100, channel="mini-program")
    before = outstanding()
    work = [
        lambda: merged(one, other),
        lambda: merged(other, one),
        lambda: loyalty.spend(member=one.id, points=30, reference="s", by=make.BACKEND),
        lambda: make_orders.order(member=other),
        lambda: loyalty.spend(member=other.id, points=20, reference="t", by=make.BACKEND),
    ]

    found = at_once(len(work), lambda n: work[n]())

    refused = [each for each in found if isinstance(each, Exception)]
    assert [each.code for each in refused] == ["case_closed"], refused
    assert Merge.objects.count() == 1
    assert outstanding() == before - 50
    survivor = Member.objects.get(status="active")
    assert Order.objects.filter(member=survivor).count() == Order.objects.count() == 3
    assert not Account.objects.filter(available__gt=0).exclude(member=survivor).exists()
    assert drifted() == []


def test_three_merging_in_a_circle_end_as_one():
    members = [rich(name, points=10) for name in ("one", "two", "three")]
    pairs = [(members[n], members[(n + 1) % 3]) for n in range(3)]

    found = at_once(3, lambda n: merged(*pairs[n]))

    assert [each.code for each in found if isinstance(each, Exception)] == ["case_closed"]
    survivor = Member.objects.get(status="active")
    assert survivor == members[0]
    assert set(Member.objects.exclude(pk=survivor.pk).values_list("merged_into", flat=True)) == {survivor.pk}
    assert outstanding() == 30
    assert drifted() == []


def test_signing_in_meets_the_survivor_or_is_ended_by_the_merge():
    agreed = make.policies()
    for turn in range(4):
        source, target = rich(f"one-{turn}"), rich(f"two-{turn}")
        source, target = merging.survivor_of(source, target)
        phone = Identity.objects.get(member=source, kind="phone").value
        shown = Shown([Evidence("phone", phone, 3)])
        sign_in = {"shown": shown, "consents": agreed, "channel": make.channel()}

        found = at_once(2, lambda n, a=source, b=target, s=sign_in: signing_in.sign_in(**s) if n else merged(a, b))

        assert not [each for each in found if isinstance(each, Exception)]
        session = Session.objects.get(pk=found[1].session.pk)
        assert (session.member == target) == (session.revoked_at is None)
        assert Identity.objects.get(Evidence("phone", phone, 3).where).member == target
        assert not Session.objects.filter(member=source, revoked_at=None).exists()


def test_a_merge_is_undone_once_by_many():
    source, target = rich("one"), rich("two")
    before = projection(source, target)
    made = merge(source, target)

    found = at_once(4, lambda _n: merging.unmerge(made, by=make.STAFF))

    assert sorted(each.code for each in found if isinstance(each, Problem)) == ["case_closed"] * 3
    assert projection(source, target) == before
    assert make.types_of(target).count("member.unmerged") == 1


def test_undoing_while_points_are_spent_creates_none():
    for turn in range(3):
        source, target = rich(f"one-{turn}", points=80), rich(f"two-{turn}", points=40)
        made, before = merge(source, target), outstanding()
        spend = {"points": 30, "by": make.BACKEND, "reference": f"s{turn}"}
        work = [
            lambda made=made: merging.unmerge(made, by=make.STAFF),
            lambda spend=spend, target=target: loyalty.spend(member=target.id, **spend),
            lambda spend=spend, source=source: loyalty.spend(member=source.id, **spend | {"reference": f"u{spend}"}),
        ]

        found = at_once(len(work), lambda n, work=work: work[n]())

        spent = 30 * sum(not isinstance(each, Exception) for each in found[1:])
        assert {type(each) for each in found if isinstance(each, Exception)} <= {loyalty.NotEnough}
        assert outstanding() == before - spent
        assert drifted() == []


def test_one_request_decided_by_many_is_carried_out_once():
    source, target = rich("one"), rich("two")
    asker, others = person(), [person() for _n in range(4)]
    asked = asking.ask(kind="merge", member=source.id, other=target.id, user=asker, reason="One person")

    found = at_once(4, lambda n: asking.decide(request=asked.pk, user=others[n], approve=True))

    assert sum(isinstance(each, Request) for each in found) == 1
    assert {each.code for each in found if isinstance(each, Exception)} == {"case_closed"}
    assert Merge.objects.count() == 1
