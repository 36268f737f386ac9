"""Rows of prepared statements as instances of their models: what `from_db` makes, in a fifth of its time."""

from collections.abc import Sequence

from django.db.models import Model
from django.db.models.base import ModelState

from sync.secret import EncryptedField, Sealed


class Rows:
    """All columns of a model's table, and the instances that rows of them are."""

    def __init__(self, model: type[Model]):
        fields = model._meta.concrete_fields
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
