"""Showing personal data in clear, with a trace."""

from orders import queries
from orders.models import Disclosure, Order
from sync.act import Actor, act
from sync.ids import request_id


@act
def disclose(*, order: Order, by: Actor) -> dict:
    """Where an order goes, in clear; that it was shown, to whom and by which request is kept."""
    Disclosure.objects.create(order=order, actor=str(by), correlation_id=request_id.get())
    return queries.as_recipient(order)
