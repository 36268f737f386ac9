"""Two-phase spending: held, then captured or released, or back by itself."""

from datetime import timedelta

import pytest

from loyalty import services
from loyalty.models import Account, Draw, Entry, Hold, Lot
from loyalty.queries import as_points
from members.models import Member
from sync import clock
from sync.act import Actor
from sync.http import instant
from tests import make
from tests.loyalty.make_points import at_once, balance, drifted, holder

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
APP = Actor("channel", "mini-program", "mini-program")


def hold(member: Member, points: int, reference: str = "h", **fields) -> Hold:
    asked = {"channel": make.channel(), "expires_in": HOUR, "by": make.BACKEND, "is_present": True} | fields
    return services.hold(member=member.pk, points=points, reference=reference, **asked)[0]


def lapse(made: Hold) -> None:
    """An hour goes by for a hold: it was made, and ends, an hour earlier."""
    now = clock.now()
    Hold.objects.filter(pk=made.pk).update(expires_at=now, created_at=now - HOUR)
    Account.objects.filter(pk=made.account_id).update(due_at=now)


def test_a_hold_takes_points_out_of_reach_and_is_told():
    member = holder(100)

    made = hold(member, 60)

    assert (made.state, made.points, made.captured, made.reference) == ("held", 60, 0, "h")
    assert timedelta(minutes=59) < made.expires_at - clock.now() <= HOUR
    assert balance(member) == (40, 0, 60, 0)
    assert (Lot.objects.get().remaining, Lot.objects.get().held) == (40, 60)
    event = make.events_of(member)[-1]
    assert event.type == "points.held"
    assert (event.data["entry"]["points"], event.data["entry"]["expires_at"]) == (-60, instant(made.expires_at))
    assert drifted() == []


def test_the_same_hold_again_is_the_same_and_another_under_its_reference_is_refused():
    member = holder(100)
    made = hold(member, 60)
    before = make.snapshot()

    assert hold(member, 60) == made
    assert hold(member, 60, is_present=False) == made
    with pytest.raises(services.ReferenceConflict):
        hold(member, 61)
    with pytest.raises(services.ReferenceConflict):
        hold(member, 60, expires_in=2 * HOUR)
    with pytest.raises(services.ReferenceConflict):
        services.spend(member=member.pk, points=60, reference="h", by=make.BACKEND)

    assert make.snapshot() == before


def test_a_hold_is_refused_without_the_points_the_member_or_their_presence():
    member = holder(100)
    before = make.snapshot()
    with pytest.raises(services.NotEnough):
        hold(member, 101)
    with pytest.raises(services.NotPresent):
        hold(member, 10, is_present=False)
    assert make.snapshot() == before

    Member.objects.filter(pk=member.pk).update(**make.FROZEN)
    with pytest.raises(services.Frozen):
        hold(member, 10)


def test_a_member_who_was_here_just_now_needs_no_other_proof():
    member = holder(100)
    make.session(member)
    assert hold(member, 10, is_present=False).points == 10


def test_no_hold_lasts_longer_than_a_day():
    made = hold(holder(100), 10, expires_in=timedelta(days=3))
    assert made.expires_at - made.created_at == timedelta(days=1)


def test_a_captured_hold_is_spent_from_the_lots_it_drew_on():
    member = holder(100)
    made = hold(member, 60)

    captured = services.capture(hold=made.pk, by=make.BACKEND)

    assert (captured.state, captured.captured) == ("captured", 60)
    assert balance(member) == (40, 0, 0, 0)
    assert make.types_of(member) == ["points.earned", "points.held", "points.spent"]
    spent = make.events_of(member)[-1].data["entry"]
    assert (spent["points"], spent["reference"], spent["channel"]) == (-60, "h", "website")
    assert list(Draw.objects.order_by("id").values_list("remaining", "held")) == [(-60, 60), (0, -60)]
    assert drifted() == []


def test_what_is_not_captured_is_released_to_the_lots_that_live_longest():
    member, now = make.member(), clock.now()
    for points, days in ((30, 10), (70, 20)):
        at = now + timedelta(days=days)
        services.book(
            member=member.pk, channel=make.channel(), kind="earn", points=points, reference=f"{days}", expires_at=at,
            by=make.BACKEND,
        )  # fmt: skip
    made = hold(member, 80)

    services.capture(hold=made.pk, points=35, by=make.BACKEND)

    assert balance(member) == (65, 0, 0, 0)
    assert list(Lot.objects.order_by("expires_at").values_list("remaining", "held")) == [(0, 0), (65, 0)]
    assert make.types_of(member)[-2:] == ["points.spent", "points.released"]
    assert [event.data["balance"]["available"] for event in make.events_of(member)[-2:]] == [20, 65]


