"""When a live socket is closed, with which code, and what keeps it open."""

import time
from contextlib import ExitStack
from urllib.parse import quote

import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.db.models.functions import Now
from websockets.exceptions import ConnectionClosed

from members import sessions
from sync import sockets
from sync.models import Acknowledged, Channel, Ticket
from tests import make
from tests.sync.live import live_running, session, subject, ticket_for
from tests.sync.patience import until, within
from tests.sync.test_relay import happen
from tests.sync.valkey import valkey_in

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


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
        with live.open(mine) as one, live.open(mine) as two:
            one.next("hello"), two.next("hello")
            with live.open(mine) as three:
                assert three.closed() == 4429
            assert one.is_quiet()
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


def closing(live, before=lambda: None) -> float:
    """How many seconds a socket stays open when its session has ended."""
    mine = session()
    with live.open(mine) as client:
        client.next("hello")
        before()
        sessions.revoke([mine.id], reason="test")
        began = time.monotonic()
        assert client.closed() == 4403
        return time.monotonic() - began


class TestASessionThatEnds:
    def test_closes_its_sockets_within_two_seconds_and_no_other(self, live):
        with live.open(session()) as other:
            other.next("hello")
            assert within(2, lambda: closing(live))
            assert other.is_quiet()

    def test_with_redis_stopped_as_well(self, settings, tmp_path):
        with valkey_in(tmp_path) as valkey:
            settings.REDIS_URL = valkey.url
            with live_running() as live:
                assert within(2, lambda: closing(live, before=valkey.stop))

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

    def test_confirmations_of_all_sockets_are_written_by_one_statement(self, live):
        all_of_them = [session() for _ in range(3)]
        with ExitStack() as stack:
            clients = [stack.enter_context(live.open(mine, after=0)) for mine in all_of_them]
            for mine, client in zip(all_of_them, clients, strict=True):
                happen(subject(mine), "order.placed", "order.paid")
                client.next("hello")
                client.sequences(2)
            for sequence in (1, 2):  # the second time at the beginning of a round
                for client in clients:
                    client.say(kind="ack", sequence=sequence)
                until(lambda n=sequence: Acknowledged.objects.filter(sequence=n).count() == 3)
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(DISTINCT xmin::text) FROM sync_acknowledged")
            assert cursor.fetchone() == (1,)


class TestWhatAClientDoesNotRead:
    """What it left unread waits in PostgreSQL, not in the process; who lets it wait for too long is cut off."""

    @pytest.mark.parametrize(("limit", "value"), [("UNREAD", 1.0), ("LONGEST_BACKLOG", 50)])
    def test_ends_its_socket_and_no_other(self, live, relay, monkeypatch, limit, value):
        monkeypatch.setattr(sockets, limit, value)
        mine = session()
        with live.open(mine, max_queue=1) as stalled, live.open(mine) as quick:
            stalled.next("hello"), quick.next("hello")
            for _ in range(30):
                happen(subject(mine), *["order.updated"] * 20, data={"filling": "x" * 10_000})
            assert quick.sequences(600) == list(range(1, 601))
            until(lambda: len(live.board.sockets) == 1)
            with pytest.raises(ConnectionClosed):
                stalled.sequences(600)
            happen(subject(mine), "order.placed")
            assert quick.sequences(1) == [601]
            until(lambda: not any(task.get_coro().__name__ == "_part" for task in live.board.tasks))


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

    def test_an_idle_socket_that_answers_pings_lives_longer_than_a_minute(self, live, relay):
        mine, began = session(), time.monotonic()
        with live.open(mine) as client:
            client.next("hello")
            for _ in range(3):
                assert client.next("ping", timeout=50) == {"kind": "ping", "head": 0}
                client.say(kind="pong")
            assert client.is_quiet(3)
            assert time.monotonic() - began > 60
            happen(subject(mine), "order.placed")
            assert client.sequences(1) == [1]

    def test_one_that_does_not_is_closed_after_a_minute(self, live):
        mine, began = session(), time.monotonic()
        with live.open(mine) as client:
            client.next("hello")
            assert client.closed(timeout=50) == 4408
            assert 60 < time.monotonic() - began < 75
