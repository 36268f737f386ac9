"""Blind indexes in the database: who keeps a value encrypted finds it by a keyed hash beside it.

Each index has two columns. The key that is in force (the first of `settings.INDEX_KEYS`) and the one that is coming or
going each fill their own, odd key ids the first and even ids the second, so that both stay unique while one key
replaces the other (`sync/rotation.py`). Look-ups by `=` and `in` go to the column of the key in force by themselves.
"""

from django.conf import settings
from django.db import models
from django.db.models import lookups
from django.db.models.expressions import Col

from sync.secret import blind_index

SUFFIX = "_2"


def slot_of(key_id: int) -> int:
    """The column, 1 or 2, that a key fills."""
    return 2 - key_id % 2


def keys_by_slot() -> dict[int, int]:
    """Column → id of the key that fills it."""
    return {slot_of(key_id): key_id for key_id in settings.INDEX_KEYS}


def slot_in_force() -> int:
    """The column that look-ups go to."""
    return slot_of(next(iter(settings.INDEX_KEYS)))


class BlindIndex(models.BinaryField):
    """A keyed hash of a value of the same row; written with the row, by no one else.

    `of` names a method of the model that gives (kind, value), or None where there is nothing to find. Declare it twice:
    `phone_index` and `phone_index_2` with `slot=2`. `save(update_fields=…)` must name both.
    """

    def __init__(self, *args, of: str = "", slot: int = 1, **kwargs):
        self.of, self.slot = of, slot
        super().__init__(*args, **kwargs | {"null": True, "editable": False})

    def pre_save(self, model_instance, add):
        key_id, found = keys_by_slot().get(self.slot), getattr(model_instance, self.of)()
        value = blind_index(*found, key_id=key_id) if key_id and found else None
        setattr(model_instance, self.attname, value)
        return value

    def in_force(self) -> "BlindIndex":
        """This column or its twin: the one that the key in force fills."""
        first = self.name.removesuffix(SUFFIX)
        return self.model._meta.get_field(first + SUFFIX if slot_in_force() == 2 else first)


class _InForce:
    def process_lhs(self, compiler, connection, lhs=None):
        column = lhs or self.lhs
        return super().process_lhs(compiler, connection, Col(column.alias, column.target.in_force()))


@BlindIndex.register_lookup
class Exact(_InForce, lookups.Exact):
    """Equal to a hash under the key in force."""


@BlindIndex.register_lookup
class In(_InForce, lookups.In):
    """One of such hashes."""


def indexed(instance: models.Model, name: str) -> bytes | None:
    """A row's hash under the key in force."""
    value = getattr(instance, instance._meta.get_field(name).in_force().attname)
    return None if value is None else bytes(value)
