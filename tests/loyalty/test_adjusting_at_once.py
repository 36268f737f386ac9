"""Many people at the same moment: a budget is never exceeded, a decision is made once."""

from collections import Counter

import pytest

from loyalty.models import Adjustment, AdjustmentFile, Entry
from loyalty.services import adjusting, adjusting_by_file, budgets
from tests import make
from tests.loyalty.make_adjusting import adjusted, brought, limits, person, reason
from tests.loyalty.make_points import at_once, balance, drifted, holder

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def terms():
    limits(alone=100, per_day=1_000)
    reason()


def test_twenty_requests_of_one_person_at_once_stay_within_the_budget():
    members, by = [make.member() for _ in range(20)], person()

    found = at_once(20, lambda n: adjusted(members[n], 90, by=by))

    assert Counter(map(type, found)) == {Adjustment: 11, budgets.OverBudget: 9}
    assert {each.left for each in found if isinstance(each, budgets.OverBudget)} == {10}
    assert sum(entry.points for entry in Entry.objects.all()) == 990
    assert drifted() == []


def test_requests_and_files_of_one_person_share_the_budget():
    limits(alone=100, per_day=100)
    member, by = make.member(), person()
    files = [brought(f"{member.number},60,goodwill,,{n}") for n in range(5)]

    def work(n: int):
        return adjusted(member, 60, by=by) if n % 2 else adjusting_by_file.submit(file=files[n // 2].pk, by=by)

    at_once(10, work)

    alone = AdjustmentFile.objects.filter(state="running").count()
    assert alone + Adjustment.objects.count() == 1


def test_twenty_people_ask_within_budgets_of_their_own():
    member, people = make.member(), [person(f"p{n}") for n in range(20)]

    at_once(20, lambda n: adjusted(member, 50, by=people[n]))

    assert balance(member) == (1_000, 0, 0, 0)
    assert make.types_of(member) == ["points.adjusted"] * 20


def test_twenty_people_approve_one_request_and_it_is_posted_once():
    member = make.member()
    asked, people = adjusted(member, 500), [person(f"p{n}") for n in range(20)]

    found = at_once(20, lambda n: adjusting.approve(adjustment=asked.pk, by=people[n]))

    assert Counter(map(type, found)) == {Adjustment: 1, adjusting.Decided: 19}
    assert balance(member) == (500, 0, 0, 0)


def test_approving_refusing_and_withdrawing_at_once_have_one_winner():
    member, people = make.member(), [person(f"p{n}") for n in range(20)]
    asked = adjusted(member, 500)
    acts = [adjusting.approve, adjusting.refuse]

    def work(n: int):
        return (
            acts[n % 2](adjustment=asked.pk, by=people[n])
            if n
            else adjusting.withdraw(adjustment=asked.pk, by=person())
        )

    found = at_once(20, work)

    assert Counter(map(type, found)) == {Adjustment: 1, adjusting.Decided: 19}
    asked.refresh_from_db()
    assert balance(member)[0] == (500 if asked.state == "posted" else 0)


def test_the_same_form_sent_twenty_times_is_one_adjustment():
    member, by, first = make.member(), person(), adjusted(make.member(), 1)

    found = at_once(20, lambda _n: adjusted(member, 20, by=by, id=Adjustment(pk=first.account_id).pk))

    assert len({each.pk for each in found}) == 1
    assert balance(member) == (20, 0, 0, 0)


def test_twenty_takings_approved_at_once_take_no_more_than_is_there():
    member = holder(1_000)
    asked = [adjusted(member, -300, by=person(f"p{n}")) for n in range(20)]

    found = at_once(20, lambda n: adjusting.approve(adjustment=asked[n].pk, by=person(f"p{(n + 1) % 20}")))

    assert Counter(type(each).__name__ for each in found) == {"Adjustment": 3, "NotEnough": 17}
    assert balance(member) == (100, 0, 0, 0)
    assert Adjustment.objects.filter(state="asked").count() == 17


def test_a_posted_one_is_undone_once_by_twenty():
    given, people = adjusted(make.member(), 50), [person(f"p{n}") for n in range(20)]

    found = at_once(20, lambda n: adjusting.undo(adjustment=given.pk, by=people[n]))

    assert Counter(map(type, found)) == {Adjustment: 1, adjusting.NotUndoable: 19}
    assert drifted() == []
