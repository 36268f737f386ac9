"""The switchboard: subject → its open sockets, in one process; it never waits for a socket (SPINE).

What the relay tells over Redis is a hint. Every event reaches a socket in sequence: the next one at once, anything
else by reading PostgreSQL from where the socket stands. `sync/rounds.py` keeps the sockets that are open honest.
"""

import asyncio
import logging
from collections import Counter, defaultdict
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import orjson
import psycopg
from django.conf import settings
from django.db import connection
from django.utils.module_loading import import_string
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from sync import postgres
from sync.envelope import COLUMNS, channel_of, cloud_event
from sync.following import follow
from sync.hearing import Hearing
from sync.rounds import Rounds
from sync.sockets import Socket, event_frame, framed, without_waiting

logger = logging.getLogger(__name__)

PAGE = 100
PARTING = 10.0  # seconds in which a client must have read what comes before a close
LONGEST_POSITION = 18  # digits

STANDING = """
SELECT head, (SELECT min(sequence) FROM sync_event e WHERE e.subject = s.subject) AS oldest
FROM sync_stream s WHERE subject = %s
"""
MISSED = f"""
SELECT {COLUMNS} FROM sync_event e
WHERE subject = %s AND sequence > %s AND sequence <= %s ORDER BY sequence LIMIT {PAGE}
"""  # noqa: S608 - constants


