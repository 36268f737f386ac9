"""Spending and reversing: never more than there is, never twice."""

import pytest

from loyalty import services
from loyalty.models import Entry
from members.models import Member
from sync.act import SYSTEM, Actor
from tests import make
from tests.loyalty.make_points import balance, drifted, holder

pytestmark = pytest.mark.django_db
OTHER = Actor("channel", "mini-program", "mini-program")


def earned(member, points, by=make.BACKEND, reference="e") -> Entry:
    return services.earn(member=member.pk, points=points, reference=reference, by=by)


def spent(member, points, by=make.BACKEND, reference="s") -> Entry:
    return services.spend(member=member.pk, points=points, reference=reference, by=by)


def test_spending_takes_points_and_is_told():
    member = holder(100)

    entry = spent(member, 30)

    assert (entry.kind, entry.points, entry.available_after) == ("spent", -30, 70)
    assert balance(member) == (70, 0, 0, 0)
    assert make.types_of(member) == ["points.earned", "points.spent"]


def test_spending_twice_changes_nothing_the_second_time_even_when_the_points_are_gone():
    member = holder(100)
    first = spent(member, 100)
    before = make.snapshot()

    assert spent(member, 100) == first
    assert make.snapshot() == before


@pytest.mark.parametrize("points", [101, 10**9])
def test_spending_more_than_there_is_changes_nothing(points):
    member = holder(100)
    before = make.snapshot()
    with pytest.raises(services.NotEnough) as refused:
        spent(member, points)
    assert refused.value.available == 100
    assert make.snapshot() == before


def test_a_frozen_member_cannot_spend_but_can_earn():
    member = holder(100)
    Member.objects.filter(pk=member.pk).update(**make.FROZEN)
    before = make.snapshot()
    with pytest.raises(services.Frozen):
        spent(member, 1)
    assert make.snapshot() == before
    assert earned(member, 1).points == 1


def test_the_same_reference_of_another_channel_is_another_fact():
    member = holder(100)
    spent(member, 10)
    spent(member, 20, by=OTHER)
    assert balance(member) == (70, 0, 0, 0)


def test_reversing_a_spending_gives_the_points_back():
    member = holder(100)
    entry = spent(member, 30)

    reversal = services.reverse(entry=entry.pk, by=make.BACKEND)

    assert reversal.created
    assert (reversal.entry.kind, reversal.entry.points, reversal.entry.reverses_id) == ("reversed", 30, entry.pk)
    assert balance(member) == (100, 0, 0, 0)
    assert make.types_of(member)[-1] == "points.reversed"


def test_reversing_twice_changes_nothing_the_second_time():
    entry = spent(holder(100), 30)
    first = services.reverse(entry=entry.pk, by=make.BACKEND)
    before = make.snapshot()

    again = services.reverse(entry=entry.pk, by=make.BACKEND)

    assert (again.entry, again.created) == (first.entry, False)
    assert make.snapshot() == before


def test_reversing_an_earning_whose_points_are_spent_leaves_a_debt_that_is_settled_next():
    member = make.member()
    entry = earned(member, 50)
    spent(member, 40)

    services.reverse(entry=entry.pk, by=make.BACKEND)
    assert balance(member) == (0, 0, 0, 40)
    with pytest.raises(services.NotEnough):
        spent(member, 1, reference="more")

    earned(member, 45, reference="again")
    assert balance(member) == (5, 0, 0, 0)
    assert drifted() == []


def test_reversing_a_pending_earning_takes_it_out_of_pending():
    website, member = make.channel(earn_per_entry=10), make.member()
    booked = {"member": member.pk, "channel": website, "kind": "earn", "points": 11, "reference": "big"}
    entry = services.book(**booked, reason="", by=make.BACKEND).entry
    assert balance(member) == (0, 11, 0, 0)

    services.reverse(entry=entry.pk, by=make.BACKEND)

    assert balance(member) == (0, 0, 0, 0)


@pytest.mark.parametrize("by", [OTHER, SYSTEM, make.STAFF])
def test_only_who_posted_it_can_reverse_it(by):
    entry = spent(holder(100), 30)
    before = make.snapshot()
    with pytest.raises(Entry.DoesNotExist):
        services.reverse(entry=entry.pk, by=by)
    assert make.snapshot() == before


def test_a_reversal_cannot_be_reversed():
    entry = spent(holder(100), 30)
    reversal = services.reverse(entry=entry.pk, by=make.BACKEND).entry
    before = make.snapshot()
    with pytest.raises(Entry.DoesNotExist):
        services.reverse(entry=reversal.pk, by=make.BACKEND)
    assert make.snapshot() == before
