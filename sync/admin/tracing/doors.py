"""Doors to an event's way on the pages of what belongs to it."""

from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from sync.admin.panels import Panel, show_on
from sync.admin.tracing.links import looking_for, page_of
from sync.models import Attempt, Delivery, Event, InboxMessage

FOLLOW = _("Follow a message")


def _way(event) -> dict:
    return {"title": FOLLOW, "url": page_of(event)}


def _caused(message: InboxMessage) -> Q:
    """What came of a message: the events of its request, if it had one."""
    return Q(correlation_id=message.correlation_id) if message.correlation_id else Q(pk__in=[])


def _by_request(_request, message: InboxMessage) -> dict | None:
    return {"title": FOLLOW, "url": looking_for(message.correlation_id)} if message.correlation_id else None


show_on(Event, Panel(Event, lambda it: {"pk": it.pk}, title=FOLLOW, place=1, way=lambda _request, it: _way(it.pk)))
show_on(
    Delivery,
    Panel(Event, lambda it: {"pk": it.event_id}, title=FOLLOW, place=1, way=lambda _request, it: _way(it.event_id)),
)
show_on(
    Attempt,
    Panel(
        Event,
        lambda it: {"deliveries": it.delivery_id},
        title=FOLLOW,
        place=1,
        way=lambda _request, it: _way(it.delivery.event_id),
    ),
)
show_on(InboxMessage, Panel(Event, _caused, title=_("What its request caused"), place=1, way=_by_request))
