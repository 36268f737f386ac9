"""What an engineer has in hand, and the events and messages it leads to. Each kind is one look into one index."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import orjson
from django.conf import settings
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from sync.admin import scope, shown
from sync.ids import REQUEST_ID, as_uuid, made_at
from sync.models import Event, InboxMessage, Stream

MOST = 50
LONGEST = 300
NAMED = re.compile(r"""(?i)^["']?[\w.-]*id["']?\s*[:=]\s*""")  # X-Request-ID: …, "correlationid": "…"
SUBJECT = re.compile(r"(member|order)/[0-9A-Za-z-]{1,60}")

Finder = Callable[[object, str], Q | None]  # (request, text) → events; None: not of this kind
FINDERS: list[Finder] = []


@dataclass
class Found:
    """What a text led to; `why_none` says in words why there is nothing."""

    text: str
    events: list[Event] = field(default_factory=list)
    messages: list[InboxMessage] = field(default_factory=list)
    has_more: bool = False
    why_none: str = ""


def finds(finder: Finder) -> Finder:
    """Let a floor above find events by the numbers that it gives out."""
    FINDERS.append(finder)
    return finder


def cleaned(text: str) -> str:
    """What was meant: without the name, quotes and commas that are copied with an id; of a whole event, its id."""
    text = text.strip()
    if text.startswith("{"):
        try:
            told = orjson.loads(text)
        except orjson.JSONDecodeError:
            return text[:LONGEST]
        text = str(told.get("id") or "")
    return NAMED.sub("", text).strip("\"', \t\r\n")[:LONGEST]


def look(request, text: str) -> Found:
    """The newest events that the text leads to, and what came in by it, as far as the reader may see them."""
    found = Found(text)
    rows = admin.site._registry[Event].get_queryset(request).select_related("settled")
    for wanted in _kinds(request, text):
        found.events = list(rows.filter(wanted).order_by("-written")[: MOST + 1])
        if found.events:
            break
    found.has_more, found.events = len(found.events) > MOST, found.events[:MOST]
    found.messages = _messages(request, text)
    if not found.events:
        found.events = _caused_by(found.messages, rows)
    if not (found.events or found.messages):
        found.why_none = _why_none(request, text)
    return found


def _kinds(request, text: str) -> Iterator[Q]:
    """The readings of a text, the likeliest first."""
    key = as_uuid(text)
    if key:
        yield Q(pk=key)
    if SUBJECT.fullmatch(text):
        yield Q(subject=text)
    for finder in FINDERS:
        if (wanted := finder(request, text)) is not None:
            yield wanted
    if REQUEST_ID.fullmatch(text):
        yield Q(correlation_id=text)
    if key:
        yield Q(subject=f"member/{key}")


def _messages(request, text: str) -> list[InboxMessage]:
    """What came in by a request of this id, or under this id of its sender's own."""
    page = admin.site._registry[InboxMessage]
    if not page.has_view_permission(request):
        return []
    rows = page.get_queryset(request).defer("body").order_by("-id")
    readings = [Q(correlation_id=text)] if REQUEST_ID.fullmatch(text) else []
    readings += [Q(sender__in=_senders(request), message_id=text)]
    if key := as_uuid(text):
        readings += [Q(pk=key)]
    return next((found for each in readings if (found := list(rows.filter(each)[:MOST]))), [])


def _senders(request) -> list[str]:
    """Whose messages the reader may see: a message's id is known with its sender alone."""
    named = [
        (f"channels/{each.code}", f"wechat-pay/{each.merchant_id}", f"wechat/{each.app_id}")
        for each in scope.sight(request).channels
    ]
    return sorted({name for names in named for name in names})


def _caused_by(messages: list[InboxMessage], rows: QuerySet) -> list[Event]:
    """What messages that were found by their own ids caused."""
    requests = {each.correlation_id for each in messages} - {""}
    return list(rows.filter(correlation_id__in=requests).order_by("-written")[:MOST]) if requests else []


def _why_none(request, text: str) -> str:
    """Forgotten, as far as can be known; else what the reader may look at next."""
    days = {"days": settings.EVENT_RETENTION_DAYS}
    if SUBJECT.fullmatch(text):
        streams = admin.site._registry[Stream].get_queryset(request)
        if head := streams.filter(pk=text).values_list("head", flat=True).first():
            told = days | {"head": head}
            return _("There were %(head)s events about it. Events are kept for %(days)s days: all are gone.") % told
    made = made_at(text)
    if made and timezone.now() - made > timedelta(days=settings.EVENT_RETENTION_DAYS):
        told = days | {"at": shown.moment(made)}
        return _("This id was made at %(at)s. Events are kept for %(days)s days: what belonged to it is gone.") % told
    return _("Nothing that you may see goes by this.")
