"""Any order of arrival, same end state: whatever is told when, how often, and what is never told."""

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.orders import any_order
from tests.orders import make_orders as o
from tests.orders.any_order import ACTS, FACTS, STEPS

patient = pytest.mark.timeout(1800)
few, many = 4, 200
ends: dict[frozenset, dict] = {}


@st.composite
def tellings(draw) -> list[str]:
    """Most of what happened, some of it twice or more, in any order."""
    missing = draw(st.sets(st.sampled_from([step for step in STEPS if step != "placed"]), max_size=8))
    known = [step for step in STEPS if step not in missing]
    again = draw(st.lists(st.sampled_from(known), max_size=5))
    return draw(st.permutations([*known, *again]))


def end_of(steps: frozenset) -> dict:
    """What is left of a story told once, as it happened."""
    if steps not in ends:
        ends[steps] = any_order.told(step for step in STEPS if step in steps)
    return ends[steps]


def so_often(examples: int):
    return settings(
        max_examples=examples, deadline=None, database=None, print_blob=True, suppress_health_check=list(HealthCheck)
    )


@pytest.fixture
def rule(db):
    o.earning()
    ends.clear()


def test_the_story_as_it_happened_ends_as_it_should(rule):
    end = end_of(frozenset(STEPS))
    states = (end["payment_status"], end["fulfilment_status"], end["refund_status"])
    assert states == ("paid", "completed", "partial")
    assert (end["paid_fen"], end["refunded_fen"]) == (any_order.TOTAL_FEN, 7_000)
    assert (end["points_earned"], end["points"]["available"]) == (224, 224 - end["reversed"])
    assert (end["buyer_note"], end["recipient"]["street"]) == ("放前台", "虎跑路 2 号")
    assert [parcel["state"] for parcel in end["shipments"]] == ["delivered", "shipped"]


@pytest.mark.slow
@patient
@given(steps=tellings())
@example(steps=list(reversed(STEPS)))
@example(steps=["cancelled", "paid", "placed", "edited again"])
@example(steps=["placed", "edited again", "paid", "shipped", "tracked 2", "tracked 1", "refunded"])
@so_often(few)
def test_any_order_of_arrival_ends_alike(rule, steps):
    assert any_order.told(steps) == end_of(frozenset(steps))


@patient
@pytest.mark.slow
@given(steps=tellings())
@so_often(many)
def test_any_of_very_many_orders_of_arrival_ends_alike(rule, steps):
    assert any_order.told(steps) == end_of(frozenset(steps))


@patient
@pytest.mark.slow
@pytest.mark.parametrize("first", list(FACTS))
def test_whatever_comes_first_or_last_ends_alike(rule, first):
    others = [step for step in STEPS if step != first]
    assert any_order.told([first, *others]) == any_order.told([*others, first]) == end_of(frozenset(STEPS))


@pytest.mark.slow
@patient
@given(steps=st.permutations(ACTS), again=st.lists(st.sampled_from(ACTS), max_size=3))
@example(steps=list(reversed(ACTS)), again=[])
@so_often(few)
def test_acts_that_are_asked_for_until_they_are_possible_end_alike(rule, steps, again):
    assert any_order.done([*steps, *again]) == any_order.done(ACTS)
