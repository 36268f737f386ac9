"""What points are worth towards a basket, before anything is done."""

from datetime import datetime
from uuid import UUID

from loyalty import queries, reading, rules
from loyalty.models import Account, Programme, Tier
from loyalty.rules import Occasion, Part
from loyalty.services import purchasing
from sync import clock
from sync.models import Channel


def quote(*, member: UUID, channel: Channel, items_fen: int) -> dict:
    """The points that may pay of a basket, their worth in fen, and what paying the rest would earn now."""
    reading.settle_if_due(member)
    account = Account.objects.filter(member=member).first() or Account(member_id=member)
    terms = Programme.current()
    points = min(account.available, items_fen * terms.redeem_percent // 100 // terms.fen_per_point)
    discount_fen = points * terms.fen_per_point
    earns = would_earn(account, items_fen - discount_fen, channel, clock.now())
    return {"redeemable_points": points, "discount_fen": discount_fen, "earns": earns}


def would_earn(account: Account, paid_fen: int, channel: Channel, now: datetime) -> int:
    """What paying so much for articles that are nothing special would earn on a channel."""
    rule = queries.active_rule()
    if rule is None or not rules.in_force(rule, now):
        return 0
    lowest = Tier.objects.order_by("threshold_fen").values_list("pk", flat=True)
    on = Occasion(now, account.tier_id or lowest.first(), channel.pk)
    today = purchasing.given_today(account, rule) if rule.cap_per_day is not None else 0
    return rules.earned(rule, rule.boosts.all(), [Part(None, "", paid_fen)], on, given_today=today).points
