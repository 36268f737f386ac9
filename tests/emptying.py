"""Empties the database after a test that commits: only the tables that hold something, and not what describes models.

Django's own flush truncates every table and makes all permissions anew, which takes half a second a test. A table and
its indexes that are truncated become new files: what is small is deleted, past its triggers and keys.
"""

from functools import cache

from django.db import connections

KEPT = {"django_migrations", "django_content_type", "auth_permission"}
SMALL = 1_000_000  # bytes


def empty(self) -> None:
    """Stands in for TransactionTestCase._fixture_teardown."""
    for name in self._databases_names(include_mirrors=False):
        with connections[name].cursor() as cursor:
            cursor.execute(_filled(name))
            found = cursor.fetchall()
            if large := [table for table, is_small in found if not is_small]:
                cursor.execute(f"TRUNCATE {', '.join(large)} CASCADE")
            if small := [table for table, is_small in found if is_small]:
                deletes = "".join(f"DELETE FROM {table};" for table in small)  # noqa: S608 - our own tables
                cursor.execute(f"SET session_replication_role = replica; {deletes} RESET session_replication_role")


@cache
def _filled(name: str) -> str:
    """The statement that names the tables which hold something, and says which of them are small."""
    tables = connections[name].introspection.django_table_names(only_existing=True, include_views=False)
    quote = connections[name].ops.quote_name
    probes = (
        f"SELECT '{quote(table)}', pg_relation_size('{quote(table)}') < {SMALL} "  # noqa: S608 - our own tables
        f"WHERE EXISTS (SELECT FROM {quote(table)})"
        for table in sorted(set(tables) - KEPT)
    )
    return " UNION ALL ".join(probes)
