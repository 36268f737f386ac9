"""Acts: one function, one transaction, its events written as the last statement.

What `events.record` appends rides on Django's own on-commit list, so a savepoint rolled back drops it exactly as
Django drops hooks; the outermost act takes what survived and writes it before it commits (`sync/events.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps

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
    """An atomic block that belongs to an act."""

    def __init__(self):
        super().__init__(using=None, savepoint=True, durable=False)


def in_act() -> bool:
    """Whether the open transaction is an act's."""
    return any(isinstance(block, ActAtomic) for block in connections[DEFAULT_DB_ALIAS].atomic_blocks)


def act(function: Callable) -> Callable:
    """Run `function` as an act, or as a part of the act that is open."""

    @wraps(function)
    def run(*args, **kwargs):
        if in_act():
            with transaction.atomic(savepoint=False):
                return function(*args, **kwargs)
        return outermost(lambda: function(*args, **kwargs))

    return run


def outermost(work: Callable):
    """Run `work` in a transaction of its own with its events written last; a deadlock is retried.

    Not once it is committed: what hooks raise after that is raised, and the act stays done.
    """
    connection = connections[DEFAULT_DB_ALIAS]
    blocks = connection.atomic_blocks
    if any(not block._from_testcase for block in blocks) or (connection.in_atomic_block and not blocks):
        raise NotAnAct("An act must not run inside a transaction of somebody else")
    for left in range(RETRIES, -1, -1):
        is_over = False
        try:
            with ActAtomic():
                result = work()
                connection.validate_no_broken_transaction()  # a part refused, and somebody swallowed it
                end(connection, events.last())
                is_over = True
            return result
        except DatabaseError as error:
            if is_over or not left or not is_retried(error):
                raise


def end(connection: BaseDatabaseWrapper, last: prepared.Asked | None) -> None:
    """Run the act's last statement, commit with it and wake the relay, if the act is all that is open; Django's own
    commit then finds nothing to do.

    psycopg's commit costs several times the processor time of its only statement.
    """
    is_last = len(connection.atomic_blocks) == 1
    prepared.together(*([last] if last else []), commit=is_last, after=events.RING if last and is_last else "")


def is_retried(error: Exception) -> bool:
    """Whether the database gave up this transaction for another one's sake, or for a plan that is out of date: the same
    again will do."""
    return isinstance(error, DatabaseError) and getattr(error.__cause__, "sqlstate", "") in AGAIN
