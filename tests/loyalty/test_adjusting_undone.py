"""What staff gave or took is taken back once, by the same rules."""

import pytest

from loyalty import services
from loyalty.models import Adjustment, Entry, Lot
from loyalty.services import adjusting, budgets
from tests import make
from tests.loyalty.make_adjusting import adjusted, limits, person
from tests.loyalty.make_points import balance, drifted, holder

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def terms():
    limits(alone=100, per_day=1_000)


def test_what_was_given_is_taken_back_and_told():
    member = make.member()
    given = adjusted(member, 60)

    undone = adjusting.undo(adjustment=given.pk, note="记错了", by=person("second"))

    assert (undone.points, undone.state, undone.undoes_id) == (-60, "posted", given.pk)
    assert undone.entry.reverses_id == given.entry_id
    assert balance(member) == (0, 0, 0, 0)
    assert make.types_of(member) == ["points.adjusted", "points.reversed"]
    assert drifted() == []


def test_what_was_taken_comes_back_to_its_lots():
    member = holder(80)
    lot = Lot.objects.get()

    adjusting.undo(adjustment=adjusted(member, -60).pk, by=person())

    lot.refresh_from_db()
    assert (lot.remaining, Lot.objects.count()) == (80, 1)
    assert balance(member) == (80, 0, 0, 0)


def test_what_was_spent_since_is_owed():
    member = make.member()
    given = adjusted(member, 60)
    services.spend(member=member.pk, points=50, reference="s", by=make.STAFF)

    adjusting.undo(adjustment=given.pk, by=person())

    assert balance(member) == (0, 0, 0, 50)


def test_undoing_twice_changes_nothing_the_second_time():
    given = adjusted(make.member(), 60)
    first = adjusting.undo(adjustment=given.pk, by=person())
    before = make.snapshot()

    assert adjusting.undo(adjustment=given.pk, by=person()) == first
    second = person("second")
    before = make.snapshot()
    with pytest.raises(adjusting.NotUndoable):
        adjusting.undo(adjustment=given.pk, by=second)
    with pytest.raises(adjusting.NotUndoable):
        adjusting.undo(adjustment=first.pk, by=second)

    assert make.snapshot() == before


def test_undoing_much_needs_a_second_person_too():
    member = make.member()
    given = adjusting.approve(adjustment=adjusted(member, 500).pk, by=person("second"))

    asked = adjusting.undo(adjustment=given.pk, by=person("second"))

    assert (asked.state, balance(member)) == ("asked", (500, 0, 0, 0))
    with pytest.raises(adjusting.OwnRequest):
        adjusting.approve(adjustment=asked.pk, by=person("second"))
    adjusting.approve(adjustment=asked.pk, by=person())
    assert balance(member) == (0, 0, 0, 0)


def test_an_undoing_that_was_refused_may_be_asked_for_again():
    given = adjusting.approve(adjustment=adjusted(make.member(), 500).pk, by=person("second"))
    asked = adjusting.undo(adjustment=given.pk, by=person("second"))
    adjusting.refuse(adjustment=asked.pk, by=person())

    assert adjusting.undo(adjustment=given.pk, by=person("second")) != asked


def test_undoing_counts_against_the_budget():
    given = [adjusted(make.member(), 100) for _ in range(9)]
    adjusting.undo(adjustment=given[0].pk, by=person())
    before = make.snapshot()
    with pytest.raises(budgets.OverBudget):
        adjusting.undo(adjustment=given[1].pk, by=person())
    assert make.snapshot() == before


def test_only_what_was_posted_is_undone():
    asked, by = adjusted(make.member(), 500), person("second")
    before = make.snapshot()
    with pytest.raises(adjusting.NotUndoable):
        adjusting.undo(adjustment=asked.pk, by=by)
    assert make.snapshot() == before
    assert (Adjustment.objects.count(), Entry.objects.count()) == (1, 0)
