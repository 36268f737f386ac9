"""Dividing without loss: what was paid over lines, refunds in any number of steps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyalty import rules
from loyalty.rules import Part
from sync.ids import uuid7

WEIGHTS = st.lists(st.integers(0, 10**9), min_size=1, max_size=9)


@pytest.mark.parametrize(
    ("total", "weights", "shares"),
    [
        (10, [1, 1, 1], [4, 3, 3]),
        (2, [1, 1, 1], [1, 1, 0]),
        (100, [50, 30, 20], [50, 30, 20]),
        (7, [3, 3, 1], [3, 3, 1]),
        (5, [0, 1], [0, 5]),
        (0, [4, 5], [0, 0]),
        (3, [0, 0], [3, 0]),
        (0, [], []),
    ],
)
def test_the_largest_remainders_are_rounded_up(total, weights, shares):
    assert rules.share(total, weights) == shares


@given(st.integers(0, 10**12), WEIGHTS)
def test_shares_sum_exactly_and_lie_within_one_of_the_exact_value(total, weights):
    shares, whole = rules.share(total, weights), sum(weights)
    assert sum(shares) == total
    if whole:
        assert all(abs(part * whole - total * weight) < whole for part, weight in zip(shares, weights, strict=True))


@pytest.mark.parametrize(
    ("fen", "shipping_fen", "paid_fen", "paid"),
    [
        ([10_000, 5_000], 0, 15_000, [10_000, 5_000]),
        ([10_000, 5_000], 1_000, 16_000, [10_000, 5_000, 1_000]),
        ([10_000, 5_000], 1_000, 8_000, [5_000, 2_500, 500]),  # half of everything was discounted
        ([100, 100, 100], 0, 200, [67, 67, 66]),
        ([100, 0], 0, 100, [100, 0]),
        ([100], 50, 0, [0, 0]),
    ],
)
def test_discounts_are_shared_by_lines_and_shipping_alike(fen, shipping_fen, paid_fen, paid):
    lines = [(uuid7(), f"SKU-{n}", each) for n, each in enumerate(fen)]
    parts = rules.parts_of(lines, shipping_fen, paid_fen)
    assert [part.fen for part in parts] == paid
    assert [(part.line, part.sku) for part in parts[: len(fen)]] == [(line, sku) for line, sku, _fen in lines]
    assert parts[len(fen) :] == [Part(None, "", paid[-1])] * bool(shipping_fen)


@given(st.integers(0, 10**6), st.lists(st.integers(1, 10**6), min_size=1, max_size=12))
def test_any_steps_of_refunds_take_back_all_points_in_the_end_and_never_more(points, steps):
    fen, refunded, gone = sum(steps), 0, 0
    for step in steps:
        refunded += step
        now = rules.taken_back(points, fen, refunded)
        assert gone <= now <= points * refunded / fen
        gone = now
    assert gone == points
    assert rules.taken_back(points, 0, 0) == 0


@pytest.mark.parametrize(
    ("asked", "borne"),
    [
        ({"a": 3}, {"a": 3}),
        ({"a": 5, "b": 1}, {"a": 5, "b": 1}),
        ({"a": 6}, {"a": 5, "b": 1}),
        ({"b": 9}, {"b": 4, "a": 5}),
        ({"a": 7, "c": 1}, {"a": 5, "c": 1, "b": 2}),
        ({"a": 8, "c": 3}, {"a": 5, "c": 2, "b": 4}),
        ({"a": 12}, None),
        ({"a": -1}, None),
        ({"d": 1}, None),
        ({}, {}),
    ],
)
def test_what_one_part_cannot_bear_the_others_do(asked, borne):
    assert rules.spread(asked, {"a": 5, "b": 4, "c": 2}) == borne
