"""What staff have sent again: chosen deliveries, ranges by time and position; in order, under the same ids, once."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from sync.courier import replays
from sync.models import Audience, Delivery, Endpoint, Event, Replay, Settled
from tests import make
from tests.sync import make_deliveries
from tests.sync.patience import until
from tests.sync.receiver import SECRET, receiving
from tests.sync.test_courier import courier_running

pytestmark = pytest.mark.django_db(transaction=True)
WHY = {"by": "staff/1", "reason": "接收方停机后补发"}


@pytest.fixture
def courier():
    with courier_running() as running:
        yield running


@pytest.fixture(autouse=True)
def quick(settings):
    settings.COURIER_SCHEDULE = [0.05] * 7


@pytest.fixture
def backend():
    with receiving() as running:
        yield running


@pytest.fixture
def endpoint(backend):
    made = make_deliveries.endpoint(make.channel(), backend.url)
    made.secret = SECRET
    made.save()
    return made


def seen(endpoint: Endpoint, many: int = 1, subject: str = "member/1", type: str = "order.paid") -> list[Event]:
    """Settled events of a subject that the endpoint's channel sees, which nobody was sent."""
    Audience.objects.get_or_create(
        subject=subject, channel=endpoint.channel, defaults={"since": timezone.now() - timedelta(days=30)}
    )
    return [make_deliveries.event(subject, type) for _ in range(many)]


def dead(endpoint: Endpoint, event: Event) -> Delivery:
    over = {"state": "dead", "attempts": 8, "finished_at": timezone.now(), "next_at": None}
    return make_deliveries.delivery(endpoint, event, **over)


def sent(backend) -> list[str]:
    return [event["id"] for event in backend.received]


def ids(events: list[Event]) -> list[str]:
    return [str(each.pk) for each in events]


def settled_days_ago(event: Event, days: float) -> None:
    """Moves an event into the past; the tables themselves refuse that."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        past = timezone.now() - timedelta(days=days)
        Event.objects.filter(pk=event.pk).update(time=past)
        Settled.objects.filter(event=event).update(at=past)
        cursor.execute("SET session_replication_role = origin")


def as_it_was_told(event: Event, change: str) -> None:
    """Tells an event otherwise than it happened; the table itself refuses that."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(f"UPDATE sync_event SET {change} WHERE id = %s", [event.pk])  # noqa: S608 - a test's words
        cursor.execute("SET session_replication_role = origin")


def over(replay: Replay) -> Replay:
    return until(lambda: Replay.objects.filter(pk=replay.pk, finished_at__isnull=False).first())


