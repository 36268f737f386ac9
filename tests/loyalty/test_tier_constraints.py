"""What the database refuses of tiers, whoever asks."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, ProgrammingError, transaction

from loyalty.models import Account, Benefit, Programme, Tier, TierChange
from sync import clock
from tests import make
from tests.loyalty.make_points import execute
from tests.loyalty.make_tiers import account, benefit, bought, last, programme

pytestmark = pytest.mark.django_db


@pytest.fixture
def silver():
    programme()
    member = account()
    bought(member, 100_000)
    return member


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        ({"tier": None}, "account_tier_has_its_times"),
        ({"tier_since": None}, "account_tier_has_its_times"),
        ({"tier": None, "tier_since": None}, "account_tier_has_its_times"),
        ({"tier": None, "tier_since": None, "tier_until": None, "is_in_grace": True}, "account_tier_has_its_times"),
        ({"is_in_grace": True, "tier_until": None}, "account_grace_ends"),
    ],
)
def test_a_tier_has_its_times(silver, change, broken):
    with pytest.raises(IntegrityError, match=broken):
        Account.objects.filter(pk=silver.pk).update(**change)


def test_an_account_begins_with_a_tier_that_has_its_times():
    with pytest.raises(IntegrityError, match="account_tier_has_its_times"):
        Account.objects.create(member=make.member(), tier_since=clock.now())


@pytest.mark.parametrize("sql", ["UPDATE loyalty_tierchange SET qualifying = 0", "DELETE FROM loyalty_tierchange"])
def test_a_change_of_tier_is_kept_as_it_was(silver, sql):
    with pytest.raises(ProgrammingError, match="Cannot update or delete"):
        execute(sql)


def test_a_change_counts_some_time(silver):
    change = last(silver)
    change.pk, change.counted_to = None, change.counted_from - timedelta(seconds=1)
    with pytest.raises(IntegrityError, match="tier_change_counts_a_time"):
        change.save(force_insert=True)
    assert TierChange._meta.get_field("qualify_by").choices == Programme.QualifyBy.choices


@pytest.mark.parametrize("months", ["window_months", "tier_months", "valid_months"])
def test_the_terms_count_at_least_a_month(months):
    with pytest.raises(IntegrityError, match="programme_months_count"):
        programme(**{months: 0})


def test_there_is_one_set_of_terms():
    with pytest.raises(IntegrityError, match="programme_only_one"):
        Programme.objects.create(id=2)


@pytest.mark.parametrize("same", [{"code": "silver"}, {"threshold_fen": 100_000}])
def test_no_two_tiers_are_alike(same):
    programme()
    with pytest.raises(IntegrityError, match="unique"):
        Tier.objects.create(**{"code": "new", "name": "新", "threshold_fen": 1} | same)


def test_a_tier_has_a_benefit_once():
    programme()
    benefit("silver")
    with pytest.raises(IntegrityError, match="benefit_once_per_tier"), transaction.atomic():
        benefit("silver")
    benefit("gold")
    assert Benefit.objects.count() == 2


def test_a_tier_that_somebody_is_in_cannot_go(silver):
    execute("SET CONSTRAINTS ALL IMMEDIATE")
    with pytest.raises(IntegrityError, match="loyalty_account"):
        execute("DELETE FROM loyalty_tier WHERE code = 'silver'")
