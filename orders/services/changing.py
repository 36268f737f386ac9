"""Writing a change of an order: its next version, the time, and the news of it."""

from orders.models import Order
from orders.services import news
from sync.act import Actor
from sync.clock import Clock


def keep(order: Order, *fields: str) -> None:
    """Save these fields of a locked order as its next version."""
    order.version += 1
    order.updated_at = Clock()
    order.save(update_fields=[*fields, "version", "updated_at"])


def change(order: Order, type: str, by: Actor, **fields) -> None:
    """Set these fields of a locked order and tell `type`; the fact tells the order as the act leaves it."""
    for name, value in fields.items():
        setattr(order, name, value)
    news.tell(type, order, by)
    keep(order, *fields)
