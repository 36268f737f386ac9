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
    there only when it has something to say; `order` is for rows whose newest are not the ones that matter; `empty`
    says when there will be some; `few` are shown; `way` gives title and url of what the reader may do here.
    """

    model: type[models.Model]
    rows: Callable[[models.Model], dict | models.Q]
    all_of: Callable[[models.Model], dict] | None = None
    without: tuple[str, ...] = ()
    title: object = None
    place: int = 50
    quiet: bool = False
    order: tuple[str, ...] = ()
    empty: object = None
    few: int = FEW
    way: Callable[[object, models.Model], dict | None] | None = None


@dataclass(frozen=True)
class Explained:
    """What is worked out about a row rather than listed: `template` shows what `explain` gives, unless that is nothing.

    Who may look at `model` sees it.
    """

    model: type[models.Model]
    explain: Callable[[models.Model], dict | None]
    template: str
    place: int = 50


PANELS: dict[type[models.Model], list[Panel | Explained]] = defaultdict(list)


def show_on(page: type[models.Model], *panels: Panel | Explained) -> None:
    """Hang panels on the page of a model, after those it has."""
    PANELS[page].extend(panels)
    PANELS[page].sort(key=lambda panel: panel.place)


def panels_of(request, row: models.Model) -> list[dict]:
    """The panels of a row's page that its reader may see, filled: one bounded query each."""
    seen = [each for each in PANELS[type(row)] if admin.site._registry[each.model].has_view_permission(request)]
    filled = [_explained(row, each) if isinstance(each, Explained) else _filled(request, row, each) for each in seen]
    return [content for content in filled if content]


def _explained(row, panel: Explained) -> dict | None:
    told = panel.explain(row)
    return told and {"template": panel.template} | told


def _filled(request, row, panel: Panel) -> dict | None:
    page = admin.site._registry[panel.model]
    given = panel.rows(row)
    wanted = given if isinstance(given, models.Q) else models.Q(**given)
    rows = page.get_queryset(request).select_related(*(page.list_select_related or ())).filter(wanted)
    found = list(rows.order_by(*(panel.order or page.get_ordering(request)))[: panel.few + 1])
    if panel.quiet and not found:
        return None
    columns = [each for each in page.list_display if _name(each) not in panel.without]
    meta = panel.model._meta
    listed = reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist") if panel.all_of else ""
    return {
        "title": panel.title or capfirst(meta.verbose_name_plural),
        "headers": [capfirst(label_for_field(each, panel.model, page)) for each in columns],
        "rows": [
            [_cell(each, one, page, place == 0) for place, each in enumerate(columns)] for one in found[: panel.few]
        ],
        "has_more": len(found) > panel.few,
        "is_newest": not panel.order,
        "empty": panel.empty,
        "way": panel.way and panel.way(request, row),
        "all": f"{listed}?{urlencode(panel.all_of(row))}" if listed else "",
    }


def _cell(column, row, page, is_first: bool):
    field, _attribute, value = lookup_field(column, row, page)
    if field is None:
        shown = display_for_value(value, EMPTY) if not hasattr(value, "__html__") else value
    elif isinstance(field, models.ForeignKey):
        shown = getattr(row, field.name) or EMPTY
    else:
        shown = display_for_field(value, field, EMPTY, avoid_link=is_first)  # else a link in a link
    return linked(row, shown) if is_first else shown


def _name(column) -> str:
    return column if isinstance(column, str) else column.__name__
