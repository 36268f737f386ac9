"""The live socket: every event once and in order, whatever happens to hints, sockets and sessions."""

import threading
import time
from urllib.parse import quote

import pytest
import redis
from django.conf import settings as django_settings
from django.db import close_old_connections, connection
from django.db.models.functions import Now
from websockets.exceptions import ConnectionClosed

from members import sessions
from sync import envelope, sockets
from sync.models import Acknowledged, Channel, Event, Stream, Ticket
from tests import make
from tests.sync.live import live_running, session, ticket_for
from tests.sync.patience import until
from tests.sync.test_relay import happen, relay_running
from tests.sync.valkey import valkey_in

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def live():
    with live_running() as running:
        yield running
    close_old_connections()


@pytest.fixture
def relay():
    with relay_running() as running:
        yield running


def subject(of) -> str:
    return f"member/{of.member_id}"


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

    def test_a_hint_ahead_of_its_time_fills_the_gap_from_the_database(self, live):
        mine = session()
        with live.open(mine) as client:
            client.next("hello")
            happen(subject(mine), *["order.updated"] * 3)
            hint(subject(mine), 3)
            assert client.sequences(3, timeout=1.5) == [1, 2, 3]

    def test_without_a_relay_the_comparison_of_heads_tells(self, live):
        mine = session()
        with live.open(mine) as client:
            client.next("hello")
            happen(subject(mine), "order.placed", "order.paid")
            assert client.sequences(2, timeout=4) == [1, 2]

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
            assert quick.sequences(600, timeout=5) == list(range(1, 601))
            assert stalled.sequences(600) == list(range(1, 601))


class TestWithoutRedis:
    def test_it_never_ran_and_all_is_told_a_little_later(self, settings):
        settings.REDIS_URL = "unix:///nowhere.sock?db=0"
        mine = session()
        happen(subject(mine), "order.placed")
        with live_running() as live, live.open(mine, after=0) as client:
            client.next("hello")
            assert client.sequences(1) == [1]
            happen(subject(mine), "order.paid")
            assert client.sequences(1, timeout=4) == [2]

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
                assert client.sequences(1, timeout=4) == [2]
                valkey.start()
                until(lambda: live.board.hearing.connection)
                happen(subject(mine), "order.paid")
                assert client.sequences(1) == [3]
                assert client.is_quiet()


class TestWhoMayNot:
    def test_a_ticket_opens_one_socket(self, live):
        ticket = ticket_for(session())
        with live.connect(ticket) as first:
            first.next("hello")
            with live.connect(ticket) as second:
                assert second.closed() == 4401
            assert first.is_quiet()

    @pytest.mark.parametrize("ticket", ["", "hub_wt_unknown", "\u20ac", "%00"])
    def test_what_is_no_ticket_opens_nothing(self, live, ticket):
        with live.connect(quote(ticket)) as client:
            assert client.closed() == 4401

    def test_a_ticket_is_good_for_thirty_seconds(self, live):
        ticket = ticket_for(session())
        Ticket.objects.update(expires_at=Now())
        with live.connect(ticket) as client:
            assert client.closed() == 4401

    def test_a_ticket_for_the_dashboard_opens_no_members_socket(self, live):
        with live.connect(ticket_for(session(), kind="dashboard")) as client:
            assert client.closed() == 4401

    def test_a_channel_that_is_off_opens_nothing(self, live):
        mine = session()
        ticket = ticket_for(mine)
        Channel.objects.update(is_active=False)
        with live.connect(ticket) as client:
            assert client.closed() == 4401

    def test_a_path_that_is_none(self, live):
        with live.connect("x", path="nowhere") as client:
            assert client.closed() == 4404

    @pytest.mark.parametrize(
        ("origin", "welcome"),
        [
            ("https://website.example", True),
            (django_settings.PUBLIC_URL, True),
            (django_settings.PUBLIC_URL.replace("127.0.0.1", "localhost"), True),
            ("http://localhost:9", False),
            (None, True),
            ("https://website.example:8443", False),
            ("http://website.example", False),
            ("https://mini-program.example", False),
            ("null", False),
        ],
    )
    def test_a_browser_must_be_where_the_channel_is(self, live, origin, welcome):
        make.channel("mini-program")
        with live.open(session(), origin=origin) as client:
            assert (client.frame()["kind"] == "hello") if welcome else (client.closed() == 4401)

    def test_a_session_that_has_ended_opens_nothing(self, live):
        mine = session()
        sessions.revoke([mine.id], reason="test")
        with live.open(mine) as client:
            assert client.closed() == 4403

    def test_too_many_sockets_of_one_member(self, live, settings):
        settings.LIVE_SOCKETS_PER_MEMBER = 2
        mine = session()
        with live.open(mine) as one, live.open(mine) as two, live.open(mine) as three:
            assert three.closed() == 4429
            one.next("hello"), two.next("hello")
        with live.open(session()) as other:
            other.next("hello")

    def test_too_many_sockets_of_one_address(self, live, settings):
        settings.LIVE_SOCKETS_PER_ADDRESS = 1
        with live.open(session()) as one:
            one.next("hello")
            with live.open(session()) as two:
                assert two.closed() == 4429
        until(lambda: not live.board.sockets)
        with live.open(session()) as again:
            again.next("hello")