class TestChosen:
    def test_dead_ones_go_again_in_order_under_their_ids_and_arrive(self, endpoint, backend, courier):
        events = seen(endpoint, 3)
        made = [dead(endpoint, each) for each in events]
        assert replays.resend([each.pk for each in reversed(made)], **WHY) == 3
        until(lambda: Delivery.objects.filter(state="delivered").count() == 3)
        assert sent(backend) == ids(events)
        assert [headers["webhook-id"] for headers in backend.headers] == ids(events)
        assert Delivery.objects.get(pk=made[0].pk).attempts == 1

    def test_who_did_it_and_why_is_kept(self, endpoint):
        made = [dead(endpoint, each) for each in seen(endpoint, 2)]
        replays.resend([each.pk for each in made], **WHY)
        kept = Replay.objects.get()
        assert (kept.by, kept.reason, kept.queued) == ("staff/1", WHY["reason"], 2)
        assert kept.chosen == [each.pk for each in made]
        assert (kept.first, kept.last, kept.reached) == (made[0].position, made[1].position, made[1].position)
        assert kept.finished_at

    def test_what_waits_for_its_next_try_is_tried_at_once_and_its_tries_go_on(self, endpoint, backend, courier):
        (event,) = seen(endpoint)
        later = timezone.now() + timedelta(hours=10)
        made = make_deliveries.delivery(endpoint, event, attempts=5, next_at=later)
        assert replays.resend([made.pk], **WHY) == 1
        until(lambda: Delivery.objects.get(pk=made.pk).state == "delivered")
        assert Delivery.objects.get(pk=made.pk).attempts == 6

    def test_what_arrived_may_go_again(self, endpoint, backend, courier):
        (event,) = seen(endpoint)
        made = make_deliveries.delivery(endpoint, event)
        until(lambda: Delivery.objects.get(pk=made.pk).state == "delivered")
        replays.resend([made.pk], **WHY)
        until(lambda: sent(backend) == ids([event, event]))

    def test_what_is_under_way_is_left_alone(self, endpoint):
        (event,) = seen(endpoint)
        soon = timezone.now() + timedelta(seconds=60)
        made = make_deliveries.delivery(endpoint, event, lease=endpoint.pk, leased_until=soon, next_at=soon)
        assert replays.resend([made.pk], **WHY) == 0
        assert Delivery.objects.get(pk=made.pk).lease == endpoint.pk

    def test_what_is_under_way_behind_it_is_not_sent_twice(self, endpoint, backend, courier):
        first, second = seen(endpoint, 2)
        made, soon = dead(endpoint, first), timezone.now() + timedelta(seconds=60)
        flying = make_deliveries.delivery(endpoint, second, lease=endpoint.pk, leased_until=soon, next_at=soon)
        replays.resend([made.pk], **WHY)
        until(lambda: Delivery.objects.get(pk=made.pk).state == "delivered")
        (other,) = seen(endpoint, subject="member/2")
        last = make_deliveries.delivery(endpoint, other)
        until(lambda: Delivery.objects.get(pk=last.pk).state == "delivered")
        assert sent(backend) == ids([first, other])
        flying.refresh_from_db()
        assert (flying.lease, flying.next_at) == (endpoint.pk, soon)

    @pytest.mark.parametrize("gone", ["sight", "endpoint", "age", "own"])
    def test_what_the_channel_may_not_be_sent_stays_dead(self, endpoint, gone):
        (event,) = seen(endpoint)
        made = dead(endpoint, event)
        if gone == "sight":
            Audience.objects.all().delete()
        elif gone == "endpoint":
            Endpoint.objects.update(is_active=False)
        elif gone == "age":
            settled_days_ago(event, 15)
        else:
            as_it_was_told(event, "actor = 'channel/website'")
        assert replays.resend([made.pk], **WHY) == 0
        assert Delivery.objects.get(pk=made.pk).state == "dead"
        assert not Replay.objects.exists()

    def test_without_a_reason_nothing_goes(self, endpoint):
        made = dead(endpoint, *seen(endpoint))
        with pytest.raises(replays.NotReplayed):
            replays.resend([made.pk], by="staff/1", reason=" ")
        assert Delivery.objects.get().state == "dead"

    def test_too_many_are_refused(self):
        with pytest.raises(replays.NotReplayed):
            replays.resend(list(range(1_001)), **WHY)


