"""What a purchase earns: which articles count, what multiplies, caps, and how points lie on the lines."""

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyalty import rules
from loyalty.models import EarnBoost, EarnRule
from loyalty.rules import Occasion, Part
from sync.ids import uuid7
from tests.make import NOON

SILVER, GOLD = 2, 3
WEBSITE, MINI = uuid7(), uuid7()
DAY = timedelta(days=1)


def rule(**terms) -> EarnRule:
    return EarnRule(**({"points_per_yuan": Decimal(1), "growth_per_yuan": Decimal(1)} | terms))


def boost(multiplier, **fits) -> EarnBoost:
    return EarnBoost(multiplier=Decimal(multiplier), **fits)


def earned(parts, terms=None, boosts=(), *, given_today=0, **on):
    """Of parts given as SKU: fen."""
    bought = [Part(None, sku, fen) for sku, fen in parts.items()]
    return rules.earned(terms or rule(), boosts, bought, Occasion(**({"at": NOON} | on)), given_today=given_today)


@given(st.dictionaries(st.text(max_size=6), st.integers(0, 10**8), min_size=1, max_size=8))
def test_without_conditions_it_is_so_many_per_whole_yuan_paid_shipping_included(parts):
    paid_fen = sum(parts.values())
    found = earned(parts)
    assert found.points == found.growth == sum(found.by_part) == paid_fen // 100 == rules.points_for(paid_fen, 1)


@pytest.mark.parametrize(
    ("fen", "rate", "points"),
    [(99, "1", 0), (100, "1", 1), (12_999, "2", 258), (12_999, "0.5", 64), (199, "1.99", 1), (100, "0", 0)],
)
def test_a_fraction_of_a_yuan_and_of_a_point_is_not_given(fen, rate, points):
    assert earned({"A": fen}, rule(points_per_yuan=Decimal(rate))).points == points


@pytest.mark.parametrize(
    ("terms", "by_part"),
    [
        ({}, [100, 50, 8]),
        ({"includes": ["TEA-*"]}, [100, 0, 0]),  # for some articles only: not for the shipping
        ({"includes": ["TEA-001", "CUP-*"]}, [100, 50, 0]),
        ({"excludes": ["TEA-*"]}, [0, 50, 8]),
        ({"includes": ["*"]}, [100, 50, 0]),
        ({"includes": ["TEA-*"], "excludes": ["TEA-001"]}, [0, 0, 0]),
        ({"includes": ["tea-*"]}, [0, 0, 0]),
        ({"includes": ["TEA"]}, [0, 0, 0]),
        ({"excludes": ["TEA-0"]}, [100, 50, 8]),
    ],
)
def test_a_rule_counts_what_it_names(terms, by_part):
    found = earned({"TEA-001": 10_000, "CUP-001": 5_000, "": 800}, rule(**terms))
    assert (found.by_part, found.points) == (by_part, sum(by_part))
    assert found.growth == 158


@pytest.mark.parametrize(
    ("boosts", "times"),
    [
        ([], 1),
        ([boost("1.5", tier_id=GOLD)], 1.5),
        ([boost("1.5", tier_id=SILVER)], 1),
        ([boost(2, channel_id=MINI)], 1),
        ([boost("1.5", tier_id=GOLD), boost(2, channel_id=WEBSITE)], 3),
        ([boost(2), boost(3), boost("2.5")], 3),  # of one sort the greatest, not their product
        ([boost("0.5")], 0.5),
        ([boost(0, tier_id=GOLD)], 0),
        ([boost(2, tier_id=GOLD, channel_id=MINI)], 1),  # all that is said must fit
        ([boost(2, tier_id=GOLD, channel_id=WEBSITE), boost("1.5", channel_id=WEBSITE), boost(2)], 6),
        ([boost(2, starts_at=NOON)], 2),
        ([boost(2, starts_at=NOON + DAY)], 1),
        ([boost(2, ends_at=NOON)], 1),
        ([boost(2, starts_at=NOON - DAY, ends_at=NOON + DAY)], 2),
    ],
)
def test_of_each_sort_the_greatest_that_fits_counts_and_the_sorts_multiply(boosts, times):
    assert earned({"A": 10_000}, boosts=boosts, tier=GOLD, channel=WEBSITE).points == 100 * times


def test_a_multiplier_for_some_articles_lies_on_them():
    found = earned({"TEA-001": 10_000, "CUP-001": 10_000}, boosts=[boost(3, includes=["TEA-*"])])
    assert (found.points, found.by_part) == (400, [300, 100])


def test_what_is_rounded_off_the_whole_is_not_given_by_a_line():
    found = earned({"A": 150, "B": 150, "C": 99})
    assert (found.points, found.by_part) == (3, [1, 1, 1])
    assert earned({"A": 99, "B": 99}).by_part == [1, 0]


@pytest.mark.parametrize(
    ("terms", "given_today", "points"),
    [
        ({"cap_per_order": 50}, 0, 50),
        ({"cap_per_order": 0}, 0, 0),
        ({"cap_per_order": 500}, 0, 100),
        ({"cap_per_day": 120}, 30, 90),
        ({"cap_per_day": 120}, 120, 0),
        ({"cap_per_day": 120}, 400, 0),
        ({"cap_per_day": 120, "cap_per_order": 60}, 30, 60),
    ],
)
def test_caps_bound_an_order_and_a_day(terms, given_today, points):
    found = earned({"A": 6_000, "B": 4_000}, rule(**terms), given_today=given_today)
    assert found.points == sum(found.by_part) == points
    assert found.growth == 100  # caps are about points


def test_without_a_rule_nothing_is_earned():
    assert rules.earned(None, [], [Part(None, "A", 100)], Occasion(NOON)) == rules.Earned(0, [0], 0)


@given(
    st.lists(st.integers(0, 10**6), min_size=1, max_size=6),
    st.lists(st.integers(0, 500), min_size=6, max_size=6),
    st.integers(0, 2000),
)
def test_whatever_multiplies_lines_sum_to_the_whole_and_what_was_not_paid_has_nothing(paid, hundredths, cap):
    boosts = [boost(Decimal(n) / 100, includes=[str(place)]) for place, n in enumerate(hundredths)]
    found = earned({str(n): fen for n, fen in enumerate(paid)}, rule(cap_per_order=cap), boosts)
    assert found.points == sum(found.by_part) <= cap
    assert all(points == 0 for points, fen in zip(found.by_part, paid, strict=True) if fen == 0)
    assert min(found.by_part) >= 0