class TestASessionThatEnds:
    def test_closes_its_sockets_within_two_seconds_and_no_other(self, live):
        mine, theirs = session(), session()
        with live.open(mine) as client, live.open(theirs) as other:
            client.next("hello"), other.next("hello")
            sessions.revoke([mine.id], reason="test")
            began = time.monotonic()
            assert client.closed() == 4403
            assert time.monotonic() - began < 2
            assert other.is_quiet()

    def test_with_redis_stopped_as_well(self, settings, tmp_path):
        with valkey_in(tmp_path) as valkey:
            settings.REDIS_URL = valkey.url
            mine = session()
            with live_running() as live, live.open(mine) as client:
                client.next("hello")
                valkey.stop()
                sessions.revoke([mine.id], reason="test")
                began = time.monotonic()
                assert client.closed() == 4403
                assert time.monotonic() - began < 2

    def test_is_told_nothing_any_more(self, live, relay):
        mine = session()
        with live.open(mine) as client:
            client.next("hello")
            sessions.revoke([mine.id], reason="test")
            until(lambda: not live.board.sockets)
            happen(subject(mine), "order.placed")
            with pytest.raises(ConnectionClosed):
                client.frame()


class TestWhatAClientSays:
    def test_its_confirmations_are_kept_by_channel_and_only_grow(self, live, relay):
        mine = session()
        happen(subject(mine), *["order.updated"] * 5)
        with live.open(mine, after=0) as client:
            client.next("hello")
            client.sequences(5)
            for sequence in (3, 2, 9, -1, True, "4"):
                client.say(kind="ack", sequence=sequence)
            told = until(lambda: Acknowledged.objects.first())
        assert (told.subject, told.channel_id, told.sequence) == (subject(mine), mine.channel_id, 3)

    def test_what_it_does_not_know_is_ignored(self, live):
        with live.open(session()) as client:
            client.next("hello")
            client.say(kind="dance", with_whom=["nobody"])
            client.say(kind=["pong"])
            client.say()
            assert client.is_quiet()

    @pytest.mark.parametrize("frame", ["", "[]", "{", "null", b"{}"])
    def test_what_is_no_frame_closes(self, live, frame):
        with live.open(session()) as client:
            client.next("hello")
            client.socket.send(frame)
            assert client.closed() == 4400

    @pytest.mark.parametrize("frame", ["x" * 4097, b"x" * 4097, "\u79ef" * 1400, '{"kind":"ack"}' + " " * 1_000_000])
    def test_a_frame_that_is_too_large_closes(self, live, frame):
        with live.open(session()) as client:
            client.next("hello")
            client.socket.send(frame)
            assert client.closed() == 4413


class TestSilence:
    def test_a_socket_is_pinged_and_one_that_stays_silent_is_closed(self, live, monkeypatch):
        monkeypatch.setattr(sockets, "PING_EVERY", 0.5)
        monkeypatch.setattr(sockets, "SILENCE", 3.0)
        mine = session()
        happen(subject(mine), "order.placed")
        with live.open(mine) as client:
            client.next("hello")
            assert client.next("ping")["head"] == 1
            assert client.closed() == 4408

    @pytest.mark.slow
    def test_an_idle_socket_that_answers_pings_lives_longer_than_a_minute(self, live, relay):
        mine = session()
        with live.open(mine) as client:
            client.next("hello")
            began = time.monotonic()
            for _ in range(3):
                assert client.next("ping", timeout=25) == {"kind": "ping", "head": 0}
                client.say(kind="pong")
            assert client.is_quiet(3)
            assert time.monotonic() - began > 60
            happen(subject(mine), "order.placed")
            assert client.sequences(1) == [1]

    @pytest.mark.slow
    def test_one_that_does_not_is_closed_after_a_minute(self, live):
        with live.open(session()) as client:
            client.next("hello")
            began = time.monotonic()
            assert client.closed(timeout=30) == 4408
            assert 58 < time.monotonic() - began < 66


def happen_elsewhere(*args) -> None:
    happen(*args)
    connection.close()


def hint(subject: str, sequence: int) -> None:
    """Tell a subject's event as the relay would."""
    row = Event.objects.filter(subject=subject, sequence=sequence).values().get()
    with redis.Redis.from_url(django_settings.REDIS_URL) as client:
        client.publish(envelope.channel_of(subject), envelope.cloud_event(row))
