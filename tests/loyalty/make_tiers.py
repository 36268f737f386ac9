"""What tests of tiers are made of: purchases at any time, accounts in a tier, the clock moved by moving the rows."""

from datetime import timedelta
from itertools import count
from uuid import uuid4

import pgtrigger
from django.db.models import F

from loyalty.models import Account, Benefit, Bonus, Programme, Purchase, Tier, TierChange
from loyalty.services import tiering
from members.models import Member
from sync import clock
from sync.act import SYSTEM, act
from tests import make
from tests.loyalty.make_points import tiers

NUMBERS = count(1)
GROWTH = {"silver": 1_000, "gold": 5_000, "diamond": None}


def programme(**terms) -> Programme:
    """The terms: twelve months count, a tier lasts twelve, thirty days of grace; and what is said otherwise."""
    tiers()
    return Programme.objects.update_or_create(id=1, defaults=terms)[0]


def by_growth(**terms) -> Programme:
    """Terms by growth: silver from 1 000, gold from 5 000; nothing leads to diamond."""
    terms = programme(qualify_by="growth", **terms)
    for code, threshold in GROWTH.items():
        Tier.objects.filter(code=code).update(threshold_growth=threshold)
    return terms


def benefit(tier: str, code: str = "shipping", name: str = "包邮", value: str = "每单") -> Benefit:
    return Benefit.objects.create(tier=Tier.objects.get(code=tier), code=code, name=name, value=value)


def account(member: Member | None = None) -> Account:
    """The member's account, as it is now."""
    return Account.objects.select_related("tier").get_or_create(member=member or make.member())[0]


def purchase(account: Account, fen: int = 0, *, days_ago: float = 0, growth: int = 0, **fields) -> Purchase:
    """A paid order that nobody has judged yet."""
    at = clock.now() - timedelta(days=days_ago)
    known = {"order_number": f"D{next(NUMBERS):08d}", "origin": account.pk, "paid_at": at}
    return Purchase.objects.create(account=account, paid_fen=fen, growth=growth, **known | fields)


def bonus(account: Account, growth: int, *, days_ago: float = 0) -> Bonus:
    at = clock.now() - timedelta(days=days_ago)
    return Bonus.objects.create(
        kind="birthday", period="2026", key=uuid4().bytes, account=account, growth=growth, at=at
    )


@act
def judged(account: Account, cause: str = TierChange.Cause.REACHED) -> TierChange | None:
    """Judge as a payment does."""
    return tiering.judge(account.pk, by=SYSTEM, cause=cause)


@act
def bought(account: Account, fen: int, **fields) -> Purchase:
    """Pay an order: the purchase, and what follows for the tier."""
    made = purchase(account, fen, **fields)
    tiering.judge(account.pk, by=SYSTEM)
    return made


@act
def refunded(purchase: Purchase, fen: int) -> TierChange | None:
    """Pay some of it back, and judge what is left."""
    purchase.refresh_from_db()
    purchase.refunded_fen += fen
    purchase.save(update_fields=["refunded_fen"])
    return tiering.judge(purchase.account_id, by=SYSTEM, cause=TierChange.Cause.REFUNDED)


MOVED = {
    Purchase: ("paid_at", "created_at"),
    Bonus: ("at",),
    TierChange: ("at", "counted_from", "counted_to", "until"),
}


def later(account: Account, **time) -> None:
    """Let time pass for one account: everything about it happened so much earlier."""
    passed = timedelta(**time)
    with pgtrigger.ignore("loyalty.TierChange:append_only"):
        for model, times in MOVED.items():
            model.objects.filter(account=account).update(**{each: F(each) - passed for each in times})
    Account.objects.filter(pk=account.pk).update(
        tier_since=F("tier_since") - passed, tier_until=F("tier_until") - passed
    )


def stands(account: Account) -> tuple[str | None, bool]:
    """The tier's code, and whether it is in grace."""
    now = Account.objects.select_related("tier").get(pk=account.pk)
    return now.tier and now.tier.code, now.is_in_grace


def last(account: Account) -> TierChange:
    return account.tier_changes.select_related("before", "after").order_by("-at", "-id").first()


def causes(account: Account) -> list[tuple[str | None, str, str]]:
    """Every change, oldest first: from, to, cause."""
    found = account.tier_changes.select_related("before", "after").order_by("at", "id")
    return [(each.before and each.before.code, each.after.code, each.cause) for each in found]
