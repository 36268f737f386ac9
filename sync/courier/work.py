"""The courier's process: claims, sends many at once, writes what came of it. Any number of couriers may run."""

import asyncio
import gc
import logging
import random
import signal
from collections import defaultdict
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from uuid import UUID, uuid4

import orjson
import psycopg
import uvloop
from django.conf import settings
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from sync import postgres
from sync.courier import DOORBELL
from sync.courier.claims import CLAIM, GIVE_BACK, NOT_BEHIND, WRITE
from sync.courier.lane import Claimed, Lane
from sync.courier.replays import STEP
from sync.courier.schedule import GONE, Outcome, Verdict, verdict
from sync.courier.sending import new_session, post, secrets_of, signed
from sync.courier.width import START
from sync.envelope import COLUMNS, cloud_event
from sync.health import BEAT

logger = logging.getLogger(__name__)

SWEEP = 1.0  # seconds without a doorbell
BEAT_EVERY = 5.0
RESOLVERS = 64  # threads that ask for names: who has a slow name server holds up nobody else
FAREWELL = 4.0  # seconds that requests in flight get at the end
# What a crash of PostgreSQL's machine takes back (half a second of leases and results) is sent again under the same
# ids. Every table has the index that is needed, and grows faster than the planner is told.
SESSION = {"synchronous_commit": "off", "enable_seqscan": "off"}
CLAIM_DUE = CLAIM.format(columns=COLUMNS)


@dataclass(frozen=True)
class Result:
    """What came of a claimed delivery, to be written."""

    delivery: int
    lease: UUID
    verdict: Verdict
    outcome: Outcome
    at: datetime

    def row(self) -> dict:
        """As the statement that writes it takes it."""
        told, came = self.verdict, self.outcome
        return {
            "delivery": self.delivery,
            "lease": self.lease,
            "at": self.at,
            "state": told.state,
            "pause": told.pause,
            "status": came.status,
            "error": came.error,
            "response": came.response,
            "milliseconds": came.milliseconds,
            "connected": came.connected,
            "sent": came.sent,
            "answered": came.answered,
        }


