"""A posting that is its act's first fact: the same statement writes its event, and it is what it would have been."""

from datetime import timedelta

import pytest
from django.db import transaction

from loyalty import ledger, told
from loyalty.ledger import Moves, NotEnough, Posted
from loyalty.models import Account
from loyalty.services import settling
from members.models import Member
from sync import clock, events
from sync.act import SYSTEM, Actor, act
from sync.models import Event, Stream
from tests import make
from tests.loyalty.make_points import execute, holder, posting, rule
from tests.statements import ROUND_TRIPS, sent
from tests.sync.test_act import make_sleeper

pytestmark = pytest.mark.django_db


@act
def post(member: Member, what: ledger.Posting, by: Actor = SYSTEM, *, before: str = "", after: str = "") -> Posted:
    """Post and tell, with other facts of the act before or after it."""
    subject = events.of_member(member.pk)
    if before:
        events.record(before, subject=subject, data={}, by=by)
    posted = settling.post(member.pk, what, by, ahead=True)
    if after:
        events.record(after, subject=subject, data={}, by=by)
    return posted


def facts(member: Member) -> list[Event]:
    """What is told on a member's stream."""
    return list(Event.objects.filter(subject=events.of_member(member.pk)).order_by("sequence"))


def types(member: Member) -> list[str]:
    return [fact.type for fact in facts(member)]


def counted(member: Member) -> tuple[int, int]:
    """The head of a member's stream, and how many facts it has: the same."""
    return Stream.objects.get(subject=events.of_member(member.pk)).head, len(facts(member))


GIVING = ("given", "pending", "pending, its day come", "for staff", "taken back", "given back", "moved", "adjusted")


@pytest.mark.parametrize(
    ("kind", "owed"), [(k, owed) for k in GIVING for owed in (0, 20, 60)] + [("spent", 0), ("held", 0)]
)
def test_what_the_database_tells_is_what_would_have_been_told(kind, owed):
    member, place = holder(100), make.channel()
    earned = post(member, posting(100, "earned")).entry.pk
    spent = post(member, posting(-30, "spent")).entry.pk
    if owed:
        post(member, posting(-170 - owed, "owed", kind="adjusted", owe=True))
    before, after = clock.now() - timedelta(days=1), clock.now() + timedelta(days=1)
    asked = {
        "given": posting(50, rule=rule(), channel=place, reason="why", expires_at=after),
        "pending": posting(50, moves=Moves(pending=50), available_at=after, valid_days=3, channel=place),
        "pending, its day come": posting(50, moves=Moves(pending=50), available_at=before),
        "for staff": posting(50, moves=Moves(pending=50), channel=place),
        "spent": posting(-40, channel=place),
        "held": posting(-40, moves=Moves(available=-40, held=40), kind="held", hold_seconds=60),
        "taken back": posting(-100, kind="reversed", reverses=earned, owe=True),
        "given back": posting(30, kind="reversed", reverses=spent),
        "moved": posting(5, kind="moved", moves=Moves(available=5 if not owed else 0, pending=1)),
        "adjusted": posting(-10, kind="adjusted", owe=True, reason="为什么"),
    }[kind]
    by = Actor("channel", place.code, place.code) if asked.channel else SYSTEM

    posted = post(member, asked, by)

    fact = facts(member)[-1]
    expected = told._about(member.pk, asked.kind, asked.channel)
    assert fact.data == told.as_posted(posted)
    assert {name: getattr(fact, name) for name in expected} == expected
    assert (fact.actor, fact.source) == (str(by), by.source)
    assert counted(member) == (fact.sequence, fact.sequence)


def test_a_fact_before_it_stays_before_it_and_one_after_it_after():
    member = holder()

    post(member, posting(1, "a"), before="order.paid", after="tier.changed")
    post(member, posting(1, "b"), after="tier.changed")

    assert types(member) == ["order.paid", "points.earned", "tier.changed", "points.earned", "tier.changed"]
    first, second = (fact.data for fact in facts(member) if fact.type == "points.earned")
    assert (first.keys(), first["entry"].keys()) == (second.keys(), second["entry"].keys())


