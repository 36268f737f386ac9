"""Acts: one function, one transaction, its events written as the last statement (a first one maybe by its cause).

What `events.record` appends rides on Django's own on-commit list, so a savepoint rolled back drops it exactly as
Django drops hooks; the outermost act takes what survived and writes it before it commits (`sync/events.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, wraps

from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from sync import events, prepared

RETRIES = 3
AGAIN = {"40P01", "40001"} | prepared.STALE  # a deadlock, what cannot be serialised


class NotAnAct(Exception):
    """An act was called inside a transaction that is not an act's: stream order and retry would be lost."""


@dataclass(frozen=True)
class Actor:
    """Who does it: kind is member, channel, staff, provider or system; `channel` is the code it came through."""

    kind: str
    id: str
    channel: str = ""

    def __str__(self) -> str:
        return f"{self.kind}/{self.id}"

    @property
    def source(self) -> str:
        """Where the change began, as CloudEvents name it."""
        return f"/channels/{self.channel}" if self.channel else "/hub"


SYSTEM = Actor("system", "hub")


class ActAtomic(transaction.Atomic):
    """An atomic block that belongs to an act.

    The outermost one opens Django's transaction itself, and closes it where `end` has committed: Django's way of doing
    both takes three times as long. Whatever is not plain sailing is left to Django.
    """

    def __init__(self, connection: BaseDatabaseWrapper):
        super().__init__(using=None, savepoint=True, durable=False)
        self.connection = connection

    def __enter__(self):
        django = self.connection
        django.close_if_health_check_failed()
        is_elsewhere = django.connection is None or django.in_atomic_block or not django.autocommit
        self.is_plain = not (is_elsewhere or django.queries_logged)
        if not self.is_plain:
            return super().__enter__()
        with django.wrap_database_errors:
            django.connection.set_autocommit(False)
        django.autocommit, django.in_atomic_block = False, True
        django.commit_on_exit, django.needs_rollback = True, False
        django.atomic_blocks.append(self)

    def __exit__(self, kind, error, trace):
        django = self.connection
        if kind or not self.is_plain or django.connection.pgconn.transaction_status != prepared.IDLE:
            return super().__exit__(kind, error, trace)
        django.atomic_blocks.pop()
        django.in_atomic_block = django.errors_occurred = False
        with django.wrap_database_errors:
            django.connection.set_autocommit(True)
        django.autocommit, django.run_commit_hooks_on_set_autocommit_on = True, False
        if django.run_on_commit:
            django.run_and_clear_commit_hooks()


def in_act() -> bool:
    """Whether the open transaction is an act's."""
    return _in_act(connections[DEFAULT_DB_ALIAS])


def _in_act(connection: BaseDatabaseWrapper) -> bool:
    return any(isinstance(block, ActAtomic) for block in connection.atomic_blocks)


def act(function: Callable) -> Callable:
    """Run `function` as an act, or as a part of the act that is open."""

    @wraps(function)
    def run(*args, **kwargs):
        connection = connections[DEFAULT_DB_ALIAS]
        if _in_act(connection):
            with transaction.atomic(savepoint=False):
                return function(*args, **kwargs)
        return _outermost(connection, partial(function, *args, **kwargs))

    return run


def outermost(work: Callable):
    """Run `work` in a transaction of its own with its events written last; a deadlock is retried.

    Not once it is committed: what hooks raise after that is raised, and the act stays done.
    """
    return _outermost(connections[DEFAULT_DB_ALIAS], work)


def _outermost(connection: BaseDatabaseWrapper, work: Callable):
    if connection.atomic_blocks:
        is_theirs = any(not block._from_testcase for block in connection.atomic_blocks)
    else:
        is_theirs = connection.in_atomic_block or (connection.connection is not None and not connection.autocommit)
    if is_theirs:
        raise NotAnAct("An act must not run inside a transaction of somebody else")
    for left in range(RETRIES, -1, -1):
        is_over = False
        try:
            with ActAtomic(connection):
                result = work()
                connection.validate_no_broken_transaction()  # a part refused, and somebody swallowed it
                last = events.last(connection)
                connection.validate_no_broken_transaction()  # or one of whoever was asked for data
                end(connection, last)
                is_over = True
            return result
        except DatabaseError as error:
            if is_over or not left or not is_retried(error):
                raise


def end(connection: BaseDatabaseWrapper, last: list[prepared.Asked] | None) -> None:
    """Run the act's last statement, commit with it and wake a relay that sleeps, if the act is all that is open;
    Django's own commit then finds nothing to do.

    psycopg's commit costs several times the processor time of its only statement.
    """
    is_last = len(connection.atomic_blocks) == 1
    if last or is_last:
        rings = is_last and last is not None
        prepared.together(*(last or []), commit=is_last, after=events.RING if rings else "")


def is_retried(error: Exception) -> bool:
    """Whether the database gave up this transaction for another one's sake, or for a plan that is out of date: the same
    again will do."""
    return isinstance(error, DatabaseError) and getattr(error.__cause__, "sqlstate", "") in AGAIN
