"""What goes wrong with one socket, one hint or one question is nobody else's matter."""

import logging
import socket as sockets_of_the_system
import struct
import threading
import time
from contextlib import ExitStack, contextmanager

import pytest
import redis
from django.conf import settings as django_settings
from websockets.exceptions import ConnectionClosed

from members import sessions
from sync import envelope, sockets
from sync.rounds import Rounds
from tests.sync import hesitant
from tests.sync.live import live_running, session, subject
from tests.sync.patience import until, within
from tests.sync.test_live import happen_elsewhere, no_comparison
from tests.sync.test_relay import happen, relay_running

pytestmark = pytest.mark.django_db(transaction=True)

FILLING = {"filling": "x" * 30_000}  # less than the server's buffer: a socket that is full is writable still


class TestASocketThatTheServerIsEnding:
    """Its client reads nothing, the keepalive has given it up, and what is left to send keeps it: a send fails."""

    def test_by_an_event_it_ends_and_all_others_hear_on(self, monkeypatch, caplog):
        monkeypatch.setattr(Rounds, "heads", no_comparison)  # it would tell as well, a little later
        mine = session()
        with live_running() as live, relay_running(), live.open(mine) as other, ending(live, mine) as stuck:
            before = stuck.delivered
            happen(subject(mine), "order.placed")
            until(lambda: stuck not in live.board.sockets)
            happen(subject(mine), "order.paid")
            assert other.next("hello")
            assert other.sequences(before + 2) == list(range(1, before + 3))
        assert [record.exc_info for record in caplog.records if "A socket was dropped" in record.message] == [None]

    @pytest.mark.slow
    def test_by_what_it_missed_as_well(self, live):
        mine = session()
        with live.open(mine) as other, ending(live, mine) as stuck:
            stuck.delivered -= 1
            until(lambda: stuck not in live.board.sockets)
            happen(subject(mine), "order.paid")
            assert other.next("hello")
            assert other.sequences(stuck.delivered + 2)

    @pytest.mark.slow
    def test_by_its_ping_and_all_others_are_pinged(self, live, monkeypatch):
        mine = session()
        with ExitStack() as stack:
            others = [stack.enter_context(live.open(session())) for _ in range(5)]
            stuck = stack.enter_context(ending(live, mine))
            monkeypatch.setattr(sockets, "PING_EVERY", 0.0)
            for other in others:
                other.next("hello")
                assert other.next("ping")
            until(lambda: stuck not in live.board.sockets)

    @pytest.mark.slow
    def test_by_the_end_of_its_session_and_all_others_that_ended_close(self, live):
        all_of_them = [session() for _ in range(6)]
        with ExitStack() as stack:
            others = [stack.enter_context(live.open(mine)) for mine in all_of_them[1:]]
            stuck = stack.enter_context(ending(live, all_of_them[0]))
            sessions.revoke([mine.id for mine in all_of_them], reason="test")
            assert [other.closed() for other in others] == [4403] * 5
            until(lambda: stuck not in live.board.sockets)

    def test_its_connection_is_cut(self, live, relay):
        mine = session()
        with ending(live, mine) as stuck:
            happen(subject(mine), "order.placed")
            until(lambda: stuck not in live.board.sockets)
            until(stuck.send.__self__.transport.is_closing)
            until(lambda: stuck.send.__self__.disconnected)


def test_a_malformed_frame_in_the_middle_of_events_ends_its_socket_only(live, relay):
    mine = session()
    with live.open(mine) as other:
        other.next("hello")
        for turn in range(10):
            with live.open(mine) as malformed:
                malformed.next("hello")
                writer = threading.Thread(target=happen_elsewhere, args=(subject(mine), *["order.updated"] * 5))
                writer.start()
                malformed.socket.socket.sendall(b"\xff\xff" * 8)
                with pytest.raises(ConnectionClosed):
                    malformed.sequences(100)
                writer.join()
            assert other.sequences(5) == list(range(turn * 5 + 1, turn * 5 + 6))


