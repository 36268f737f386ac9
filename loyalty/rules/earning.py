"""What a purchase earns, pure: which parts count, what multiplies them, and how the points lie on the parts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from uuid import UUID

from loyalty.models import EarnBoost, EarnRule
from loyalty.rules.sharing import Part, share

FEN_PER_YUAN = 100
SORTS = 3  # by tier, by channel, others
ONCE = 100**SORTS  # what multiplies by one


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
    counted = [part.fen if counts(rule, part.sku) else 0 for part in parts]
    weights = [fen and fen * times(by_sort, part.sku) for part, fen in zip(parts, counted, strict=True)]
    points = 0
    if counted_fen := sum(counted):
        yuan = counted_fen // FEN_PER_YUAN
        points = yuan * _hundredths(rule.points_per_yuan) * sum(weights) // (100 * ONCE * counted_fen)
    points = capped(rule, points, given_today)
    growth = points_for(sum(part.fen for part in parts), rule.growth_per_yuan)
    return Earned(points, share(points, weights), growth)


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


def times(by_sort: Iterable[Sequence[EarnBoost]], sku: str) -> int:
    """What an article's points are multiplied by, in millionths: of each sort the greatest that fits it, together."""
    product, sorts = 1, 0
    for boosts in by_sort:
        fitting = [boost.multiplier for boost in boosts if not boost.includes or fits(sku, boost.includes)]
        if fitting:
            product, sorts = product * _hundredths(max(fitting)), sorts + 1
    return product * 100 ** (SORTS - sorts)


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


def _hundredths(value: Decimal | int) -> int:
    """Rates and multipliers have two decimals."""
    return int(value * 100)
