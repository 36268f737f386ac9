"""Events on their way: of a request, to endpoints that take them or do not, with what sockets confirmed."""

from datetime import datetime, timedelta

from django.utils import timezone

from sync import events, prepared
from sync.act import Actor
from sync.ids import request_id, uuid7
from sync.models import Attempt, Delivery, Endpoint, Event, InboxMessage, Settled
from tests import make
from tests.sync import make_deliveries

REQUEST = "req-3am.0001"


def recorded(
    subject: str = "", type: str = "order.paid", *, by=make.STAFF, request: str = REQUEST, only_for=None, **data
) -> Event:
    """An event that a request caused, not settled yet."""
    held = request_id.set(request)
    try:
        fact = events.Recorded(type, subject or f"member/{uuid7()}", data, by, only_for)
        prepared.run(*events.written([fact.row()]))
    finally:
        request_id.reset(held)
    return Event.objects.get(pk=fact.id)


def settled(*given, **data) -> Event:
    """The same, settled."""
    event = recorded(*given, **data)
    Settled.objects.create(event=event)
    return event


def tried(
    endpoint: Endpoint, event: Event, *statuses: int | None, state: str = "waiting", response: str = ""
) -> Delivery:
    """A delivery with its tries, a minute apart; null is a try that got no answer."""
    over = {"finished_at": timezone.now(), "next_at": None} if state != "waiting" else {}
    over = over or {"next_at": timezone.now() + timedelta(minutes=4)}
    made = make_deliveries.delivery(endpoint, event, state=state, attempts=len(statuses), **over)
    for place, status in enumerate(statuses):
        at = timezone.now() - timedelta(minutes=len(statuses) - place)
        told = {"status": status, "error": "" if status == 200 else "status" if status else "timeout"}
        Attempt.objects.create(delivery=made, at=at, milliseconds=12, response=response, **told)
    return made


def message(event: Event, *, sender: str = "channels/website", name: str = "evt-1", **fields) -> InboxMessage:
    """The message whose applying an event was recorded in."""
    before: datetime = event.time - timedelta(milliseconds=5)
    known = {"state": "applied", "applied_at": before, "received_at": before - timedelta(milliseconds=40)}
    known |= {"correlation_id": event.correlation_id, "type": event.type, "body_digest": b"1"}
    return InboxMessage.objects.create(sender=sender, message_id=name, **known | fields)


def backend(code: str = "website") -> Actor:
    return Actor("channel", code, code)
