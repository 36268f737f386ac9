"""A program that tells: by an act with its event, by raw Redis, or by PostgreSQL's NOTIFY, at a steady pace.

One line of JSON each: `{"how", "count", "rate", "facts"}`; it answers with how many it told when it has.
"""

import json
import os
import sys
import time

import django
import psycopg
import redis

django.setup()

from django.conf import settings  # noqa: E402 - comes after the setup

from sync import act, events  # noqa: E402
from sync.act import SYSTEM  # noqa: E402

FILLING = "x" * 200
CHANNEL = "bench_raw"


class Told:
    """The three ways."""

    def __init__(self, subject: str):
        self.subject = subject
        self.redis = redis.Redis.from_url(settings.REDIS_URL)
        self.database = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)

    def act(self, facts: int = 1) -> None:
        """An act of so many facts; each says when its act was about to commit."""

        def work():
            for _fact in range(facts):
                events.record("order.updated", subject=self.subject, data=stamped, by=SYSTEM)

        act.outermost(work)

    def redis_publish(self) -> None:
        self.redis.publish(CHANNEL, json.dumps(stamped()))

    def notify(self) -> None:
        self.database.execute("SELECT pg_notify(%s, %s)", [CHANNEL, json.dumps(stamped())])


def stamped() -> dict:
    """A payload with the moment it was made."""
    return {"stamp": time.monotonic_ns(), "filling": FILLING}


def keep_pace(work, count: int, rate: float) -> int:
    """Do it so many times, `rate` a second; as fast as can be with none."""
    began = time.perf_counter()
    for number in range(count):
        if rate and (ahead := number / rate - (time.perf_counter() - began)) > 0:
            time.sleep(ahead)
        work()
    return count


def main(subject: str) -> None:
    """Answer until nobody asks any more."""
    told = Told(subject)
    for line in sys.stdin:
        asked = json.loads(line)
        work = getattr(told, asked["how"])
        facts = asked.get("facts", 1)
        print(keep_pace((lambda: work(facts)) if facts > 1 else work, asked["count"], asked["rate"]), flush=True)  # noqa: T201, B023


if __name__ == "__main__":
    main(*sys.argv[1:])
