"""Earning: once per reference, told once."""

import pytest

from loyalty import services
from sync.act import SYSTEM
from sync.http import instant
from sync.models import Event
from tests import make
from tests.loyalty.make_points import balance, holder

pytestmark = pytest.mark.django_db


def test_earning_is_told_with_the_entry_and_the_balance_it_left():
    member, website = make.member(), make.channel()

    entry = services.earn(member=member.pk, points=30, reference="a", reason="生日", channel=website, by=SYSTEM)

    event = Event.objects.get()
    assert (event.type, event.subject, event.source) == ("points.earned", f"member/{member.pk}", "/hub")
    assert event.data == {
        "entry": {
            "id": str(entry.pk),
            "kind": "earned",
            "points": 30,
            "available_after": 30,
            "reference": "a",
            "channel": "website",
            "created_at": instant(entry.created_at),
            "available_at": instant(entry.created_at),
            "expires_at": None,
        },
        "balance": {"available": 30, "pending": 0, "held": 0, "debt": 0, "version": 1},
    }


def test_earning_twice_changes_nothing_the_second_time():
    member = make.member()
    given = {"member": member.pk, "points": 30, "reference": "a", "by": SYSTEM}
    first = services.earn(**given)
    before = make.snapshot()

    assert services.earn(**given) == first
    assert make.snapshot() == before


def test_other_points_under_the_same_reference_are_refused():
    member = holder(30)
    before = make.snapshot()
    with pytest.raises(services.ReferenceConflict):
        services.earn(member=member.pk, points=31, reference="start", by=SYSTEM)
    assert make.snapshot() == before


def test_an_absorbed_member_earns_for_the_survivor():
    survivor = make.member()
    absorbed = make.member(status="merged", merged_into=survivor)

    services.earn(member=absorbed.pk, points=5, reference="a", by=SYSTEM)

    assert balance(survivor) == (5, 0, 0, 0)
    assert make.types_of(survivor) == ["points.earned"]
