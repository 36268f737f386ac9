"""Thousands at once: the same as one after the other, in one round trip."""

from dataclasses import replace
from datetime import timedelta

import pytest

from loyalty import services, told
from loyalty.ledger import Gift, Moves, Posting
from loyalty.models import Account, Entry, Lot
from loyalty.services import posting
from sync import clock
from sync.act import SYSTEM
from tests import make
from tests.loyalty.make_points import balance, drifted, holder, post
from tests.loyalty.make_points import posting as one

pytestmark = pytest.mark.django_db
CAMPAIGN = Posting("earned", Moves(), "issued", "hub", "", reason="双十一")


def give(*gifts: Gift, like: Posting = CAMPAIGN) -> list[bool]:
    return [is_new for _gift, is_new in posting.give_many(gifts=gifts, like=like, by=SYSTEM)]


def test_many_members_are_given_points_and_each_is_told():
    members = [make.member() for _ in range(3)] + [holder(10)]

    assert give(*(Gift(member.pk, n, "c1") for n, member in enumerate(members, start=1))) == [True] * 4

    assert [balance(member)[0] for member in members] == [1, 2, 3, 14]
    assert [make.types_of(member) for member in members[:3]] == [["points.earned"]] * 3
    assert Lot.objects.count() == 5
    assert drifted() == []


def test_what_is_told_is_the_entry_as_it_is_read():
    member = make.member()
    later = clock.now() + timedelta(days=30)

    give(Gift(member.pk, 5, "c1"), like=replace(CAMPAIGN, expires_at=later, channel=make.channel()))

    data = make.events_of(member)[0].data
    assert data["entry"] == told.as_entry(Entry.objects.get())
    assert data["balance"] == {"available": 5, "pending": 0, "held": 0, "debt": 0, "version": 1}


def test_one_member_may_be_given_several_in_their_order():
    member = holder(10)

    give(Gift(member.pk, 1, "a"), Gift(member.pk, 2, "b"), Gift(member.pk, 3, "c"))

    entries = Entry.objects.order_by("version").values_list("reference", "available_after", "version")
    assert list(entries) == [("start", 10, 1), ("a", 11, 2), ("b", 13, 3), ("c", 16, 4)]
    assert Account.objects.get().version == 4
    assert [event.data["balance"]["available"] for event in make.events_of(member)] == [10, 11, 13, 16]


def test_the_same_again_changes_nothing_and_what_is_new_beside_it_is_given():
    first, second = make.member(), make.member()
    give(Gift(first.pk, 5, "c1"))
    before = make.snapshot()

    assert give(Gift(first.pk, 5, "c1"), Gift(first.pk, 5, "c1")) == [False, False]
    assert make.snapshot() == before

    assert give(Gift(first.pk, 5, "c1"), Gift(second.pk, 5, "c1")) == [False, True]


@pytest.mark.parametrize("again", [["c1"], ["c2", "c2"]])
def test_other_points_under_a_used_reference_refuse_all_of_it(again):
    member, other = make.member(), make.member()
    give(Gift(member.pk, 5, "c1"))
    before = make.snapshot()

    with pytest.raises(services.ReferenceConflict):
        give(Gift(other.pk, 1, "c1"), *(Gift(member.pk, 6 + n, reference) for n, reference in enumerate(again)))

    assert make.snapshot() == before


def test_who_owes_or_absorbed_another_is_posted_to_singly_with_the_same_result():
    debtor, survivor = make.member(), make.member()
    absorbed = make.member(status="merged", merged_into=survivor)
    post(debtor, one(-8, "r", kind="reversed", owe=True))
    post(survivor, one(1, "x"))
    old = post(absorbed, one(1, "c1", reason="双十一")).entry.account_id
    Account.objects.filter(member=survivor).update(absorbed=[old])

    assert give(Gift(debtor.pk, 5, "c1"), Gift(absorbed.pk, 1, "c1"), Gift(survivor.pk, 1, "c2")) == [True, False, True]

    assert balance(debtor) == (0, 0, 0, 3)
    assert balance(survivor) == (2, 0, 0, 0)
    assert drifted() == []


def test_thousands_take_one_statement_of_the_ledger(django_assert_num_queries):
    member = make.member()
    gifts = [Gift(member.pk, 1, str(n)) for n in range(2_000)]

    with django_assert_num_queries(2):  # savepoint and its end; the member, the ledger and the events are prepared
        give(*gifts)

    assert balance(member) == (2_000, 0, 0, 0)
    assert len(make.types_of(member)) == 2_000
