"""Arithmetic and policy of points, pure."""

from loyalty.rules.earning import FEN_PER_YUAN, Earned, Occasion, counts, earned, in_force, points_for
from loyalty.rules.sharing import Part, parts_of, share, taken_back
from loyalty.rules.tiers import next_tier, tier_for

__all__ = [
    "FEN_PER_YUAN",
    "Earned",
    "Occasion",
    "Part",
    "counts",
    "earned",
    "in_force",
    "next_tier",
    "parts_of",
    "points_for",
    "share",
    "taken_back",
    "tier_for",
]
