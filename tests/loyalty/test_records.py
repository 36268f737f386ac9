"""Two members become one: points, references and spending come along, Σ stays what it was."""

import pytest

from loyalty import ledger, services
from loyalty.models import Account, Entry
from loyalty.queries import as_points
from loyalty.records import Loyalty
from members.models import Member
from sync.act import act
from tests import make
from tests.loyalty.make_points import balance, drifted, holder, post, posting, rule, tiers
from tests.loyalty.make_purchases import buy

pytestmark = pytest.mark.django_db


@act
def absorb(source: Member, target: Member) -> dict:
    """What a merge asks of this floor, and what it does itself to the source."""
    records = Loyalty()
    records.lock([source.pk, target.pk])
    journal = records.move(source.pk, target.pk)
    Member.objects.filter(merged_into=source).update(merged_into=target)
    Member.objects.filter(pk=source.pk).update(status="merged", merged_into=target)
    return journal


def earned(member, points, reference, by=make.BACKEND) -> Entry:
    return services.earn(member=member.pk, points=points, reference=reference, by=by)


def test_the_balance_moves_by_paired_entries():
    source, target = holder(70), holder(30)
    post(source, posting(9, "p", moves=ledger.Moves(pending=9)))

    journal = absorb(source, target)

    assert balance(source) == (0, 0, 0, 0)
    assert balance(target) == (100, 9, 0, 0)
    moved = Entry.objects.filter(kind="moved")
    assert sorted(str(entry.pk) for entry in moved) == sorted(journal["entries"])
    assert sorted(entry.points for entry in moved) == [-79, 79]
    assert journal["moved"] == {"available": 70, "pending": 9, "held": 0, "debt": 0}
    assert drifted() == []


def test_what_came_with_a_merge_is_an_adjustment_to_readers():
    source, target = holder(70), holder(30)
    absorb(source, target)
    entries = make.member_client(target).get("me/points/entries").json()["results"]
    came = [("adjusted", 70), ("adjusted", -70)]  # out of the one account, into the other
    assert [(entry["kind"], entry["points"]) for entry in entries] == [*came, ("earned", 30), ("earned", 70)]


@pytest.mark.parametrize(("mine", "owed"), [("source", 10), ("target", 10), ("source", 50)])
def test_a_debt_on_either_side_is_settled_by_the_points_of_the_other(mine, owed):
    source, target = make.member(), make.member()
    debtor, other = (source, target) if mine == "source" else (target, source)
    post(debtor, posting(-owed, "r", kind="reversed", owe=True))
    post(other, posting(30, "e"))

    absorb(source, target)

    assert balance(source) == (0, 0, 0, 0)
    assert balance(target) == (max(30 - owed, 0), 0, 0, max(owed - 30, 0))
    assert drifted() == []


def test_a_reference_used_by_an_absorbed_member_stays_used():
    source, target = make.member(), make.member()
    first = earned(source, 10, "r")
    absorb(source, target)
    before = make.snapshot()

    assert earned(target, 10, "r") == first
    assert earned(source, 10, "r") == first
    with pytest.raises(services.ReferenceConflict):
        earned(target, 11, "r")
    assert make.snapshot() == before


def test_references_are_known_through_two_merges():
    oldest, middle, newest = make.member(), make.member(), make.member()
    first = earned(oldest, 10, "r")
    absorb(oldest, middle)
    absorb(middle, newest)

    assert earned(newest, 10, "r") == first
    assert balance(newest) == (10, 0, 0, 0)
    assert ledger.known(newest.pk, "channel/website", "r")


def test_an_entry_of_an_absorbed_member_is_reversed_on_the_survivor():
    source, target = make.member(), make.member()
    entry = earned(source, 10, "r")
    absorb(source, target)

    services.reverse(entry=entry.pk, by=make.BACKEND)

    assert balance(source), balance(target) == ((0, 0, 0, 0), (0, 0, 0, 0))
    assert drifted() == []


def test_qualifying_spending_adds_up_and_the_higher_tier_stays():
    tiers(), rule()
    source, target = make.member(), make.member()
    buy(source, 150_000)
    buy(target, 360_000, "D2")

    absorb(source, target)

    tier = as_points(target.pk)["tier"]
    assert (tier["code"], tier["qualifying"]) == ("gold", 510_000)
    assert make.types_of(target)[-1] == "tier.changed"
    assert as_points(source.pk)["tier"]["qualifying"] == 0


def test_a_member_without_points_leaves_nothing_behind():
    source, target = make.member(), holder(30)
    before = make.snapshot()["loyalty_account"]

    assert absorb(source, target) == {}

    assert make.snapshot()["loyalty_account"] == before


@pytest.mark.parametrize(
    ("change", "worth"),
    [({}, False), ({"available": 1}, True), ({"pending": 1}, True), ({"debt": 1}, True)],
)
def test_what_a_member_would_lose_counts_as_value(change, worth):
    member = make.member()
    assert not Loyalty().holds_value(member.pk)
    Account.objects.create(member=member, **change)
    assert Loyalty().holds_value(member.pk) is worth
