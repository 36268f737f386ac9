"""The database's clock: the one that decides, whatever the machines around it believe."""

from datetime import datetime

from django.db import connection, models


class Clock(models.Func):
    """The time of the statement's evaluation, not of its transaction's start."""

    function, arity, output_field = "clock_timestamp", 0, models.DateTimeField()


def now() -> datetime:
    """The database's time at this moment; ask after taking the lock that the decision needs."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return cursor.fetchone()[0]
