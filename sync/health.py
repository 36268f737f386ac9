"""/healthz: the process lives. /readyz: what it needs lives too; 503 names what does not."""

from collections.abc import Callable
from datetime import timedelta

import redis
from django.conf import settings
from django.core.cache import cache
from django.db import Error, connection
from django.http import JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from psycopg_pool import PoolTimeout

STALE = timedelta(seconds=45)
BEAT = """
INSERT INTO sync_heartbeat (name, at, data) VALUES (%s, now(), '{}')
ON CONFLICT (name) DO UPDATE SET at = EXCLUDED.at
"""


class Down(Exception):
    """Something the hub needs does not answer; the message says what was seen."""


def beat(name: str) -> None:
    """Note that a process lives now."""
    with connection.cursor() as cursor:
        cursor.execute(BEAT, [name])


@require_safe
@never_cache
def healthz(request):
    return JsonResponse({"status": "ok"})


@require_safe
@never_cache
def readyz(request):
    down = {}
    for name, check in CHECKS.items():
        try:
            check()
        except (Down, Error, PoolTimeout, redis.RedisError, OSError) as error:
            down[name] = str(error) if isinstance(error, Down) else type(error).__name__
    status = "unavailable" if down else "ok"
    response = JsonResponse({"status": status, "down": down}, status=503 if down else 200)
    response._has_been_logged = True  # probes ask every moment: Django would fill the log with it
    return response


def _database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _cache() -> None:
    cache.set("readyz", "1", timeout=10)
    if cache.get("readyz") != "1":
        raise Down("does not keep what it is given")


def _broker() -> None:
    with redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=2, socket_timeout=2) as broker:
        broker.ping()


def _beats(name: str) -> Callable[[], None]:
    def check() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT now() - at FROM sync_heartbeat WHERE name = %s", [name])
            row = cursor.fetchone()
        if row is None or row[0] > STALE:
            raise Down("no sign of life" if row is None else f"last sign of life {row[0].seconds} s ago")

    return check


CHECKS = {
    "database": _database,
    "cache": _cache,
    "broker": _broker,
    "relay": _beats("relay"),
    "worker": _beats("worker"),
}
