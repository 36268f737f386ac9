"""Statements run thousands of times a second: prepared once per connection and sent by libpq's own call.

A cursor costs several times the processor time of the statement it sends. Values are still turned to and from Python by
psycopg, by the types that PostgreSQL says parameters and columns have: no caller says how wide an integer is. Such
statements are neither logged nor counted by Django; who stands behind a request of staff goes ahead of them.
"""

import json
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from itertools import count
from weakref import WeakKeyDictionary

import psycopg
from django.db import connection
from pghistory import config, runtime
from psycopg import generators
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result
from psycopg.pq import DiagnosticField, ExecStatus, Format, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult

PLACEHOLDER = re.compile(r"%(?:\((\w+)\))?s|%%")
Given = Sequence | Mapping
Asked = tuple[str, Given]  # a statement and its parameters
AUDITED = "SELECT set_config('pghistory.context_id', %s, TRUE), set_config('pghistory.context_metadata', %s, TRUE)"
STALE = {"26000", "0A000"}  # it was deallocated; what it gives is of another type by now

logger = logging.getLogger(__name__)

_numbers = count(1)
_known: WeakKeyDictionary[psycopg.Connection, dict[str, "Statement"]] = WeakKeyDictionary()


def run(sql: str, parameters: Given = ()) -> list[tuple]:
    """All rows of a statement with `%s` or `%(name)s`, on Django's connection and in its transaction.

    Raises what Django's cursor raises.
    """
    return together((sql, parameters))[0]


def together(*asked: Asked, commit: bool = False, after: str = "") -> list[list[tuple]]:
    """The rows of each statement, all of them asked for in one round trip; outside transactions they are one.

    What opens a transaction goes ahead of its first statement, its end with the last one if this is to `commit`, and
    `after` it a statement whose failure is only logged. After one that fails none is run. Raises what Django's cursor
    raises.
    """
    connection.ensure_connection()
    told = _audited()
    asked = (*told, *asked)
    with connection.wrap_database_errors:
        database = connection.connection
        known = _known.setdefault(database, {})
        try:
            statements = [(_statement(known, database, sql), given) for sql, given in asked]
            rows = _run(database, statements, commit, [_statement(known, database, after)] if after else [])
            return rows[len(told) :]
        except psycopg.Error as error:
            if error.sqlstate in STALE:
                known.clear()
            raise


def _run(
    database: psycopg.Connection, asked: list[tuple["Statement", Given]], commit: bool, after: list["Statement"]
) -> list[list[tuple]]:
    pgconn = database.pgconn
    is_idle = pgconn.transaction_status == TransactionStatus.IDLE
    opens = bool(asked) and is_idle and not database.autocommit  # as psycopg would, before its next statement
    commit = commit and (opens or not is_idle)
    sent = [partial(statement.send, pgconn, statement.values_of(given)) for statement, given in asked]
    if len(sent) == 1 and not opens and not commit:
        ((statement, given),) = asked
        return [statement.rows(statement.execute(pgconn, statement.values_of(given)))]
    around = [partial(pgconn.send_query_params, word, None) for word in (b"BEGIN", b"COMMIT")]
    sent = [*around[:opens], *sent, *around[1 : 1 + commit], *(partial(each.send, pgconn, ()) for each in after)]
    results = _answers(database, sent) if sent else []
    told, told_after = results[: len(sent) - len(after)], results[len(sent) - len(after) :]
    for result in told:
        _checked(result)
    if commit and told[-1].command_status != b"COMMIT":  # of a transaction that failed before, it is a rollback
        raise psycopg.errors.InFailedSqlTransaction("A statement failed, somebody swallowed it, and all was undone")
    for result in told_after:
        if result.status != ExecStatus.TUPLES_OK:
            logger.warning("After a commit: %s", result.get_error_message())
    return [statement.rows(result) for (statement, _given), result in zip(asked, results[opens:], strict=False)]


def _answers(database: psycopg.Connection, sent: list[Callable[[], None]]) -> list[PGresult]:
    """What PostgreSQL says to each of these commands, sent in one go (libpq's pipeline mode)."""
    pgconn = database.pgconn
    pgconn.enter_pipeline_mode()
    try:
        for send in sent:
            send()
        pgconn.pipeline_sync()
        results = database.wait(_collected(pgconn, len(sent)))
    except BaseException:
        pgconn.finish()  # interrupted: answers would be taken for those of the next question
        raise
    pgconn.exit_pipeline_mode()
    return results


def _collected(pgconn: PGconn, count: int):
    results = yield from generators.execute(pgconn)
    for _rest in range(count - 1):
        results += yield from generators.fetch_many(pgconn)
    yield from generators.fetch_many(pgconn)  # the mark that ends it
    return results


def _audited() -> list[Asked]:
    """What pghistory puts before statements of a cursor, in the same transaction, where a context is open."""
    context = getattr(runtime._tracker, "value", None)
    if context is None:
        return []
    return [(AUDITED, [str(context.id), json.dumps(context.metadata, cls=config.json_encoder())])]


def _statement(known: dict[str, "Statement"], database: psycopg.Connection, sql: str) -> "Statement":
    if sql not in known:
        known[sql] = Statement(database, sql)
    return known[sql]


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
        given = [parameters[name] for name in self.names] if self.names else parameters
        if len(given) != len(self.values.types):  # unchecked, psycopg would read beyond them
            raise psycopg.ProgrammingError(f"{len(self.values.types)} parameters are taken, {len(given)} were given")
        return self.values.dump_sequence(given, ())

    def send(self, pgconn: PGconn, values: Sequence) -> None:
        """Begin to run it, in pipeline mode."""
        pgconn.send_query_prepared(self.name, values, self.values.formats, Format.BINARY)

    def execute(self, pgconn: PGconn, values: Sequence) -> PGresult:
        """Run it and wait. Raises psycopg.Error."""
        return _checked(pgconn.exec_prepared(self.name, values, self.values.formats, Format.BINARY))

    def rows(self, result: PGresult) -> list[tuple]:
        """What it gave."""
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
    if result.status in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
        return result
    if not result.error_field(DiagnosticField.SQLSTATE):  # libpq speaks: PostgreSQL is gone
        raise psycopg.OperationalError(result.get_error_message())
    raise error_from_result(result)
