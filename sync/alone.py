"""Work that only one process does at a time, wherever it runs."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


@contextmanager
def alone(what: str) -> Iterator[bool]:
    """Whether nobody else is at `what` now. If so nobody else will be until the block ends, or this process."""
    held = _asked("pg_try_advisory_lock", what)
    try:
        yield held
    finally:
        if held:
            _asked("pg_advisory_unlock", what)


def _asked(function: str, what: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(hashtextextended(%s, 0))", [what])
        return cursor.fetchone()[0]
