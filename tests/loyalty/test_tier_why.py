"""Why a member is in this tier: numbers that add up, and what happens next."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loyalty import standing
from loyalty.queries import as_points
from loyalty.services import tiering
from members.models import Member
from sync.http import instant
from sync.ids import uuid7
from tests import make
from tests.loyalty.make_tiers import (
    account,
    bonus,
    bought,
    by_growth,
    judged,
    later,
    programme,
    purchase,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def buyer():
    programme()
    return account()


def added_up(why: dict) -> int:
    """What the parts say, checked against every total that is told."""
    counted = why["counted"]
    parts = sum(item["counted"] for item in counted["items"]) + counted["rest"]["counted"]
    assert all(item["gained"] - item["lost"] == item["counted"] for item in counted["items"])
    assert parts == counted["total"] == why["tier"]["qualifying"]
    return parts


def test_it_lists_what_counted_the_newest_first(buyer):
    old = purchase(buyer, 70_000, days_ago=10, channel=make.channel())
    new = purchase(buyer, 50_000, refunded_fen=8_000)
    judged(buyer)

    why = standing.why(buyer.member_id)

    assert why["counted"]["items"] == [
        {"kind": "order", "number": new.order_number, "channel": None, "at": instant(new.paid_at)}
        | {"gained": 50_000, "lost": 8_000, "counted": 42_000},
        {"kind": "order", "number": old.order_number, "channel": "website", "at": instant(old.paid_at)}
        | {"gained": 70_000, "lost": 0, "counted": 70_000},
    ]
    assert added_up(why) == 112_000
    assert (why["threshold"], why["counted"]["by"]) == (100_000, "spend")
    assert why["tier"] == as_points(buyer.member_id)["tier"]
    assert why["tier"]["next"] == {"code": "gold", "missing": 388_000}


def test_it_says_what_changed_the_tier_last(buyer):
    bought(buyer, 120_000)
    change = buyer.tier_changes.get()
    assert standing.why(buyer.member_id)["last_change"] == {
        "from": "normal",
        "to": "silver",
        "at": instant(change.at),
        "cause": "reached",
        "by": "spend",
        "counted_from": instant(change.counted_from),
        "counted_to": instant(change.counted_to),
        "qualifying": 120_000,
        "threshold": 100_000,
        "until": instant(change.until),
    }


def test_bonuses_are_named_where_growth_counts():
    by_growth()
    buyer = account()
    purchase(buyer, 10_000, growth=900, lost_growth=100)
    bonus(buyer, 300)
    why = standing.why(buyer.member_id)
    assert [(item["kind"], item["counted"]) for item in why["counted"]["items"]] == [("birthday", 300), ("order", 800)]
    assert added_up(why) == 1_100
    assert why["counted"]["by"] == "growth"


def test_somebody_new_is_in_the_lowest_tier_for_nothing():
    programme()
    member = make.member()
    why = standing.why(member.pk)
    assert added_up(why) == 0
    assert (why["tier"]["code"], why["threshold"], why["last_change"], why["review"]) == ("normal", 0, None, None)


def test_nobody_has_no_reason():
    with pytest.raises(Member.DoesNotExist):
        standing.why(uuid7())


@pytest.mark.parametrize(("again", "outcome", "to"), [(100_000, "renewed", "silver"), (99_999, "grace", "normal")])
def test_the_review_is_foretold_by_what_will_still_count(buyer, again, outcome, to):
    bought(buyer, 100_000)
    later(buyer, days=200)
    bought(buyer, again)

    review = standing.why(buyer.member_id)["review"]

    until = account(buyer.member).tier_until
    assert review == {
        "at": instant(until),
        "in_grace": False,
        "still_counted": again,
        "threshold": 100_000,
        "outcome": outcome,
        "to": to,
        "grace_until": instant(until + timedelta(days=30)) if outcome == "grace" else None,
    }


def test_without_grace_the_fall_is_foretold(buyer):
    programme(tier_grace_days=0)
    bought(buyer, 500_000)
    review = standing.why(buyer.member_id)["review"]
    assert (review["outcome"], review["to"], review["grace_until"]) == ("falls", "normal", None)


def test_within_the_grace_the_end_of_it_is_foretold(buyer):
    bought(buyer, 500_000)
    later(buyer, days=368)
    bought(buyer, 100_000)  # judged by this: the grace begins
    review = standing.why(buyer.member_id)["review"]
    assert (review["in_grace"], review["outcome"], review["to"]) == (True, "falls", "silver")
    assert review["at"] == as_points(buyer.member_id)["tier"]["until"]


def test_what_was_foretold_comes_true(buyer):
    bought(buyer, 500_000)
    later(buyer, days=300)
    bought(buyer, 100_000)
    review = standing.why(buyer.member_id)["review"]
    assert (review["outcome"], review["to"]) == ("grace", "silver")
    later(buyer, days=68)
    tiering.judge_due()
    assert standing.why(buyer.member_id)["review"]["in_grace"]
    later(buyer, days=30)
    tiering.judge_due()
    assert standing.why(buyer.member_id)["tier"]["code"] == review["to"]


def test_two_hundred_are_listed_and_the_rest_is_summed(buyer):
    for place in range(203):
        purchase(buyer, 100 + place, days_ago=1 + place / 10)
    why = standing.why(buyer.member_id)
    assert len(why["counted"]["items"]) == 200
    assert why["counted"]["rest"] == {"items": 3, "counted": 300 + 301 + 302}
    assert added_up(why) == sum(100 + place for place in range(203))


@pytest.mark.parametrize("rows", [1, 3])
def test_the_reason_costs_the_same_however_much_counts(buyer, django_assert_num_queries, rows):
    for _more in range(rows):
        bought(buyer, 100_000)
    with django_assert_num_queries(6):  # account, tiers, list, last change, what counts at review and grace
        standing.why(buyer.member_id)


PARTS = st.lists(
    st.tuples(
        st.sampled_from(["order", "bonus"]),
        st.integers(0, 300_000),  # fen or growth
        st.floats(0, 1),  # refunded of it
        st.integers(0, 800),  # days ago
    ),
    max_size=12,
)


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=PARTS, is_growth=st.booleans(), months=st.integers(1, 24))
def test_the_numbers_always_add_up(parts, is_growth, months):
    terms = {"window_months": months}
    by_growth(**terms) if is_growth else programme(qualify_by="spend", **terms)
    buyer = account()
    for kind, amount, refunded_share, days_ago in parts:
        lost = int(amount * refunded_share)
        if kind == "bonus":
            bonus(buyer, amount, days_ago=days_ago)
        else:
            amounts = {"growth": amount, "lost_growth": lost} if is_growth else {"refunded_fen": lost}
            purchase(buyer, 0 if is_growth else amount, days_ago=days_ago, **amounts)
    judged(buyer)
    why = standing.why(buyer.member_id)
    assert added_up(why) == as_points(buyer.member_id)["tier"]["qualifying"]
    assert why["threshold"] <= why["counted"]["total"]
    following = why["tier"]["next"]
    assert following is None or following["missing"] > 0
