"""The relay: gives committed events their place in the one order, fans them out, tells who listens (DESIGN §5).

PostgreSQL decides: `sync_settle()` is one statement under an advisory lock, so any number of relays may run and any
of them may be stopped or killed. Redis only carries hints: when it is away, sockets hear of their events from the
heads that the switchboard compares.
"""

import logging
import signal
import threading
import time

import psycopg
import redis
from django.conf import settings
from psycopg.rows import dict_row
from redis.backoff import NoBackoff
from redis.retry import Retry

from sync import alerts, courier, postgres
from sync.envelope import COLUMNS, channel_of, cloud_event
from sync.events import ASLEEP, DOORBELL

logger = logging.getLogger(__name__)

SWEEP = 1.0  # seconds without a doorbell
AT_IT = 0.01  # seconds that another relay's batch is given
BUSY = 3  # batches in a row, of this or another relay, from which on nobody need ring
BEAT_EVERY = 5.0  # seconds
LONGEST_WAIT = 5.0  # seconds between two tries to reach a store that is away
PAGE = 1_000
READ = f"""
SELECT {COLUMNS} FROM sync_settled s JOIN sync_event e ON e.id = s.event_id
WHERE s.position BETWEEN %s AND %s ORDER BY s.position
"""  # noqa: S608 - a constant
# A sign of life with the lag: how long, at most, one of the latest events waited for its place since the last sign.
BEAT = """
INSERT INTO sync_heartbeat (name, at, data)
SELECT 'relay', now(), jsonb_build_object(
    'lag_ms', greatest(round(max(extract(epoch FROM latest.at - e.time)) * 1000), 0), 'settled', count(e.id))
FROM (SELECT event_id, at FROM sync_settled ORDER BY position DESC LIMIT 1000) latest
JOIN sync_event e ON e.id = latest.event_id AND latest.at > now() - %s * interval '1 second'
ON CONFLICT (name) DO UPDATE SET at = EXCLUDED.at, data = EXCLUDED.data
RETURNING (data->>'lag_ms')::float8 AS lag
"""
LAG = "relay.lag_ms"  # the measure that alert rules may name


class Hints:
    """Tells Redis; never raises, never waits long, and leaves a Redis that is away alone for a while."""

    def __init__(self, url: str):
        self.redis = redis.Redis.from_url(
            url, socket_timeout=0.25, socket_connect_timeout=0.25, retry=Retry(NoBackoff(), 0)
        )
        self.wait, self.again_at = 0.0, 0.0

    def tell(self, facts: list[dict]) -> None:
        """Publish each fact to its subject's channel, in one round trip."""
        if not facts or time.monotonic() < self.again_at:
            return
        pipeline = self.redis.pipeline(transaction=False)
        for fact in facts:
            pipeline.publish(channel_of(fact["subject"]), cloud_event(fact))
        try:
            pipeline.execute()
        except redis.RedisError as error:
            self._rest(error)
        else:
            self._well()

    def close(self) -> None:
        self.redis.close()

    def _rest(self, error: Exception) -> None:
        if not self.wait:
            logger.warning("Redis is away, sockets hear a little later: %s", error)
        self.wait = min(max(2 * self.wait, 0.5), LONGEST_WAIT)
        self.again_at = time.monotonic() + self.wait

    def _well(self) -> None:
        if self.wait:
            logger.warning("Redis is back")
        self.wait = 0.0


class Relay:
    """One relay. `run` returns after `stop`; `sweep` is in seconds, `busy` in batches."""

    def __init__(self, sweep: float = SWEEP, busy: int = BUSY):
        self.sweep, self.busy = sweep, busy
        self.stopping = threading.Event()
        self.hints = Hints(settings.REDIS_URL)
        self.beaten_at = time.monotonic() - BEAT_EVERY
        self.is_asleep = False  # who commits rings, by the lock that says so

    def stop(self, *_signal) -> None:
        """End after the batch at hand, within a second."""
        self.stopping.set()

    def run(self) -> None:
        """Settle until stopped; outlives every loss of PostgreSQL or Redis."""
        wait = 0.0
        while not self.stopping.wait(wait):
            try:
                with postgres.connect("relay") as connection:
                    wait = 0.0
                    self._serve(connection)
            except psycopg.Error as error:
                wait = min(max(2 * wait, 0.2), LONGEST_WAIT)
                logger.warning("PostgreSQL: %s; again in %s s", str(error).strip(), wait)
        self.hints.close()

    def _serve(self, connection: psycopg.Connection) -> None:
        """Settle; sleep until the bell when there is nothing.

        The lock that makes writers ring is taken before a last look: what was committed before it is seen by that look,
        what is committed later is rung for. Under load it is let go: nobody spends time on a bell that wakes nobody.
        """
        connection.row_factory = dict_row
        connection.execute(f"LISTEN {DOORBELL}")
        self.is_asleep, busy = False, 0
        while not self.stopping.is_set():
            self._beat(connection)
            settled = self.settle(connection)
            busy = 0 if settled == 0 else busy + 1
            if busy >= self.busy:
                self._stay_awake(connection)
            if settled == 0 and self.is_asleep:
                for _ring in connection.notifies(timeout=self.sweep, stop_after=1):
                    pass
            elif settled is None or (settled == 0 and not self._fall_asleep(connection)):
                self.stopping.wait(AT_IT)

    def _fall_asleep(self, connection: psycopg.Connection) -> bool:
        """Have writers ring from now on; False while one of them tries whether it has to."""
        taken = connection.execute(f"SELECT pg_try_advisory_lock_shared({ASLEEP}) AS taken", prepare=True)
        self.is_asleep = taken.fetchone()["taken"]
        return self.is_asleep

    def _stay_awake(self, connection: psycopg.Connection) -> None:
        """Nobody need ring; forget who did meanwhile."""
        for _ring in connection.notifies(timeout=0):
            pass
        if self.is_asleep:
            connection.execute(f"SELECT pg_advisory_unlock_shared({ASLEEP})", prepare=True)
            self.is_asleep = False

    def settle(self, connection: psycopg.Connection) -> int | None:
        """Settle one batch and tell of it. Returns how many events it held; None when another relay is at it.

        That one may not see what rang for us, and be stopped before it looks again: so we do.
        """
        batch = connection.execute("SELECT * FROM sync_settle()", prepare=True).fetchone()
        if batch is None or not batch["settled"]:
            return batch and 0
        if batch["delivered"]:
            connection.execute(f"NOTIFY {courier.DOORBELL}")
        if batch["facts"] is not None:
            self.hints.tell(batch["facts"])
        else:
            self._tell_many(connection, batch["first_position"], batch["last_position"])
        return batch["settled"]

    def _tell_many(self, connection: psycopg.Connection, first: int, last: int) -> None:
        for start in range(first, last + 1, PAGE):
            page = connection.execute(READ, [start, min(start + PAGE - 1, last)], prepare=True)
            self.hints.tell(page.fetchall())

    def _beat(self, connection: psycopg.Connection) -> None:
        passed = time.monotonic() - self.beaten_at
        if passed < BEAT_EVERY:
            return
        lag = connection.execute(BEAT, [passed]).fetchone()["lag"]
        connection.execute(alerts.MEASURE, [LAG, lag])
        self.beaten_at += passed


def main() -> None:
    """Run a relay until SIGTERM or SIGINT."""
    relay = Relay()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, relay.stop)
    relay.run()
