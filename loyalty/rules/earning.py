"""What a purchase earns, pure: which parts count, what multiplies them, and how the points lie on the parts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from itertools import groupby
from uuid import UUID

from loyalty.models import EarnBoost, EarnRule
from loyalty.rules.sharing import Part, share

FEN_PER_YUAN = 100


@dataclass(frozen=True)
class Occasion:
    """Who bought where and when: the tier's and the channel's ids."""

    at: datetime
    tier: int | None = None
    channel: UUID | None = None


@dataclass(frozen=True)
class Earned:
    """Points, how many of them lie on each part, and growth."""

    points: int
    by_part: list[int]
    growth: int


def earned(
    rule: EarnRule | None,
    boosts: Iterable[EarnBoost],
    parts: Sequence[Part],
    on: Occasion,
    *,
    given_today: int = 0,
) -> Earned:
    """What the parts of a purchase earn under a rule; nothing without one.

    So many points per whole yuan of all that counts, times what fits, rounded down once, then capped. Parts whose
    multipliers differ weigh by what was paid for them. Growth follows all that was paid, whatever the article.
    """
    if rule is None:
        return Earned(0, [0] * len(parts), 0)
    by_sort = _sorted_out(boosts, on)
    weights = [
        Fraction(part.fen) * times(by_sort, part.sku) if counts(rule, part.sku) else Fraction(0) for part in parts
    ]
    counted_fen = sum(part.fen for part in parts if counts(rule, part.sku))
    points = 0
    if counted_fen:
        yuan = Fraction(counted_fen // FEN_PER_YUAN)
        points = int(yuan * Fraction(rule.points_per_yuan) * sum(weights) / counted_fen)
    points = capped(rule, points, given_today)
    paid_fen = sum(part.fen for part in parts)
    return Earned(points, share(points, _whole(weights)), points_for(paid_fen, rule.growth_per_yuan))


def points_for(paid_fen: int, per_yuan: Decimal | int) -> int:
    """So many per whole yuan, nothing for what is below one, rounded down."""
    return int(paid_fen // FEN_PER_YUAN * per_yuan)


def capped(rule: EarnRule, points: int, given_today: int = 0) -> int:
    """No more than the rule gives for one purchase, and to one member in a day."""
    if rule.cap_per_order is not None:
        points = min(points, rule.cap_per_order)
    if rule.cap_per_day is not None:
        points = min(points, max(0, rule.cap_per_day - given_today))
    return points


def in_force(rule: EarnRule | EarnBoost, at: datetime) -> bool:
    """Whether a time lies within the dates; the last moment no longer does."""
    return (rule.starts_at is None or rule.starts_at <= at) and (rule.ends_at is None or at < rule.ends_at)


def counts(rule: EarnRule, sku: str) -> bool:
    """Whether a rule counts an article. Shipping (no SKU) counts unless the rule is for some articles only."""
    return (not rule.includes or fits(sku, rule.includes)) and not fits(sku, rule.excludes)


def fits(sku: str, patterns: Iterable[str]) -> bool:
    """Whether a SKU is among the patterns: exactly, or by how it begins when the pattern ends with an asterisk."""
    return bool(sku) and any(
        sku.startswith(pattern[:-1]) if pattern.endswith("*") else sku == pattern for pattern in patterns
    )


def times(by_sort: Iterable[Sequence[EarnBoost]], sku: str) -> Fraction:
    """What an article's points are multiplied by: of each sort the greatest that fits it, all sorts together."""
    product = Fraction(1)
    for boosts in by_sort:
        fitting = [boost.multiplier for boost in boosts if not boost.includes or fits(sku, boost.includes)]
        product *= Fraction(max(fitting, default=Decimal(1)))
    return product


def sort_of(boost: EarnBoost) -> str:
    """By tier, by channel, or others: of each sort one counts."""
    return "tier" if boost.tier_id else "channel" if boost.channel_id else "other"


def _sorted_out(boosts: Iterable[EarnBoost], on: Occasion) -> list[list[EarnBoost]]:
    """Those that fit the occasion, by sort."""
    fitting = [
        boost
        for boost in boosts
        if boost.tier_id in {None, on.tier} and boost.channel_id in {None, on.channel} and in_force(boost, on.at)
    ]
    return [list(alike) for _sort, alike in groupby(sorted(fitting, key=sort_of), key=sort_of)]


def _whole(weights: Sequence[Fraction]) -> list[int]:
    """The same proportions in whole numbers: multipliers have two decimals, three sorts six."""
    return [int(weight * 10**6) for weight in weights]
