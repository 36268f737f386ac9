"""Many at the same moment: one winner each, nothing lost."""

from collections import Counter

import pytest

from loyalty import services
from loyalty.models import Account, Entry
from sync.act import SYSTEM
from sync.models import Event
from tests import make
from tests.loyalty.make_points import at_once, balance, drifted, holder, rule, tiers
from tests.loyalty.make_purchases import buy

pytestmark = pytest.mark.django_db(transaction=True)


def test_fifty_threads_spending_ten_of_a_hundred_succeed_exactly_ten_times():
    member = holder(100)

    found = at_once(
        50, lambda n: services.spend(member=member.pk, points=10, reference=f"s{n}", by=make.BACKEND).available_after
    )

    refused = [each for each in found if isinstance(each, Exception)]
    assert Counter(map(type, refused)) == {services.NotEnough: 40}
    assert {each.available for each in refused} == {0}
    assert sorted(each for each in found if isinstance(each, int)) == list(range(0, 100, 10))
    assert balance(member) == (0, 0, 0, 0)
    assert make.types_of(member).count("points.spent") == 10
    assert drifted() == []


def test_twenty_threads_with_one_reference_make_one_entry_and_all_get_it():
    member = make.member()  # no account yet: making it is part of the race

    found = at_once(20, lambda _n: services.earn(member=member.pk, points=5, reference="once", by=make.BACKEND))

    assert {entry.pk for entry in found} == {Entry.objects.get().pk}
    assert balance(member) == (5, 0, 0, 0)
    assert make.types_of(member) == ["points.earned"]


def test_different_amounts_under_one_reference_have_one_winner():
    member = make.member()

    found = at_once(10, lambda n: services.earn(member=member.pk, points=n + 1, reference="r", by=SYSTEM))

    won = [each for each in found if isinstance(each, Entry)]
    assert [each.points for each in won] == [Entry.objects.get().points]
    assert Counter(map(type, found)) == {Entry: 1, services.ReferenceConflict: 9}


def test_one_payment_told_fifty_times_at_once_counts_once():
    tiers(), rule()
    member = make.member()
    assert at_once(50, lambda _n: buy(member, 120_000)) == [1_200] * 50

    account = Account.objects.get()
    assert (account.available, account.purchases.get().paid_fen, account.version) == (1_200, 120_000, 1)
    assert make.types_of(member) == ["points.earned", "tier.changed"]


def test_an_entry_reversed_by_many_at_once_is_reversed_once():
    member = holder(100)
    entry = services.spend(member=member.pk, points=60, reference="s", by=make.BACKEND)

    found = at_once(10, lambda _n: services.reverse(entry=entry.pk, by=make.BACKEND))

    assert Counter(each.created for each in found) == {True: 1, False: 9}
    assert balance(member) == (100, 0, 0, 0)


def test_versions_sequences_and_balances_rise_together():
    member = make.member()

    at_once(12, lambda n: services.earn(member=member.pk, points=1, reference=f"e{n}", by=SYSTEM))

    entries = Entry.objects.order_by("version")
    assert [(each.version, each.available_after) for each in entries] == [(n, n) for n in range(1, 13)]
    assert [each.created_at for each in entries] == sorted(each.created_at for each in entries)
    told = Event.objects.order_by("sequence")
    assert [each.data["balance"]["version"] for each in told] == list(range(1, 13))
