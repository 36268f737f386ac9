"""Facts that came too late to change anything: kept once, so that an order's page can tell."""

from datetime import datetime

from orders.models import Order, Superseded
from sync.act import Actor, act


@act
def supersede(*, order: Order, type: str, reason: str, occurred_at: datetime, by: Actor) -> None:
    """Keep that a fact of this type changed nothing, and why, in a word. The same again is kept once."""
    late = Superseded(order=order, type=type, by=str(by), reason=reason, occurred_at=occurred_at)
    Superseded.objects.bulk_create([late], ignore_conflicts=True)
