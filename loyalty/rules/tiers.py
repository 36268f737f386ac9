"""Which tier a sum reaches, pure."""

from collections.abc import Sequence

from loyalty.models import Tier


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
