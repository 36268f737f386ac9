"""Showing personal data in clear, with a trace."""

from orders import queries
from orders.models import Disclosure, Order
from sync.act import Actor, act
from sync.ids import request_id


@act
def disclose(*, order: Order, by: Actor, reason: str = "", what: str = Disclosure.What.RECIPIENT) -> dict:
    """Where an order goes, in clear; that it was shown, to whom, why and by which request is kept.

    `what` else is shown about it is kept the same way, by whoever shows it.
    """
    Disclosure.objects.create(order=order, actor=str(by), correlation_id=request_id.get(), reason=reason, what=what)
    return queries.as_recipient(order) if what == Disclosure.What.RECIPIENT else {}
