"""Makers of endpoints, deliveries and attempts."""

from datetime import timedelta

from django.db.models.functions import Now
from django.utils import timezone

from sync import events, prepared
from sync.act import SYSTEM
from sync.ids import uuid7
from sync.models import Attempt, Channel, Delivery, Endpoint, Event, Replay, Settled


def endpoint(channel: Channel, url: str = "https://shop.example/hook", **fields) -> Endpoint:
    return Endpoint.objects.create(channel=channel, url=url, secret="whsec_c2VjcmV0", **fields)


def event(subject: str = "", type: str = "order.paid", data: dict | None = None) -> Event:
    """A settled event, on a stream of its own unless a subject is given."""
    fact = events.Recorded(type, subject or f"member/{uuid7()}", data or {}, SYSTEM)
    prepared.run(*events.written([fact.row()]))
    made = Event.objects.get(pk=fact.id)
    Settled.objects.create(event=made)
    return made


def delivery(endpoint: Endpoint, event_: Event | None = None, **fields) -> Delivery:
    happened = event_ or event()
    position = happened.settled.position
    return Delivery.objects.create(
        endpoint=endpoint, event=happened, subject=happened.subject, position=position, **fields
    )


def attempts(endpoint: Endpoint, *statuses: int | None, seconds_ago: float = 0) -> None:
    """One try per status, the last of them newest; null is an attempt that got no answer."""
    for place, status in enumerate(reversed(statuses)):
        at = timezone.now() - timedelta(seconds=seconds_ago + place * 0.01)
        state = {"state": "delivered", "finished_at": Now(), "next_at": None} if status == 200 else {}
        made = delivery(endpoint, **state)
        Attempt.objects.create(delivery=made, at=at, milliseconds=5, status=status, error="" if status else "timeout")


def replay(endpoint: Endpoint, **fields) -> Replay:
    """One that is over."""
    known = {"first": 1, "last": 9, "reached": 9, "reason": "补发", "by": "staff/1", "finished_at": Now()}
    return Replay.objects.create(endpoint=endpoint, **known | fields)
