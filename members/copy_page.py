"""A copy of somebody's data as a page to read: sections, fields and tables in the reader's language.

What the floors export is JSON; their `labels` name its fields (`nickname`) and its words (`gender=female`).
"""

from dataclasses import dataclass, field
from datetime import datetime

from django.template.loader import render_to_string
from django.utils import timezone, translation
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from members.records import all_records

EMPTY = "–"
HIDDEN = {
    *("id", "text_digest", "version", "image_url", "external_line_id", "namespace", "request_id", "code", "member_id"),
    *("payment_status", "fulfilment_status", "refund_status"),  # `status_label` says it in one word
}


@dataclass
class Section:
    """A titled part: fields, a table, and parts of its own."""

    title: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    parts: list["Section"] = field(default_factory=list)
    is_empty: bool = False


def page(told: dict, language: str) -> str:
    """The HTML of a copy, complete in itself."""
    with translation.override(language):
        sections = [_section(name, value) for name, value in told.items() if isinstance(value, dict | list)]
        shown = {"sections": sections, "made_at": moment(told.get("made_at")), "language": language}
        return render_to_string("members/copy.html", shown)


def yuan(fen: int) -> str:
    """¥1,234.50; a minus sign before the currency."""
    return f"{'−' if fen < 0 else ''}¥{abs(fen) // 100:,}.{abs(fen) % 100:02d}"


def moment(value: str | None) -> str:
    """Shanghai time to the second."""
    at = parse_datetime(value) if value else None
    return timezone.localtime(at).strftime("%Y-%m-%d %H:%M:%S") if isinstance(at, datetime) else EMPTY


def _section(name: str, value) -> Section:
    made = Section(_label(name), is_empty=not value)
    if isinstance(value, dict):
        made.fields, made.parts = _fields(value), _parts(value)
    elif value and all(isinstance(each, dict) and not _nested(each) for each in value):
        names = [each for each in value[0] if each not in HIDDEN]
        made.columns = [_label(each) for each in names]
        made.rows = [[_shown(each, row.get(each)) for each in names] for row in value]
    else:
        made.parts = [_one(each) for each in value]
    return made


def _one(value: dict) -> Section:
    """One of many things that have parts of their own: an order."""
    return Section(str(value.get("number") or ""), fields=_fields(value), parts=_parts(value))


def _fields(value: dict) -> list[tuple[str, str]]:
    return [
        (_label(name), _shown(name, inner))
        for name, inner in value.items()
        if name not in HIDDEN and not _is_nested(inner) and inner != [] and f"{name}_label" not in value
    ]


def _parts(value: dict) -> list[Section]:
    return [_section(name, inner) for name, inner in value.items() if _is_nested(inner) and inner]


def _nested(value: dict) -> bool:
    return any(_is_nested(inner) for inner in value.values())


def _is_nested(value) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and any(isinstance(each, dict) for each in value))


def _label(name: str) -> str:
    for records in all_records():
        if name in records.labels:
            return str(records.labels[name])
    return name.replace("_", " ")


def _shown(name: str, value) -> str:
    if value is None or value == "" or value == []:
        return EMPTY
    if isinstance(value, bool):
        return _("Yes") if value else _("No")
    if isinstance(value, list):
        return ", ".join(_shown(name, each) for each in value)
    if name.endswith("_fen"):
        return yuan(value)
    if isinstance(value, str) and (name.endswith("_at") or name in {"at", "since", "until"}):
        return moment(value)
    if name == "field":
        return _label(str(value))
    word = f"{name}={value}"
    return _label(word) if any(word in records.labels for records in all_records()) else str(value)
