"""Tiers: up at once, kept for a time, reviewed when it is over."""

from datetime import timedelta

import pytest
from django.utils import timezone

from loyalty import standing
from loyalty.models import Account, TierChange
from loyalty.queries import as_points
from sync.models import Event
from tests import make
from tests.loyalty.make_points import at_once, tiers
from tests.loyalty.make_tiers import (
    account,
    benefit,
    bonus,
    bought,
    by_growth,
    causes,
    judged,
    last,
    later,
    programme,
    purchase,
    stands,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def buyer():
    programme()
    return account()


def test_a_purchase_that_reaches_a_threshold_raises_the_tier_at_once(buyer):
    bought(buyer, 99_999)
    assert stands(buyer) == (None, False)

    bought(buyer, 1)

    assert stands(buyer) == ("silver", False)
    assert make.types_of(buyer.member) == ["tier.changed"]


def test_the_event_says_from_where_to_where_and_when(buyer):
    bought(buyer, 500_000)
    told = make.events_of(buyer.member)[0].data
    assert told == {"from": "normal", "to": "gold", "at": as_points(buyer.member_id)["tier"]["since"]}


def test_a_change_keeps_the_numbers_that_decided_it(buyer):
    bought(buyer, 60_000, days_ago=100)
    bought(buyer, 50_000)
    change = last(buyer)
    assert (change.before.code, change.after.code, change.cause) == ("normal", "silver", "reached")
    assert (change.qualify_by, change.qualifying, change.threshold) == ("spend", 110_000, 100_000)
    assert change.counted_to == change.at
    midnight = timezone.localtime(change.counted_from)
    assert (midnight.hour, midnight.minute, midnight.second) == (0, 0, 0)
    assert timedelta(days=364) < change.at - change.counted_from < timedelta(days=368)


def test_a_tier_lasts_to_the_end_of_the_day_so_many_months_later(buyer):
    bought(buyer, 100_000)
    until = timezone.localtime(Account.objects.get(pk=buyer.pk).tier_until)
    ends = until - timedelta(microseconds=1)
    today = timezone.localtime(last(buyer).at)
    assert (until.hour, until.minute, until.second) == (0, 0, 0)
    assert (ends.year, ends.month) == (today.year + 1, today.month)
    assert last(buyer).until == until


def test_more_purchases_in_the_same_tier_change_nothing_but_the_version(buyer):
    bought(buyer, 100_000)
    before = Account.objects.get(pk=buyer.pk)

    bought(buyer, 100_000)

    after = Account.objects.get(pk=buyer.pk)
    assert (after.tier_until, after.tier_since, after.version) == (
        before.tier_until,
        before.tier_since,
        before.version + 1,
    )
    assert TierChange.objects.count() == Event.objects.count() == 1


def test_judging_again_changes_nothing_but_the_version(buyer):
    bought(buyer, 100_000)
    assert judged(buyer) is None
    assert causes(buyer) == [("normal", "silver", "reached")]


def test_one_purchase_may_rise_several_tiers(buyer):
    bought(buyer, 2_500_000)
    assert causes(buyer) == [("normal", "diamond", "reached")]


def test_what_was_bought_before_the_window_does_not_count(buyer):
    bought(buyer, 99_999, days_ago=368)
    bought(buyer, 1)
    assert stands(buyer) == (None, False)


def test_a_refunded_part_does_not_count(buyer):
    purchase(buyer, 150_000, refunded_fen=60_000)
    judged(buyer)
    assert stands(buyer) == (None, False)


def test_without_a_programme_a_year_counts():
    tiers()
    buyer = account()
    bought(buyer, 99_999, days_ago=368)
    bought(buyer, 100_000, days_ago=360)
    assert stands(buyer)[0] == "silver"


def test_without_tiers_nothing_is_judged():
    buyer = account()
    assert bought(buyer, 1_000_000)
    assert standing.as_tier(account(buyer.member)) is None
    assert standing.why(buyer.member_id) is None
    assert stands(buyer) == (None, False)


def test_the_lowest_tier_never_ends(buyer):
    bought(buyer, 1)
    later(buyer, days=5_000)
    tier = as_points(buyer.member_id)["tier"]
    assert (tier["code"], tier["until"]) == ("normal", None)


def test_growth_counts_where_tiers_follow_growth():
    by_growth()
    buyer = account()
    purchase(buyer, 5_000_000, growth=800)
    bonus(buyer, 199)
    judged(buyer)
    assert stands(buyer) == (None, False)

    bonus(buyer, 1)
    judged(buyer)

    assert stands(buyer) == ("silver", False)
    assert (last(buyer).qualify_by, last(buyer).qualifying, last(buyer).threshold) == ("growth", 1_000, 1_000)


def test_growth_taken_back_and_old_bonuses_do_not_count():
    by_growth()
    buyer = account()
    purchase(buyer, 1, growth=1_500, lost_growth=600)
    bonus(buyer, 500, days_ago=400)
    judged(buyer)
    assert as_points(buyer.member_id)["tier"]["qualifying"] == 900


def test_a_tier_without_a_threshold_in_growth_is_not_reached_by_it():
    by_growth()
    buyer = account()
    bonus(buyer, 1_000_000)
    judged(buyer)
    assert stands(buyer) == ("gold", False)
    assert as_points(buyer.member_id)["tier"]["next"] is None


def test_the_contract_shows_tier_progress_and_benefits(buyer):
    benefit("silver"), benefit("silver", "birthday", "生日礼", "50")
    bought(buyer, 130_000)
    tier = as_points(buyer.member_id)["tier"]
    assert {**tier, "since": 0, "until": 0} == {
        "code": "silver",
        "name": "银卡",
        "since": 0,
        "until": 0,
        "qualifying": 130_000,
        "next": {"code": "gold", "missing": 370_000},
        "benefits": [
            {"code": "birthday", "name": "生日礼", "value": "50"},
            {"code": "shipping", "name": "包邮", "value": "每单"},
        ],
    }


@pytest.mark.parametrize("rows", [1, 3])
def test_reading_a_tier_costs_the_same_however_much_counts(buyer, django_assert_num_queries, rows):
    for _more in range(rows):
        bought(buyer, 60_000)
    with django_assert_num_queries(3):  # member and account, tiers with benefits, the sum
        standing.as_tier(standing.account_of(buyer.member_id))


@pytest.mark.parametrize("rows", [1, 3])
def test_judging_costs_the_same_however_much_counts(buyer, django_assert_num_queries, rows):
    for _more in range(rows):
        purchase(buyer, 10_000)
    with django_assert_num_queries(6):  # savepoint and its end, account, tiers, sum, update
        judged(buyer)


@pytest.mark.django_db(transaction=True)
def test_two_payments_at_once_that_reach_a_threshold_together_change_the_tier_once():
    programme()
    for _round in range(5):
        buyer = account()
        results = at_once(2, lambda _n, it=buyer: bought(it, 50_000))
        assert not [each for each in results if isinstance(each, Exception)]
        assert causes(buyer) == [("normal", "silver", "reached")]
        assert make.types_of(buyer.member) == ["tier.changed"]
        assert last(buyer).qualifying == 100_000
