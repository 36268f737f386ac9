"""Arithmetic and policy of points, pure."""

from loyalty.rules.earning import points_for
from loyalty.rules.tiers import next_tier, tier_for

__all__ = ["next_tier", "points_for", "tier_for"]
