"""A clock that tests set and the ledger obeys.

Everything that decides by time asks the database for `clock_timestamp()` without naming its schema. Here a function of
that name lies in a schema of its own, and a connection whose search path begins there gets the time it was told: in
SQL functions, prepared statements and Django's expressions alike. Nothing of the hub knows.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db import connection

SCHEMA = """
CREATE SCHEMA simulated;
CREATE FUNCTION simulated.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS $$
    SELECT coalesce(
        nullif(current_setting('simulated.still', TRUE), '')::timestamptz,
        pg_catalog.clock_timestamp() + coalesce(nullif(current_setting('simulated.ahead', TRUE), ''), '0')::interval)
$$
"""
FOLLOW = """
SELECT set_config('search_path', 'simulated, public, pg_catalog', FALSE), set_config('simulated.still', %s, FALSE),
    set_config('simulated.ahead', %s, FALSE)
"""


@contextmanager
def simulated() -> Iterator[None]:
    """A database whose connections may have a time of their own. This connection's is the true one at the end."""
    _execute(SCHEMA)
    try:
        yield
    finally:
        back()
        _execute("DROP SCHEMA simulated CASCADE")


def stand(at: datetime) -> None:
    """On this connection it is this moment, until told otherwise."""
    _execute(FOLLOW, at.isoformat(), "")


def run_ahead(by: timedelta) -> None:
    """On this connection it is so much later than it is; time goes on."""
    _execute(FOLLOW, "", f"{by.total_seconds()} seconds")


def back() -> None:
    """On this connection it is as late as it is."""
    _execute("RESET search_path")


def _execute(sql: str, *parameters) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters or None)
