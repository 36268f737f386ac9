"""The live socket: every event once and in order, whatever happens to hints, sockets and sessions."""

import threading

import pytest
import redis
from django.conf import settings as django_settings
from django.db import connection

from sync import envelope
from sync.models import Event, Stream
from sync.rounds import Rounds
from tests import make
from tests.sync.live import live_running, session, subject
from tests.sync.patience import until
from tests.sync.test_relay import happen, relay_running
from tests.sync.valkey import valkey_in

pytestmark = pytest.mark.django_db(transaction=True)


class TestGreeting:
    def test_it_says_who_the_member_is_and_where_the_stream_stands(self, live):
        mine = session()
        happen(subject(mine), "order.placed", "order.paid")
        with live.open(mine) as client:
            assert client.frame() == {"kind": "hello", "member_id": str(mine.member_id), "head": 2}
            assert client.is_quiet()

    def test_without_after_it_begins_now(self, live, relay):
        mine = session()
        happen(subject(mine), "order.placed")
        with live.open(mine) as client:
            client.next("hello")
            happen(subject(mine), "order.paid")
            assert client.sequences(1) == [2]

    def test_with_after_it_begins_with_what_was_missed(self, live):
        mine = session()
        happen(subject(mine), *["order.updated"] * 250)
        with live.open(mine, after=3) as client:
            assert client.next("hello")["head"] == 250
            assert client.sequences(247) == list(range(4, 251))

    @pytest.mark.parametrize("after", ["9", "-1", "x", "", "1" * 40, "１"])
    def test_a_position_that_is_none_means_reading_anew(self, live, relay, after):
        mine = session()
        happen(subject(mine), "order.placed")
        with live.open(mine, after=after) as client:
            client.next("hello")
            assert client.frame() == {"kind": "resync", "head": 1}
            happen(subject(mine), "order.paid")
            assert client.sequences(1) == [2]

    def test_a_position_older_than_what_is_kept_means_reading_anew(self, live):
        mine = session()
        happen(subject(mine), *["order.updated"] * 5)
        Event.objects.filter(sequence__lte=3).delete()
        with live.open(mine, after=2) as client:
            client.next("hello")
            assert client.frame() == {"kind": "resync", "head": 5}
        with live.open(mine, after=3) as client:
            client.next("hello")
            assert client.sequences(2) == [4, 5]

    @pytest.mark.slow
    def test_a_head_advanced_after_a_restore_means_reading_anew(self, live):
        mine = session()
        happen(subject(mine), "order.placed")
        with live.open(mine, after=1) as client:
            client.next("hello")
            Stream.objects.update(head=1_000_001)
            assert client.next("resync")["head"] == 1_000_001
            happen(subject(mine), "order.paid")
            assert client.sequences(1) == [1_000_002]


