"""The right database for the mode: production never runs on a sandbox's, the sandbox never on anybody else's.

Plain SQL, since the sandbox's models do not exist in production, and no table does before the first migration.
"""

from django.conf import settings
from django.core.checks import Error, Tags, register
from django.core.exceptions import ImproperlyConfigured
from django.db import connections

EXISTS = "SELECT to_regclass(%s) IS NOT NULL"
SANDBOX_S = "DATABASE_URL names a sandbox's database: production needs one of its own"
SOMEBODY_S = "DATABASE_URL names a database that is in use and not a sandbox's: set HUB_SANDBOX=0 or another one"


@register(Tags.database)
def database_fits_mode(app_configs, databases=None, **kwargs):
    """`manage.py check --database default`, and every `migrate`."""
    found = [misplaced(connections[name]) for name in databases or ()]
    return [Error(problem, id="config.E001") for problem in found if problem]


def misplaced(connection) -> str:
    """Why this database must not be used in this mode; empty when it may."""
    marked = _holds(connection, "sandbox_mark")
    if settings.PRODUCTION:
        return SANDBOX_S if marked else ""
    if settings.SANDBOX and not marked and (_holds(connection, "sync_channel") or _holds(connection, "members_member")):
        return SOMEBODY_S
    return ""


class FirstConnection:
    """Judges the database when a process first reaches it; a process on the wrong one gets no connection at all."""

    def __init__(self):
        self.is_judged = False

    def __call__(self, *, connection, **kwargs) -> None:
        if self.is_judged:
            return
        if problem := misplaced(connection):
            connection.close()
            raise ImproperlyConfigured(problem)
        self.is_judged = True


def _holds(connection, table: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(EXISTS, [table])
        if not cursor.fetchone()[0]:
            return False
        cursor.execute(f"SELECT EXISTS (SELECT FROM {table})")  # noqa: S608 - a name of ours
        return cursor.fetchone()[0]
