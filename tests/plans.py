"""How PostgreSQL would go about a question, the same in every run.

Autovacuum looks at the tables between two tests whenever it likes and finds them empty; then a plan for no rows at all
is as good by one index as by another. Here it is asked as for tables nobody has counted yet, which it takes for ten
pages each.
"""

from collections.abc import Mapping, Sequence

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import QuerySet

UNCOUNTED = """
UPDATE pg_class SET relpages = 0, reltuples = -1
WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace AND (relpages, reltuples) <> (0, -1);
DELETE FROM pg_statistic USING pg_class
WHERE starelid = pg_class.oid AND relnamespace = 'public'::regnamespace
"""


def uncounted(cursor: CursorWrapper) -> None:
    """Let the planner know nothing about the rows of any table, until the transaction is rolled back."""
    cursor.execute(UNCOUNTED)


def of(asked: str, values: Sequence | Mapping | None = None, without: Sequence[str] = ("seqscan",)) -> str:
    """The plan of one statement, made without ways that only pay for a few rows: `enable_…` of PostgreSQL."""
    with transaction.atomic(), connection.cursor() as cursor:
        uncounted(cursor)
        for way in without:
            cursor.execute(f"SET LOCAL enable_{way} = off")
        cursor.execute(f"EXPLAIN {asked}", values)
        plan = "\n".join(line for (line,) in cursor.fetchall())
        transaction.set_rollback(True)
    return plan


def of_rows(rows: QuerySet, without: Sequence[str] = ("seqscan",)) -> str:
    """The plan of what a queryset asks."""
    return of(*rows.query.sql_with_params(), without)
