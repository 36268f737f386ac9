"""From commit to socket: latency, loss, fan-out, and what telling costs the act, each against what it could cost.

The relay and the live process are the real ones; who tells, who serves bare and who listens are processes of their own.
"""

import asyncio
import json
import resource
import signal
import statistics
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from functools import partial

import psycopg
from django.conf import settings
from django.utils import timezone

from sync import act, envelope, events, postgres
from sync.act import SYSTEM
from tests.bench import live_bare, live_hub
from tests.bench.__main__ import free_port
from tests.bench.clients import Clients
from tests.bench.frame import SCALE, Figure, costs, held, interleaved, scaled, within
from tests.bench.ledger_data import execute
from tests.bench.live_hub import Writer, process
from tests.bench.live_writer import CHANNEL
from tests.bench.wire import Crowd, Wire, until

ROUNDS = 5 if SCALE == 1 else 2
HOW = f"medians of {ROUNDS} rounds"
SEQUENTIAL, STEADY = 25.0, 500.0  # a second
REDIS, NOTIFY, OURS = "Redis PUBLISH → subscribe", "PG NOTIFY → listen", "commit → socket"
ACT, PLAIN = "act with its event and doorbell", "plain insert transaction"
SECONDS = max(0.1, 2 * SCALE)
SETTLE = "SELECT * FROM sync_settle()"
WARM = 20  # sockets opened before memory is looked at


