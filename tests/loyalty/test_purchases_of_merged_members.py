"""Purchases of members that became one: refunded once, on the survivor, out of the very lots they made."""

import pytest

from loyalty import services
from loyalty.models import Lot
from loyalty.records import Loyalty
from loyalty.services import Reversed
from members.models import Member
from sync.act import SYSTEM
from tests import make
from tests.loyalty.make_points import balance, drifted, rule
from tests.loyalty.make_purchases import buy, purchase, refund

pytestmark = pytest.mark.django_db


@pytest.fixture
def merged():
    """Somebody who bought for 100 and 50 yuan, absorbed by somebody who bought for 30."""
    rule()
    source, target = make.member(), make.member()
    buy(source, [10_000, 5_000], "D1")
    buy(target, 3_000, "D2")
    records = Loyalty()
    records.lock([source.pk, target.pk])
    records.move(source.pk, target.pk)
    Member.objects.filter(pk=source.pk).update(status="merged", merged_into=target)
    return source, target


def test_a_refund_takes_from_the_lot_that_the_purchase_made(merged):
    source, target = merged
    assert purchase().account.member_id == target.pk

    assert refund([10_000]) == Reversed(points=100)

    assert (balance(source), balance(target)) == ((0, 0, 0, 0), (80, 0, 0, 0))
    assert Lot.objects.get(pk=purchase().entry_id).remaining == 50
    assert drifted() == []


def test_a_refund_before_the_merge_is_known_after_it(merged):
    _source, target = merged
    first = refund([10_000])
    newest = make.member()
    Loyalty().lock([target.pk, newest.pk])
    Loyalty().move(target.pk, newest.pk)
    Member.objects.filter(merged_into=target).update(merged_into=newest)
    Member.objects.filter(pk=target.pk).update(status="merged", merged_into=newest)
    before = make.snapshot()
    assert refund([10_000]) == first
    assert make.snapshot() == before
    assert refund([0, 5_000], "R2") == Reversed(points=50)
    assert balance(newest) == (30, 0, 0, 0)


def test_an_order_told_again_by_who_was_absorbed_changes_nothing(merged):
    source, _target = merged
    before = make.snapshot()
    assert buy(source, [10_000, 5_000], "D1") == 150
    assert make.snapshot() == before


def test_a_days_cap_counts_what_both_were_given(merged):
    _source, target = merged
    first = purchase().rule
    type(first).objects.filter(pk=first.pk).update(state="retired")
    rule(version=2, cap_per_day=200)
    assert buy(target, 10_000, "D3") == 20


def test_points_the_absorbed_member_paid_with_come_back_to_the_survivor():
    rule()
    source, target = make.member(), make.member()
    buy(source, 10_000)
    spent = services.spend(member=source.pk, points=60, reference="s", by=SYSTEM)
    Loyalty().lock([source.pk, target.pk])
    Loyalty().move(source.pk, target.pk)
    Member.objects.filter(pk=source.pk).update(status="merged", merged_into=target)
    services.return_redeemed(spend_entry=spent.pk, points=60, reference="R1", by=make.STAFF)
    assert balance(target) == (100, 0, 0, 0)
    assert drifted() == []
