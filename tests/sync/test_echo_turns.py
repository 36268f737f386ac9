"""Mirrors that mark nothing are known by taking turns; who works on one member beside another is no mirror."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from sync import echo, inbox, turns
from sync.act import SYSTEM, Actor, act
from sync.events import record
from sync.ids import request_id, uuid7
from sync.models import Attempt, Channel, Delivery, Event, InboxMessage, Settled
from sync.turns import TURNS, Told, most, thing_of
from tests import make, plans
from tests.statements import ROUND_TRIPS, sent
from tests.sync import make_deliveries
from tests.sync.push import counts, event, push

NOON = datetime(2026, 11, 22, 4, tzinfo=UTC)
ABOUT = "member/1"
TYPE = "order.updated"


@pytest.fixture(autouse=True)
def handled(settings):
    settings.INBOX_HANDLERS = {TYPE: "tests.sync.handlers.keeps", "points.earned": "tests.sync.handlers.keeps"}


@pytest.fixture
def backends(db):
    """Two of one sharing group, each with an address."""
    found = [make.channel("website"), make.channel("mini-program")]
    for each in found:
        make_deliveries.endpoint(each, f"https://{each.code}.example/hook")
    return found


def tell(channel: Channel, type: str = TYPE, *, is_heard: bool = True, about: str = ABOUT, **more) -> str:
    """Push a fact; what became of its message. The others hear it at once, if they do."""
    name = str(uuid7())
    data = {"tells": type, "subject": about, "more": more}
    assert push(channel, event(name, type, channel=channel.code, data=data)).json() == counts(accepted=1)
    message = InboxMessage.objects.get(message_id=name)
    if is_heard and message.state == "applied":
        heard_by_others(channel)
    return message.problem or message.state


def heard_by_others(channel: Channel) -> None:
    last = Event.objects.order_by("written").last()
    Settled.objects.get_or_create(event=last)
    for endpoint in make_deliveries.Endpoint.objects.exclude(channel=channel):
        delivery = Delivery.objects.create(event=last, endpoint=endpoint, subject=last.subject, position=last.written)
        Attempt.objects.create(delivery=delivery, at=timezone.now(), milliseconds=1, status=200)


def in_turns(backends, count: int, *things: dict, **more) -> list[str]:
    return [tell(backends[n % 2], **things[n % len(things)], **more) for n in range(count)]


def stopped(told: list[str]) -> int:
    """After how many facts it stopped."""
    return told.index("echo") if "echo" in told else len(told)


class TestLoops:
    def test_the_same_points_given_back_again_and_again_end(self, backends):
        told = in_turns(backends, TURNS + 4, {"entry": {"points": 10}}, type="points.earned")
        assert stopped(told) == TURNS + 1

    def test_two_orders_that_mirror_each_other_end(self, backends):
        assert stopped(in_turns(backends, TURNS + 4, {"number": "D1"}, {"number": "D2"})) == TURNS + 1

    def test_it_ends_for_what_goes_round_alone(self, backends):
        in_turns(backends, TURNS + 1, {"number": "D1"}, {"number": "D2"})
        assert tell(backends[0], number="D1") == "applied"  # it told it last: nobody's answer
        assert tell(backends[1], number="D2") == "echo"
        assert tell(backends[1], number="D3") == "applied"

    def test_between_those_who_read_the_feed_as_well(self, backends):
        make_deliveries.Endpoint.objects.all().delete()
        assert stopped(in_turns(backends, TURNS + 4, {"number": "D1"}, {"number": "D2"})) == TURNS + 1

    def test_under_one_request_id_it_takes_longer(self):
        facts = [fact(n, "AB"[n % 2], request="sync", at=NOON + timedelta(minutes=n)) for n in range(TURNS + 1)]
        assert most(facts, "B", "t") == TURNS


@pytest.mark.django_db
class TestNoLoops:
    def test_a_wholesaler_with_many_orders_in_two_places(self, backends):
        told = [tell(backends[n % 2], number=f"D{n}") for n in range(40)]
        assert told == ["applied"] * 40

    def test_staff_and_the_hub_take_no_turns(self, backends):
        for n in range(TURNS + 4):
            by_the_hub(SYSTEM if n % 2 else Actor("staff", "1"))
            assert tell(backends[0], number="D1") == "applied"

    def test_people_on_a_channels_pages_take_none(self, backends):
        for _turn in range(TURNS + 4):
            by_the_hub(Actor("member", "1", "mini-program"))
            assert tell(backends[0], number="D1") == "applied"

    def test_two_that_push_at_the_same_time_and_hear_of_it_later(self, backends):
        told = in_turns(backends, 40, {"entry": {"points": 10}}, type="points.earned", is_heard=False)
        assert told == ["applied"] * 40

    def test_two_that_push_in_batches(self, backends):
        data = {"tells": "points.earned", "subject": ABOUT, "more": {"entry": {"points": 10}}}
        for turn in range(4):
            for channel in backends:
                named = {"channel": channel.code, "data": data}
                batch = [event(f"{turn}-{n}", "points.earned", subject=f"order/{n}", **named) for n in range(10)]
                assert push(channel, batch).json() == counts(accepted=10)
                inbox.apply_due()
                heard_by_others(channel)
        assert Event.objects.count() == 80

    def test_another_brand_takes_none(self, backends):
        Channel.objects.filter(pk=backends[1].pk).update(group=make.channel("app", group="rival").group)
        assert in_turns(backends, 40, {"number": "D1"}) == ["applied"] * 40

    def test_nor_do_turns_of_an_hour_ago(self):
        facts = [fact(n, "AB"[n % 2]) for n in range(40)]
        assert most(facts, "A", "t") == 39
        assert most(facts, "B", "t") == 0  # it told it last


def by_the_hub(by: Actor) -> None:
    held = request_id.set(str(uuid7()))
    try:
        act(record)(TYPE, subject=ABOUT, data={"number": "D1"}, by=by)
    finally:
        request_id.reset(held)


def fact(n: int, actor: str, *, thing: str = "t", request: str = "", at=None, after: float = 0.5) -> Told:
    """The nth fact, heard by all so many seconds after it was told."""
    at = at or NOON + timedelta(seconds=n)
    return Told(actor, request or f"r-{n}", at, thing, {}, at + timedelta(seconds=after))


class TestTurns:
    @pytest.mark.parametrize(
        ("told", "count"),
        [("", 0), ("A", 0), ("B", 0), ("AB", 1), ("ABAB", 3), ("AABB", 1), ("AABBAB", 3), ("ABA", 0)],
    )
    def test_are_counted_from_one_to_the_other(self, told, count):
        assert most([fact(n, actor) for n, actor in enumerate(told)], "A", "t") == count

    def test_are_none_where_the_other_was_not_heard(self):
        assert most([fact(n, "AB"[n % 2], after=5) for n in range(10)], "A", "t") == 0

    def test_with_one_thing_of_one_other(self):
        facts = [fact(n, "AB"[n % 2], thing="t" if n % 2 == 0 else f"o{n}") for n in range(10)]
        assert most(facts, "A", "t") == 1
        assert most([fact(n, "ABAC"[n % 4]) for n in range(12)], "A", "t") == 5

    def test_what_a_fact_tells_of(self):
        order = {"number": "D1", "total_fen": 100}
        assert thing_of("order.placed", order) == thing_of("order.placed", order | {"number": "D2"})
        assert thing_of("order.paid", order) == thing_of("order.paid", order | {"total_fen": 200})
        assert thing_of("order.paid", order) != thing_of("order.paid", order | {"number": "D2"})
        for one, other in (
            ({"changed": ["nickname"]}, {"changed": ["email"]}),
            ({"entry": {"points": 1}}, {"entry": {"points": 2}}),
        ):
            assert thing_of("", one) != thing_of("", other)


class TestCost:
    def test_it_is_one_small_read(self, backends):
        tell(backends[0], number="D1")
        message = InboxMessage.objects.get()

        def look():
            record(TYPE, subject=ABOUT, data={"number": "D1"}, by=Actor("channel", "website", "website"))
            with sent(ROUND_TRIPS) as trips:
                echo.refuse_loops(backends[0], message, "chain-1")
            return len(trips)

        act(look)()
        assert act(look)() == 1

    @pytest.mark.parametrize("text", [echo.LOOK, echo.LOOK_AT_CHAIN, turns.FACTS])
    def test_every_table_that_grows_is_read_by_an_index(self, backends, text):
        known = {"me": "channel/website", "group": backends[0].group_id, "chain": "c", "until": NOON, "turns": TURNS}
        known |= {"type": TYPE, "subject": ABOUT, "subjects": [ABOUT]}
        plan = plans.of(text, known)
        assert "Seq Scan" not in plan
        assert "event_sequence_once" in plan or "event_request" in plan, plan