class TestRanges:
    def test_what_was_never_sent_and_what_failed_goes_out_in_order_and_what_arrived_does_not(
        self, endpoint, backend, courier
    ):
        events = seen(endpoint, 4)
        make_deliveries.delivery(endpoint, events[0], state="delivered", finished_at=timezone.now(), next_at=None)
        dead(endpoint, events[2])
        done = over(replays.ask(endpoint, **WHY))
        until(lambda: len(backend.received) == 3)
        assert sent(backend) == ids(events[1:])
        assert (done.queued, done.reached) == (3, events[3].settled.position)

    @pytest.mark.slow
    def test_all_of_it_goes_again_once_if_asked_for(self, endpoint, backend, courier):
        events = seen(endpoint, 3)
        for each in events:
            make_deliveries.delivery(endpoint, each)
        until(lambda: len(backend.received) == 3)
        until(lambda: Delivery.objects.filter(state="delivered").count() == 3)
        over(replays.ask(endpoint, is_whole=True, **WHY))
        until(lambda: Delivery.objects.filter(state="delivered").count() == 3 and len(backend.received) >= 6)
        assert sent(backend) == ids(events) * 2

    @pytest.mark.slow
    def test_repeating_it_sends_nothing_that_has_arrived(self, endpoint, backend, courier):
        events = seen(endpoint, 3)
        over(replays.ask(endpoint, **WHY))
        until(lambda: Delivery.objects.filter(state="delivered").count() == 3)
        again = over(replays.ask(endpoint, **WHY))
        assert again.queued == 0
        assert sent(backend) == ids(events)

    @pytest.mark.slow
    def test_many_pages_go_in_order_per_subject_and_each_once(self, endpoint, backend, courier, monkeypatch):
        events = [each for turn in range(10) for each in seen(endpoint, 1, f"member/{turn % 3}")]
        monkeypatch.setattr("sync.courier.work.STEP", replays.STEP.replace("500", "2"))
        over(replays.ask(endpoint, **WHY))
        until(lambda: len(backend.received) == 10)
        for subject in {each.subject for each in events}:
            told = [each["id"] for each in backend.received if each["subject"] == subject]
            assert told == ids([each for each in events if each.subject == subject])

    @pytest.mark.slow
    def test_by_position_and_by_time(self, endpoint, backend, courier):
        events = seen(endpoint, 5)
        for event, days in zip(events, (20, 9, 6, 3, 1), strict=True):
            settled_days_ago(event, days)
        now = timezone.now()
        over(replays.ask(endpoint, since=now - timedelta(days=10), until=now - timedelta(days=4), **WHY))
        until(lambda: len(backend.received) == 2)
        over(replays.ask(endpoint, first=events[3].settled.position, last=events[3].settled.position, **WHY))
        until(lambda: len(backend.received) == 3)
        assert sent(backend) == ids(events[1:4])

    def test_only_its_types_and_only_what_it_may_see(self, endpoint, backend, courier):
        Endpoint.objects.update(types=["order.paid"])
        hidden = make_deliveries.event("member/unseen")
        (later,) = seen(endpoint, subject="member/late")
        Audience.objects.filter(subject="member/late").update(since=timezone.now() + timedelta(seconds=5))
        seen(endpoint, type="order.shipped")
        (others,) = seen(endpoint)
        as_it_was_told(others, "only_for = '{0}'")
        (event,) = seen(endpoint)
        done = over(replays.ask(endpoint, **WHY))
        until(lambda: len(backend.received) == 1)
        assert (sent(backend), done.queued) == (ids([event]), 1)
        assert not Delivery.objects.filter(event__in=[hidden, later, others]).exists()

    def test_an_endpoint_that_does_not_keep_up_is_not_buried(self, endpoint, monkeypatch):
        events = seen(endpoint, 6)
        replays.ask(endpoint, **WHY)
        step = replays.STEP.replace("500", "2")
        with connection.cursor() as cursor:
            for expected in ([(2,)], []):
                cursor.execute(step)
                assert cursor.fetchall() == expected
            Delivery.objects.update(state="delivered", finished_at=timezone.now(), next_at=None)
            cursor.execute(step)
        assert Replay.objects.get().reached == events[3].settled.position

    def test_stopping_it_queues_nothing_more(self, endpoint):
        seen(endpoint, 2)
        asked = replays.ask(endpoint, **WHY)
        assert replays.stop(asked.pk)
        assert not replays.stop(asked.pk)
        with connection.cursor() as cursor:
            cursor.execute(replays.STEP)
            assert cursor.fetchall() == []
        assert not Delivery.objects.exists()

    def test_one_at_a_time_for_each_endpoint(self, endpoint):
        seen(endpoint)
        asked = replays.ask(endpoint, **WHY)
        with pytest.raises(replays.NotReplayed):
            replays.ask(endpoint, **WHY)
        replays.stop(asked.pk)
        assert replays.ask(endpoint, **WHY)

    @pytest.mark.parametrize("refused", ["old", "off", "nothing", "reason"])
    def test_what_cannot_be_is_refused_with_a_word(self, endpoint, refused):
        if refused != "nothing":
            seen(endpoint)
        Endpoint.objects.update(is_active=refused != "off")
        asked = {"since": timezone.now() - timedelta(days=15)} if refused == "old" else {}
        with pytest.raises(replays.NotReplayed):
            replays.ask(Endpoint.objects.get(), **asked, by="staff/1", reason="" if refused == "reason" else "补发")
        assert not Replay.objects.exists()


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"first": 3, "last": 1}, "replay_range_in_order"),
        ({"reason": ""}, "replay_has_reason"),
        ({"last": 9}, "replay_one_at_a_time"),
    ],
)
def test_the_database_refuses(endpoint, wrong, named):
    known = {"endpoint": endpoint, "first": 1, "last": 1, "reason": "补发", "by": "staff/1"}
    Replay.objects.create(**known)
    with pytest.raises(IntegrityError, match=named), transaction.atomic():
        Replay.objects.create(**known | wrong)
