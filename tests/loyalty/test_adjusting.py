"""Staff give and take points: at once within limits, with a second person above them, for a reason always."""

import pytest

from loyalty.models import Adjustment, Entry, Lot
from loyalty.services import NotEnough, adjusting, budgets
from members.models import Member
from sync.models import Event
from tests import make
from tests.loyalty.make_adjusting import adjusted, limits, person, reason
from tests.loyalty.make_points import balance, drifted, holder

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def terms():
    limits(alone=100, per_day=1_000)
    for name in ("asker", "second", "third"):
        person(name)


def test_within_the_limit_it_is_posted_at_once_and_told():
    member = make.member()

    made = adjusted(member, 100)

    assert (made.state, made.needs_approval, made.decided_by_id) == ("posted", False, None)
    assert balance(member) == (100, 0, 0, 0)
    entry = Entry.objects.get()
    assert (entry.kind, entry.source, entry.reference) == ("adjusted", "hub", f"adjust:{made.pk}")
    [event] = make.events_of(member)
    assert (event.type, event.actor) == ("points.adjusted", str(person()))
    assert event.data["entry"]["points"] == 100
    assert drifted() == []


def test_what_is_given_lies_in_a_lot_that_expires_as_the_programme_says():
    limits(validity="rolling", valid_months=1)

    made = adjusted(make.member(), 100)

    lot = Lot.objects.get()
    assert (lot.entry_id, lot.remaining) == (made.entry_id, 100)
    assert lot.expires_at > made.decided_at


def test_points_are_taken_as_well():
    member = holder(80)
    assert adjusted(member, -80).entry.points == -80
    assert balance(member) == (0, 0, 0, 0)


def test_the_same_request_twice_is_one_adjustment():
    member = make.member()
    first = adjusted(member, 10)
    before = make.snapshot()

    again = adjusted(member, 10, id=first.pk)

    assert again == first
    assert make.snapshot() == before


def test_above_the_limit_nothing_moves_until_another_person_approves():
    member = make.member()

    asked = adjusted(member, 101)

    assert (asked.state, asked.needs_approval, asked.entry_id) == ("asked", True, None)
    assert balance(member) == (0, 0, 0, 0)
    assert not Event.objects.exists()

    approved = adjusting.approve(adjustment=asked.pk, by=person("second"))

    assert (approved.state, str(approved.decided_by_id)) == ("posted", person("second").id)
    assert balance(member) == (101, 0, 0, 0)
    assert make.events_of(member)[0].actor == str(person("second"))


def test_approving_twice_changes_nothing_the_second_time():
    asked = adjusted(make.member(), 500)
    adjusting.approve(adjustment=asked.pk, by=person("second"))
    before = make.snapshot()

    assert adjusting.approve(adjustment=asked.pk, by=person("second")).state == "posted"

    assert make.snapshot() == before


@pytest.mark.parametrize("act", [adjusting.approve, adjusting.refuse])
def test_nobody_decides_on_what_they_asked_for(act):
    asked = adjusted(make.member(), 500)
    before = make.snapshot()
    with pytest.raises(adjusting.OwnRequest):
        act(adjustment=asked.pk, by=person())
    assert make.snapshot() == before


def test_what_is_refused_moves_nothing_and_stays_refused():
    asked = adjusted(make.member(), 500)

    refused = adjusting.refuse(adjustment=asked.pk, why="没有凭证", by=person("second"))

    assert (refused.state, refused.why) == ("refused", "没有凭证")
    before = make.snapshot()
    assert adjusting.refuse(adjustment=asked.pk, by=person("second")).why == "没有凭证"
    for act, who in ((adjusting.approve, "second"), (adjusting.refuse, "third"), (adjusting.withdraw, "asker")):
        with pytest.raises(adjusting.Decided):
            act(adjustment=asked.pk, by=person(who))
    assert make.snapshot() == before


