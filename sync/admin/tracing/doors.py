"""Doors to an event's way on the pages of what belongs to it."""

from collections.abc import Callable

from django.db.models import Model, Q
from django.utils.translation import gettext_lazy as _

from sync.admin.panels import Explained, Panel, show_on
from sync.admin.tracing.links import looking_for, page_of
from sync.models import Attempt, Delivery, Event, InboxMessage

FOLLOW = _("Follow a message")


def _door(event: Callable[[Model], object]) -> Explained:
    """The way to the event that a row belongs to; `event` gives its id."""
    return Explained(Event, lambda row: {"way": page_of(event(row))}, "admin/sync/door.html", place=1)


def _caused(message: InboxMessage) -> Q:
    """What came of a message: the events of its request, if it had one."""
    return Q(correlation_id=message.correlation_id) if message.correlation_id else Q(pk__in=[])


def _by_request(_request, message: InboxMessage) -> dict | None:
    return {"title": FOLLOW, "url": looking_for(message.correlation_id)} if message.correlation_id else None


show_on(Event, _door(lambda it: it.pk))
show_on(Delivery, _door(lambda it: it.event_id))
show_on(Attempt, _door(lambda it: it.delivery.event_id))
show_on(InboxMessage, Panel(Event, _caused, title=_("What its request caused"), place=1, way=_by_request))
