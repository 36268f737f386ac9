"""Arithmetic and policy of points, pure."""

from collections.abc import Sequence
from decimal import Decimal

from loyalty.models import Tier

FEN_PER_YUAN = 100


def points_for(paid_fen: int, points_per_yuan: Decimal | int) -> int:
    """Points for a payment: so many per whole yuan, nothing for what is below one."""
    return int(paid_fen // FEN_PER_YUAN * points_per_yuan)


def tier_for(qualifying_fen: int, tiers: Sequence[Tier]) -> Tier | None:
    """The highest tier whose threshold is met; None when there is none."""
    return max(
        (tier for tier in tiers if tier.threshold_fen <= qualifying_fen),
        key=lambda tier: tier.threshold_fen,
        default=None,
    )


def next_tier(qualifying_fen: int, tiers: Sequence[Tier]) -> Tier | None:
    """The lowest tier not reached yet; None at the top."""
    return min(
        (tier for tier in tiers if tier.threshold_fen > qualifying_fen),
        key=lambda tier: tier.threshold_fen,
        default=None,
    )
