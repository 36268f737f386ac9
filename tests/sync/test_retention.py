"""What is kept for a time only, and what is kept for good."""

from datetime import timedelta

import pytest
from django.db import OperationalError, connection, transaction
from django.db.models.functions import Now

from sync import events, idempotency, postgres, queries, quotas, retention, tasks, tickets
from sync.act import SYSTEM
from sync.models import (
    Attempt,
    Batch,
    Channel,
    Delivery,
    Endpoint,
    Event,
    IdempotentAnswer,
    InboxMessage,
    InboxReplay,
    Quota,
    Replay,
    Settled,
    Stream,
    Ticket,
)
from tests import make
from tests.sync import make_deliveries

pytestmark = pytest.mark.django_db

DELIVERED = {"state": "delivered", "finished_at": Now(), "next_at": None}
DEAD = DELIVERED | {"state": "dead"}
HOLD = "SELECT FROM sync_event WHERE id = %s FOR KEY SHARE"  # as who inserts a row that names it


def age(table: str, column: str, days: int) -> None:
    """Make what is there older; the triggers that forbid it look away."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(f"UPDATE {table} SET {column} = {column} - interval '{days} days'")  # noqa: S608 - the test's own words
        cursor.execute("SET LOCAL session_replication_role = origin")


def test_events_go_after_ninety_days_with_all_that_was_sent_of_them_and_streams_keep_their_heads():
    made = make_deliveries.delivery(make_deliveries.endpoint(make.channel()), **DELIVERED)
    Attempt.objects.create(delivery=made, at=Now(), milliseconds=5, status=200)
    age("sync_event", "time", 89)
    assert retention.drop_events() == 0
    age("sync_event", "time", 2)
    kept = make_deliveries.event()
    assert retention.drop_events() == 1
    assert list(Event.objects.values_list("pk", flat=True)) == [kept.pk]
    assert not Delivery.objects.exists()
    assert not Attempt.objects.exists()
    assert Settled.objects.count() == 1
    assert Stream.objects.count() == 2


def test_however_many_there_are(monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 2)
    for _ in range(5):
        make_deliveries.event()
    age("sync_event", "time", 91)
    assert retention.drop_events() == 5


def test_what_waits_to_be_delivered_stays_and_what_came_after_it_on_its_stream(monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 3)
    endpoint = make_deliveries.endpoint(make.channel())
    before, waiting, after = [make_deliveries.event("member/1") for _event in range(3)]
    others = [make_deliveries.event("member/2") for _event in range(3)]
    delivery = make_deliveries.delivery(endpoint, waiting)
    make_deliveries.delivery(endpoint, others[0], **DELIVERED), make_deliveries.delivery(endpoint, others[1], **DEAD)
    age("sync_event", "time", 91)

    assert retention.drop_events() == 4
    assert set(Event.objects.values_list("pk", flat=True)) == {waiting.pk, after.pk}
    assert Delivery.objects.get() == delivery
    assert queries.stream("member/1", after=before.sequence, limit=10).follows(before.sequence)

    Delivery.objects.update(**DELIVERED)
    assert retention.drop_events() == 2
    assert not Event.objects.exists()


def switch(row: Endpoint | Channel, is_active: bool) -> None:
    type(row).objects.filter(pk=row.pk).update(is_active=is_active)


class TestWhatWaitsForWhoIsOff:
    """Two events of a stream: one that an endpoint was not sent while it, or its channel, was off, and one after it."""

    @pytest.fixture(params=["endpoint", "channel"])
    def off(self, request) -> Endpoint | Channel:
        endpoint = make_deliveries.endpoint(make.channel())
        make_deliveries.delivery(endpoint, make_deliveries.event("member/1"))
        make_deliveries.event("member/1")
        found = endpoint if request.param == "endpoint" else endpoint.channel
        switch(found, is_active=False)
        return found

    def test_waits_as_long_as_its_event_is_kept_and_goes_with_it(self, off):
        age("sync_event", "time", 89)
        assert retention.drop_events() == 0
        age("sync_event", "time", 2)
        assert [retention.drop_events(), retention.drop_events()] == [2, 0]
        assert not Delivery.objects.exists()

    def test_is_sent_after_all_when_it_is_switched_on_in_time(self, off):
        age("sync_event", "time", 89)
        retention.drop_events()
        switch(off, is_active=True)
        age("sync_event", "time", 2)
        assert retention.drop_events() == 0
        assert Delivery.objects.get().state == "waiting"

    def test_stays_while_it_is_being_sent(self, off):
        age("sync_event", "time", 91)
        Delivery.objects.update(leased_until=Now() + timedelta(seconds=60))
        assert retention.drop_events() == 0
        Delivery.objects.update(leased_until=Now() - timedelta(seconds=1))
        assert retention.drop_events() == 2

    def test_stays_where_somebody_else_is_still_to_be_sent_it(self, off):
        other = make_deliveries.endpoint(make.channel("mini-program"), "https://mini.example/hook")
        make_deliveries.delivery(other, Event.objects.order_by("sequence").first())
        age("sync_event", "time", 91)
        assert retention.drop_events() == 0
        assert Delivery.objects.count() == 2


@pytest.mark.django_db(transaction=True)
class TestBesideOthers:
    def test_who_makes_a_delivery_of_an_event_keeps_it_and_is_not_waited_for(self):
        made = [make_deliveries.event("member/1") for _event in range(3)]
        make_old()
        with postgres.connect("replay") as other:
            other.execute("BEGIN; SET LOCAL lock_timeout = '1s'")
            other.execute(HOLD, [made[1].pk])
            assert retention.drop_events() == 1
            other.execute("COMMIT")
        assert list(Event.objects.order_by("sequence").values_list("sequence", flat=True)) == [2, 3]
        assert retention.drop_events() == 2

    def test_who_writes_to_the_same_stream_does_not_wait(self):
        for _event in range(3):
            make_deliveries.event("member/1")
        make_old()
        with transaction.atomic():
            assert retention.drop_events() == 3
            with postgres.connect("writer") as other:
                other.execute("SET lock_timeout = '1s'")
                fact = events.Recorded("order.paid", "member/1", {}, SYSTEM)
                other.execute(events.WRITE, [[value] for value in fact.row()])
                assert other.execute("SELECT settled FROM sync_settle()").fetchone() == (1,)
        assert list(Event.objects.values_list("sequence", flat=True)) == [4]


def make_old() -> None:
    with transaction.atomic():
        age("sync_event", "time", 91)


def test_replays_go_once_they_are_over_for_as_long_as_events_are_kept():
    endpoint = make_deliveries.endpoint(make.channel())
    going = make_deliveries.replay(endpoint, finished_at=None)
    make_deliveries.replay(endpoint)
    age("sync_replay", "finished_at", 89)
    assert retention.drop_replays() == 0
    age("sync_replay", "finished_at", 2)
    fresh = make_deliveries.replay(endpoint)
    assert [retention.drop_replays(), retention.drop_replays()] == [1, 0]
    assert set(Replay.objects.all()) == {going, fresh}


def test_replays_of_messages_go_with_them():
    for message_id in ("old", "new"):
        message = received(message_id)
        InboxReplay.objects.create(message=message, by="staff/1", reason="again", problem="internal")
        if message_id == "old":
            age("sync_inboxreplay", "at", 91)
            age("sync_inboxmessage", "received_at", 91)
    tasks.forget()
    assert InboxReplay.objects.get().message.message_id == InboxMessage.objects.get().message_id == "new"


def received(message_id: str, state: str = "applied") -> InboxMessage:
    known = {"sender": "channels/website", "type": "order.paid", "body_digest": b"", "body": "{}", "state": state}
    applied_at = Now() if state == "applied" else None
    return InboxMessage.objects.create(message_id=message_id, applied_at=applied_at, **known)


def test_messages_go_however_many_there_are_but_for_those_that_are_not_applied(monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 2)
    for number in range(7):
        received(str(number))
    for state in ("waiting", "parked", "quarantined"):
        received(state, state)
    age("sync_inboxmessage", "applied_at", 2)
    assert retention.drop_messages() == 0
    age("sync_inboxmessage", "applied_at", 2)
    assert retention.drop_messages() == 7
    assert set(InboxMessage.objects.filter(body__isnull=False).values_list("state", flat=True)) == {
        "waiting", "parked", "quarantined"
    }  # fmt: skip
    age("sync_inboxmessage", "received_at", 91)
    received("fresh")
    assert retention.drop_messages() == 7
    assert set(InboxMessage.objects.values_list("message_id", flat=True)) == {
        "waiting", "parked", "quarantined", "fresh"
    }  # fmt: skip


def test_tickets_and_answers_go_however_many_there_are(monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 2)
    for number in range(5):
        IdempotentAnswer.objects.create(
            caller="c", key=str(number), request_digest=b"", created_at=Now() - idempotency.KEPT
        )
    assert [idempotency.drop_expired(), idempotency.drop_expired()] == [5, 0]


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_what_cannot_be_dropped_holds_up_nothing_else_and_is_told():
    endpoint = make_deliveries.endpoint(make.channel())
    make_deliveries.replay(endpoint)
    with transaction.atomic():
        age("sync_replay", "finished_at", 91)
    tickets.issue(subject="member/1", session="s", channel=make.channel())
    Ticket.objects.update(expires_at=Now() - timedelta(hours=1))
    with postgres.connect("other") as other, other.transaction(force_rollback=True):
        other.execute("LOCK TABLE sync_ticket")
        with pytest.raises(ExceptionGroup) as told:
            tasks.forget()
    assert [type(each) for each in told.value.exceptions] == [OperationalError]
    assert (Ticket.objects.count(), Replay.objects.count()) == (1, 0)


def test_of_the_relays_snapshots_the_last_is_always_kept():
    for _ in range(3):
        Batch.objects.create(seen="1:1:")
    age("sync_batch", "at", 2)
    last = Batch.objects.order_by("id").last()
    assert retention.drop_batches() == 2
    assert Batch.objects.get() == last


def test_one_task_forgets_it_all():
    IdempotentAnswer.objects.create(caller="c", key="k", request_digest=b"", created_at=Now() - idempotency.KEPT)
    tickets.issue(subject="member/1", session="s", channel=make.channel())
    Ticket.objects.update(expires_at=Now() - timedelta(hours=1))
    quotas.count("x", limit=1, every=60)
    Quota.objects.update(window=make.LONG_AGO)
    make_deliveries.event()
    age("sync_event", "time", 91)
    make_deliveries.replay(make_deliveries.endpoint(make.channel()))
    age("sync_replay", "finished_at", 91)
    tasks.forget()
    for model in (IdempotentAnswer, Ticket, Quota, Event, Replay):
        assert not model.objects.exists(), model
