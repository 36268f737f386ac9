"""Hearing what the relay tells: one Redis connection for all open subjects, for ever.

Redis is a hint. When it is away nobody waits for it; the switchboard finds by comparing heads what it missed.
"""

import asyncio
import logging
import math
from collections.abc import Callable

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

logger = logging.getLogger(__name__)

ALWAYS = "hub:live"  # keeps the connection in subscribed mode while no socket is open
PATIENCE = 1.0  # seconds to wait for a confirmation
SILENCE = 30.0  # seconds without an answer after which the connection is taken for dead
FIRST_WAIT, LONGEST_WAIT = 0.1, 2.0  # seconds before it connects anew


class Hearing:
    """Subscriptions that survive every loss of Redis. `heard(channel, payload)` is called in the order of arrival."""

    def __init__(self, url: str, heard: Callable[[str, bytes], None]):
        self.heard = heard
        self.confirmed: dict[str, asyncio.Event] = {}
        self.connection = None
        self.tried = asyncio.Event()
        self.pool = redis.asyncio.ConnectionPool.from_url(
            url, protocol=2, socket_timeout=None, socket_connect_timeout=2, retry=Retry(NoBackoff(), 0)
        )

    async def run(self) -> None:
        """Listen until cancelled, whatever happens."""
        wait = 0.0
        while True:
            try:
                await self._listen()
            except (redis.RedisError, OSError, TimeoutError) as error:
                if not wait or self.connection:
                    logger.warning("Redis is away, sockets hear a little later: %s", error)
                wait = FIRST_WAIT if self.connection else min(max(2 * wait, FIRST_WAIT), LONGEST_WAIT)
            except Exception:
                logger.exception("Hearing begins again")
                wait = FIRST_WAIT
            finally:
                self._forget()
            await asyncio.sleep(wait)

    async def settled(self) -> None:
        """Return when the first try to reach Redis has ended, well or not."""
        await self.tried.wait()

    async def subscribe(self, channel: str) -> None:
        """Return when Redis has confirmed, or at once when it is away."""
        confirmed = self.confirmed.setdefault(channel, asyncio.Event())
        if self.connection is None or confirmed.is_set():
            return
        try:
            await self.connection.send_command("SUBSCRIBE", channel)
            await asyncio.wait_for(confirmed.wait(), PATIENCE)
        except (redis.RedisError, OSError, TimeoutError):
            logger.info("Subscribed without Redis: %s", channel)

    async def unsubscribe(self, channels: list[str]) -> None:
        """Hear no more of these channels."""
        for channel in channels:
            self.confirmed.pop(channel, None)
        if self.connection and channels:
            await self._send("UNSUBSCRIBE", *channels)

    async def ping(self) -> None:
        """Ask for a sign of life; `run` gives the connection up when none comes."""
        if self.connection:
            await self._send("PING")

    async def _send(self, *command: str) -> None:
        try:
            await self.connection.send_command(*command)
        except (redis.RedisError, OSError) as error:
            logger.info("Redis: %s", error)  # the listener finds the same and connects anew

    async def _listen(self) -> None:
        connection = self.pool.make_connection()
        try:
            await connection.connect()
            await connection.send_command("SUBSCRIBE", ALWAYS, *self.confirmed)
            self.connection = connection
            self.tried.set()
            while True:
                async with asyncio.timeout(SILENCE):
                    told = await connection.read_response(timeout=math.inf)
                self._take(*told)
        finally:
            await connection.disconnect(nowait=True)

    def _take(self, kind: bytes, channel: bytes, payload: bytes | int = b"") -> None:
        if kind == b"message":
            self.heard(channel.decode(), payload)
        elif kind == b"subscribe" and (confirmed := self.confirmed.get(channel.decode())):
            confirmed.set()

    def _forget(self) -> None:
        """Nobody waits for a connection that is gone; the next one subscribes to everything again."""
        self.connection = None
        self.tried.set()
        for channel, confirmed in list(self.confirmed.items()):
            confirmed.set()
            self.confirmed[channel] = asyncio.Event()
