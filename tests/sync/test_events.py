"""Facts of many subjects: one entry of the act, one statement, one round trip; some are for some groups only."""

import pytest
from django.db import transaction

from sync import act, events
from sync.act import SYSTEM, Actor
from sync.ids import request_id
from sync.models import Event, Stream
from sync.services import admit
from tests import make
from tests.statements import ROUND_TRIPS, sent

pytestmark = pytest.mark.django_db(transaction=True)

MANY = 5_000


def named(count: int) -> list[str]:
    """Subjects, in an order that is nobody's."""
    return [f"member/{n * 7_919 % count}" for n in range(count)]


def tell(subjects: list[str], type: str = "points.expired") -> int:
    return events.record_many(type, ((subject, {"n": n}) for n, subject in enumerate(subjects)), by=SYSTEM)


def column(name: str, subject: str = "member/1") -> list:
    """One column of a subject's facts, in their sequence."""
    return list(Event.objects.filter(subject=subject).order_by("sequence").values_list(name, flat=True))


def told(subject: str) -> list[tuple[int, str]]:
    return list(Event.objects.filter(subject=subject).order_by("sequence").values_list("sequence", "type"))


class TestManyFacts:
    def test_are_written_in_one_round_trip(self):
        subjects = named(MANY)
        act.outermost(lambda: tell(subjects[:2]))
        with sent(ROUND_TRIPS) as waits:
            assert act.outermost(lambda: tell(subjects)) == MANY
        assert len(waits) == 1
        assert Event.objects.count() == MANY + 2
        assert Stream.objects.count() == MANY
        assert list(Event.objects.order_by("written").values_list("data__n", flat=True))[2:] == list(range(MANY))

    def test_stand_in_their_order_between_others_of_their_subjects(self):
        def work():
            events.record("order.paid", subject="member/1", data={}, by=SYSTEM)
            tell(["member/2", "member/1", "member/1"], "points.earned")
            events.record("tier.changed", subject="member/1", data={}, by=SYSTEM)

        act.outermost(work)
        assert told("member/1") == [(1, "order.paid"), (2, "points.earned"), (3, "points.earned"), (4, "tier.changed")]
        assert told("member/2") == [(1, "points.earned")]
        assert column("data__n") == [None, 1, 2, None]
        assert column("id") == sorted(column("id"))

    def test_of_a_savepoint_that_is_rolled_back_are_not_told(self):
        def work():
            tell(["member/1"])
            with transaction.atomic():
                tell(["member/1", "member/2"])
                transaction.set_rollback(True)

        act.outermost(work)
        assert (told("member/1"), told("member/2")) == ([(1, "points.expired")], [])

    def test_are_told_by_whom_and_for_which_request(self):
        held = request_id.set("req-1")
        try:
            act.outermost(lambda: tell(["member/1", "member/2"]))
        finally:
            request_id.reset(held)
        assert set(Event.objects.values_list("actor", "source", "correlation_id")) == {("system/hub", "/hub", "req-1")}

    def test_may_be_none(self):
        assert act.outermost(lambda: tell([])) == 0
        assert not Event.objects.exists()

    @pytest.mark.parametrize("in_transaction", [True, False])
    def test_outside_an_act_are_refused(self, in_transaction):
        def work():
            if in_transaction:
                with transaction.atomic():
                    tell(["member/1"])
            else:
                tell(["member/1"])

        with pytest.raises(events.NotInAnAct):
            work()
        assert not Event.objects.exists()


class TestAFactForSomeGroups:
    def test_takes_the_place_of_what_the_act_tells_them_of_that_kind(self):
        def work():
            for subject in ("member/1", "member/2"):
                events.record("member.updated", subject=subject, data={}, by=SYSTEM)
            events.record_for([3], [1, 2], "member.updated", subject="member/1", data={}, by=SYSTEM)
            events.record_for([2], [1], "member.updated", subject="member/1", data={}, by=SYSTEM)
            events.record("order.updated", subject="member/1", data={}, by=SYSTEM)

        act.outermost(work)
        assert column("only_for") == [[1], [3], [2], None]
        assert Event.objects.get(subject="member/2").only_for is None

    def test_of_nobody_else_is_for_nobody_else(self):
        def work():
            events.record("member.updated", subject="member/1", data={}, by=SYSTEM)
            events.record_for([3], [], "member.updated", subject="member/1", data={}, by=SYSTEM)

        act.outermost(work)
        assert column("only_for") == [[], [3]]


class TestWhereAChangeBegan:
    """`source`: the channel, while one sharing group sees the subject; to several it is the hub that tells it."""

    by = Actor("channel", "website", "website")

    def tell(self, count: int, **fields) -> list[str]:
        def work():
            for _fact in range(count):
                events.record(**{"type": "member.updated", "subject": "member/1", "data": {}, "by": self.by} | fields)

        act.outermost(work)
        return column("source")[-count:]

    @pytest.mark.parametrize("count", [1, 2])
    def test_is_said_within_one_sharing_group(self, count):
        for channel in (make.channel(), make.channel("mini-program")):
            admit("member/1", channel)
        assert self.tell(count) == ["/channels/website"] * count

    @pytest.mark.parametrize("count", [1, 2])
    def test_is_not_said_to_another_that_sees_the_subject_as_well(self, count):
        for channel in (make.channel(), make.channel("stranger", group="other")):
            admit("member/1", channel)
        assert self.tell(count) == ["/hub"] * count
        assert set(column("actor")) == {"channel/website"}

    @pytest.mark.parametrize("count", [1, 2])
    def test_is_said_of_what_is_told_to_one_alone(self, count):
        website = make.channel()
        for channel in (website, make.channel("stranger", group="other")):
            admit("member/1", channel)
        assert self.tell(count, only_for=[website.group_id]) == ["/channels/website"] * count
        assert self.tell(count, type="order.paid", data={"channel": "website"}) == ["/channels/website"] * count


def test_the_first_of_a_group_comes_to_see_a_subject():
    website, second, other = make.channel(), make.channel("mini-program"), make.channel("stranger", group="other")
    assert [admit("member/1", channel) for channel in (website, second, website, other)] == [True, False, False, True]
    assert admit("member/2", second)