class TestEveryEventOnceAndInOrder:
    def test_both_sockets_of_a_member_hear_the_same(self, live, relay):
        mine = session()
        other = make.session(mine.member, make.channel("mini-program"))
        with live.open(mine) as website, live.open(other) as mini_program:
            website.next("hello"), mini_program.next("hello")
            for _ in range(10):
                happen(subject(mine), "order.placed", "order.paid")
            assert website.sequences(20) == mini_program.sequences(20) == list(range(1, 21))

    def test_nobody_hears_what_happened_to_another(self, live, relay):
        mine, theirs = session(), session()
        with live.open(mine) as client:
            client.next("hello")
            happen(subject(theirs), "order.placed")
            happen(subject(mine), "order.placed")
            assert client.sequences(1) == [1]
            assert client.is_quiet()

    def test_a_socket_killed_for_five_changes_gets_exactly_those_five(self, live, relay):
        mine = session()
        with live.open(mine) as client:
            client.next("hello")
            happen(subject(mine), "order.placed")
            assert client.sequences(1) == [1]
            client.drop()
            for _ in range(5):
                happen(subject(mine), "order.updated")
        with live.open(mine, after=1) as client:
            client.next("hello")
            assert client.sequences(5) == [2, 3, 4, 5, 6]
            assert client.is_quiet()

    def test_a_hint_that_comes_twice_is_told_once(self, live):
        mine = session()
        with live.open(mine) as client:
            client.next("hello")
            happen(subject(mine), "order.placed")
            hint(subject(mine), 1)
            hint(subject(mine), 1)
            assert client.sequences(1) == [1]
            assert client.is_quiet()

    def test_a_hint_ahead_of_its_time_fills_the_gap_from_the_database(self, monkeypatch):
        monkeypatch.setattr(Rounds, "heads", no_comparison)  # it would fill the gap as well, a little later
        mine = session()
        with live_running() as live, live.open(mine) as client:
            client.next("hello")
            happen(subject(mine), *["order.updated"] * 3)
            hint(subject(mine), 3)
            assert client.sequences(3) == [1, 2, 3]

    @pytest.mark.slow
    def test_without_a_relay_the_comparison_of_heads_tells(self, live):
        mine = session()
        with live.open(mine) as client:
            client.next("hello")
            happen(subject(mine), "order.placed", "order.paid")
            assert client.sequences(2) == [1, 2]

    def test_events_written_while_a_socket_opens_are_neither_lost_nor_repeated(self, live, relay):
        mine = session()
        for after in range(0, 100, 10):
            writer = threading.Thread(target=happen_elsewhere, args=(subject(mine), *["order.updated"] * 10))
            writer.start()
            with live.open(mine, after=after) as client:
                client.next("hello")
                assert client.sequences(10) == list(range(after + 1, after + 11))
                assert client.is_quiet(0.1)
            writer.join()

    def test_a_socket_that_reads_nothing_holds_up_nobody(self, live, relay):
        mine = session()
        with live.open(mine, max_queue=1) as stalled, live.open(mine) as quick:
            stalled.next("hello"), quick.next("hello")
            for _ in range(30):
                happen(subject(mine), *["order.updated"] * 20, data={"filling": "x" * 10_000})
            assert quick.sequences(600) == list(range(1, 601))
            assert stalled.sequences(600) == list(range(1, 601))


class TestWithoutRedis:
    @pytest.mark.slow
    def test_it_never_ran_and_all_is_told_a_little_later(self, settings):
        settings.REDIS_URL = "unix:///nowhere.sock?db=0"
        mine = session()
        happen(subject(mine), "order.placed")
        with live_running() as live, live.open(mine, after=0) as client:
            client.next("hello")
            assert client.sequences(1) == [1]
            happen(subject(mine), "order.paid")
            assert client.sequences(1) == [2]

    @pytest.mark.slow
    def test_it_stops_and_comes_back_and_nothing_is_lost_or_repeated(self, settings, tmp_path):
        with valkey_in(tmp_path) as valkey:
            settings.REDIS_URL = valkey.url
            mine = session()
            with live_running() as live, relay_running(), live.open(mine) as client:
                client.next("hello")
                happen(subject(mine), "order.placed")
                assert client.sequences(1) == [1]
                valkey.stop()
                happen(subject(mine), "order.updated")
                assert client.sequences(1) == [2]
                valkey.start()
                until(lambda: live.board.hearing.connection)
                happen(subject(mine), "order.paid")
                assert client.sequences(1) == [3]
                assert client.is_quiet()


def test_a_restart_of_postgresql_is_noticed_by_nobody(live, relay):
    mine = session()
    with live.open(mine) as before:
        before.next("hello")
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name LIKE 'hub %%'"
            )
        with live.open(mine) as after:
            after.next("hello")
            happen(subject(mine), "order.placed")
            assert before.sequences(1) == after.sequences(1) == [1]


async def no_comparison(_rounds) -> None:
    """Of heads, in a process that has only hints to go by."""


def happen_elsewhere(*args) -> None:
    happen(*args)
    connection.close()


def hint(subject: str, sequence: int) -> None:
    """Tell a subject's event as the relay would."""
    row = Event.objects.filter(subject=subject, sequence=sequence).values().get()
    with redis.Redis.from_url(django_settings.REDIS_URL) as client:
        client.publish(envelope.channel_of(subject), envelope.cloud_event(row))
