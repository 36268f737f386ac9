"""What an event came from: whoever did it, the request, the message that was applied, and what else it caused."""

from collections import Counter, defaultdict
from dataclasses import dataclass

from django.db import connection
from django.db.models import Count, QuerySet
from django.utils.html import format_html
from django.utils.translation import gettext as _

from sync.admin import scope, shown
from sync.admin.tracing.names import Names
from sync.admin.tracing.times import after
from sync.models import Delivery, Event, InboxMessage

MOST = 50
ASKED = """
SELECT concat_ws(' ', metadata ->> 'method', metadata ->> 'path') FROM pghistory_context
WHERE metadata ->> 'request_id' = %s AND created_at <= %s ORDER BY created_at DESC LIMIT 1
"""
SUBJECT = shown.subject("actor", "")


@dataclass(frozen=True)
class Sibling:
    """Another event of the same request. `is_one_act`: both were committed together, or neither."""

    event: Event
    offset: str
    is_one_act: bool
    reached: str


def actor(request, event: Event) -> object:
    """Whoever did it, as colleagues call them."""
    kind, _slash, key = event.actor.partition("/")
    match kind:
        case "staff":
            return f"{_('Staff')} · {Names([event.actor]).of(event.actor)}"
        case "channel":
            held = {each.code: each for each in scope.sight(request).channels}
            return format_html("{} · {}", _("Backend"), shown.linked(held[key]) if key in held else key)
        case "member":
            return format_html("{} · {}", _("Member"), SUBJECT(event))
        case "system":
            return _("By itself")
    return event.actor


def asked(event: Event) -> str:
    """Method and path of the request, where they are known: of what staff do, if it changed a row that is audited."""
    if not (event.correlation_id and event.actor.startswith("staff/")):
        return ""
    with connection.cursor() as cursor:
        cursor.execute(ASKED, [event.correlation_id, event.time])
        return (cursor.fetchone() or [""])[0]


def message(event: Event, rows: QuerySet) -> InboxMessage | None:
    """The message that was being applied when it was recorded: the last one of its request until then."""
    if not event.correlation_id:
        return None
    applied = rows.filter(correlation_id=event.correlation_id, state=InboxMessage.State.APPLIED)
    return applied.filter(applied_at__lte=event.time).defer("body").order_by("-applied_at").first()


def siblings(event: Event, rows: QuerySet, deliveries: QuerySet | None) -> tuple[list[Sibling], bool]:
    """What the same request caused besides, in order, and whether there is more than is told."""
    if not event.correlation_id:
        return [], False
    others = rows.filter(correlation_id=event.correlation_id).exclude(pk=event.pk).order_by("written")
    found = list(others[: MOST + 1])
    reached = _reached(found[:MOST], deliveries)
    told = [
        Sibling(each, after(event.time, each.time), str(each.xid) == str(event.xid), reached.get(each.pk, ""))
        for each in found[:MOST]
    ]
    return told, len(found) > MOST


def _reached(events: list[Event], deliveries: QuerySet | None) -> dict:
    """How many endpoints have each of these events, in words."""
    if deliveries is None:
        return {}
    counted: dict = defaultdict(Counter)
    rows = deliveries.filter(event__in=events).order_by().values("event", "state").annotate(count=Count("pk"))
    for each in rows:
        counted[each["event"]][each["state"]] += each["count"]
    return {event: _in_words(states) for event, states in counted.items()}


def _in_words(states: Counter) -> str:
    labels = dict(Delivery.State.choices)
    return " · ".join(f"{labels[state]} {states[state]}" for state in labels if states[state])
