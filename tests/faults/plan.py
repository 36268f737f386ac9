"""Which fault happens when: the same seed, the same plan."""

import random
from collections.abc import Callable
from dataclasses import dataclass

import redis

from config import embedded
from tests.processes import HubProcesses

EVERY = 1.8  # seconds between two faults in the long run; a short one has each kind once


@dataclass(frozen=True)
class Fault:
    """Something that happens `at` so many seconds after the beginning."""

    at: float
    kind: str


def flush(hub: HubProcesses) -> None:
    """FLUSHALL, unless Valkey is just being started again."""
    client = redis.Redis.from_url(embedded.redis_url(hub.folder), retry=None)
    try:
        client.flushall()
    finally:
        client.close()


def killing(name: str) -> Callable[[HubProcesses], None]:
    """`kill -9` of a process with all it started, which `up` starts again."""

    def kill(hub: HubProcesses) -> None:
        hub.kill(name)

    return kill


PROCESSES = ("relay", "live", "courier", "worker", "web", "valkey")
KINDS = {name: killing(name) for name in PROCESSES} | {"flushall": flush}


def plan(seed: int, seconds: float) -> list[Fault]:
    """Every kind once in an order by chance, again and again, at moments by chance, within so many seconds."""
    chance = random.Random(seed)
    count = max(len(KINDS), int(seconds / EVERY))
    deck = [kind for _round in range(-(-count // len(KINDS))) for kind in chance.sample(sorted(KINDS), len(KINDS))]
    moments = sorted(chance.uniform(0, seconds) for _fault in range(count))
    return [Fault(at, kind) for at, kind in zip(moments, deck, strict=False)]


def happen(hub: HubProcesses, fault: Fault) -> bool:
    """Let it happen; False when what it is for is not there now, because an earlier fault ended it."""
    if fault.kind in PROCESSES and hub.pid(fault.kind) is None:
        return False
    try:
        KINDS[fault.kind](hub)
    except (ProcessLookupError, redis.RedisError):
        return False
    return True
