"""Putting everything that is encrypted under the keys in force, while the hub runs.

A new key is first added beside the old one and used everywhere; then `rotate` goes through each table in short
transactions and re-seals what an older key sealed, fills the index column of each key and empties that of a key that is
gone; then the old key may go. It can be stopped at any time and begun again: what is done is not done twice.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from django.apps import apps
from django.conf import settings
from django.db import connection, models, transaction
from psycopg import sql

from sync.indexing import BlindIndex, keys_by_slot, slot_in_force
from sync.secret import EncryptedField

BATCH = 200


@dataclass(frozen=True)
class Progress:
    """How far one table is: rows that were not in order when it began, and rows put in order by now."""

    table: str
    due: int
    done: int


class Table:
    """One model that keeps something encrypted, and what of it is not as the settings say."""

    def __init__(self, model: type[models.Model]):
        self.model, self.name = model, model._meta.db_table
        self.sealed = [field for field in model._meta.concrete_fields if isinstance(field, EncryptedField)]
        self.indexes = [field for field in model._meta.concrete_fields if isinstance(field, BlindIndex)]

    @cached_property
    def _due(self) -> sql.Composed:
        """The rows to put in order: sealed under another key, an index missing, or one of a key that is gone."""
        current = next(iter(settings.FIELD_KEYS))
        conditions = [sql.SQL("get_byte({}, 1) <> {}").format(_column(field), current) for field in self.sealed]
        slots = keys_by_slot()
        for index in self.indexes:
            if index.slot not in slots:
                conditions.append(sql.SQL("{} IS NOT NULL").format(_column(index)))
            elif twin := next((each for each in self.indexes if self._are_twins(index, each)), None):
                conditions.append(sql.SQL("({} IS NULL) AND {} IS NOT NULL").format(_column(index), _column(twin)))
        return sql.SQL(" OR ").join(conditions)

    @staticmethod
    def _are_twins(one: BlindIndex, other: BlindIndex) -> bool:
        return one.of == other.of and one.slot != other.slot

    def count(self) -> int:
        """How many rows are not in order."""
        return self._run(sql.SQL("SELECT count(*) FROM {} WHERE {}").format(_table(self), self._due))[0][0]

    def unfindable(self) -> int:
        """Rows that a look-up misses: their index is not filled by the key in force."""
        found = 0
        for index in self.indexes:
            if index.slot == slot_in_force():
                twin = next(each for each in self.indexes if self._are_twins(index, each))
                asked = "SELECT count(*) FROM {} WHERE {} IS NULL AND {} IS NOT NULL"
                found += self._run(sql.SQL(asked).format(_table(self), _column(index), _column(twin)))[0][0]
        return found

    def rotate(self) -> Iterator[int]:
        """Put the rows in order, so many at a time, each time in a transaction; yields how many."""
        after = None
        while True:
            with transaction.atomic():
                rows = self._some(after)
                self._renew(rows)
            if not rows:
                return
            after = rows[-1].pk
            yield len(rows)

    def _some(self, after) -> list[models.Model]:
        beyond = sql.SQL("TRUE") if after is None else sql.SQL("{} > {}").format(_key(self), sql.Literal(after))
        asked = sql.SQL("SELECT {key} FROM {table} WHERE {beyond} AND ({due}) ORDER BY {key} LIMIT {most}").format(
            key=_key(self), table=_table(self), beyond=beyond, due=self._due, most=BATCH
        )
        keys = [key for (key,) in self._run(asked)]
        return list(self.model.objects.filter(pk__in=keys).select_for_update(no_key=True, of=("self",)).order_by("pk"))

    def _renew(self, rows: list[models.Model]) -> None:
        """Write what they hold anew, by one statement. The rows are locked; nothing else of them is touched."""
        fields = [*self.sealed, *self.indexes]
        for row in rows:
            for field in self.sealed:
                getattr(row, field.attname)  # opened: what is clear is sealed as if it were written now
        written = [[field.pre_save(row, add=False) for row in rows] for field in fields]
        query = sql.SQL("UPDATE {} AS t SET {} FROM unnest(%s::uuid[], {}) AS v ({}) WHERE t.{} = v.{}").format(
            _table(self),
            sql.SQL(", ").join(sql.SQL("{0} = v.{0}").format(_column(field)) for field in fields),
            sql.SQL(", ").join([sql.SQL("%s::bytea[]")] * len(fields)),
            sql.SQL(", ").join([_key(self), *map(_column, fields)]),
            _key(self),
            _key(self),
        )
        with connection.cursor() as cursor:
            cursor.execute(query, [[row.pk for row in rows], *written])

    def _run(self, query: sql.Composed) -> list[tuple]:
        with connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchall()


def tables() -> list[Table]:
    """Every table that keeps something encrypted."""
    found = [Table(model) for model in apps.get_models()]
    return [table for table in found if table.sealed and table.model._meta.managed and not table.model._meta.proxy]


def rotate() -> Iterator[Progress]:
    """Put every table in order; yields after each batch, and once for a table in which nothing was due."""
    for table in tables():
        due, done = table.count(), 0
        yield Progress(table.name, due, done)
        for renewed in table.rotate():
            done += renewed
            yield Progress(table.name, due, done)


def left() -> dict[str, int]:
    """Table → rows that are not in order, where there are any."""
    return {table.name: count for table in tables() if (count := table.count())}


def unfindable() -> dict[str, int]:
    """Table → rows that look-ups by the key in force miss, where there are any: that key was put first too early."""
    return {table.name: count for table in tables() if (count := table.unfindable())}


def _column(field: models.Field) -> sql.Identifier:
    return sql.Identifier(field.column)


def _key(table: Table) -> sql.Identifier:
    return _column(table.model._meta.pk)


def _table(table: Table) -> sql.Identifier:
    return sql.Identifier(table.name)