class Switchboard:
    """All open sockets of a process. Started by the first of them, or by the server's lifespan."""

    def __init__(self):
        self.sockets: set[Socket] = set()
        self.rooms: dict[str, set[Socket]] = {}
        self.addresses: Counter[str] = Counter()
        self.tasks: set[asyncio.Task] = set()
        self.starting: asyncio.Future | None = None
        self.following: asyncio.Future | None = None
        self.threads = defaultdict(partial(ThreadPoolExecutor, 1, "sessions"))  # the checks are Django's own queries

    async def start(self) -> None:
        """Open the pool and begin to listen, once."""
        if self.starting is None:
            self.starting = asyncio.ensure_future(self._start())
        await asyncio.shield(self.starting)

    async def _start(self) -> None:
        known = postgres.parameters("live", statement_timeout="9s") | {"row_factory": dict_row}
        self.pool = AsyncConnectionPool(kwargs=known, min_size=1, max_size=4, timeout=5, open=False)
        await self.pool.open()
        self.hearing = Hearing(settings.REDIS_URL, self.heard)
        self.rounds = Rounds(self)
        self.spawn(self.hearing.run())
        for round in self.rounds.all():
            self.spawn(round)
        await self.hearing.settled()

    async def stop(self) -> None:
        """End every task and close the pool."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        if self.starting:
            await self.pool.close()
        for thread in self.threads.values():
            thread.shutdown(wait=False)

    def spawn(self, work: Awaitable) -> asyncio.Future:
        """Run something beside everything else, until it ends or the switchboard stops. It does not fail unheard."""
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self._over)
        return task

    def _over(self, task: asyncio.Task) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logger.error("%s has failed", task.get_coro().__qualname__, exc_info=error)

    async def run(self, sql: str, parameters) -> list[dict]:
        """The rows of one statement. Raises psycopg.Error when PostgreSQL is away, not when it was."""
        try:
            return await self._run(sql, parameters)
        except psycopg.OperationalError:
            await self.pool.check()  # connections from before a restart are replaced
            return await self._run(sql, parameters)

    async def _run(self, sql: str, parameters) -> list[dict]:
        async with self.pool.connection() as database:
            cursor = await database.execute(sql, parameters, prepare=True)
            return await cursor.fetchall() if cursor.description else []

    async def ended(self, check: str, sessions: list[str], *, asker: str) -> set[str]:
        """Those of these sessions that have ended, as the floor above says.

        Every `asker` has a thread of its own, and with it a connection: none waits for the questions of another.
        """
        return await asyncio.get_running_loop().run_in_executor(self.threads[asker], _ask, check, sessions)

    # Coming and going -----------------------------------------------------------------------------------------

    def admit(self, socket: Socket) -> bool:
        """Count a socket in, unless its member or its address has as many as it may. It is told nothing yet."""
        room = self.rooms.setdefault(socket.subject, set())
        here = self.addresses[socket.address]
        if len(room) >= settings.LIVE_SOCKETS_PER_MEMBER or here >= settings.LIVE_SOCKETS_PER_ADDRESS:
            return False
        socket.busy = True
        room.add(socket)
        self.sockets.add(socket)
        self.addresses[socket.address] += 1
        return True

    async def join(self, socket: Socket, after: str | None) -> None:
        """Say hello, bring the socket from `after` to the head of its stream, and keep it there."""
        await self.hearing.subscribe(channel_of(socket.subject))
        standing = await self.run(STANDING, [socket.subject])
        if socket.closed:  # its session ended meanwhile
            return
        head, oldest = (standing[0]["head"], standing[0]["oldest"]) if standing else (0, None)
        await socket.tell(framed("hello", member_id=socket.subject.partition("/")[2], head=head))
        begin = _position(after, head, oldest)
        if begin is None:
            await socket.tell(framed("resync", head=head))
        socket.delivered, socket.wanted = head if begin is None else begin, max(head, socket.wanted)
        self.spawn(self._catch_up(socket))

    def leave(self, socket: Socket) -> None:
        """Forget a socket. Its subject is unsubscribed a little later, if nobody comes back."""
        socket.closed = True
        if socket in self.sockets:
            self.sockets.remove(socket)
            self.rooms.get(socket.subject, set()).discard(socket)
            self.addresses[socket.address] -= 1
            if not self.addresses[socket.address]:
                del self.addresses[socket.address]

    def close(self, socket: Socket, code: int) -> None:
        """Close a socket: from now on it is told nothing more."""
        if socket.closed:
            return
        self.leave(socket)
        message = {"type": "websocket.close", "code": code}
        try:
            if not without_waiting(socket.send(message)):
                self.spawn(self._part(socket, message))
        except Exception as error:  # noqa: BLE001 - as in `hand`
            self.drop(socket, error)

    async def _part(self, socket: Socket, message: dict) -> None:
        """Close a socket that cannot be written to now; who does not read in time is cut off."""
        try:
            async with asyncio.timeout(PARTING):
                await socket.send(message)
        except TimeoutError:
            socket.cut()
        except OSError as error:
            logger.debug("The socket was gone: %s", error)
        except Exception as error:  # noqa: BLE001 - as in `hand`
            self.drop(socket, error)

    # Frames ------------------------------------------------------------------------------------------------------

    def hand(self, socket: Socket, text: str) -> bool:
        """Hand a frame to a socket that is writable now; False when it is not. One that fails is dropped."""
        try:
            return socket.take(text)
        except Exception as error:  # noqa: BLE001 - whatever its server raises is this socket's matter, nobody else's
            self.drop(socket, error)
            return True

    def drop(self, socket: Socket, error: Exception) -> None:
        """Give up a socket with which something went wrong; a server that waits for its client may do so for ever."""
        logger.warning("A socket was dropped: %s: %s", type(error).__name__, error)
        self.leave(socket)
        socket.cut()

    def follow(self) -> None:
        """Show dashboards what is told to all of them, from the first one on."""
        if self.following is None:
            self.following = self.spawn(follow(self))

    def show(self, text: str) -> None:
        """Hand a frame to every dashboard whose session has been asked about; who cannot take it gets the next."""
        for socket in [each for each in self.sockets if each.check == settings.STAFF_CHECK and not each.busy]:
            self.hand(socket, text)

    # Events ---------------------------------------------------------------------------------------------------

    def heard(self, channel: str, payload: bytes) -> None:
        """An event, as the relay tells it: goes to every socket for which it is the next one."""
        room = self.rooms.get(channel.removeprefix(channel_of("")))
        if not room:
            return
        sequence, frame = int(orjson.loads(payload)["sequence"]), event_frame(payload)
        for socket in tuple(room):  # it shrinks when one is dropped
            if sequence == socket.delivered + 1 and not socket.busy and self.hand(socket, frame):
                socket.delivered = socket.wanted = sequence
            else:
                self.want(socket, sequence)

    def want(self, socket: Socket, sequence: int) -> None:
        """The socket's stream has reached `sequence`: bring the socket there."""
        socket.wanted = max(socket.wanted, sequence)
        if socket.wanted > socket.delivered and not socket.busy:
            socket.busy = True
            self.spawn(self._catch_up(socket))

    async def _catch_up(self, socket: Socket) -> None:
        try:
            while socket.delivered < socket.wanted and not socket.closed:
                await self._replay(socket, socket.wanted)
        except OSError:
            self.leave(socket)
        except psycopg.Error as error:
            logger.warning("A socket waits for the next comparison of heads: %s", error)
        except Exception as error:  # noqa: BLE001 - as in `hand`
            self.drop(socket, error)
        finally:
            socket.busy = False

    async def _replay(self, socket: Socket, head: int) -> None:
        """Tell one page of what the socket missed; a gap that cannot be filled any more is a resync."""
        if ping := socket.ping_due():
            await socket.tell(ping)
        stood = socket.delivered
        for row in await self.run(MISSED, [socket.subject, stood, head]):
            if socket.closed or row["sequence"] != socket.delivered + 1:
                break
            await socket.tell(event_frame(cloud_event(row)))
            socket.delivered = row["sequence"]
        if socket.delivered == stood and not socket.closed:
            await socket.tell(framed("resync", head=head))
            socket.delivered = head


def _position(after: str | None, head: int, oldest: int | None) -> int | None:
    """Where a client stands: the head without `after`; None when it must read the current state first."""
    if after is None:
        return head
    if not (after.isascii() and after.isdigit() and len(after) <= LONGEST_POSITION):
        return None
    position = int(after)
    kept = position >= (head if oldest is None else oldest - 1)
    return position if position <= head and kept else None


def _ask(check: str, sessions: list[str]) -> set[str]:
    try:
        return import_string(check)(sessions)
    finally:
        connection.close()
