"""What time does to points: pending becomes available, lots expire, and what waits for staff."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from loyalty import services
from loyalty.ledger import Moves
from loyalty.models import Account, Draw, Entry, Lot, Programme
from members.models import Member
from sync import clock
from sync.act import Actor
from tests import make
from tests.loyalty.make_points import at_once, balance, drifted, execute, holder, post, posting

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def pass_by(time: timedelta) -> None:
    """Let so much time go by: everything that waits was to happen earlier by that."""
    execute("UPDATE loyalty_lot SET available_at = available_at - %s, expires_at = expires_at - %s", time, time)
    execute("UPDATE loyalty_account SET due_at = due_at - %s", time)


def earned(member: Member, points: int, reference: str, **fields):
    return post(member, posting(points, reference, **fields)).entry


def soon(days: float) -> datetime:
    return clock.now() + days * DAY


def test_pending_points_become_available_when_their_day_comes():
    member = make.member()
    earned(member, 50, "order:D1:paid", moves=Moves(pending=50), available_at=soon(7))
    assert balance(member) == (0, 50, 0, 0)

    pass_by(8 * DAY)
    services.settle(member.pk)

    assert balance(member) == (50, 0, 0, 0)
    event = make.events_of(member)[-1]
    assert event.type == "points.released"
    assert (event.data["entry"]["points"], event.data["entry"]["reference"]) == (50, "order:D1:paid")
    assert Account.objects.get().due_at is None
    assert drifted() == []


def test_settling_again_or_too_early_changes_nothing():
    member = holder(10)
    earned(member, 50, "p", moves=Moves(pending=50), available_at=soon(7))
    before = make.snapshot()
    assert services.settle(member.pk) == []
    assert make.snapshot() == before

    pass_by(8 * DAY)
    services.settle(member.pk)
    before = make.snapshot()
    assert services.settle(member.pk) == []
    assert services.settle_due() == 0
    assert make.snapshot() == before


def test_points_that_become_available_settle_a_debt_first():
    member = make.member()
    earned(member, 50, "p", moves=Moves(pending=50), available_at=soon(7))
    Lot.objects.update(remaining=50)
    post(member, posting(-80, "r", kind="reversed", owe=True))
    assert balance(member) == (0, 0, 0, 30)
    earned(member, 40, "q", moves=Moves(pending=40), available_at=soon(7))

    pass_by(8 * DAY)
    services.settle(member.pk)

    assert balance(member) == (10, 0, 0, 0)
    assert Lot.objects.get(entry__reference="q").remaining == 10
    assert drifted() == []


def test_lots_expire_at_their_time_together_and_are_told_once():
    member = make.member()
    for points, days in ((10, 1), (20, 2), (30, 9)):
        earned(member, points, f"{days}", expires_at=soon(days))
    services.spend(member=member.pk, points=4, reference="s", by=make.BACKEND)

    pass_by(3 * DAY)
    services.settle(member.pk)

    assert balance(member) == (30, 0, 0, 0)
    expired = Entry.objects.get(kind="expired")
    assert (expired.points, expired.contra_kind) == (-26, "expired")
    assert sorted(expired.draws.values_list("remaining", flat=True)) == [-20, -6]
    assert make.types_of(member)[-1] == "points.expired"
    assert drifted() == []


def test_nothing_expired_can_be_spent_though_nothing_ran():
    member = make.member()
    earned(member, 10, "a", expires_at=soon(1))
    earned(member, 5, "b", expires_at=soon(9))
    pass_by(2 * DAY)

    with pytest.raises(services.NotEnough) as refused:
        services.spend(member=member.pk, points=6, reference="s", by=make.BACKEND)
    assert refused.value.available == 5

    services.spend(member=member.pk, points=5, reference="s", by=make.BACKEND)
    assert make.types_of(member)[-2:] == ["points.expired", "points.spent"]


def test_spending_draws_on_the_earliest_expiry_first_and_points_that_never_expire_last():
    member = make.member()
    earned(member, 10, "never")
    earned(member, 10, "late", expires_at=soon(9))
    earned(member, 10, "early", expires_at=soon(1))

    spent = services.spend(member=member.pk, points=25, reference="s", by=make.BACKEND)

    drawn = spent.draws.order_by("id").values_list("lot__entry__reference", "remaining")
    assert list(drawn) == [("early", -10), ("late", -10), ("never", -5)]


def test_a_reversal_returns_to_the_same_lots_the_latest_expiry_first():
    member = make.member()
    earned(member, 10, "late", expires_at=soon(9))
    earned(member, 10, "early", expires_at=soon(1))
    spent = services.spend(member=member.pk, points=15, reference="s", by=make.BACKEND)

    for reference, points in (("r1", 6), ("r2", 9)):
        back = posting(points, reference, kind="reversed", reverses=spent.pk)
        post(member, back)
        if reference == "r1":
            assert list(Lot.objects.order_by("expires_at").values_list("remaining", flat=True)) == [1, 10]

    assert list(Lot.objects.order_by("expires_at").values_list("remaining", flat=True)) == [10, 10]
    assert drifted() == []


@pytest.mark.parametrize(("grace", "left"), [(0, 0), (30, 10)])
def test_points_that_come_back_to_an_expired_lot_have_one_grace_from_its_expiry(grace, left):
    Programme.objects.create(grace_days=grace)
    member = make.member()
    earned(member, 10, "e", expires_at=soon(1))
    first = services.spend(member=member.pk, points=10, reference="s1", by=make.BACKEND)
    pass_by(3 * DAY)
    expired_at = Lot.objects.get().expires_at

    services.reverse(entry=first.pk, by=make.BACKEND)
    assert balance(member) == (left, 0, 0, 0)
    if not grace:
        assert make.types_of(member)[-2:] == ["points.reversed", "points.expired"]
        return

    assert Lot.objects.get().expires_at == expired_at + grace * DAY
    again = services.spend(member=member.pk, points=10, reference="s2", by=make.BACKEND)
    pass_by(40 * DAY)
    services.reverse(entry=again.pk, by=make.BACKEND)
    assert balance(member) == (0, 0, 0, 0)
    assert make.types_of(member)[-2:] == ["points.reversed", "points.expired"]
    assert drifted() == []


def test_a_return_that_expires_at_once_answers_with_the_balance_after_it():
    member = make.member()
    earned(member, 10, "e", expires_at=soon(1))
    spent = services.spend(member=member.pk, points=10, reference="s1", by=make.BACKEND)
    pass_by(3 * DAY)
    assert services.reverse(entry=spent.pk, by=make.BACKEND).balance.available == 0


@pytest.mark.parametrize(
    ("validity", "months", "expires"),
    [("never", 12, None), ("rolling", 1, (2026, 3, 1)), ("rolling", 12, (2027, 2, 1)), ("year_end", 12, (2028, 1, 1))],
)
def test_points_expire_as_the_programme_says_at_midnight_in_shanghai(validity, months, expires):
    Programme.objects.create(validity=validity, valid_months=months)
    member = make.member()
    at = datetime(2026, 1, 30, 18, 30, tzinfo=UTC)  # the 31st in Shanghai
    with_expiry = "SELECT loyalty_expiry(%s, NULL)"
    found = fetched(with_expiry, at)
    expected = expires and datetime(*expires, tzinfo=UTC) - timedelta(hours=8)
    assert found == expected
    earned(member, 5, "a")
    assert (Lot.objects.get().expires_at is None) is (expires is None)


def test_a_rule_may_give_its_points_days_of_their_own():
    Programme.objects.create(validity="rolling", valid_months=12)
    earned(make.member(), 5, "a", valid_days=0)
    expires = Lot.objects.get().expires_at
    assert timedelta(0) < expires - clock.now() <= DAY
    assert (expires + timedelta(hours=8)).time() == datetime.min.time()


def test_all_that_is_due_is_settled_in_batches():
    members = [make.member() for _ in range(5)]
    for member in members:
        earned(member, 10, "e", expires_at=soon(1))
    earned(make.member(), 10, "later", expires_at=soon(9))
    pass_by(2 * DAY)

    assert services.settle_due(batch=2) == 5

    assert [balance(member)[0] for member in members] == [0] * 5
    assert {make.types_of(member)[-1] for member in members} == {"points.expired"}
    assert services.settle_due(batch=2) == 0
    assert drifted() == []


def test_an_account_that_looked_due_and_is_not_is_looked_at_once():
    holder(10)
    Account.objects.update(due_at=clock.now())
    assert services.settle_due() == 1
    assert services.settle_due() == 0
    assert not Draw.objects.exists()


def waiting(member: Member, points: int) -> Lot:
    """Points above what the channel may give."""
    place, by = make.channel("till", earn_per_entry=1), Actor("channel", "till", "till")
    services.book(member=member.pk, channel=place, kind="earn", points=points, reference="w", by=by)
    return Lot.objects.get(account__member=member)


def test_points_that_wait_for_staff_are_let_through():
    member = make.member()
    lot = waiting(member, 50)
    assert balance(member) == (0, 50, 0, 0)

    services.let_through(lot=lot.pk, by=make.STAFF)

    assert balance(member) == (50, 0, 0, 0)
    event = make.events_of(member)[-1]
    assert (event.type, event.actor, event.data["entry"]["reference"]) == ("points.released", "staff/1", "w")
    refused_from_now_on(lot)


def test_points_that_wait_for_staff_are_turned_down():
    member = make.member()
    lot = waiting(member, 50)

    services.turn_down(lot=lot.pk, by=make.STAFF)

    assert balance(member) == (0, 0, 0, 0)
    assert make.types_of(member)[-1] == "points.reversed"
    refused_from_now_on(lot)


def refused_from_now_on(lot: Lot) -> None:
    before = make.snapshot()
    for act in (services.let_through, services.turn_down):
        with pytest.raises(services.NotWaiting):
            act(lot=lot.pk, by=make.STAFF)
    assert make.snapshot() == before
    assert drifted() == []


@pytest.mark.django_db(transaction=True)
def test_spending_and_settling_at_once_agree():
    member = make.member()
    earned(member, 50, "e", expires_at=soon(1))
    earned(member, 50, "f")
    pass_by(2 * DAY)

    def work(n: int):
        if n % 4 == 0:
            return services.settle_due()
        return services.spend(member=member.pk, points=10, reference=f"s{n}", by=make.BACKEND)

    found = at_once(20, work)

    assert sum(isinstance(each, Entry) for each in found) == 5
    assert sum(isinstance(each, services.NotEnough) for each in found) == 10
    assert balance(member) == (0, 0, 0, 0)
    assert make.types_of(member).count("points.expired") == 1
    assert drifted() == []


def fetched(sql: str, *parameters):
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchone()[0]
