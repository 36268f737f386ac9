"""The live process in a thread: the real application in the real server, and clients that we did not write."""

import asyncio
import json
import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn
from uvicorn.main import main as command
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from config.programs import programs
from sync import events, tickets
from sync.live import build
from sync.switchboard import Switchboard
from tests import make


@dataclass
class Live:
    """A running live process; `board` is its switchboard."""

    port: int
    board: Switchboard

    def open(self, session, *, after: object = None, **options) -> "Client":
        """A socket for a session's member, with a fresh ticket."""
        ticket = ticket_for(session)
        return self.connect(ticket, "" if after is None else f"&after={after}", **options)

    def connect(self, ticket: str, rest: str = "", path: str = "me", **options) -> "Client":
        url = f"ws://127.0.0.1:{self.port}/ws/v1/{path}?ticket={ticket}{rest}"
        return Client(connect(url, proxy=None, compression=None, legacy=True, **options))


@dataclass
class Client:
    """A socket as its client sees it."""

    socket: ClientConnection

    def frame(self, timeout: float = 30) -> dict:
        """The next frame."""
        return json.loads(self.socket.recv(timeout))

    def next(self, kind: str, timeout: float = 30) -> dict:
        """The next frame, which must be of this kind; pings apart."""
        while (frame := self.frame(timeout))["kind"] == "ping" and kind != "ping":
            pass
        assert frame["kind"] == kind, frame
        return frame

    def sequences(self, count: int, timeout: float = 30) -> list[int]:
        """The sequences of the next so many events."""
        return [int(self.next("event", timeout)["event"]["sequence"]) for _ in range(count)]

    def say(self, **frame) -> None:
        self.socket.send(json.dumps(frame))

    def closed(self, timeout: float = 30) -> int:
        """The code the socket is closed with."""
        try:
            while True:
                self.socket.recv(timeout)
        except ConnectionClosed as closed:
            return closed.rcvd.code

    def is_quiet(self, seconds: float = 0.5) -> bool:
        """Whether nothing arrives for a while."""
        try:
            return self.frame(seconds)["kind"] == "ping"
        except TimeoutError:
            return True

    def drop(self) -> None:
        """Vanish without a word."""
        self.socket.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.socket.close()


def ticket_for(session, **fields) -> str:
    known = {"subject": events.of_member(session.member_id), "session": str(session.id), "channel": session.channel}
    return tickets.issue(**known | fields)


def session(member=None, **fields):
    """A session of a member, new unless given."""
    return make.session(member or make.member(), **fields)


def subject(of) -> str:
    """The subject of a session's member."""
    return events.of_member(of.member_id)


def switches() -> dict:
    """What `manage.py up` tells uvicorn, but for the lifespan, by which a test ends what it began."""
    words = next(program.command for program in programs() if program.name == "live")
    given = command.make_context("uvicorn", list(words[words.index("uvicorn") + 1 :])).params
    names = ("ws", "ws_max_size", "ws_per_message_deflate", "log_level", "timeout_graceful_shutdown")
    return {name: given[name] for name in names} | {"lifespan": "on", "log_config": None}


@contextmanager
def live_running():
    """The application in uvicorn, as `manage.py up` runs it."""
    board, place = Switchboard(), socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(build(board), **switches())
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([place])))
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            thread.join(0.01)
        yield Live(place.getsockname()[1], board)
    finally:
        server.should_exit = True
        thread.join(timeout=30)
        assert not thread.is_alive()
        place.close()
