"""Who changed a row when and how, from the audit rows that the database writes by itself."""

from collections.abc import Iterable

from django.apps import apps
from django.contrib.auth.models import User
from django.db.models import DateTimeField, Model, QuerySet
from django.utils.dateparse import parse_datetime
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from pghistory.core import event_models
from pghistory.models import Events

from sync.admin.shown import EMPTY, moment

FEW = 10
LABELS = {"insert": _("Made"), "delete": _("Taken away")}


def changes_of(row: Model, parts: Iterable[type[Model]] = ()) -> list[dict]:
    """The newest changes of a row that is tracked, and of its parts: time, who, what of what, what became what."""
    if not event_models(tracks_model=type(row)):
        return []
    labels = [part._meta.label for part in parts if event_models(tracks_model=part)]
    found = _newest(Events.objects.tracks(row))
    if labels:
        found += _newest(Events.objects.references(row).filter(pgh_obj_model__in=labels))
        found = sorted(found, key=lambda each: (each.pgh_created_at, each.pgh_id), reverse=True)[:FEW]
    staff = User.objects.in_bulk({(each.pgh_context or {}).get("staff") for each in found} - {None})
    return [_told(row, each, staff) for each in found]


def _newest(changes: QuerySet[Events]) -> list[Events]:
    return list(changes.order_by("-pgh_created_at", "-pgh_id")[:FEW])


def _told(row: Model, change: Events, staff: dict) -> dict:
    who, model = staff.get((change.pgh_context or {}).get("staff")), apps.get_model(change.pgh_obj_model)
    label = str(LABELS.get(change.pgh_label, ""))
    if model is not type(row):
        label = f"{capfirst(model._meta.verbose_name)} {change.pgh_data.get('name') or ''} {label}".strip()
    return {
        "at": moment(change.pgh_created_at),
        "who": who.get_full_name() or who.username if who else EMPTY,
        "what": [
            {"field": _called(model, name), "old": _in_words(model, name, old), "new": _in_words(model, name, new)}
            for name, (old, new) in (change.pgh_diff or {}).items()
        ],
        "label": label,
    }


def _called(model: type[Model], column: str) -> str:
    """A column's name for people."""
    fields = {each.attname: each for each in model._meta.concrete_fields}
    return str(fields[column].verbose_name) if column in fields else column


def _in_words(model: type[Model], column: str, value: object) -> object:
    """A value as people call it, where it is one of a few; a time in Shanghai's; else as it is."""
    field = {each.attname: each for each in model._meta.concrete_fields}.get(column)
    if field is None or not isinstance(value, str):
        return value
    if isinstance(field, DateTimeField):
        return moment(parse_datetime(value))
    return dict(field.flatchoices).get(value, value)
