"""How values are shown to staff: yuan, Shanghai time to the second, states as badges, links between pages."""

import json
from collections.abc import Callable
from datetime import datetime
from functools import reduce

from django.contrib import admin
from django.contrib.admin.utils import quote
from django.db import models
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext

EMPTY = "–"
GOOD, BUSY, BAD, QUIET = "good", "busy", "bad", "quiet"
TONES = {
    **dict.fromkeys(["active", "verified", "paid", "delivered", "completed", "applied", "granted", "merged"], GOOD),
    **dict.fromkeys(["waiting", "opening", "open", "unpaid", "pending", "partial", "shipped", "attested"], BUSY),
    **dict.fromkeys(["dead", "frozen", "quarantined", "withdrawn", "after_close", "wrong_amount"], BAD),
    **dict.fromkeys(["unknown_order", "paid_twice", "failed", "refused", "wrong"], BAD),
    **dict.fromkeys(["asked", "running", "requested", "processing", "draft"], BUSY),
    **dict.fromkeys(["done", "sent", "kept"], GOOD),
    "posted": GOOD,
}
NOTHING = {"", "none", None}  # states that need no badge


def yuan(fen: int | None) -> str:
    """¥1,234.50; a minus sign before the currency."""
    if fen is None:
        return EMPTY
    return f"{'−' if fen < 0 else ''}¥{abs(fen) // 100:,}.{abs(fen) % 100:02d}"


def moment(at: datetime | None) -> str:
    """Shanghai time to the second."""
    return timezone.localtime(at).strftime("%Y-%m-%d %H:%M:%S") if at else EMPTY


def tag(text: object, tone: str = QUIET) -> str:
    """A badge."""
    return format_html('<span class="hub-tag hub-tag-{}">{}</span>', tone, text)


def money(field: str, label) -> Callable:
    """A column of fen, shown as yuan."""
    return _column(field, label, lambda value, _row: format_html('<span class="hub-sum">{}</span>', yuan(value)))


def at(field: str, label) -> Callable:
    """A column of times."""
    return _column(field, label, lambda value, _row: format_html('<span class="hub-time">{}</span>', moment(value)))


def points(field: str, label, *, signed: bool = False) -> Callable:
    """A column of points; signed ones show which way they went."""

    def show(value, _row):
        tone = ("up" if value > 0 else "down") if signed and value else "even" if value else "none"
        text = f"{value:+,}" if signed and value else f"{value:,}"
        return format_html('<span class="hub-sum hub-sum-{}">{}</span>', tone, text.replace("-", "−"))

    return _column(field, label, show)


def state(field: str, label) -> Callable:
    """A column of choices, as badges."""

    def show(value, row):
        name = field.rpartition("__")[2]
        owner = _follow(row, field.split("__")[:-1])
        word = getattr(owner, f"get_{name}_display")() if value else EMPTY
        return format_html('<span class="hub-mute">{}</span>', word) if value in NOTHING else tag(word, _tone(value))

    return _column(field, label, show)


def _tone(value: str) -> str:
    return TONES.get(value, QUIET)


def yes(field: str, label, *, good: bool = True) -> Callable:
    """A column of yes and no, where no is quiet."""
    return _column(field, label, lambda value, _row: tag("✓", GOOD if good else BAD) if value else EMPTY)


def link(field: str, label) -> Callable:
    """A column that leads to the page of the row it names."""
    return _column(field, label, lambda value, _row: linked(value))


def address(row) -> str:
    """Where a row's page is; nothing where it has none."""
    try:
        return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[quote(row.pk)])
    except NoReverseMatch:
        return ""


def linked(row, text: object = None) -> str:
    """A link to a row's page."""
    if row is None:
        return EMPTY
    if not (url := address(row)):
        return str(text or row)
    return format_html('<a class="hub-link" href="{}">{}</a>', url, text or row)


def subject(field: str, label) -> Callable:
    """A column of subjects (member/<id>, account/<id>) that leads to the page of what it names, where there is one."""

    def show(value, _row):
        kind, _slash, key = (value or "").partition("/")
        pages = [model for model in admin.site._registry if model._meta.model_name == kind]
        if not pages or not key or not isinstance(pages[0]._meta.pk, models.UUIDField) or len(key) != 36:
            return format_html("<code>{}</code>", value or EMPTY)
        url = reverse(f"admin:{pages[0]._meta.app_label}_{kind}_change", args=[quote(key)])
        return format_html('<a class="hub-link" href="{}"><code>{}</code></a>', url, value)

    return _column(field, label, show)


def laid_out(field: str, label) -> Callable:
    """JSON, indented."""

    def show(value, _row):
        return format_html('<pre class="hub-json">{}</pre>', json.dumps(value, ensure_ascii=False, indent=2))

    return _column(field, label, show)


def code(field: str, label) -> Callable:
    """Text of machines, in a fixed width."""
    return _column(field, label, lambda value, _row: format_html("<code>{}</code>", value) if value else EMPTY)


def fact(field: str, label) -> Callable:
    """A column of event types: what happened in the reader's words, the type beside it."""

    def show(value, _row):
        words = gettext(value or "")
        return (
            format_html("{} <code>{}</code>", words, value) if words != value else format_html("<code>{}</code>", value)
        )

    return _column(field, label, show)


def computed(name: str, label, show: Callable) -> Callable:
    """A column made of the whole row."""

    def column(row):
        return show(row)

    column.__name__, column.short_description = name, label
    return column


def _column(field: str, label, show: Callable) -> Callable:
    path = field.split("__")
    return computed(field, label, lambda row: show(_follow(row, path), row))


def _follow(row, path: list[str]):
    return reduce(lambda value, name: getattr(value, name, None), path, row)
