"""When a tier's time is over: renewed, borne for a while, fallen. By set, resumable, idempotent."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from loyalty import tasks
from loyalty.models import Account, TierChange
from loyalty.queries import as_points
from loyalty.services import tiering
from sync.models import Event
from tests import make
from tests.loyalty.make_points import at_once
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
    stands,
)

pytestmark = pytest.mark.django_db
OVER = {"days": 368}  # the window and the tier's time


@pytest.fixture
def gold():
    """Somebody who rose to gold today."""
    programme()
    member = account()
    bought(member, 500_000)
    return member


def until(account) -> object:
    return Account.objects.get(pk=account.pk).tier_until


def test_nothing_is_due_before_the_time_is_over(gold):
    later(gold, days=360)
    before = make.snapshot()
    assert tiering.judge_due() == 0
    assert make.snapshot() == before


def test_what_is_still_reached_is_renewed_from_the_day_it_was_over(gold):
    later(gold, days=200)
    bought(gold, 500_000)
    later(gold, days=170)
    ended = until(gold)

    assert tiering.judge_due() == 1

    assert causes(gold) == [("normal", "gold", "reached"), ("gold", "gold", "reviewed")]
    assert timedelta(days=366) <= until(gold) - ended <= timedelta(days=367)  # to the end of that day, a year on
    assert (last(gold).qualifying, last(gold).threshold, last(gold).until) == (500_000, 500_000, until(gold))
    assert make.types_of(gold.member) == ["tier.changed"]


def test_a_renewed_tier_keeps_its_day(gold):
    since = Account.objects.get(pk=gold.pk).tier_since
    later(gold, days=200)
    bought(gold, 500_000)
    later(gold, days=170)
    tiering.judge_due()
    assert Account.objects.get(pk=gold.pk).tier_since == since - timedelta(days=370)


def test_what_is_no_longer_reached_is_borne_for_the_days_of_grace(gold):
    later(gold, **OVER)
    ended = until(gold)

    assert tiering.judge_due() == 1

    assert stands(gold) == ("gold", True)
    assert until(gold) == ended + timedelta(days=30)
    assert causes(gold) == [("normal", "gold", "reached")]
    assert as_points(gold.member_id)["tier"]["code"] == "gold"


def test_beginning_a_grace_is_a_new_version_of_the_account(gold):
    later(gold, **OVER)
    before = Account.objects.get(pk=gold.pk).version
    tiering.judge_due()
    assert Account.objects.get(pk=gold.pk).version == before + 1


def test_when_the_grace_is_over_the_tier_falls_to_what_counts(gold):
    bought(gold, 0 + 1)
    later(gold, **OVER)
    bought(gold, 100_000)  # enough for silver
    tiering.judge_due()
    later(gold, days=31)

    assert tiering.judge_due() == 1

    assert causes(gold)[-1] == ("gold", "silver", "reviewed")
    assert (last(gold).qualifying, last(gold).threshold) == (100_000, 100_000)
    told = make.events_of(gold.member)[-1].data
    assert (told["from"], told["to"]) == ("gold", "silver")
    assert stands(gold) == ("silver", False)
    assert until(gold) > timezone.now() + timedelta(days=364)


def test_a_fall_may_be_several_steps_and_the_lowest_tier_has_no_end(gold):
    later(gold, **OVER)
    tiering.judge_due()
    later(gold, days=31)
    tiering.judge_due()
    assert causes(gold)[-1] == ("gold", "normal", "reviewed")
    assert (stands(gold), until(gold)) == (("normal", False), None)
    assert tiering.judge_due() == 0


def test_without_days_of_grace_a_tier_falls_at_its_review(gold):
    programme(tier_grace_days=0)
    later(gold, **OVER)
    tiering.judge_due()
    assert causes(gold)[-1] == ("gold", "normal", "reviewed")


def test_reaching_it_again_within_the_grace_renews_it_at_once(gold):
    later(gold, **OVER)
    tiering.judge_due()

    bought(gold, 500_000)

    assert causes(gold)[-1] == ("gold", "gold", "reached")
    assert stands(gold) == ("gold", False)
    assert until(gold) > timezone.now() + timedelta(days=364)


def test_less_than_it_takes_does_not_end_a_grace(gold):
    later(gold, **OVER)
    tiering.judge_due()
    ends = until(gold)
    bought(gold, 499_999)
    assert (stands(gold), until(gold)) == (("gold", True), ends)


def test_more_than_it_takes_rises_out_of_a_grace(gold):
    later(gold, **OVER)
    tiering.judge_due()
    bought(gold, 2_000_000)
    assert (causes(gold)[-1], stands(gold)) == (("gold", "diamond", "reached"), ("diamond", False))


def test_a_purchase_after_the_time_is_over_is_a_review(gold):
    later(gold, **OVER)
    bought(gold, 100)
    assert stands(gold) == ("gold", True)


def test_growth_is_reviewed_as_spending_is():
    by_growth()
    member = account()
    bonus(member, 1_000)
    judged(member)
    later(member, **OVER)
    bonus(member, 999)
    tiering.judge_due()
    assert stands(member) == ("silver", True)
    bonus(member, 1)
    judged(member)
    assert stands(member) == ("silver", False)


def test_a_threshold_that_was_raised_takes_nothing_before_the_review(gold):
    gold_tier = Account.objects.get(pk=gold.pk).tier
    gold_tier.threshold_fen = 600_000
    gold_tier.save()
    judged(gold)
    assert stands(gold) == ("gold", False)


def crowd(number: int) -> list[Account]:
    """So many in silver whose time is over; every other one has bought enough again."""
    programme()
    members = [account() for _ in range(number)]
    for place, member in enumerate(members):
        bought(member, 100_000)
        later(member, **OVER)
        purchase(member, 100_000 if place % 2 else 1)
    return members


def test_reviews_go_batch_by_batch_and_may_be_killed_between(monkeypatch):
    members = crowd(5)
    tiering._judge_batch(2)  # then the process dies

    assert tiering.judge_due(batch=2) == 3

    assert [stands(each) for each in members] == [("silver", True), ("silver", False)] * 2 + [("silver", True)]
    assert TierChange.objects.filter(cause="reviewed").count() == 2
    before = make.snapshot()
    assert tiering.judge_due() == 0
    assert make.snapshot() == before


@pytest.mark.parametrize("rows", [1, 3])
def test_a_batch_costs_the_same_however_many(rows, django_assert_num_queries):
    crowd(rows * 2)
    with django_assert_num_queries(8):  # time, accounts, tiers, sums, update, changes; in a savepoint
        tiering._judge_batch(100)


def test_the_clock_starts_the_reviews(gold):
    later(gold, **OVER)
    tasks.judge_tiers()
    assert stands(gold) == ("gold", True)


@pytest.mark.django_db(transaction=True)
def test_two_runs_at_once_judge_everybody_once():
    members = crowd(12)
    programme(tier_grace_days=0)

    counts = at_once(2, lambda _n: tiering.judge_due(batch=3))

    assert sum(counts) == 12
    assert TierChange.objects.filter(cause="reviewed").count() == 12
    assert Event.objects.filter(type="tier.changed").count() == 12 + 6
    assert [stands(each)[0] for each in members] == ["normal", "silver"] * 6


@pytest.mark.django_db(transaction=True)
def test_who_is_held_by_somebody_is_left_for_the_next_run():
    (member,) = crowd(1)

    def hold_and_run(number: int):
        return tiering.judge_due() if number else None

    with connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT 1 FROM loyalty_account WHERE id = %s FOR NO KEY UPDATE", [member.pk])
        assert at_once(2, hold_and_run)[1] == 0
        cursor.execute("ROLLBACK")
    assert tiering.judge_due() == 1
