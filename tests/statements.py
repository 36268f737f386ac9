"""What a piece of work sends to PostgreSQL, prepared or not, as libpq itself traces it."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection
from psycopg.pq import Trace

STATEMENTS = frozenset({"Query", "Execute"})
ROUND_TRIPS = frozenset({"Query", "Sync"})


@contextmanager
def sent(kinds: frozenset[str] = STATEMENTS) -> Iterator[list[str]]:
    """A list that holds, after the block, one word for each statement that went out on Django's connection.

    Of `ROUND_TRIPS` one for each time that an answer was waited for.
    """
    found: list[str] = []
    connection.ensure_connection()
    pgconn = connection.connection.pgconn
    with tempfile.TemporaryFile("w+") as file:
        pgconn.trace(os.dup(file.fileno()))
        pgconn.set_trace_flags(Trace.SUPPRESS_TIMESTAMPS)
        try:
            yield found
        finally:
            pgconn.untrace()
        file.seek(0)
        for line in file:
            way, _size, kind, *_rest = [*line.rstrip("\n").split("\t"), "", "", ""]
            if way == "F" and kind in kinds:
                found.append(kind)
