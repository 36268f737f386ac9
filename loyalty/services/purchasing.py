"""What paying an order earns: once per order, with the basis on which refunds take it back."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection

from loyalty import queries, rules
from loyalty.ledger import Posting, ReferenceConflict
from loyalty.models import Account, EarnRule, Entry, Purchase, PurchaseLine, Tier
from loyalty.rules import Occasion, Part
from loyalty.services import posting, tiering
from members.models import Member
from sync.act import Actor, act
from sync.models import Channel

GIVEN_TODAY = """
SELECT coalesce(sum(-e.contra), 0)::bigint FROM loyalty_entry e JOIN loyalty_earnrule r ON r.id = e.rule_id
WHERE e.account_id = ANY (%s) AND r.code = %s AND e.kind = 'earned'
    AND e.created_at >= date_trunc('day', clock_timestamp(), 'Asia/Shanghai')
"""


@dataclass(frozen=True)
class Bought:
    """A paid order as the acts here pass it on."""

    number: str
    parts: list[Part]
    paid_fen: int
    paid_at: datetime
    channel: Channel | None
    turn: int = 0  # how often the order was given to another member before

    @property
    def reference(self) -> str:
        """What the earning is known by, once per account."""
        return f"order:{self.number}:paid" + (f":{self.turn}" if self.turn else "")


@act
def earn_for_purchase(
    *,
    member: UUID,
    order_number: str,
    lines: Iterable[tuple[UUID, str, int]],
    shipping_fen: int,
    paid_fen: int,
    paid_at: datetime,
    channel: Channel | None,
    by: Actor,
    turn: int = 0,
) -> int:
    """Points, growth, qualifying spending and tier for a paid order, once per order; returns the points earned.

    `lines` are (order line, SKU, fen before discounts). Points wait until goods can no longer come back to the channel.
    Below one yuan none are earned, and still it is a purchase; where nothing was paid there is none. Raises
    ReferenceConflict when the order was told with another sum.
    """
    buyer = posting.locked(member)
    if known := Purchase.objects.filter(order_number=order_number).first():
        if known.paid_fen != paid_fen:
            raise ReferenceConflict
        return known.points
    if not paid_fen:
        return 0
    parts = rules.parts_of(lines, shipping_fen, paid_fen)
    return _purchase(buyer, Bought(order_number, parts, paid_fen, paid_at, channel, turn), by).points


def _purchase(buyer: Member, bought: Bought, by: Actor) -> Purchase:
    """Judge, post, write down. The member is locked."""
    account = _account(buyer.pk)
    rule = _rule_for(bought.paid_at)
    earned = _judge(account, rule, bought)
    entry = _post(buyer, rule, earned.points, bought, by) if earned.points else None
    purchase = Purchase.objects.create(
        account=account,
        origin=account.pk,
        order_number=bought.number,
        channel=bought.channel,
        tier=account.tier,
        rule=rule,
        entry=entry,
        paid_fen=bought.paid_fen,
        points=earned.points,
        growth=earned.growth,
        paid_at=bought.paid_at,
    )
    PurchaseLine.objects.bulk_create(
        PurchaseLine(purchase=purchase, line=part.line, sku=part.sku, fen=part.fen, points=points)
        for part, points in zip(bought.parts, earned.by_part, strict=True)
    )
    tiering.judge(account.pk, by=by, in_version=entry is not None)
    return purchase


def _account(member: UUID) -> Account:
    """The member's account with the tier they are in: the lowest before they reached one."""
    account = Account.objects.select_related("tier").filter(member=member).first()
    account = account or Account.objects.get_or_create(member_id=member)[0]
    account.tier = account.tier or Tier.objects.order_by("threshold_fen").first()
    return account


def _rule_for(paid_at: datetime) -> EarnRule | None:
    """The active rule, when its dates hold for that moment."""
    rule = queries.active_rule()
    return rule if rule and rules.in_force(rule, paid_at) else None


def _judge(account: Account, rule: EarnRule | None, bought: Bought) -> rules.Earned:
    on = Occasion(bought.paid_at, account.tier_id, bought.channel and bought.channel.pk)
    boosts = rule.boosts.all() if rule else []
    today = given_today(account, rule) if rule and rule.cap_per_day is not None else 0
    return rules.earned(rule, boosts, bought.parts, on, given_today=today)


def _post(buyer: Member, rule: EarnRule, points: int, bought: Bought, by: Actor) -> Entry:
    window = bought.channel.refund_window_days if bought.channel else 0
    return posting.post(buyer, _earning(rule, points, bought, window), by).entry


def _earning(rule: EarnRule, points: int, bought: Bought, window: int) -> Posting:
    return posting.earning(
        points,
        available_at=bought.paid_at + timedelta(days=window) if window else None,
        valid_days=rule.valid_days,
        source=posting.HUB,
        reference=bought.reference,
        channel=bought.channel,
        rule=rule,
    )


def given_today(account: Account, rule: EarnRule) -> int:
    """What all versions of the rule gave the member since midnight in Shanghai."""
    with connection.cursor() as cursor:
        cursor.execute(GIVEN_TODAY, [[account.pk, *account.absorbed], rule.code])
        return cursor.fetchone()[0]
