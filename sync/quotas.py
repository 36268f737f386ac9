"""Quotas: how often something may happen in a window. Counted in PostgreSQL, before the act it guards, so that a
refused act counts as well and wiping Redis opens nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from django.conf import settings
from django.db import connection

from sync.act import in_act
from sync.http import Problem
from sync.models import Quota

COUNT = """
INSERT INTO sync_quota AS q (key, "window", count)
VALUES (%(key)s, date_bin(%(every)s * interval '1 second', clock_timestamp(), timestamptz '2000-01-01'), %(times)s)
ON CONFLICT (key, "window") DO UPDATE SET count = q.count + %(times)s
RETURNING count, ceil(extract(epoch FROM "window" + %(every)s * interval '1 second' - clock_timestamp()))::int
"""

GIVE_BACK = """
UPDATE sync_quota SET count = count - 1 WHERE key = %(key)s AND count > 0
AND "window" = date_bin(%(every)s * interval '1 second', clock_timestamp(), timestamptz '2000-01-01')
"""


def count(what: str, *, limit: int, every: int, times: int = 1, lasting: bool = False) -> None:
    """Count `what`, so many times, in its window of `every` seconds; raises Problem `rate_limited` beyond `limit`.

    Call it outside a transaction; what is `lasting` counts within an act as well, whatever becomes of the act.
    `settings.QUOTA_FACTOR` widens every limit in the sandbox.
    """
    with _cursor(lasting) as cursor:
        cursor.execute(COUNT, {"key": f"{what}/{every}"[:160], "every": every, "times": times})
        counted, left = cursor.fetchone()
    if counted > limit * settings.QUOTA_FACTOR:
        raise Problem("rate_limited", retry_after=max(left, 1))


def give_back(what: str, *, every: int, lasting: bool = False) -> None:
    """Undo one `count`: it was none of what is limited."""
    with _cursor(lasting) as cursor:
        cursor.execute(GIVE_BACK, {"key": f"{what}/{every}"[:160], "every": every})


@contextmanager
def _cursor(lasting: bool) -> Iterator:
    """A cursor; of what must outlast the act at hand, on a connection beside it."""
    if not (lasting and in_act()):
        with connection.cursor() as cursor:
            yield cursor
        return
    beside = connection.copy()
    beside.settings_dict["OPTIONS"].pop("pool", None)  # all of a pool may be held by acts that wait for one more
    try:
        with beside.cursor() as cursor:
            yield cursor
    finally:
        beside.close()


def drop_before(time: datetime) -> int:
    """Forget windows that began before `time`. Returns how many."""
    return Quota.objects.filter(window__lt=time).delete()[0]