class Courier:
    """One courier. `run` returns after `stop`."""

    def __init__(self):
        self.stopping = False
        self.due = asyncio.Event()
        self.finished = asyncio.Event()
        self.lanes: defaultdict[UUID, Lane] = defaultdict(Lane)
        self.flying: set[asyncio.Task] = set()
        self.results: list[Result] = []
        self.unsent: list[Claimed] = []
        self.beat_at = 0.0

    def stop(self) -> None:
        """Claim nothing more, let what is in flight end, write it, return."""
        self.stopping = True
        self.due.set()

    async def run(self) -> None:
        """Deliver until stopped; outlives every loss of PostgreSQL."""
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(RESOLVERS, "resolver"))
        known = postgres.parameters("courier", **SESSION) | {"row_factory": dict_row}
        async with (
            AsyncConnectionPool(kwargs=known, min_size=1, max_size=3, open=False) as self.pool,
            new_session() as self.session,
        ):
            beside = [asyncio.ensure_future(each) for each in (self._listen(), self._write_all(), self._replay_all())]
            while not self.stopping:
                await self._outliving(self._turn)
            for lane in self.lanes.values():
                self._give_back(lane.take_all())
            if self.flying:
                await asyncio.wait(self.flying, timeout=FAREWELL)
            for task in [*beside, *self.flying]:
                task.cancel()
            await asyncio.gather(*beside, *self.flying, return_exceptions=True)
            await self._write()

    async def _turn(self) -> None:
        self.due.clear()
        lease, at = uuid4(), monotonic()
        rows = await self.claim(lease)
        looked_at, claimed = rows[0]["looked_at"], rows if rows[0]["delivery"] else []
        for row in claimed:
            self.lanes[row["endpoint_id"]].ready.append(Claimed(row, lease, at))
        for lane in self.lanes.values():
            self._give_back(lane.take_stale())
            self._send(lane)
        if put_off := rows[0]["put_off"]:
            await self._judge_again(put_off)
        await self._beat()
        if looked_at == len(claimed) and not (looked_at and self._has_room()):  # what is put off takes no room
            await _either(self.due, SWEEP)

    async def claim(self, lease: UUID) -> list[dict]:
        """Lease what is due and may be sent soon; one empty row when there is nothing."""
        free = [lane.room for lane in self.lanes.values()]
        known = {"start": START, "lease": lease, "endpoints": list(self.lanes), "free": free}
        async with self.pool.connection() as connection:
            return await (await connection.execute(CLAIM_DUE, known, prepare=True)).fetchall()

    async def _judge_again(self, put_off: list[int]) -> None:
        async with self.pool.connection() as connection:
            await connection.execute(NOT_BEHIND, [put_off], prepare=True)

    def _has_room(self) -> bool:
        return any(lane.room for lane in self.lanes.values())

    def _send(self, lane: Lane) -> None:
        """Fill the places that are free."""
        while lane.has_place and not self.stopping:
            lane.flying += 1
            task = asyncio.ensure_future(self._fly(lane, lane.ready.popleft()))
            self.flying.add(task)
            task.add_done_callback(self.flying.discard)

    async def _fly(self, lane: Lane, claimed: Claimed | None) -> None:
        """One place of a lane: deliver one after the other, as long as the endpoint bears it."""
        try:
            while claimed:
                await self._deliver(lane, claimed)
                claimed = self._next(lane)
        finally:
            lane.flying -= 1

    def _next(self, lane: Lane) -> Claimed | None:
        self._give_back(lane.take_stale())
        if self.stopping or lane.is_narrow or not lane.ready:
            return None
        claimed = lane.ready.popleft()
        if not lane.ready:
            self.due.set()  # the next are claimed while these are under way
        self._send(lane)
        return claimed

    async def _deliver(self, lane: Lane, claimed: Claimed) -> None:
        """Try once. The result is written by `_write_all`, together with those of others."""
        row, now = claimed.row, datetime.now(UTC)
        try:
            body, (secret, *old) = cloud_event(row), secrets_of(row)
            headers = signed(str(row["id"]), body, secret, now, *old)
            outcome = await post(self.session, row["url"], headers, body)
        except Exception:
            logger.exception("Delivery %s", row["delivery"])
            outcome = Outcome(None, "internal")
        lane.width.learn(outcome)
        if outcome.status == GONE:
            self._give_back(lane.take_all())  # the endpoint is off, as soon as this is written
        told = verdict(outcome, row["attempts"] + 1, settings.COURIER_SCHEDULE, random.random())  # noqa: S311
        self.results.append(Result(row["delivery"], claimed.lease, told, outcome, now))
        self.finished.set()

    def _give_back(self, unsent: list[Claimed]) -> None:
        if unsent:
            self.unsent += unsent
            self.finished.set()

    async def _write_all(self) -> None:
        while True:
            await self.finished.wait()
            await self._outliving(self._write)

    async def _write(self) -> None:
        """Write all results there are, in one statement; they stay when that fails. What was not sent is given back."""
        self.finished.clear()
        if not (self.results or self.unsent):
            return
        async with self.pool.connection() as connection:
            if results := self.results[:]:
                await connection.execute(WRITE, [orjson.dumps([each.row() for each in results]).decode()], prepare=True)
                del self.results[: len(results)]
                self._wake(results)
            if unsent := self.unsent[:]:
                ids, leases = zip(*((each.row["delivery"], each.lease) for each in unsent), strict=True)
                await connection.execute(GIVE_BACK, [list(ids), list(leases)])
                del self.unsent[: len(unsent)]
                self.due.set()

    def _wake(self, results: list[Result]) -> None:
        """Claim what these made due, now or in less than a sweep. Without room, whoever makes some does."""
        if self._has_room():
            self.due.set()
        for pause in {each.verdict.pause for each in results if 0 < each.verdict.pause < SWEEP}:
            asyncio.get_running_loop().call_later(pause, self.due.set)

    async def _replay_all(self) -> None:
        while True:
            await self._outliving(self._replay)
            await asyncio.sleep(SWEEP)

    async def _replay(self) -> None:
        """Queue what staff asked for again, page by page, as long as its endpoint keeps up."""
        while not self.stopping:
            async with self.pool.connection() as connection:
                step = await (await connection.execute(STEP, prepare=True)).fetchone()
            if step is None:
                return
            if step["queued"]:
                self.due.set()

    async def _outliving(self, work) -> None:
        try:
            await work()
        except psycopg.Error as error:
            logger.warning("PostgreSQL: %s", str(error).strip())
            self.finished.set()
            await asyncio.sleep(1)

    async def _listen(self) -> None:
        """Hear the doorbell; without it, the sweep finds what is due a little later."""
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(**postgres.parameters("courier bell")) as connection:
                    await connection.execute(f"LISTEN {DOORBELL}")
                    async for _ring in connection.notifies():
                        self.due.set()
            except psycopg.Error as error:
                logger.info("PostgreSQL: %s", str(error).strip())
                await asyncio.sleep(1)

    async def _beat(self) -> None:
        if monotonic() > self.beat_at:
            async with self.pool.connection() as connection:
                await connection.execute(BEAT, ["courier"])
            self.beat_at = monotonic() + BEAT_EVERY


async def _either(event: asyncio.Event, seconds: float) -> None:
    """Return when the event is set, or after so many seconds."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return


def serve(work: Coroutine) -> None:
    """Run it on a loop of uvloop: a quarter less processor time a delivery than asyncio's own."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work)


async def main() -> None:
    """Run a courier until SIGTERM or SIGINT."""
    gc.freeze()  # what is loaded stays: looking at all of Django again and again costs a fifth of the time
    courier = Courier()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, courier.stop)
    await courier.run()
