"""Rows of prepared statements as instances of their models, and back: what Django makes, in a fifth of its time."""

from collections.abc import Sequence
from functools import lru_cache

from django.db import connection
from django.db.models import BinaryField, Field, Model
from django.db.models.base import ModelState
from django.db.models.expressions import DatabaseDefault

from sync import prepared
from sync.clock import Clock
from sync.secret import EncryptedField, Sealed


class Rows:
    """All columns of a model's table, and the instances that rows of them are."""

    def __init__(self, model: type[Model]):
        fields = self.fields = model._meta.concrete_fields
        self.model, self.names = model, [field.attname for field in fields]
        self.columns = [field.column for field in fields]
        self.sealed = [field.attname for field in fields if isinstance(field, EncryptedField)]

    def __len__(self) -> int:
        return len(self.names)

    def of(self, table: str) -> str:
        """The columns, to be selected of a table by this name."""
        return ", ".join(f"{table}.{column}" for column in self.columns)

    def instance(self, values: Sequence) -> Model:
        """The instance that these values of the columns are; what is encrypted is opened when it is read."""
        found = self.model.__new__(self.model)
        found.__dict__.update(zip(self.names, values, strict=True), _state=ModelState())
        found._state.db, found._state.adding = "default", False
        for name in self.sealed:
            if found.__dict__[name] is not None:
                found.__dict__[name] = Sealed(found.__dict__[name])
        return found

    def found(self, sql: str, parameters: prepared.Given = ()) -> list[Model]:
        """The instances that a statement finds: all their columns, and nothing else."""
        return [self.instance(values) for values in prepared.run(sql, parameters)]

    def insert(self, instance: Model, tail: str = "") -> prepared.Asked:
        """The statement that inserts an instance as `save` would, without its signals. Of expressions it may have Clock
        and its columns' own defaults."""
        written = [(field, *_written(field, instance)) for field in self.fields]
        values = {field.attname: value for field, _sql, value in written if value is not Clock}
        return _insert(self, tuple(sql for _field, sql, _value in written), tail), values


@lru_cache(maxsize=256)
def _insert(rows: Rows, values: tuple[str, ...], tail: str) -> str:
    table = rows.model._meta.db_table
    return f"INSERT INTO {table} ({', '.join(rows.columns)}) VALUES ({', '.join(values)}) {tail}"  # noqa: S608


def _written(field: Field, instance: Model) -> tuple[str, object]:
    """A field's value as SQL, and the parameter in it; Clock stands for none."""
    value, named = field.pre_save(instance, True), f"%({field.attname})s"
    if isinstance(value, DatabaseDefault):
        return "DEFAULT", Clock
    if isinstance(value, Clock):
        return ("clock_timestamp()", Clock) if value.after is None else (f"clock_timestamp() + {named}", value.after)
    if isinstance(field, BinaryField):
        return f"decode({named}, 'hex')", None if value is None else bytes(value).hex()
    return named, field.get_db_prep_save(value, connection)
