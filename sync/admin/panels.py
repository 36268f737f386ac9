"""What belongs to a row, on its page: the newest few of each kind, and the way to all of them.

The floor that owns the rows hangs its panel on the page of a floor beneath it: `show_on(Member, Panel(Order, …))`.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin.utils import display_for_field, display_for_value, label_for_field, lookup_field
from django.db import models
from django.urls import reverse
from django.utils.text import capfirst

from sync.admin.shown import EMPTY, linked

FEW = 8


@dataclass(frozen=True)
class Panel:
    """Rows of `model` that belong to a page: `rows` gives their filter, `without` drops columns that say nothing here.

    `all_of` gives the query of the list page that shows all of them; low `place` comes first; a `quiet` panel is
    there only when it has something to say.
    """

    model: type[models.Model]
    rows: Callable[[models.Model], dict]
    all_of: Callable[[models.Model], dict] | None = None
    without: tuple[str, ...] = ()
    title: object = None
    place: int = 50
    quiet: bool = False


PANELS: dict[type[models.Model], list[Panel]] = defaultdict(list)


def show_on(page: type[models.Model], *panels: Panel) -> None:
    """Hang panels on the page of a model, after those it has."""
    PANELS[page].extend(panels)
    PANELS[page].sort(key=lambda panel: panel.place)


def panels_of(request, row: models.Model) -> list[dict]:
    """The panels of a row's page that its reader may see, filled: one bounded query each."""
    seen = [each for each in PANELS[type(row)] if admin.site._registry[each.model].has_view_permission(request)]
    filled = [(panel, _filled(request, row, panel)) for panel in seen]
    return [content for panel, content in filled if content["rows"] or not panel.quiet]


def _filled(request, row, panel: Panel) -> dict:
    page = admin.site._registry[panel.model]
    rows = page.get_queryset(request).select_related(*(page.list_select_related or ())).filter(**panel.rows(row))
    found = list(rows.order_by(*page.get_ordering(request))[: FEW + 1])
    columns = [each for each in page.list_display if _name(each) not in panel.without]
    meta = panel.model._meta
    listed = reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist") if panel.all_of else ""
    return {
        "title": panel.title or capfirst(meta.verbose_name_plural),
        "headers": [capfirst(label_for_field(each, panel.model, page)) for each in columns],
        "rows": [[_cell(each, one, page, place == 0) for place, each in enumerate(columns)] for one in found[:FEW]],
        "has_more": len(found) > FEW,
        "all": f"{listed}?{urlencode(panel.all_of(row))}" if listed else "",
    }


def _cell(column, row, page, is_first: bool):
    field, _attribute, value = lookup_field(column, row, page)
    if field is None:
        shown = display_for_value(value, EMPTY) if not hasattr(value, "__html__") else value
    elif isinstance(field, models.ForeignKey):
        shown = getattr(row, field.name) or EMPTY
    else:
        shown = display_for_field(value, field, EMPTY)
    return linked(row, shown) if is_first else shown


def _name(column) -> str:
    return column if isinstance(column, str) else column.__name__
