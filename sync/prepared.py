"""Statements run thousands of times a second: prepared once per connection and sent by libpq's own call.

A cursor costs several times the processor time of the statement it sends. Values are still turned to and from Python by
psycopg, by the types that PostgreSQL says parameters and columns have: no caller says how wide an integer is. Such
statements are neither logged nor counted by Django; who stands behind a request of staff goes ahead of them.
"""

import json
import logging
import re
import select
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import count

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections
from pghistory import config, runtime
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result
from psycopg.pq import DiagnosticField, ExecStatus, Format, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult

PLACEHOLDER = re.compile(r"%(?:\((\w+)\))?s|%%")
Given = Sequence | Mapping
Asked = tuple[str, Given]  # a statement and its parameters
AUDITED = "SELECT set_config('pghistory.context_id', %s, TRUE), set_config('pghistory.context_metadata', %s, TRUE)"
IDLE, ACTIVE = TransactionStatus.IDLE, TransactionStatus.ACTIVE
TUPLES_OK, COMMAND_OK = ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK
LOOK_UP = 1_000  # ms of waiting after which a signal that came just before it is heard
BEGIN, COMMIT = ("BEGIN", ()), ("COMMIT", ())
STALE = {"26000", "0A000"}  # it was deallocated; what it gives is of another type by now

logger = logging.getLogger(__name__)

_numbers = count(1)


def run(sql: str, parameters: Given = ()) -> list[tuple]:
    """All rows of a statement with `%s` or `%(name)s`, on Django's connection and in its transaction.

    Raises what Django's cursor raises.
    """
    return together((sql, parameters))[0]


def together(*asked: Asked, commit: bool = False, after: str = "") -> list[list[tuple]]:
    """The rows of each statement, all of them asked for in one round trip; outside transactions they are one.

    What opens a transaction goes ahead of its first statement, its end with the last one if this is to `commit` (where
    none is to be opened, this is one by itself), and `after` it a statement whose failure is only logged. After one
    that fails none is run. Raises what Django's cursor raises.
    """
    django = connections[DEFAULT_DB_ALIAS]  # once: each look through `connection` costs as much as a small statement
    django.ensure_connection()
    if told := _audited():
        asked = (*told, *asked)
    with django.wrap_database_errors:
        try:
            rows = _run(django.connection, asked, commit, after)
        except psycopg.Error as error:
            if error.sqlstate in STALE:
                _known(django.connection).clear()
                django.needs_rollback = django.in_atomic_block  # where BEGIN failed, nothing else would say so
            raise
    return rows[len(told) :] if told else rows


def _known(database: psycopg.Connection) -> dict[str, "Statement"]:
    """What a connection has prepared. Kept by the connection itself: it ends with it."""
    try:
        return database.hub_prepared
    except AttributeError:
        database.hub_prepared = {}
        return database.hub_prepared


def _run(database: psycopg.Connection, asked: Sequence[Asked], commit: bool, after: str) -> list[list[tuple]]:
    pgconn, known = database.pgconn, _known(database)
    is_idle = pgconn.transaction_status == IDLE
    opens = bool(asked) and is_idle and (commit or not database.autocommit)  # else as psycopg would, before the next
    commit = commit and (opens or not is_idle)
    wanted = [BEGIN, *asked] if opens else [*asked]
    if commit:
        wanted.append(COMMIT)
    if after:
        wanted.append((after, ()))
    sent = []
    for sql, given in wanted:
        statement = known.get(sql) or known.setdefault(sql, Statement(database, sql))
        sent.append((statement, statement.values_of(given)))
    if not sent:
        return []
    results = _answers(pgconn, sent) if len(sent) > 1 else [_answer(pgconn, *sent[0])]
    told_after = results.pop() if after else None
    for result in results:
        _checked(result)
    if commit and results[-1].command_status != b"COMMIT":  # of a transaction that failed before, it is a rollback
        raise psycopg.errors.InFailedSqlTransaction("A statement failed, somebody swallowed it, and all was undone")
    if told_after and told_after.status != TUPLES_OK:
        logger.warning("After a commit: %s", told_after.get_error_message())
    return [sent[n][0].rows(results[n]) for n in range(opens, opens + len(asked))]


def _answer(pgconn: PGconn, statement: "Statement", values: Sequence) -> PGresult:
    """What PostgreSQL says to one statement: libpq waits by itself."""
    return pgconn.exec_prepared(statement.name, values, statement.values.formats, Format.BINARY)


