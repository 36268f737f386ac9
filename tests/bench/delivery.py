"""Webhooks to a backend that costs nothing: one courier, two, one Celery task per event, and the database's part alone.

Every round fills the queue anew by real acts and a real batch of the relay; whatever delivers is a process of its own.
"""

import os
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager

import httpx
import psycopg
from django.db.models import Max

from sync import act, courier, events, postgres
from sync.act import SYSTEM
from sync.models import Delivery, Endpoint
from sync.services import admit
from tests import make
from tests.bench import delivery_sink, delivery_task, live_hub
from tests.bench.__main__ import free_port
from tests.bench.frame import SCALE, Figure, held, scaled
from tests.bench.ledger_data import execute
from tests.sync.receiver import SECRET

ROUNDS = 3 if SCALE == 1 else 1
HOW = f"medians of {ROUNDS} rounds"
FLOOR, ONE, TWO = "claim and mark alone, 200 at a time", "one courier", "two couriers"
TASKS = "one Celery task per event, prefork of 2"
SUBJECTS, TOGETHER = 2_000, 500
# The least of what any courier asks of PostgreSQL: lease what is due with what is to be sent, then say that it was.
CLAIM = """
WITH due AS (
    SELECT id FROM sync_delivery WHERE state = 'waiting' AND next_at <= now()
    ORDER BY next_at, position LIMIT 200 FOR UPDATE SKIP LOCKED
), claimed AS (
    UPDATE sync_delivery d
    SET lease = gen_random_uuid(), leased_until = now() + interval '1 minute', next_at = now() + interval '1 minute'
    FROM due WHERE d.id = due.id RETURNING d.id, d.event_id
)
SELECT c.id, e.id, e.type, e.subject, e.time, e.data::text FROM claimed c JOIN sync_event e ON e.id = c.event_id
"""
MARK = """
UPDATE sync_delivery SET state = 'delivered', finished_at = now(), next_at = NULL, lease = NULL, leased_until = NULL
WHERE id = ANY (%s)
"""
HOLD = "UPDATE sync_endpoint SET is_active = false"
LET_GO = f"UPDATE sync_endpoint SET is_active = true; NOTIFY {courier.DOORBELL}"  # noqa: S608 - a constant


def measure() -> list[Figure]:
    """All figures; raises RuntimeError when something is not delivered."""
    many, few = scaled(10_000, 200), scaled(500, 20)
    with sink() as url:
        channel = make.channel("website")
        Endpoint.objects.create(channel=channel, url=f"{url}/hook", secret=SECRET)
        for number in range(SUBJECTS):
            admit(f"member/{number}", channel)
        works = {
            FLOOR: lambda: floor(many),
            ONE: lambda: couriers(1, many, url),
            TWO: lambda: couriers(2, many, url),
            TASKS: lambda: tasks(few, url),
        }
        rounds = [{name: work() for name, work in works.items()} for _round in range(ROUNDS)]
    medians = {name: statistics.median(each[name] for each in rounds) for name in works}
    return [
        Figure(FLOOR, medians[FLOOR], "/s"),
        held(ONE, medians, FLOOR, 0.2),
        held(ONE, medians, TASKS, 40),
        held(TWO, medians, ONE, 1.3),
        held(TASKS, medians, FLOOR),
    ]


def fill(count: int) -> None:
    """So many deliveries that are due."""
    for start in range(0, count, TOGETHER):
        act.outermost(lambda start=start: record(start, min(TOGETHER, count - start)))
    with postgres.connect("bench") as connection:
        connection.execute("SELECT settled FROM sync_settle()")
    if waiting() != count:
        raise RuntimeError(f"{waiting()} of {count} deliveries are waiting")


def record(start: int, count: int) -> None:
    data = {"version": 1, "filling": "x" * 200}
    for number in range(start, start + count):
        events.record("order.updated", subject=f"member/{number % SUBJECTS}", data=data, by=SYSTEM)


def floor(count: int) -> float:
    """What PostgreSQL takes for claiming and marking, each batch in two transactions."""
    fill(count)
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        began = time.perf_counter()
        while rows := connection.execute(CLAIM, prepare=True).fetchall():
            connection.execute(MARK, [[row[0] for row in rows]], prepare=True)
        return count / (time.perf_counter() - began)


def couriers(number: int, count: int, url: str) -> float:
    """Deliveries a second from the first request until the last is marked; they are let go once all couriers wait."""
    fill(count)
    execute(HOLD)
    with ExitStack() as stack:
        for _courier in range(number):
            stack.enter_context(live_hub.process("courier"))
        return emptied(lambda: execute(LET_GO), count, url)


def tasks(count: int, url: str) -> float:
    """The same by Celery, the tasks waiting at the broker when the first begins."""
    fill(count)
    for pk in Delivery.objects.filter(state="waiting").order_by("position").values_list("pk", flat=True):
        delivery_task.deliver.delay(pk)
    words = [sys.executable, "-m", "celery", "-q", "-A", delivery_task.__name__, "worker", "--pool", "prefork"]
    words += ["--concurrency", "2", "--without-gossip", "--without-mingle", "--loglevel", "WARNING"]
    worker = subprocess.Popen(words, cwd=live_hub.ROOT, env=os.environ | {"PYTHONWARNINGS": "ignore"})
    try:
        return emptied(lambda: None, count, url)
    finally:
        worker.terminate()
        worker.wait(timeout=60)


def emptied(begin, count: int, url: str) -> float:
    """Begin, wait until nothing waits; deliveries a second since the first arrived."""
    httpx.get(url, trust_env=False)
    begin()
    left = Delivery.objects.filter(state="waiting")  # asked for rarely: who asks is measured too
    live_hub.await_that(lambda: not left.exists(), "not all was delivered", 300, every=0.2)
    counted = httpx.get(url, trust_env=False).json()
    if counted["count"] < count:
        raise RuntimeError(f"{counted['count']} of {count} arrived")
    ended = Delivery.objects.aggregate(last=Max("finished_at"))["last"]
    return count / (ended.timestamp() - counted["first"])


def waiting() -> int:
    return Delivery.objects.filter(state="waiting").count()


@contextmanager
def sink():
    """The backend's process: its address."""
    port = free_port()
    started = subprocess.Popen([sys.executable, "-m", delivery_sink.__name__, str(port)], cwd=live_hub.ROOT)
    try:
        live_hub.await_that(lambda: not live_hub.is_closed(port), "the backend does not start")
        yield f"http://127.0.0.1:{port}"
    finally:
        live_hub.kill(started)
