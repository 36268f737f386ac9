"""Two members become one: what counts comes along, the better tier stays; and back again."""

import json

import pytest

from loyalty import standing
from loyalty.models import Account, Bonus, Purchase
from loyalty.queries import as_points
from loyalty.services import tiering
from members.models import Member
from sync.act import SYSTEM, act
from tests import make
from tests.loyalty.make_tiers import (
    account,
    bonus,
    bought,
    causes,
    judged,
    last,
    later,
    programme,
    refunded,
    stands,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def pair():
    programme()
    return account(), account()


@act
def joined(source: Account, target: Account) -> dict:
    """Join, and the journal as a merge keeps it."""
    return json.loads(json.dumps(tiering.join(account(source.member), account(target.member), by=SYSTEM)))


@act
def parted(source: Account, target: Account, journal: dict) -> None:
    tiering.part(account(source.member), account(target.member), journal, by=SYSTEM)


def tier_of(row: Account) -> tuple:
    now = account(row.member)
    return now.tier and now.tier.code, now.tier_since, now.tier_until, now.is_in_grace


def test_what_both_bought_counts_together(pair):
    source, target = pair
    bought(source, 60_000), bought(target, 50_000)

    joined(source, target)

    assert causes(target) == [("normal", "silver", "merged")]
    assert (last(target).qualifying, last(target).threshold) == (110_000, 100_000)
    assert make.types_of(target.member) == ["tier.changed"]
    assert as_points(target.member_id)["tier"]["qualifying"] == 110_000
    assert tier_of(source) == (None, None, None, False)
    assert as_points(source.member_id)["tier"]["qualifying"] == 0


def test_purchases_and_bonuses_know_whose_they_were_first(pair):
    source, target = pair
    bought(source, 100)
    bonus(source, 5)
    joined(source, target)
    assert Purchase.objects.get().account_id == Bonus.objects.get().account_id == target.pk
    assert Purchase.objects.get().origin == source.pk


def test_the_higher_tier_stays_for_as_long_as_either_lasts(pair):
    source, target = pair
    bought(source, 500_000)
    since, until = tier_of(source)[1:3]
    later(source, days=300)
    bought(target, 100_000)
    longer = tier_of(target)[2]

    joined(source, target)

    assert tier_of(target)[0] == "gold"
    assert tier_of(target)[2] == longer == until
    assert tier_of(target)[1] < since
    assert causes(target)[-1] == ("silver", "gold", "merged")


def test_a_lower_tier_that_comes_changes_nothing_but_the_sum(pair):
    source, target = pair
    bought(target, 500_000)
    before = tier_of(target)
    bought(source, 1_000)
    joined(source, target)
    assert tier_of(target) == before
    assert causes(target) == [("normal", "gold", "reached")]


def test_the_longer_time_of_the_same_tier_is_a_renewal_without_news(pair):
    source, target = pair
    bought(target, 100_000)
    later(target, days=100)
    bought(source, 100_000)
    until = tier_of(source)[2]
    joined(source, target)
    assert tier_of(target)[2] == until
    assert causes(target)[-1] == ("silver", "silver", "merged")
    assert make.types_of(target.member) == ["tier.changed"]


def test_a_tier_that_came_along_is_not_lost_by_a_refund_of_the_others_orders(pair):
    source, target = pair
    bought(source, 500_000)
    later(source, days=360)
    joined_later = bought(target, 1_000)
    Purchase.objects.filter(account=source).update(paid_at="2020-01-01T00:00Z")  # counts no more, the tier lasts
    joined(source, target)
    assert last(target).qualifying < last(target).threshold
    refunded(joined_later, 1_000)
    assert stands(target)[0] == "gold"


def test_parting_at_once_brings_both_back_exactly(pair):
    source, target = pair
    bought(source, 500_000), bought(target, 100_000)
    later(source, days=20)
    mine, theirs = tier_of(target), tier_of(source)
    bought_by = dict(Purchase.objects.values_list("id", "account"))

    parted(source, target, joined(source, target))

    assert (tier_of(target), tier_of(source)) == (mine, theirs)
    assert dict(Purchase.objects.values_list("id", "account")) == bought_by
    assert causes(target)[-1] == ("gold", "silver", "parted")
    assert causes(source)[-1] == ("normal", "gold", "parted")


def test_parting_later_keeps_what_was_reached_and_bought_since(pair):
    source, target = pair
    bought(source, 60_000), bought(target, 50_000)
    journal = joined(source, target)
    bought(target, 500_000)

    parted(source, target, journal)

    assert tier_of(target)[0] == "gold"
    assert as_points(target.member_id)["tier"]["qualifying"] == 550_000
    assert (tier_of(source)[0], as_points(source.member_id)["tier"]["qualifying"]) == (None, 60_000)


@pytest.mark.parametrize("gone", ["merged", "erased"])
def test_nobody_who_is_gone_gets_a_tier(pair, gone):
    source, target = pair
    order = bought(source, 200_000)
    survivor = {"merged_into": target.member} if gone == "merged" else {}
    Member.objects.filter(pk=source.member_id).update(status=gone, **survivor)
    tiering.close(source)
    assert refunded(order, 100) is None
    assert tier_of(source) == (None, None, None, False)
    assert make.types_of(source.member) == ["tier.changed"]


def test_what_counts_or_a_tier_is_of_value(pair):
    source, target = pair
    assert not standing.has_any(source.member_id)
    bought(source, 1)
    assert standing.has_any(source.member_id)
    joined(source, target)
    assert not standing.has_any(source.member_id)


def test_a_bonus_in_growth_or_a_tier_alone_is_of_value(pair):
    source, target = pair
    bonus(source, 1)
    bought(target, 100_000)
    Purchase.objects.all().delete()
    assert standing.has_any(source.member_id)
    assert standing.has_any(target.member_id)
    judged(target)
    later(target, days=800)
    tiering.judge_due()
    assert not standing.has_any(target.member_id)  # back in the lowest
