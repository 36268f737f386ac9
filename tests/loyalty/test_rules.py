"""Which tier a sum reaches."""

import pytest

from loyalty import rules
from loyalty.models import Tier

TIERS = [Tier(code=c, threshold_fen=t) for c, t in [("gold", 500_000), ("normal", 0), ("silver", 100_000)]]


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
