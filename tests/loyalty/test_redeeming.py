"""What was promised is taken though its hold ran out; what is not there by then is owed."""

import pytest

from loyalty import services
from loyalty.models import Entry, Hold
from sync.act import SYSTEM
from tests import make
from tests.loyalty.make_holds import hold, run_out
from tests.loyalty.make_points import balance, drifted, holder

pytestmark = pytest.mark.django_db


def held(points: int = 100, of: int = 100) -> Hold:
    return hold(holder(of), points, by=make.STAFF)


def redeem(of: Hold, points: int) -> Entry:
    return services.redeem(hold=of.pk, points=points, by=SYSTEM, source=services.HUB)


@pytest.mark.parametrize(("points", "after"), [(100, (0, 0, 0, 0)), (30, (70, 0, 0, 0))])
def test_what_is_held_is_spent_and_the_rest_comes_back(points, after):
    made = held()
    first = redeem(made, points)
    before = make.snapshot()
    assert (redeem(made, points).pk, first.points) == (first.pk, -points)
    assert make.snapshot() == before
    assert balance(made.account.member) == after
    assert drifted() == []


@pytest.mark.parametrize(("spent", "after"), [(0, (60, 0, 0, 0)), (80, (0, 0, 0, 20)), (100, (0, 0, 0, 40))])
def test_what_has_come_back_is_taken_again_and_what_is_gone_is_owed(spent, after):
    made = held()
    member = made.account.member
    run_out(made)
    if spent:
        services.spend(member=member.pk, points=spent, reference="elsewhere", by=SYSTEM)
    entry = redeem(made, 40)
    before = make.snapshot()
    assert redeem(made, 40).pk == entry.pk == services.spent_of(made).pk
    assert make.snapshot() == before
    assert balance(member) == after
    assert drifted() == []


def test_no_more_is_taken_than_was_held_and_nothing_else_the_second_time():
    made = held()
    with pytest.raises(services.MoreThanHeld):
        redeem(made, 101)
    redeem(made, 40)
    before = make.snapshot()
    with pytest.raises(services.HoldClosed):
        redeem(made, 50)
    assert make.snapshot() == before


def test_letting_go_of_what_is_not_held_any_more_changes_nothing():
    made = held()
    services.let_go(hold=made.pk, by=SYSTEM, source=services.HUB)
    assert balance(made.account.member) == (100, 0, 0, 0)
    before = make.snapshot()
    services.let_go(hold=made.pk, by=SYSTEM, source=services.HUB)
    assert make.snapshot() == before


def test_nobody_else_takes_or_lets_go():
    made = held()
    for act in (services.let_go, lambda **known: services.redeem(points=1, **known)):
        with pytest.raises(Hold.DoesNotExist):
            act(hold=made.pk, by=make.BACKEND, source=str(make.BACKEND))
