"""Earn, spend, refund, be forgotten, come back: at the end nobody has more than they had."""

from datetime import timedelta

import pytest

from loyalty import services
from loyalty.records import Loyalty, StillOpen
from loyalty.services import bonuses
from members.models import Member
from sync import clock
from sync.act import act
from tests import make
from tests.loyalty.make_points import balance, drifted, rule
from tests.loyalty.make_purchases import buy, refund

pytestmark = pytest.mark.django_db(transaction=True)
PHONE = "+8613712345678"


def test_earning_spending_refunding_being_forgotten_and_coming_back_gains_nothing():
    rule()
    since = clock.now() - timedelta(minutes=1)
    rule(kind="registration", code="welcome", fixed_points=100, points_per_yuan=0, activated_at=since)
    member = make.member(phone=PHONE)
    bonuses.sweep("registration")
    buy(member, [10_000, 20_000, 30_000])
    services.spend(member=member.pk, points=700, reference="all of it", by=make.BACKEND)
    assert balance(member) == (0, 0, 0, 0)

    refund([10_000, 20_000, 30_000])
    assert balance(member) == (0, 0, 0, 600)
    with pytest.raises(StillOpen):
        act(Loyalty().erase)(member.pk)
    buy(member, 60_000, number="D2")
    assert balance(member) == (0, 0, 0, 0)

    act(Loyalty().erase)(member.pk)
    member.identities.all().delete()
    Member.objects.filter(pk=member.pk).update(
        status="erased", phone=None, phone_index=None, phone_mask="", phone_last4=""
    )
    returned = make.member(phone=PHONE)
    bonuses.sweep("registration")

    assert balance(returned) == (0, 0, 0, 0)
    assert drifted() == []
