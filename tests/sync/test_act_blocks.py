"""An act that opens and closes its transaction itself leaves everything as Django's own block would have left it."""

from collections.abc import Callable
from contextlib import suppress

import pytest
from django.db import DatabaseError, connection, transaction

from sync import act, events, postgres, prepared
from sync.act import SYSTEM
from sync.models import Event, Stream

pytestmark = pytest.mark.django_db(transaction=True)


class DjangosBlock(act.ActAtomic):
    """The same block, all of it Django's way."""

    __enter__, __exit__ = transaction.Atomic.__enter__, transaction.Atomic.__exit__


class Interrupted(BaseException):
    """What no `except Exception` sees."""


def record(subject: str = "member/1") -> None:
    events.record("order.placed", subject=subject, data={}, by=SYSTEM)


def run(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


def raising(error: BaseException) -> Callable:
    def raises():
        raise error

    return raises


def end_backend() -> None:
    with suppress(DatabaseError):
        prepared.run("SELECT pg_terminate_backend(pg_backend_pid())")


def told_and_hooked(seen: list) -> None:
    record()
    transaction.on_commit(lambda: seen.append((connection.in_atomic_block, connection.autocommit)))


def told_and_refused(seen: list) -> None:
    told_and_hooked(seen)
    raise LookupError


def told_and_interrupted(seen: list) -> None:
    told_and_hooked(seen)
    raise Interrupted


def only_reads(seen: list) -> None:
    run("SELECT 1")
    transaction.on_commit(lambda: seen.append("read"))


def does_nothing(seen: list) -> None:
    transaction.on_commit(lambda: seen.append("nothing"))


def hook_raises(seen: list) -> None:
    record()
    transaction.on_commit(raising(LookupError()))
    transaction.on_commit(lambda: seen.append("never"))


def robust_hook_raises(seen: list) -> None:
    record()
    transaction.on_commit(raising(LookupError()), robust=True)
    transaction.on_commit(lambda: seen.append("after it"))


def hook_is_interrupted(seen: list) -> None:
    record()
    transaction.on_commit(raising(Interrupted()))


def hook_acts(seen: list) -> None:
    record()
    transaction.on_commit(lambda: act.outermost(lambda: (record("member/2"), seen.append("second act"))))
    transaction.on_commit(lambda: seen.append("after it"))


def hook_opens_a_block(seen: list) -> None:
    def block():
        with transaction.atomic(durable=True):
            run("SELECT 1")
            transaction.on_commit(lambda: seen.append("inner"))

    record()
    transaction.on_commit(block)


def hook_disconnects(seen: list) -> None:
    record()
    transaction.on_commit(connection.close)
    transaction.on_commit(lambda: seen.append("after it"))


def rolls_back(seen: list) -> None:
    told_and_hooked(seen)
    transaction.set_rollback(True)


def part_is_refused(seen: list) -> None:
    told_and_hooked(seen)
    with suppress(LookupError), transaction.atomic(savepoint=False):
        raise LookupError


def statement_is_refused(seen: list) -> None:
    told_and_hooked(seen)
    with suppress(DatabaseError):
        run("SELEC")


def savepoint_is_refused(seen: list) -> None:
    with suppress(DatabaseError), transaction.atomic():
        record("member/2")
        run("SELEC")
    told_and_hooked(seen)


def disconnects(seen: list) -> None:
    told_and_hooked(seen)
    connection.close()


def loses_its_connection(seen: list) -> None:
    told_and_hooked(seen)
    end_backend()


def only_loses_its_connection(seen: list) -> None:
    transaction.on_commit(lambda: seen.append("never"))
    end_backend()


def commits_by_hand(seen: list) -> None:
    run("SELECT 1")
    run("COMMIT")
    transaction.on_commit(lambda: seen.append("by hand"))


def commit_is_refused(seen: list) -> None:
    told_and_hooked(seen)
    run("CREATE TEMPORARY TABLE p (i int PRIMARY KEY)")
    run("CREATE TEMPORARY TABLE q (i int REFERENCES p DEFERRABLE INITIALLY DEFERRED)")
    run("INSERT INTO q VALUES (1)")


WORKS = [
    told_and_hooked, told_and_refused, told_and_interrupted, only_reads, does_nothing, hook_raises, robust_hook_raises,
    hook_is_interrupted, hook_acts, hook_opens_a_block, hook_disconnects, rolls_back, part_is_refused,
    statement_is_refused, savepoint_is_refused, disconnects, loses_its_connection, only_loses_its_connection,
    commits_by_hand, commit_is_refused,
]  # fmt: skip


def after_an_error() -> None:
    with suppress(DatabaseError):
        run("SELEC")


def on_a_dead_connection_that_is_checked() -> None:
    end_backend()
    connection.health_check_enabled, connection.health_check_done = True, False


def connected() -> None:
    connection.ensure_connection()


def unconnected() -> None:
    connection.close()


STARTS = [connected, unconnected, after_an_error, on_a_dead_connection_that_is_checked]


def state() -> dict:
    """All that a block leaves behind in Django's connection."""
    names = ["autocommit", "in_atomic_block", "atomic_blocks", "savepoint_ids", "needs_rollback", "errors_occurred"]
    names += ["closed_in_transaction", "run_on_commit", "commit_on_exit"]
    known = connection.connection
    return {name: getattr(connection, name) for name in names} | {
        "psycopg": known and (known.autocommit, known.pgconn.transaction_status)
    }


def outcome(monkeypatch, block: type, start: Callable, work: Callable) -> dict:
    """What an act of this work raises, calls, leaves and writes, and how the next transaction goes."""
    seen, error, again = [], None, None
    connection.close()
    connection.ensure_connection()
    connection.run_commit_hooks_on_set_autocommit_on = False
    with monkeypatch.context() as with_block:
        with_block.setattr(act, "ActAtomic", block)
        start()
        try:
            act.outermost(lambda: work(seen))
        except (LookupError, DatabaseError, transaction.TransactionManagementError, Interrupted) as raised:
            error = type(raised)
    left = state()
    try:
        with transaction.atomic():
            run("SELECT 1")
    except DatabaseError as raised:
        again = type(raised)
    connection.health_check_enabled = False
    connection.close()
    with postgres.connect("test") as other:
        rows = other.execute("SELECT subject, head FROM sync_stream ORDER BY 1").fetchall()
        other.execute("TRUNCATE sync_event, sync_stream CASCADE")
    return {"error": error, "seen": seen, "left": left, "again": again, "rows": rows}


@pytest.mark.parametrize("start", STARTS, ids=lambda start: start.__name__)
@pytest.mark.parametrize("work", WORKS, ids=lambda work: work.__name__)
def test_all_is_as_after_djangos_own_block(monkeypatch, start, work):
    assert outcome(monkeypatch, act.ActAtomic, start, work) == outcome(monkeypatch, DjangosBlock, start, work)


def test_a_plain_act_asks_nothing_of_djangos_block(monkeypatch):
    connection.ensure_connection()
    with monkeypatch.context() as without:
        for name in ("__enter__", "__exit__"):
            without.setattr(transaction.Atomic, name, lambda *_asked: pytest.fail("This is what takes so long"))
        act.outermost(record)
    assert Event.objects.count() == 1


def test_an_act_is_refused_where_somebody_else_says_when_to_commit():
    transaction.set_autocommit(False)
    try:
        run("INSERT INTO sync_stream (subject, head) VALUES ('member/2', 1)")
        with pytest.raises(act.NotAnAct):
            act.outermost(record)
        transaction.rollback()
    finally:
        transaction.set_autocommit(True)
    assert not Stream.objects.exists()
