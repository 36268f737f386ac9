"""Arithmetic of points and tiers."""

import pytest

from loyalty import rules
from loyalty.models import Tier

TIERS = [Tier(code=c, threshold_fen=t) for c, t in [("gold", 500_000), ("normal", 0), ("silver", 100_000)]]


@pytest.mark.parametrize(
    ("paid_fen", "points_per_yuan", "points"),
    [(0, 1, 0), (99, 1, 0), (100, 1, 1), (199, 1, 1), (12_900, 1, 129), (12_999, 2, 258), (99, 5, 0), (100, 0, 0)],
)
def test_points_are_given_per_whole_yuan(paid_fen, points_per_yuan, points):
    assert rules.points_for(paid_fen, points_per_yuan) == points


@pytest.mark.parametrize(
    ("qualifying", "reached", "following"),
    [
        (0, "normal", "silver"),
        (99_999, "normal", "silver"),
        (100_000, "silver", "gold"),
        (499_999, "silver", "gold"),
        (500_000, "gold", None),
        (10**12, "gold", None),
    ],
)
def test_the_highest_threshold_met_counts(qualifying, reached, following):
    assert rules.tier_for(qualifying, TIERS).code == reached
    assert getattr(rules.next_tier(qualifying, TIERS), "code", None) == following


def test_without_tiers_there_is_none():
    assert rules.tier_for(100, []) is None
    assert rules.next_tier(100, []) is None
    assert rules.tier_for(-1, TIERS) is None