def test_a_released_hold_gives_all_of_it_back():
    member = holder(100)
    made = services.release(hold=hold(member, 60).pk, by=make.BACKEND)
    assert (made.state, made.captured) == ("released", 0)
    assert balance(member) == (100, 0, 0, 0)
    assert make.types_of(member)[-1] == "points.released"
    assert make.events_of(member)[-1].data["entry"]["points"] == 60


def test_closing_a_hold_the_same_way_again_changes_nothing():
    member = holder(100)
    whole, part, given_back = hold(member, 10, "a"), hold(member, 10, "b"), hold(member, 10, "c")
    services.capture(hold=whole.pk, by=make.BACKEND)
    services.capture(hold=part.pk, points=4, by=make.BACKEND)
    services.release(hold=given_back.pk, by=make.BACKEND)
    before = make.snapshot()

    services.capture(hold=whole.pk, by=make.BACKEND)
    services.capture(hold=part.pk, points=4, by=make.BACKEND)
    services.release(hold=given_back.pk, by=make.BACKEND)
    for closed, act in ((whole, services.release), (part, services.capture), (given_back, services.capture)):
        with pytest.raises(services.HoldClosed):
            act(hold=closed.pk, by=make.BACKEND)
    with pytest.raises(services.MoreThanHeld):
        services.capture(hold=part.pk, points=11, by=make.BACKEND)

    assert make.snapshot() == before


def test_a_hold_belongs_to_who_made_it():
    made = hold(holder(100), 10)
    before = make.snapshot()
    for act in (services.capture, services.release):
        with pytest.raises(Hold.DoesNotExist):
            act(hold=made.pk, by=APP)
    assert make.snapshot() == before


def test_a_hold_whose_time_is_over_has_released_itself_though_nothing_ran():
    member = holder(100)
    made = hold(member, 60)
    lapse(made)

    for act in (services.capture, services.release):
        with pytest.raises(services.HoldExpired):
            act(hold=made.pk, by=make.BACKEND)
    services.spend(member=member.pk, points=100, reference="all", by=make.BACKEND)

    made.refresh_from_db()
    assert made.state == "expired"
    assert balance(member) == (0, 0, 0, 0)
    assert make.types_of(member)[-2:] == ["points.released", "points.spent"]


def test_points_that_expired_while_they_were_held_are_gone_when_they_come_back():
    member = holder(100)
    made = hold(member, 60)
    Lot.objects.update(expires_at=clock.now())
    Account.objects.update(due_at=clock.now())

    services.release(hold=made.pk, by=make.BACKEND)

    assert balance(member) == (0, 0, 0, 0)
    assert make.types_of(member)[-3:] == ["points.expired", "points.released", "points.expired"]
    assert [event.data["entry"]["points"] for event in make.events_of(member)[-3:]] == [-40, 60, -60]
    assert drifted() == []


def test_a_captured_hold_is_reversed_into_its_lots():
    member = holder(100)
    made = hold(member, 60)
    services.capture(hold=made.pk, points=50, by=make.BACKEND)
    spent = Entry.objects.get(kind="spent")

    services.reverse(entry=spent.pk, by=make.BACKEND)

    assert balance(member) == (100, 0, 0, 0)
    assert Lot.objects.get().remaining == 100


def test_reading_points_shows_a_lapsed_hold_as_released():
    member = holder(100)
    lapse(hold(member, 60))
    services.settle(member.pk)
    assert as_points(member.pk)["available"] == 100


@pytest.mark.django_db(transaction=True)
def test_captured_and_released_by_many_at_once_it_is_closed_once():
    member = holder(100)
    made = hold(member, 60)
    acts = [services.capture, services.release]

    found = at_once(20, lambda n: acts[n % 2](hold=made.pk, by=make.BACKEND).state)

    won = {each for each in found if isinstance(each, str)}
    assert len(won) == 1
    assert sum(isinstance(each, services.HoldClosed) for each in found) == 10
    assert balance(member) in {(40, 0, 0, 0), (100, 0, 0, 0)}
    assert len(make.types_of(member)) == 3
    assert drifted() == []