def test_who_asked_may_withdraw_and_nobody_else():
    asked = adjusted(make.member(), 500)
    before = make.snapshot()
    with pytest.raises(adjusting.NotYours):
        adjusting.withdraw(adjustment=asked.pk, by=person("second"))
    assert make.snapshot() == before

    assert adjusting.withdraw(adjustment=asked.pk, by=person()).state == "withdrawn"

    before = make.snapshot()
    assert adjusting.withdraw(adjustment=asked.pk, by=person()).state == "withdrawn"
    assert make.snapshot() == before


@pytest.mark.parametrize("points", [-81, -101])
def test_no_more_is_taken_than_is_there(points):
    member, by, why = holder(80), person(), reason()
    before = make.snapshot()
    with pytest.raises(NotEnough) as refused:
        adjusting.adjust(member=member.pk, points=points, reason=why, by=by)
    assert refused.value.available == 80
    assert make.snapshot() == before


def test_what_was_spent_meanwhile_is_not_taken_on_approval():
    member, second = holder(300), person("second")
    asked = adjusted(member, -200)
    adjusted(member, -100, by=second)
    adjusted(member, -100, by=second)
    before = make.snapshot()
    with pytest.raises(NotEnough):
        adjusting.approve(adjustment=asked.pk, by=second)
    assert make.snapshot() == before


@pytest.mark.parametrize(
    ("fields", "points", "note"),
    [
        ({"direction": "give"}, -1, "x"),
        ({"direction": "take"}, 1, "x"),
        ({"is_note_required": True}, 1, "  "),
        ({"is_active": False}, 1, "x"),
        ({}, 0, "x"),
    ],
)
def test_a_reason_that_does_not_fit_is_refused(fields, points, note):
    member, by, why = holder(10), person(), reason("strict", **fields)
    before = make.snapshot()
    with pytest.raises(adjusting.Unfit):
        adjusting.adjust(member=member.pk, points=points, reason=why, note=note, by=by)
    assert make.snapshot() == before


def test_a_day_has_its_budget_whichever_way_points_go():
    member, by = holder(400), person()
    for points in (100, -100, 500):
        adjusted(member, points, by=by)
    assert budgets.left_of(int(by.id)) == 300
    before = make.snapshot()
    with pytest.raises(budgets.OverBudget) as refused:
        adjusted(member, 301, by=by)
    assert refused.value.left == 300
    assert make.snapshot() == before


def test_what_is_refused_or_withdrawn_or_was_asked_yesterday_is_left_to_ask_for():
    member, by = make.member(), person()
    adjusting.refuse(adjustment=adjusted(member, 400).pk, by=person("second"))
    adjusting.withdraw(adjustment=adjusted(member, 400).pk, by=by)
    yesterday = adjusted(member, 90)
    moved = {name: getattr(yesterday, name) for name in ("account", "reason", "asked_by")}
    Adjustment.objects.create(points=900, state="asked", asked_at=make.LONG_AGO, **moved)
    assert budgets.left_of(int(by.id)) == 910


def test_approvals_count_against_nobodys_budget():
    second = person("second")
    adjusting.approve(adjustment=adjusted(make.member(), 900).pk, by=second)
    assert budgets.left_of(int(second.id)) == 1_000
    assert budgets.left_of(int(person().id)) == 100


def test_an_erased_member_gets_nothing():
    member, by, why = make.member(status=Member.Status.ERASED), person(), reason()
    before = make.snapshot()
    with pytest.raises(adjusting.MemberGone):
        adjusting.adjust(member=member.pk, points=1, reason=why, by=by)
    assert make.snapshot() == before


def test_points_of_who_was_absorbed_meanwhile_go_to_the_survivor():
    survivor, absorbed = make.member(), make.member()
    asked = adjusted(absorbed, 500)
    Member.objects.filter(pk=absorbed.pk).update(status="merged", merged_into=survivor)

    adjusting.approve(adjustment=asked.pk, by=person("second"))

    assert balance(survivor) == (500, 0, 0, 0)
