"""The database's clock: the one that decides, whatever the machines around it believe."""

from datetime import datetime, timedelta

from django.db import connection, models

SEEN_UNTIL = """
SELECT greatest(clock_timestamp() - interval '10 minutes', least(clock_timestamp(), (
    SELECT min(a.xact_start) FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.locktype = 'relation' AND l.relation = %s::regclass AND l.mode = 'RowExclusiveLock' AND l.granted
        AND a.datname = current_database() AND a.pid <> pg_backend_pid())))
"""


class Clock(models.Func):
    """The time of the statement's evaluation, not of its transaction's start; or so long `after` it."""

    function, arity, output_field = "clock_timestamp", 0, models.DateTimeField()

    def __init__(self, after: timedelta | None = None):
        super().__init__()
        self.after = after

    def as_sql(self, compiler, connection, **context):
        sql, parameters = super().as_sql(compiler, connection, **context)
        return (sql, parameters) if self.after is None else (f"({sql} + %s)", [*parameters, self.after])


def now() -> datetime:
    """The database's time at this moment; ask after taking the lock that the decision needs."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return cursor.fetchone()[0]


def seen_until(model: type[models.Model]) -> datetime:
    """The time up to which every change of a table is committed: the start of the oldest act still writing to it.

    Ask before reading. Rows that take `Clock()` for their time of change never appear before it afterwards. An act
    left open for longer than ten minutes is not waited for.
    """
    with connection.cursor() as cursor:
        cursor.execute(SEEN_UNTIL, [model._meta.db_table])
        return cursor.fetchone()[0]
