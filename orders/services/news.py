"""Telling what happened to an order, on its member's stream, or on its own while nobody owns it."""

from functools import partial

from orders import reading
from orders.models import Order
from sync import events
from sync.act import Actor


def subject_of(order: Order) -> str:
    """The stream an order's news belong to."""
    return events.of_member(order.member_id) if order.member_id else events.of_order(order.number)


def known_as(channel: str, external_id: str) -> str:
    """What facts about an order wait for until it is placed: its channel's code and that one's number for it."""
    return f"order/{channel}/{external_id}"


def paid_as(channel: str, external_id: str) -> str:
    """What facts wait for until such an order is paid."""
    return f"paid/{known_as(channel, external_id)}"


def tell(type: str, order: Order, by: Actor) -> None:
    """Record a fact about an order; it tells the order as the act leaves it."""
    events.record(type, subject=subject_of(order), data=partial(reading.as_event, order), by=by)