def measure() -> list[Figure]:
    """All figures; raises RuntimeError when something does not come."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    execute("CREATE TABLE bench_plain (id uuid PRIMARY KEY, subject text NOT NULL, data jsonb NOT NULL)")
    figures = [*acting(), idle(), stall()]
    with process("live") as live:
        with process("relay"):
            figures = [*latencies(), *figures]
        return [*figures, *losses(), *asyncio.run(fan_out(live.pid, [live_hub.member() for _ in range(5)]))]


# Latency ----------------------------------------------------------------------------------------------------------


def latencies():
    """One at a time and 500 a second, against Redis and NOTIFY."""
    somebody = live_hub.member()
    with Writer(live_hub.subject(somebody)) as writer, hearing(somebody) as ways:
        for rate, name, count, p50, p99 in (
            (SEQUENTIAL, "one at a time", scaled(100, 10), 6, None),
            (STEADY, "500/s", scaled(1_000, 100), 10, 12),
        ):
            rounds = {how: [] for how in ways}
            for _round in range(ROUNDS):
                for how, (told, read) in ways.items():
                    rounds[how].append(percentiles(timed(writer, told, read, count, rate)))
            best = {
                how: [statistics.median(each) for each in zip(*found, strict=True)] for how, found in rounds.items()
            }
            for place, limit in ((0, p50), (1, p99)):
                word = ("p50", "p99")[place]
                floor = Figure(f"{REDIS}, {name}, {word}", best[REDIS][place], "ms")
                yield floor
                yield costs(f"{NOTIFY}, {name}, {word}", best[NOTIFY][place], "ms", floor)
                yield costs(f"{OURS}, {name}, {word}", best[OURS][place], "ms", floor, limit)


@contextmanager
def hearing(somebody):
    """The three ways: how the writer tells, and how what it told is read."""
    with live_hub.publisher() as client, client.pubsub() as heard, postgres.connect("bench") as listener:
        heard.subscribe(CHANNEL)
        heard.get_message(timeout=30)
        listener.execute(f"LISTEN {CHANNEL}")
        notified = listener.notifies()
        (url,) = live_hub.urls(somebody, 1)
        wire = Wire(url)
        wire.read()
        yield {
            REDIS: ("redis_publish", lambda: json.loads(heard.get_message(timeout=30)["data"])["stamp"]),
            NOTIFY: ("notify", lambda: json.loads(next(notified).payload)["stamp"]),
            OURS: ("act", lambda: json.loads(wire.read_event())["event"]["data"]["stamp"]),
        }
        wire.close()
        notified.close()  # it holds the connection


def timed(writer: Writer, told: str, read, count: int, rate: float) -> list[float]:
    """Milliseconds from the stamp to the reading, of each."""
    writer.begin(told, count, rate)
    found = [-(read() - time.monotonic_ns()) / 1e6 for _ in range(count)]
    writer.end()
    return found


def percentiles(values: list[float]) -> tuple[float, float]:
    ordered = sorted(values)
    return statistics.median(ordered), ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]


# Loss -------------------------------------------------------------------------------------------------------------


def losses():
    """As many events as a socket can be told while the relay and Valkey are killed; every one, once, in order."""
    acts, facts = scaled(5_000, 50), 20
    somebody, told = live_hub.member(), []
    (url,) = live_hub.urls(somebody, 1)
    wire = Wire(url)
    wire.read()
    reader = threading.Thread(target=read_all, args=[wire, acts * facts, told])
    began = time.perf_counter()
    with ExitStack() as stack, Writer(live_hub.subject(somebody)) as writer:
        relay = stack.enter_context(process("relay"))
        reader.start()
        writer.begin("act", acts, 150.0, facts)
        for share in (0.25, 0.5):
            live_hub.await_that(partial(has_reached, told, acts * facts * share), "events do not come")
            live_hub.kill(relay)
            live_hub.kill_valkey()
            relay = stack.enter_context(process("relay"))
        writer.end()
        reader.join(timeout=120)
    wire.close()
    rate = len(told) / (time.perf_counter() - began)
    lost = acts * facts - len(told) + sum(each != place for place, each in enumerate(told, 1))
    yield Figure(f"of {acts * facts:,} events lost, repeated or turned", lost, "", None, "", 0, lost == 0)
    yield Figure("of them told, two kills of relay and Valkey included", rate, "/s")


def has_reached(told: list, count: float) -> bool:
    return len(told) >= count


def read_all(wire: Wire, count: int, told: list[int]) -> None:
    """The sequences of so many events, confirmed now and then."""
    while len(told) < count:
        told.append(int(json.loads(wire.read_event())["event"]["sequence"]))
        if len(told) % 500 == 0:
            wire.say(b'{"kind":"ack","sequence":%d}' % told[-1])


# What it costs others ---------------------------------------------------------------------------------------------


def acting():
    """Eight clients; nobody settles meanwhile, so that both find the same machine."""
    with Clients("tests.bench.live_works") as clients:
        medians = interleaved(
            {ACT: partial(clients.rate, "told", SECONDS), PLAIN: partial(clients.rate, "plain", SECONDS)}
        )
    return [held(PLAIN, medians, ACT), held(ACT, medians, PLAIN, 0.4)]


def idle() -> Figure:
    """A batch when nothing has happened."""
    with postgres.connect("bench") as connection:
        connection.execute(SETTLE, prepare=True)
        return within("idle batch", statistics.median(milliseconds(connection) for _ in range(200)), "ms", 0.3)


def milliseconds(connection: psycopg.Connection) -> float:
    began = time.perf_counter()
    connection.execute(SETTLE, prepare=True).fetchall()
    return (time.perf_counter() - began) * 1000


def stall() -> Figure:
    """Of two relays one is stopped at any moment; how much longer an event then waits for its place, at most."""
    waits = {True: [], False: []}
    with process("relay") as one, process("relay") as other, postgres.connect("bench") as connection:
        for turn in range(scaled(60, 6) * 2):
            stopped = (one, other)[turn % 2] if turn % 4 > 1 else None
            if stopped:
                settled_after(connection)  # so that it is at work when it is stopped
                stopped.send_signal(signal.SIGSTOP)
            waits[bool(stopped)].append(settled_after(connection))
            if stopped:
                stopped.send_signal(signal.SIGCONT)
    return within("feed stall with a stopped leader", max(waits[True]) - statistics.median(waits[False]), "ms", 50)


def settled_after(connection: psycopg.Connection) -> float:
    """Milliseconds from an act's commit until its event has a place."""
    fact = act.outermost(lambda: events.record("order.updated", subject="member/stall", data={}, by=SYSTEM))
    began = time.perf_counter()
    while not connection.execute("SELECT 1 FROM sync_settled WHERE event_id = %s", [fact], prepare=True).fetchone():
        if time.perf_counter() - began > 30:
            raise RuntimeError("An event was not settled")
    return (time.perf_counter() - began) * 1000


