"""Who changed a row when and how, from the audit rows that the database writes by itself."""

from django.contrib.auth.models import User
from django.db.models import Model
from django.utils.translation import gettext as _
from pghistory.core import event_models
from pghistory.models import Events

from sync.admin.shown import EMPTY, moment

FEW = 10


def changes_of(row: Model) -> list[dict]:
    """The newest changes of a row that is tracked: time, who, and what became what."""
    if not event_models(tracks_model=type(row)):
        return []
    found = list(Events.objects.tracks(row).order_by("-pgh_created_at", "-pgh_id")[:FEW])
    staff = User.objects.in_bulk({(each.pgh_context or {}).get("staff") for each in found} - {None})
    return [_told(row, each, staff) for each in found]


def _told(row: Model, change: Events, staff: dict) -> dict:
    who = staff.get((change.pgh_context or {}).get("staff"))
    return {
        "at": moment(change.pgh_created_at),
        "who": who.get_full_name() or who.username if who else EMPTY,
        "what": [
            {"field": _called(row, name), "old": old, "new": new}
            for name, (old, new) in (change.pgh_diff or {}).items()
        ],
        "label": _("Created") if change.pgh_label == "insert" else "",
    }


def _called(row: Model, column: str) -> str:
    """A column's name for people."""
    fields = {each.attname: each for each in row._meta.concrete_fields}
    return str(fields[column].verbose_name) if column in fields else column
