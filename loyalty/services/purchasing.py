"""What paying an order earns, and what a refund takes back."""

from uuid import UUID

from loyalty import queries, rules
from loyalty.services import posting, tiering
from sync.act import Actor, act
from sync.models import Channel


@act
def earn_for_payment(*, member: UUID, order_number: str, paid_fen: int, channel: Channel | None, by: Actor) -> int:
    """Points, qualifying spending and tier for a payment; returns the points earned (0 below one yuan).

    Called once per payment by the act that settles it: below one yuan there is no entry to know it by.
    """
    payer, rule = posting.locked(member), queries.active_rule()
    points = rules.points_for(paid_fen, rule.points_per_yuan) if rule else 0
    if points:
        reference = f"order:{order_number}:paid"
        earned = posting.earning(points, source=posting.HUB, reference=reference, channel=channel, rule=rule)
        posted = posting.post(payer, earned, by)
        if not posted.created:
            return posted.entry.points
    if paid_fen:
        tiering.qualify(payer.pk, paid_fen, by=by, in_version=bool(points))
    return points
