"""Statements run thousands of times a second: prepared once per connection and sent by libpq's own call.

A cursor costs several times the processor time of the statement it sends. Values are still turned to and from Python by
psycopg, by the types that PostgreSQL says parameters and columns have: no caller says how wide an integer is. Such
statements are neither logged nor counted by Django, and carry no context of pghistory.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import count
from weakref import WeakKeyDictionary

import psycopg
from django.db import connection
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result
from psycopg.pq import DiagnosticField, ExecStatus, Format, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult

PLACEHOLDER = re.compile(r"%(?:\((\w+)\))?s|%%")
STALE = {"26000", "0A000"}  # it was deallocated; what it gives is of another type by now

_numbers = count(1)
_known: WeakKeyDictionary[psycopg.Connection, dict[str, "Statement"]] = WeakKeyDictionary()


def run(sql: str, parameters: Sequence | Mapping = ()) -> list[tuple]:
    """All rows of a statement with `%s` or `%(name)s`, on Django's connection and in its transaction.

    Raises what Django's cursor raises.
    """
    connection.ensure_connection()
    with connection.wrap_database_errors:
        database = connection.connection
        begin(database)
        known = _known.setdefault(database, {})
        if sql not in known:
            known[sql] = Statement(database, sql)
        try:
            return known[sql].run(database.pgconn, parameters)
        except psycopg.Error as error:
            if error.sqlstate in STALE:
                known.clear()
            raise


def begin(database: psycopg.Connection) -> None:
    """Open the transaction that psycopg would open before its next statement, if none is."""
    if not database.autocommit and database.pgconn.transaction_status == TransactionStatus.IDLE:
        execute(database, b"BEGIN")


def commit(database: psycopg.Connection) -> None:
    """Commit the transaction, if one is open. Raises psycopg.Error."""
    if database.pgconn.transaction_status != TransactionStatus.IDLE:
        execute(database, b"COMMIT")


def execute(database: psycopg.Connection, sql: bytes) -> None:
    """Run statements that take and give nothing. Raises psycopg.Error."""
    _checked(database.pgconn.exec_(sql))


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

    def run(self, pgconn: PGconn, parameters: Sequence | Mapping) -> list[tuple]:
        """Its rows. Raises psycopg.Error."""
        given = [parameters[name] for name in self.names] if self.names else parameters
        if len(given) != len(self.values.types):  # unchecked, psycopg would read beyond them
            raise psycopg.ProgrammingError(f"{len(self.values.types)} parameters are taken, {len(given)} were given")
        values = self.values.dump_sequence(given, ())
        result = _checked(pgconn.exec_prepared(self.name, values, self.values.formats, Format.BINARY))
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
