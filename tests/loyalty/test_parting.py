"""Members that parted again, took their data along, or were forgotten."""

import json
from datetime import timedelta

import pytest

from loyalty import ledger, services
from loyalty.models import Account, Bonus, Entry, Hold, Lot
from loyalty.queries import as_points
from loyalty.reconcile import holds, journal, lots
from loyalty.records import Loyalty, StillOpen
from members.models import Member
from sync import clock
from sync.act import act
from tests import make
from tests.loyalty.make_points import balance, drifted, holder, post, posting, rule, tiers
from tests.loyalty.test_records import absorb

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
GROWS = {"version", "updated_at"}


@act
def part(source: Member, target: Member, kept: dict) -> None:
    """What an un-merge asks of this floor, and what it does itself to the source."""
    Member.objects.filter(pk=source.pk).update(status="active", merged_into=None)
    records = Loyalty()
    records.lock([source.pk, target.pk])
    records.restore(source.pk, target.pk, json.loads(json.dumps(kept)))


def projection() -> dict:
    """Accounts, lots and open holds, but for what only grows."""
    accounts = [{k: v for k, v in row.items() if k not in GROWS} for row in Account.objects.order_by("id").values()]
    return {
        "accounts": accounts,
        "lots": list(Lot.objects.order_by("pk").values()),
        "holds": list(Hold.objects.filter(state="held").order_by("pk").values()),
    }


def books_agree() -> bool:
    return [*drifted(), *lots(), *holds(), *journal()] == []


def held(member: Member, points: int, reference: str = "h") -> Hold:
    place = make.channel()
    asked = {"member": member.pk, "channel": place, "points": points, "reference": reference, "expires_in": HOUR}
    return services.hold(**asked, by=make.BACKEND, is_present=True)[0]


@pytest.mark.parametrize(("of_source", "of_target"), [(70, 30), (-10, 100), (100, -50), (-5, -5), (-50, 30), (0, 20)])
def test_an_unmerge_right_after_restores_accounts_lots_and_holds_exactly(of_source, of_target):
    source, target = make.member(), make.member()
    for member, points in ((source, of_source), (target, of_target)):
        if points:
            post(member, posting(points, "e", **({} if points > 0 else {"kind": "reversed", "owe": True})))
    post(source, posting(9, "p", moves=ledger.Moves(pending=9), available_at=clock.now() + timedelta(days=3)))
    if of_source == 70:
        held(source, 20)
    before = projection()

    kept = absorb(source, target)
    assert books_agree()
    part(source, target, kept)

    assert projection() == before
    assert books_agree()


def test_what_was_spent_since_stays_spent_and_the_lots_go_home():
    source, target = holder(70), holder(30)
    kept = absorb(source, target)
    services.spend(member=target.pk, points=90, reference="s", by=make.BACKEND)
    services.earn(member=target.pk, points=5, reference="n", by=make.BACKEND)

    part(source, target, kept)

    assert (balance(source)[0], balance(target)[0]) in {(0, 15), (10, 5)}  # whichever lot was drawn on first
    assert balance(source)[0] + balance(target)[0] == 15
    assert books_agree()


def test_a_hold_made_since_keeps_the_lots_it_draws_on():
    source, target = holder(70), make.member()
    kept = absorb(source, target)
    hold = held(target, 50)

    part(source, target, kept)
    services.capture(hold=hold.pk, by=make.BACKEND)

    assert balance(target) == (20, 0, 0, 0)
    assert balance(source) == (0, 0, 0, 0)
    assert books_agree()


def test_an_open_hold_of_the_source_is_captured_after_the_merge_and_after_the_parting():
    source, target = holder(70), holder(30)
    first, second = held(source, 20, "one"), held(source, 10, "two")
    kept = absorb(source, target)
    services.capture(hold=first.pk, by=make.BACKEND)
    assert balance(target) == (70, 0, 10, 0)

    part(source, target, kept)
    services.capture(hold=second.pk, points=4, by=make.BACKEND)

    assert balance(source) == (46, 0, 0, 0)
    assert balance(target) == (30, 0, 0, 0)
    assert books_agree()


def test_references_of_the_source_are_its_own_again():
    source, target = holder(70), holder(30)
    part(source, target, absorb(source, target))
    assert Account.objects.get(member=target).absorbed == []
    assert services.earn(member=target.pk, points=1, reference="new", by=make.BACKEND)
    assert services.earn(member=source.pk, points=1, reference="new", by=make.BACKEND)


def test_merging_parting_and_merging_again_adds_up():
    source, target = holder(70), holder(30)
    part(source, target, absorb(source, target))
    absorb(source, target)
    assert balance(target) == (100, 0, 0, 0)
    assert books_agree()


def test_a_spending_before_the_merge_is_reversed_into_its_lot_after_it():
    source, target = holder(70), make.member()
    spent = services.spend(member=source.pk, points=70, reference="s", by=make.BACKEND)
    absorb(source, target)

    services.reverse(entry=spent.pk, by=make.BACKEND)

    assert balance(target) == (70, 0, 0, 0)
    assert Lot.objects.get().remaining == 70
    assert books_agree()


def test_an_export_holds_all_of_it_and_nothing_of_others():
    tiers(), rule()
    source, target, other = holder(70), holder(30), holder(999)
    held(source, 20)
    absorb(source, target)

    told = json.loads(json.dumps(Loyalty().export(target.pk)))

    assert told["points"] == as_points(target.pk)
    assert {entry["points"] for entry in told["entries"]} == {70, -20, 30, -70}
    assert [lot["earned"] for lot in told["lots"]] == [70, 30]
    assert [hold["state"] for hold in told["holds"]] == ["held"]
    assert str(other.account.pk) not in json.dumps(told)
    assert 999 not in {entry["points"] for entry in told["entries"]}
    assert Loyalty().export(make.member().pk) == {}
    assert balance(other) == (999, 0, 0, 0)


def test_who_is_forgotten_has_no_points_and_no_tier():
    member = holder(70)
    post(member, posting(9, "p", moves=ledger.Moves(pending=9)))

    act(Loyalty().erase)(member.pk)

    assert balance(member) == (0, 0, 0, 0)
    assert Entry.objects.order_by("version").last().contra_kind == "erased"
    assert make.types_of(member)[-1] == "points.expired"
    assert books_agree()
    before = make.snapshot()["loyalty_entry"]
    act(Loyalty().erase)(member.pk)
    assert make.snapshot()["loyalty_entry"] == before


def test_a_hold_or_a_debt_stands_in_the_way_of_being_forgotten():
    holding, owing = holder(70), make.member()
    held(holding, 20)
    post(owing, posting(-5, "r", kind="reversed", owe=True))
    before = make.snapshot()

    for member, reason in ((holding, "hold"), (owing, "debt")):
        with pytest.raises(StillOpen) as refused:
            act(Loyalty().erase)(member.pk)
        assert refused.value.reasons == [reason]

    assert make.snapshot() == before
    assert not Bonus.objects.exists()
