"""Members are told before points expire: once per member and day, of what goes and what there is."""

from datetime import timedelta

import pytest

from loyalty.models import ExpiryNotice
from loyalty.services import expiring, spend
from sync import clock
from tests import make
from tests.loyalty.make_adjusting import limits
from tests.loyalty.make_points import at_once, holder, post, posting

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def terms():
    limits(notice_days=30)


def giving(member, points: int, days: float, reference: str = "r"):
    """Points that expire so many days from now."""
    return post(member, posting(points, reference, expires_at=clock.now() + timedelta(days=days)))


def told(member) -> list[dict]:
    return [event.data for event in make.events_of(member) if event.type == "points.expiring"]


def test_who_has_points_that_expire_soon_is_told_once():
    member = holder(7)
    giving(member, 50, 29)
    giving(member, 20, 31, "later")

    assert expiring.tell_due() == 1
    before = make.snapshot()
    assert expiring.tell_due() == 0

    assert make.snapshot() == before
    [data] = told(member)
    assert data["points"] == 50
    assert data["balance"] == {"available": 77, "pending": 0, "held": 0, "debt": 0, "version": 3}
    assert ExpiryNotice.objects.get().points == 50


def test_points_of_one_day_are_told_together_and_those_of_another_apart():
    member = make.member()
    noon = clock.now().replace(hour=4, minute=0, second=0, microsecond=0) + timedelta(days=5)
    for points, at in ((10, noon), (20, noon + timedelta(hours=1)), (40, noon + timedelta(days=1))):
        post(member, posting(points, f"r{points}", expires_at=at))
    expiring.tell_due()
    assert [data["points"] for data in told(member)] == [30, 40]


def test_only_what_is_left_is_told():
    member = make.member()
    giving(member, 50, 5)
    spend(member=member.pk, points=30, reference="s", by=make.STAFF)
    expiring.tell_due()
    assert [data["points"] for data in told(member)] == [20]


def test_who_has_nothing_to_lose_is_not_told():
    spent, never = make.member(), holder(10)
    giving(spent, 50, 5)
    spend(member=spent.pk, points=50, reference="s", by=make.STAFF)
    before = make.snapshot()
    assert expiring.tell_due() == 0
    assert make.snapshot() == before
    assert told(never) == []


def test_two_runs_at_once_tell_each_member_once():
    members = [make.member() for _ in range(10)]
    for member in members:
        giving(member, 5, 5)

    at_once(6, lambda _n: expiring.tell_due())
    expiring.tell_due()

    assert [len(told(member)) for member in members] == [1] * 10


def test_batches_go_on_where_the_last_one_ended(monkeypatch):
    members = [make.member() for _ in range(5)]
    for days, member in enumerate(members, start=1):
        giving(member, 5, days)
    place, count = expiring.tell_batch(30, expiring.BEGIN, batch=2)
    assert (count, [len(told(member)) for member in members]) == (2, [1, 1, 0, 0, 0])
    place, count = expiring.tell_batch(30, place, batch=9)
    assert (count, [len(told(member)) for member in members]) == (3, [1, 1, 1, 1, 1])
    assert expiring.tell_batch(30, place) == (None, 0)


@pytest.mark.parametrize("accounts", [1, 3])
def test_a_batch_costs_the_same_however_many(accounts, django_assert_num_queries):
    for _ in range(accounts):
        giving(make.member(), 5, 5)
    with django_assert_num_queries(5):  # begin, lock, tell, who accepts, commit; events go past Django's cursor
        expiring.tell_batch(30, expiring.BEGIN)