# Fan-out ----------------------------------------------------------------------------------------------------------


async def fan_out(pid: int, sessions: list) -> list[Figure]:
    """One event to a thousand sockets, against a bare server; then five thousand, held for a while."""
    many = scaled(1_000, 50)
    crowd, bare = Crowd(), Crowd()
    await crowd.join(await asyncio.to_thread(live_hub.urls, sessions[0], WARM))
    empty = live_hub.kilobytes(pid)
    await crowd.join(await asyncio.to_thread(live_hub.urls, sessions[0], many))
    each = (live_hub.kilobytes(pid) - empty) / many
    port = free_port()
    floor = subprocess.Popen([sys.executable, "-m", live_bare.__name__, str(port), settings.REDIS_URL])
    try:
        await until(lambda: not live_hub.is_closed(port), "the bare server does not start")
        await bare.join([f"ws://127.0.0.1:{port}/"] * WARM)
        empty = live_hub.kilobytes(floor.pid)
        await bare.join([f"ws://127.0.0.1:{port}/"] * many)
        bare_each = (live_hub.kilobytes(floor.pid) - empty) / many
        times = {"ours": [], "bare": []}
        for number in range(1, 1 + max(4, scaled(16))):
            times["bare"].append((await bare.broadcast(partial(tell_bare, number)))[1] * 1000)
            times["ours"].append((await crowd.broadcast(partial(tell_sockets, sessions[:1], number)))[1] * 1000)
    finally:
        live_hub.kill(floor)
    limit = Figure(f"bare broadcast to {many:,} sockets, the last of them", statistics.median(times["bare"]), "ms")
    memory = Figure("bare server, a socket", bare_each, "kB")
    return [
        limit,
        costs(f"one event to {many:,} sockets, the last of them", statistics.median(times["ours"]), "ms", limit, 1.5),
        memory,
        within("live process, a socket", each, "kB", 30),
        *await hold(crowd, sessions[1:], many),
    ]


async def hold(crowd: Crowd, sessions: list, many: int) -> list[Figure]:
    """Four thousand sockets more, all of them kept for a while, and one event to each of them."""
    for session in sessions:
        await crowd.join(await asyncio.to_thread(live_hub.urls, session, many))
    await asyncio.sleep(max(2.0, 25 * SCALE))
    everybody = crowd.sockets
    wanted, held_now = len(everybody), len(everybody) - crowd.lost
    crowd.sockets = everybody[-len(sessions) * many :]
    _first, last = await crowd.broadcast(partial(tell_sockets, sessions, 1))
    crowd.sockets = everybody
    crowd.leave()
    return [
        Figure("sockets held", held_now, "", held_now / wanted, "opened", 1.0, held_now == wanted),
        Figure(f"an event to {len(sessions) * many:,} of them, the last", last * 1000, "ms"),
    ]


def tell_bare(number: int) -> None:
    publish(live_bare.CHANNEL, f'{{"kind":"event","event":{told("member/bare", number).decode()}}}')


def tell_sockets(sessions: list, number: int) -> None:
    for session in sessions:
        subject = live_hub.subject(session)
        publish(envelope.channel_of(subject), told(subject, number))


def told(subject: str, number: int) -> bytes:
    """An event as the relay tells it."""
    row = {"id": events.uuid7(), "subject": subject, "sequence": number, "type": "order.updated", "source": "/hub"}
    data = {"mark": number, "filling": "x" * 200}
    return envelope.cloud_event(row | {"time": timezone.now(), "correlation_id": "", "data": data})


def publish(channel: str, payload) -> None:
    with live_hub.publisher() as client:
        client.publish(channel, payload)
