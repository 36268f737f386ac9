"""The relay: every committed event gets its place once, in commit order, and reaches whom it concerns."""

import threading
from contextlib import contextmanager

import orjson
import psycopg
import pytest
import redis
from django.conf import settings
from django.db import close_old_connections, connection

from sync import act, envelope, events, postgres
from sync.act import SYSTEM, Actor
from sync.models import Batch, Delivery, Event, Heartbeat, Measure, Settled
from sync.relay import BEAT, LAG, Relay
from sync.services import admit
from tests import make
from tests.sync import make_deliveries
from tests.sync.patience import until

pytestmark = pytest.mark.django_db(transaction=True)

SETTLE = "SELECT settled, delivered FROM sync_settle()"
FROM_A_DUMP = """
INSERT INTO sync_event (id, subject, sequence, type, source, actor, correlation_id, data, xid)
SELECT gen_random_uuid(), 'member/2', sequence, 'order.updated', source, actor, correlation_id, data, '800000000'
FROM sync_event
"""
WEB = Actor("member", "1", "website")


def happen(subject: str, *types: str, by: Actor = WEB, data: dict | None = None) -> None:
    """An act that records facts of these types."""

    def work():
        for type in types:
            events.record(type, subject=subject, data=data or {"version": 1}, by=by)

    act.outermost(work)


def settle() -> tuple[int, int] | None:
    with postgres.connect("test") as connection:
        return connection.execute(SETTLE).fetchone()


@contextmanager
def relay_running(kind: type = Relay, **options):
    """A relay in a thread of its own."""
    relay = kind(**options)
    thread = threading.Thread(target=relay.run)
    thread.start()
    try:
        yield relay
    finally:
        relay.stop()
        with postgres.connect("test") as connection:
            connection.execute(f"NOTIFY {events.DOORBELL}")
        thread.join(timeout=30)
        close_old_connections()
        assert not thread.is_alive()


@contextmanager
def open_act(subject: str, type: str):
    """A transaction of somebody else that has written an event and not committed yet."""
    with postgres.connect("test") as connection, connection.transaction():
        fact = events.Recorded(type, subject, {}, WEB)
        connection.execute(events.WRITE, [[value] for value in fact.row()])
        yield


def placed() -> list[str]:
    return list(Settled.objects.order_by("position").values_list("event__type", flat=True))


def test_an_event_is_settled_once():
    happen("member/1", "order.placed", "order.paid")
    assert settle() == (2, 0)
    assert settle() == (0, 0)
    assert placed() == ["order.placed", "order.paid"]


def test_nothing_to_settle_writes_nothing():
    happen("member/1", "order.placed")
    settle()
    batches = Batch.objects.count()
    assert settle() == (0, 0)
    assert Batch.objects.count() == batches


def test_what_is_settled_is_not_read_again_however_stale_the_planners_statistics():
    happen("member/1", "order.placed")
    settle()
    with postgres.connect("test") as connection, connection.transaction():
        happen("member/1", *["order.updated"] * 300)
        assert connection.execute(SETTLE).fetchone() == (300, 0)
        assert connection.execute(SETTLE).fetchone() == (0, 0)
        read = connection.execute(
            "SELECT seq_scan, seq_tup_read FROM pg_stat_xact_user_tables WHERE relname = 'sync_event'"
        ).fetchone()
    assert read == (0, 0)


def test_an_event_whose_id_was_drawn_first_and_that_commits_last_is_not_skipped():
    with open_act("member/slow", "order.slow"):
        happen("member/quick", "order.quick")
        assert settle() == (1, 0)
        happen("member/quick", "order.later")
        assert settle() == (1, 0)
    assert settle() == (1, 0)
    assert placed() == ["order.quick", "order.later", "order.slow"]
    assert Event.objects.get(type="order.slow").written < Event.objects.get(type="order.quick").written


def test_an_act_that_is_rolled_back_leaves_no_place():
    with postgres.connect("test") as connection, connection.transaction(force_rollback=True):
        lost = events.Recorded("order.lost", "member/1", {}, SYSTEM)
        connection.execute(events.WRITE, [[value] for value in lost.row()])
        happen("member/2", "order.kept")
        settle()
    settle()
    assert placed() == ["order.kept"]


