"""A refund takes a tier at once only where it took away what the tier was given for; all else waits for the review."""

import pytest

from loyalty.models import Account, Programme
from loyalty.services import tiering
from tests import make
from tests.loyalty.make_tiers import (
    account,
    bonus,
    bought,
    by_growth,
    causes,
    judged,
    last,
    later,
    programme,
    purchase,
    refunded,
    stands,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def buyer():
    programme()
    return account()


def test_the_tier_falls_at_once_when_the_order_that_reached_it_is_refunded(buyer):
    order = bought(buyer, 100_000)

    change = refunded(order, 100_000)

    assert causes(buyer) == [("normal", "silver", "reached"), ("silver", "normal", "refunded")]
    assert (change.qualifying, change.threshold, change.until) == (0, 0, None)
    told = make.events_of(buyer.member)[-1].data
    assert (told["from"], told["to"]) == ("silver", "normal")


def test_any_order_of_that_time_is_one_that_reached_it(buyer):
    first = bought(buyer, 40_000, days_ago=30)
    bought(buyer, 60_000)
    refunded(first, 40_000)
    assert causes(buyer)[-1] == ("silver", "normal", "refunded")


def test_a_part_that_leaves_enough_takes_nothing(buyer):
    order = bought(buyer, 150_000)
    assert refunded(order, 50_000) is None
    assert stands(buyer) == ("silver", False)
    refunded(order, 1)
    assert stands(buyer) == ("normal", False)


def test_an_order_that_came_after_the_rise_takes_nothing_until_the_review(buyer):
    bought(buyer, 100_000)
    after = bought(buyer, 300_000)
    before = causes(buyer)
    assert refunded(after, 300_000) is None
    assert causes(buyer) == before


def test_an_order_from_before_the_window_takes_nothing(buyer):
    old = bought(buyer, 90_000, days_ago=368)
    bought(buyer, 100_000)
    assert refunded(old, 90_000) is None
    assert stands(buyer) == ("silver", False)


def test_what_was_bought_since_may_hold_the_tier(buyer):
    order = bought(buyer, 100_000)
    bought(buyer, 100_000)
    assert refunded(order, 100_000) is None
    assert stands(buyer) == ("silver", False)


def test_what_no_longer_counts_today_still_held_when_it_decided(buyer):
    """Time alone takes nothing before the review, not even with a refund of something else."""
    bought(buyer, 60_000, days_ago=360)
    bought(buyer, 60_000)
    small = bought(buyer, 100)
    later(buyer, days=20)  # the first no longer counts
    assert refunded(small, 100) is None
    assert stands(buyer) == ("silver", False)


def test_it_falls_back_to_the_tier_that_was_there_before_and_still_lasts(buyer):
    bought(buyer, 60_000, days_ago=100)
    bought(buyer, 40_000)
    later(buyer, days=30)
    big = bought(buyer, 450_000)
    later(buyer, days=300)  # of what reached silver, 40 000 still count
    silver_until = buyer.tier_changes.get(after__code="silver").until

    refunded(big, 450_000)

    assert causes(buyer)[-1] == ("gold", "silver", "refunded")
    assert last(buyer).until == Account.objects.get(pk=buyer.pk).tier_until == silver_until
    assert (last(buyer).qualifying, last(buyer).threshold) == (100_000, 100_000)


def test_it_falls_through_a_tier_whose_own_order_was_refunded_as_well(buyer):
    small = bought(buyer, 100_000)
    big = bought(buyer, 400_000)
    refunded(small, 50_000)  # 450 000: gold no longer holds, and counts as silver
    assert causes(buyer)[-1] == ("gold", "silver", "refunded")
    refunded(big, 400_000)
    assert causes(buyer)[-1] == ("silver", "normal", "refunded")


def test_a_renewal_is_what_counts_once_there_was_one(buyer):
    first = bought(buyer, 100_000)
    later(buyer, days=100)
    again = bought(buyer, 100_000)
    later(buyer, days=270)
    tiering.judge_due()
    assert causes(buyer)[-1] == ("silver", "silver", "reviewed")

    assert refunded(first, 100_000) is None
    refunded(again, 100_000)

    assert causes(buyer)[-1] == ("silver", "normal", "refunded")


def test_an_order_refunded_twice_falls_once(buyer):
    order = bought(buyer, 100_000)
    refunded(order, 50_000)
    assert refunded(order, 50_000) is None
    assert len(causes(buyer)) == 2


def test_growth_taken_back_takes_the_tier():
    by_growth()
    buyer = account()
    order = purchase(buyer, 100, growth=600)
    bonus(buyer, 400)
    judged(buyer)
    order.lost_growth = 1
    order.save(update_fields=["lost_growth"])
    refunded(order, 0)
    assert causes(buyer) == [("normal", "silver", "reached"), ("silver", "normal", "refunded")]


def test_what_decided_is_looked_at_by_what_counted_then(buyer):
    """Terms that change to growth take nothing with the next refund."""
    order = bought(buyer, 150_000)
    by_growth()
    assert Programme.current().qualify_by == "growth"
    assert refunded(order, 100) is None
    assert stands(buyer) == ("silver", False)
    refunded(order, 100_000)
    assert stands(buyer) == ("normal", False)


def test_a_refund_in_the_grace_takes_what_reached_the_tier_and_nothing_else(buyer):
    order = bought(buyer, 100_000)
    other = bought(buyer, 500)
    later(buyer, days=368)
    tiering.judge_due()
    assert refunded(other, 500) is None
    assert stands(buyer) == ("silver", True)
    refunded(order, 100_000)
    assert stands(buyer) == ("normal", False)