def _answers(pgconn: PGconn, sent: list[tuple["Statement", Sequence]]) -> list[PGresult]:
    """What PostgreSQL says to each of these, sent in one go (libpq's pipeline mode)."""
    pgconn.enter_pipeline_mode()
    try:
        for statement, values in sent:
            pgconn.send_query_prepared(statement.name, values, statement.values.formats, Format.BINARY)
        pgconn.pipeline_sync()
        results = _collected(pgconn)
        pgconn.exit_pipeline_mode()
    except BaseException:  # answers would be taken for those of the next question, a COMMIT on its way carried out
        if pgconn.transaction_status == ACTIVE:
            with suppress(psycopg.Error):
                pgconn.get_cancel().cancel()
        pgconn.finish()
        raise
    if len(results) > len(sent):  # outside transactions the end of all may fail: it failed with the last
        results[-2:] = results[-1:]
    return results


def _collected(pgconn: PGconn) -> list[PGresult]:
    """The results of statements, in their order, up to the mark that ends them.

    Of the calls below `poll` and `is_busy` alone let other threads go first, which costs more than the call where some
    wait; psycopg's own way to collect does so four times a statement. The other calls never wait: there is something.
    """
    ready, results = select.poll(), []
    ready.register(pgconn.socket, select.POLLIN)
    if pgconn.flush():  # more than PostgreSQL takes at once
        ready.modify(pgconn.socket, select.POLLIN | select.POLLOUT)
        while pgconn.flush():
            ready.poll(LOOK_UP)
            pgconn.consume_input()  # else each side might wait to be read by the other; it may bring all there is
        ready.modify(pgconn.socket, select.POLLIN)
    else:
        ready.poll(LOOK_UP)
        pgconn.consume_input()
    while True:
        while pgconn.is_busy():
            ready.poll(LOOK_UP)
            pgconn.consume_input()
        result = pgconn.get_result()
        if result is None or result.status == ExecStatus.PIPELINE_SYNC:
            return results
        results.append(result)
        pgconn.get_result()  # nothing: its end


def _audited() -> list[Asked]:
    """What pghistory puts before statements of a cursor, in the same transaction, where a context is open."""
    context = getattr(runtime._tracker, "value", None)
    if context is None:
        return []
    return [(AUDITED, [str(context.id), json.dumps(context.metadata, cls=config.json_encoder())])]


class Statement:
    """A statement that a connection has prepared."""

    def __init__(self, database: psycopg.Connection, sql: str):
        text, self.names = _numbered(sql)
        self.name = b"hub_%d" % next(_numbers)
        _checked(database.pgconn.prepare(self.name, text))
        told = _checked(database.pgconn.describe_prepared(self.name))
        # Of the adapters alone: with the connection in it, a statement would keep its connection alive.
        self.values = Transformer(database.adapters)
        self.values.set_dumper_types([told.param_type(n) for n in range(told.nparams)], Format.TEXT)
        self.values.set_loader_types([told.ftype(n) for n in range(told.nfields)], Format.BINARY)

    def values_of(self, parameters: Given) -> Sequence:
        """The parameters as they are sent. Raises psycopg.Error."""
        if not (self.values.types or parameters):
            return ()
        given = [parameters[name] for name in self.names] if self.names else parameters
        if len(given) != len(self.values.types):  # unchecked, psycopg would read beyond them
            raise psycopg.ProgrammingError(f"{len(self.values.types)} parameters are taken, {len(given)} were given")
        return self.values.dump_sequence(given, ())

    def rows(self, result: PGresult) -> list[tuple]:
        """What it gave."""
        if not result.ntuples:
            return []
        self.values.set_pgresult(result, set_loaders=False)
        return self.values.load_rows(0, result.ntuples, tuple)


@lru_cache(maxsize=256)
def _numbered(sql: str) -> tuple[bytes, list[str]]:
    """The text as PostgreSQL takes it, with the names of its parameters in their order."""
    names, numbers = [], count(1)

    def number(found: re.Match) -> str:
        if found[0] == "%%":
            return "%"
        if not found[1]:
            return f"${next(numbers)}"
        if found[1] not in names:
            names.append(found[1])
        return f"${names.index(found[1]) + 1}"

    return PLACEHOLDER.sub(number, sql).encode(), names


def _checked(result: PGresult) -> PGresult:
    if result.status in (TUPLES_OK, COMMAND_OK):
        return result
    if not result.error_field(DiagnosticField.SQLSTATE):  # libpq speaks: PostgreSQL is gone
        raise psycopg.OperationalError(result.get_error_message())
    raise error_from_result(result)