def test_only_one_relay_settles_at_a_time():
    happen("member/1", "order.placed")
    with postgres.connect("test") as one, one.transaction():
        assert one.execute(SETTLE).fetchone() == (1, 0)
        assert settle() is None
    assert settle() == (0, 0)


def test_many_writers_and_two_relays_lose_repeat_and_reorder_nothing():
    def write(number):
        for round in range(20):
            happen(f"member/{(number + round) % 5}", "order.placed", "order.paid")
        close_old_connections()

    with relay_running(), relay_running():
        writers = [threading.Thread(target=write, args=[number]) for number in range(8)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        until(lambda: Settled.objects.count() == 320)
    for subject in {f"member/{number}" for number in range(5)}:
        sequences = (
            Event.objects.filter(subject=subject).order_by("settled__position").values_list("sequence", flat=True)
        )
        assert list(sequences) == list(range(1, 65))


def test_a_dump_restored_into_a_younger_cluster_is_settled_by_what_is_missing():
    happen("member/1", "order.placed")
    settle()
    with postgres.connect("test") as connection:
        connection.execute("INSERT INTO sync_batch (seen) VALUES ('900000000:900000000:')")
        connection.execute(FROM_A_DUMP)
    happen("member/1", "order.paid")
    assert settle() == (2, 0)
    assert settle() == (0, 0)
    happen("member/1", "order.shipped")
    assert settle() == (1, 0)
    assert settle() == (0, 0)
    assert placed() == ["order.placed", "order.updated", "order.paid", "order.shipped"]


class TestWhoIsToldOfIt:
    def test_every_channel_of_the_group_that_may_see_the_subject(self):
        admit("member/1", make.channel("website"))
        for code in ("website", "mini-program"):
            make_deliveries.endpoint(make.channel(code), f"https://{code}.example/hook")
        stranger = make.channel("stranger", group="elsewhere")
        make_deliveries.endpoint(stranger, "https://stranger.example/hook")
        happen("member/1", "order.paid")
        happen("member/2", "order.paid")
        assert settle() == (2, 2)
        assert set(Delivery.objects.values_list("endpoint__channel__code", "subject")) == {
            ("website", "member/1"),
            ("mini-program", "member/1"),
        }

    def test_an_order_goes_to_the_group_of_its_channel_whoever_sees_the_member(self):
        shop, stranger = make.channel("website"), make.channel("stranger", group="elsewhere")
        for channel in (shop, stranger):
            admit("member/1", channel)
            make_deliveries.endpoint(channel, f"https://{channel.code}.example/hook")
        happen("member/1", "order.paid", data={"channel": "stranger"})
        happen("member/1", "order.placed", data={"channel": "website"})
        happen("member/1", "member.updated")
        assert settle() == (3, 4)
        told = Delivery.objects.order_by("position").values_list("endpoint__channel__code", "event__type")
        assert sorted(told) == [
            ("stranger", "member.updated"),
            ("stranger", "order.paid"),
            ("website", "member.updated"),
            ("website", "order.placed"),
        ]

    def test_a_backend_is_not_sent_what_it_wrote_itself(self):
        admit("member/1", make.channel("website"))
        for code in ("website", "mini-program"):
            make_deliveries.endpoint(make.channel(code), f"https://{code}.example/hook")
        happen("member/1", "order.placed", by=Actor("channel", "website", "website"))
        settle()
        assert list(Delivery.objects.values_list("endpoint__channel__code", flat=True)) == ["mini-program"]

    def test_what_its_web_clients_did_it_is(self):
        admit("member/1", make.channel("website"))
        make_deliveries.endpoint(make.channel("website"))
        happen("member/1", "order.placed", by=Actor("member", "1", "website"))
        assert settle() == (1, 1)

    @pytest.mark.parametrize("off", ["endpoint", "channel"])
    def test_an_endpoint_that_is_off_is_not_served(self, off):
        shop = make.channel("website", is_active=off != "channel")
        admit("member/1", shop)
        make_deliveries.endpoint(shop, is_active=off != "endpoint")
        happen("member/1", "order.placed")
        assert settle() == (1, 0)

    def test_only_the_types_it_asked_for(self):
        admit("member/1", make.channel("website"))
        make_deliveries.endpoint(make.channel("website"), types=["order.paid"])
        happen("member/1", "order.placed", "order.paid")
        assert settle() == (2, 1)
        assert Delivery.objects.get().event.type == "order.paid"

    def test_a_subject_seen_on_two_channels_of_a_group_is_delivered_once(self):
        admit("member/1", make.channel("website"))
        admit("member/1", make.channel("mini-program"))
        make_deliveries.endpoint(make.channel("website"))
        happen("member/1", "order.placed")
        assert settle() == (1, 1)


class TestARunningRelay:
    """Who listens on Redis hears of other workers' tests too: subjects of its own."""

    def test_sockets_are_told_in_order_with_the_envelope_of_the_contract(self):
        with redis.Redis.from_url(settings.REDIS_URL) as client, client.pubsub() as heard, relay_running():
            heard.subscribe(envelope.channel_of("member/one by one"))
            heard.get_message(timeout=30)
            happen("member/one by one", "order.placed", "order.paid")
            told = [orjson.loads(heard.get_message(timeout=30)["data"]) for _ in range(2)]
        assert [event["sequence"] for event in told] == ["1", "2"]
        assert [event["type"] for event in told] == ["order.placed", "order.paid"]
        assert told[0].keys() == {
            "specversion", "id", "source", "type", "subject", "time", "datacontenttype", "sequence", "data",
        }  # fmt: skip
        assert told[0]["source"] == "/channels/website"
        assert len(told[0]["time"]) == len("2026-11-22T06:08:31.120Z")

    def test_a_batch_too_large_to_come_back_with_the_call_is_read_and_told(self):
        happen("member/a hundred", *["order.updated"] * 100)
        with redis.Redis.from_url(settings.REDIS_URL) as client, client.pubsub() as heard:
            heard.subscribe(envelope.channel_of("member/a hundred"))
            heard.get_message(timeout=30)
            with relay_running():
                told = [orjson.loads(heard.get_message(timeout=30)["data"])["sequence"] for _ in range(100)]
        assert told == [str(number) for number in range(1, 101)]

    def test_it_settles_with_redis_away(self, settings):
        settings.REDIS_URL = "unix:///nowhere.sock?db=0"
        with relay_running():
            for _ in range(5):
                happen("member/1", "order.placed")
            until(lambda: Settled.objects.count() == 5)

    def test_it_connects_anew_when_postgresql_ends_its_connection(self):
        with relay_running():
            happen("member/1", "order.placed")
            until(lambda: Settled.objects.count() == 1)
            with postgres.connect("test") as connection:
                ended = connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND application_name = 'hub relay'"
                ).fetchall()
            assert ended == [(True,)]
            happen("member/1", "order.paid")
            until(lambda: Settled.objects.count() == 2)

    @pytest.mark.slow
    def test_it_says_that_it_lives_and_how_far_behind_it_is(self, monkeypatch):
        monkeypatch.setattr("sync.relay.BEAT_EVERY", 0.2)
        happen("member/1", "order.placed", "order.paid")
        with relay_running():
            said = until(lambda: Heartbeat.objects.filter(name="relay", data__settled=2).first())
            assert 0 <= said.data["lag_ms"] < 60_000
            until(lambda: Heartbeat.objects.filter(name="relay", data={"lag_ms": 0, "settled": 0}).exists())
        assert Measure.objects.filter(name=LAG).exists()

    def test_one_that_settles_what_waited_says_how_long_it_did(self):
        happen("member/1", "order.placed")
        with connection.cursor() as cursor:
            cursor.execute("SET session_replication_role = replica")  # past the guard of what is never changed
            cursor.execute("UPDATE sync_event SET time = time - interval '1 minute'")
            cursor.execute("RESET session_replication_role")
        settle()
        with postgres.connect("test") as database:
            assert 60_000 <= database.execute(BEAT, [5]).fetchone()[0] < 120_000

    def test_it_rings_the_courier_when_there_is_something_to_deliver(self):
        admit("member/1", make.channel("website"))
        make_deliveries.endpoint(make.channel("website"))
        with postgres.connect("test") as listener, relay_running():
            listener.execute("LISTEN courier")
            happen("member/1", "order.placed")
            assert [ring.channel for ring in listener.notifies(timeout=30, stop_after=1)] == ["courier"]


def test_a_raw_connection_goes_where_django_goes():
    with postgres.connect("test") as connection:
        assert isinstance(connection, psycopg.Connection)
        assert connection.info.dbname == postgres.connections["default"].settings_dict["NAME"]
