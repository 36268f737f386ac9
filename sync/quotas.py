"""Quotas: how often something may happen in a window. Counted in PostgreSQL, before the act it guards, so that a
refused act counts as well and wiping Redis opens nothing."""

from datetime import datetime

from django.conf import settings
from django.db import connection

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


def count(what: str, *, limit: int, every: int, times: int = 1) -> None:
    """Count `what`, so many times, in its window of `every` seconds; raises Problem `rate_limited` beyond `limit`.

    Call it outside a transaction. `settings.QUOTA_FACTOR` widens every limit in the sandbox.
    """
    with connection.cursor() as cursor:
        cursor.execute(COUNT, {"key": f"{what}/{every}"[:160], "every": every, "times": times})
        counted, left = cursor.fetchone()
    if counted > limit * settings.QUOTA_FACTOR:
        raise Problem("rate_limited", retry_after=max(left, 1))


def give_back(what: str, *, every: int) -> None:
    """Undo one `count`: it was none of what is limited."""
    with connection.cursor() as cursor:
        cursor.execute(GIVE_BACK, {"key": f"{what}/{every}"[:160], "every": every})


def drop_before(time: datetime) -> int:
    """Forget windows that began before `time`. Returns how many."""
    return Quota.objects.filter(window__lt=time).delete()[0]
