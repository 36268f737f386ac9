"""Writing a change of an order: its next version, the time, and the news of it."""

from members.models import Member
from orders.models import Order
from orders.services import news
from sync.act import Actor
from sync.clock import Clock


def keep(order: Order, *fields: str) -> None:
    """Save these fields of a locked order as its next version."""
    order.version += 1
    order.updated_at = Clock()
    order.save(update_fields=[*fields, "version", "updated_at"])


def is_forgotten(order: Order) -> bool:
    """Whether its member was erased: nothing that may name them is written about it any more."""
    return order.member is not None and order.member.status == Member.Status.ERASED


def change(order: Order, type: str, by: Actor, **fields) -> None:
    """Set these fields of a locked order and tell `type`; the fact tells the order as the act leaves it."""
    for name, value in fields.items():
        setattr(order, name, value)
    news.tell(type, order, by)
    keep(order, *fields)