def test_several_of_an_act_stand_in_their_order():
    member, other = holder(), holder()

    @act
    def work():
        for number, who in enumerate([member, other, member]):
            settling.post(who.pk, posting(number + 1, f"r{number}"), SYSTEM, ahead=True)

    work()
    assert [fact.data["entry"]["points"] for fact in facts(member)] == [1, 3]
    assert [fact.data["entry"]["points"] for fact in facts(other)] == [2]
    assert counted(member) == (2, 2)


def test_of_a_savepoint_that_is_rolled_back_is_not_told():
    member = holder()

    @act
    def work():
        with transaction.atomic():
            settling.post(member.pk, posting(1, "undone"), SYSTEM, ahead=True)
            transaction.set_rollback(True)
        settling.post(member.pk, posting(2, "done"), SYSTEM, ahead=True)

    work()
    assert [(fact.sequence, fact.data["entry"]["reference"]) for fact in facts(member)] == [(1, "done")]


def test_what_is_refused_or_known_is_not_told():
    member = holder(10)
    post(member, posting(5, "once"))
    before = make.snapshot()

    with pytest.raises(NotEnough):
        post(member, posting(-16, "too much"))
    assert not post(member, posting(5, "once")).created

    assert make.snapshot() == before


def test_what_time_did_is_told_before_it():
    member = holder()
    post(member, posting(7, "gone", expires_at=clock.now() + timedelta(days=1)))
    execute("UPDATE loyalty_lot SET expires_at = now() - interval '1 hour' WHERE expires_at IS NOT NULL")
    execute("UPDATE loyalty_account SET due_at = now() - interval '1 hour'")

    post(member, posting(1, "later"))

    assert types(member) == ["points.earned", "points.expired", "points.earned"]
    assert facts(member)[-1].data["balance"]["available"] == 1


def test_that_began_on_a_channel_and_is_told_to_all_waits_for_the_end():
    member, place = holder(), make.channel()
    subject, by = events.of_member(member.pk), Actor("member", str(member.pk), place.code)

    assert events.ahead("points.earned", subject=subject, by=by) is None
    assert events.ahead("points.earned", subject=subject, by=by, only_for=[place.group_id])
    assert events.ahead("points.earned", subject=subject, by=SYSTEM)
    post(member, posting(1), by)
    assert (types(member), facts(member)[0].source) == (["points.earned"], by.source)


@pytest.mark.django_db(transaction=True)
class TestRoundTrips:
    def test_an_act_waits_for_its_posting_and_for_its_end(self):
        member = holder(1)
        post(member, posting(1, "warm"))

        with make_sleeper() as listener, sent(ROUND_TRIPS) as waits:
            post(member, posting(1))
            assert [bell.channel for bell in listener.notifies(timeout=30, stop_after=1)] == ["sync"]

        assert len(waits) == 2

    def test_outside_acts_it_is_one_that_waits_once(self):
        member = holder(1)
        what = posting(5, "warm"), posting(5, "alone")
        ledger.post(member.pk, what[0], told.ahead(member.pk, what[0], SYSTEM))

        with make_sleeper() as listener, sent(ROUND_TRIPS) as waits:
            posted = ledger.post(member.pk, what[1], told.ahead(member.pk, what[1], SYSTEM))
            assert [bell.channel for bell in listener.notifies(timeout=30, stop_after=1)] == ["sync"]

        assert len(waits) == 1
        assert facts(member)[-1].data == told.as_posted(posted)
        assert (Account.objects.get().available, counted(member)) == (11, (3, 3))

    def test_outside_acts_what_is_refused_changes_nothing(self):
        member = holder(1)
        before = make.snapshot()

        with pytest.raises(NotEnough):
            ledger.post(member.pk, posting(-2), told.ahead(member.pk, posting(-2), SYSTEM))

        assert make.snapshot() == before
        with pytest.raises(events.NotInAnAct):
            events.is_told(told.ahead(member.pk, posting(1), SYSTEM), dict)