def test_a_hint_that_is_none_is_logged_and_the_next_is_heard(monkeypatch, caplog):
    monkeypatch.setattr(Rounds, "heads", no_comparison)
    mine = session()
    with live_running() as live, relay_running(), live.open(mine) as client:
        client.next("hello")
        hearing, channel = live.board.hearing, envelope.channel_of(subject(mine))
        before = hearing.connection
        with redis.Redis.from_url(django_settings.REDIS_URL) as publisher:
            publisher.publish(channel, b"no hint")
        until(lambda: hearing.connection not in {None, before} and hearing.confirmed[channel].is_set())
        happen(subject(mine), "order.placed")
        assert client.sequences(1) == [1]
    told = [record for record in caplog.records if record.message == "Hearing begins again"]
    assert [(record.levelno, record.exc_info is not None) for record in told] == [(logging.ERROR, True)]


@pytest.mark.slow
def test_a_round_that_fails_for_any_reason_is_logged_and_goes_on(live, settings, caplog):
    settings.SESSION_CHECK = "tests.sync.hesitant.fails_once"
    hesitant.asked_once.clear(), hesitant.failed.clear()
    mine = session()
    with live.open(mine) as client:
        client.next("hello")
        until(hesitant.failed.is_set)
        sessions.revoke([mine.id], reason="test")
        assert client.closed() == 4403
    told = [record for record in caplog.records if record.name == "sync.rounds"]
    assert [(record.message, record.exc_info is not None) for record in told] == [("sessions", True)]


def test_handshakes_that_wait_for_their_check_do_not_hold_up_the_round(live, settings):
    settings.SESSION_CHECK = "tests.sync.hesitant.alone_takes_its_time"

    def closing() -> float:
        mine, late = session(), session()
        with live.open(mine) as client, hesitant.about(late.id) as asked, live.open(late):
            client.next("hello")
            assert asked.wait(30)
            sessions.revoke([mine.id], reason="test")
            began = time.monotonic()
            assert client.closed() == 4403
            return time.monotonic() - began

    assert within(2, closing)


def test_what_fails_beside_everything_else_is_logged(live, caplog):
    async def failing():
        raise ValueError("for no reason")

    live.board.starting.get_loop().call_soon_threadsafe(lambda: live.board.spawn(failing()))
    told = until(lambda: [record for record in caplog.records if "failing has failed" in record.message])
    assert told[0].levelno == logging.ERROR
    assert told[0].exc_info


class TestALargeMessage:
    """The server stops reading long before it is complete, whoever sends it."""

    HEADER = struct.Struct("!BBQ4x")  # of a masked frame whose mask is zero

    def test_that_is_announced_is_not_waited_for(self, live):
        with live.open(session()) as client:
            client.next("hello")
            client.socket.socket.sendall(self.HEADER.pack(0x81, 0xFF, 3 * 2**20))
            assert client.closed() == 1009

    def test_that_comes_in_pieces_is_counted_as_one(self, live):
        with live.open(session()) as client:
            client.next("hello")
            client.socket.socket.sendall(self.HEADER.pack(0x01, 0xFF, 2**20) + b"x" * 2**20)
            client.socket.socket.sendall(self.HEADER.pack(0x00, 0xFF, 2**20) + b"x" * 2**20)
            client.socket.socket.sendall(self.HEADER.pack(0x00, 0xFF, 2**20))
            assert client.closed() == 1009


@contextmanager
def ending(live, mine):
    """The board's socket of a client that read nothing for so long that the server has given it up."""
    options = {"max_queue": 1, "close_timeout": 0.1}
    with silent_connection(live.port) as connection, live.open(mine, sock=connection, **options) as client:
        client.next("hello")
        stuck = until(lambda: [each for each in live.board.sockets if is_of(connection, each)])[0]
        server, loop = stuck.send.__self__, live.board.starting.get_loop()
        with relay_running():
            while not server.transport.get_write_buffer_size():
                stood = stuck.delivered
                happen(subject(mine), "order.updated", data=FILLING)
                until(lambda stood=stood: stuck.delivered > stood)
        assert server.writable.is_set()
        loop.call_soon_threadsafe(server.keepalive_timeout)
        until(lambda: server.close_sent)
        assert stuck in live.board.sockets
        assert not server.disconnected
        yield stuck


@contextmanager
def silent_connection(port: int):
    """A connection whose client's side holds little."""
    with sockets_of_the_system.socket() as connection:
        connection.setsockopt(sockets_of_the_system.SOL_SOCKET, sockets_of_the_system.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", port))
        yield connection


def is_of(connection, socket) -> bool:
    """Whether this socket of the board is the other end of a connection."""
    return socket.send.__self__.client == connection.getsockname()
