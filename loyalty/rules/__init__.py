"""Arithmetic and policy of points, pure."""

from loyalty.rules.earning import FEN_PER_YUAN, Earned, Occasion, counts, earned, in_force, points_for
from loyalty.rules.sharing import Part, parts_of, share, spread, taken_back
from loyalty.rules.tiers import Ladder, Standing

__all__ = [
    "FEN_PER_YUAN",
    "Earned",
    "Ladder",
    "Occasion",
    "Part",
    "Standing",
    "counts",
    "earned",
    "in_force",
    "parts_of",
    "points_for",
    "share",
    "spread",
    "taken_back",
]
