"""Purchases for tests of points."""

from datetime import UTC, datetime

from loyalty import services
from loyalty.models import EarnBoost, EarnRule, Purchase, PurchaseLine
from loyalty.services import Reversed
from members.models import Member
from sync.act import Actor
from sync.ids import uuid7
from sync.models import Channel
from tests import make

PROVIDER = Actor("provider", "wechat_pay", "website")


def buy(member: Member, fen: int | list[int] = 12_900, number: str = "D1", **fields) -> int:
    """A member pays an order of one line, or of several, just now; returns the points earned."""
    lines = [(uuid7(), f"TEA-{n}", each) for n, each in enumerate([fen] if isinstance(fen, int) else fen, start=1)]
    known = {"lines": lines, "shipping_fen": 0, "paid_at": datetime.now(UTC), "channel": None, "by": PROVIDER}
    known |= fields
    known.setdefault("paid_fen", sum(each for _line, _sku, each in known["lines"]) + known["shipping_fen"])
    return services.earn_for_purchase(member=member.pk, order_number=number, **known)


def refund(fen: list[int], reference: str = "R1", number: str = "D1", *, shipping_fen: int = 0) -> Reversed:
    """So much of each line in their order."""
    asked = dict(zip([line.line for line in lines(number)], fen, strict=False))
    return services.refund_purchase(
        order_number=number, reference=reference, lines=asked, shipping_fen=shipping_fen, by=make.STAFF
    )


def lines(number: str = "D1") -> list[PurchaseLine]:
    """The lines of a purchase; its shipping is none of them."""
    return list(PurchaseLine.objects.filter(purchase__order_number=number, line__isnull=False).order_by("id"))


def purchase(number: str = "D1") -> Purchase:
    return Purchase.objects.get(order_number=number)


def boost(rule: EarnRule, multiplier, **fields) -> EarnBoost:
    """A multiplier of a rule that is still a draft."""
    return EarnBoost.objects.create(rule=rule, name=f"×{multiplier}", multiplier=multiplier, **fields)


def activate(rule: EarnRule) -> EarnRule:
    """Past all the care that staff takes."""
    EarnRule.objects.filter(pk=rule.pk).update(state="active")
    rule.refresh_from_db()
    return rule


def one_of_each(member: Member, channel: Channel, turn: str = "") -> None:
    """A purchase, partly refunded, and a rule being drafted with a multiplier."""
    boost(EarnRule.objects.create(code=f"drafted{turn}"), 2, channel=channel)
    buy(member, 9_900, f"D9{turn}", channel=channel)
    refund([100], f"R9{turn}", f"D9{turn}")
