"""Earning: once per reference, told once, counted towards the tier."""

import pytest

from loyalty import services
from loyalty.models import Account, Entry
from loyalty.queries import as_points
from sync.act import SYSTEM, Actor
from sync.http import instant
from sync.models import Event
from tests import make
from tests.loyalty.make_points import balance, drifted, holder, rule, tiers

pytestmark = pytest.mark.django_db
PROVIDER = Actor("provider", "wechat-pay")


def pay(member, paid_fen, number="D1") -> int:
    order = {"member": member.pk, "order_number": number, "channel": make.channel()}
    return services.earn_for_payment(**order, paid_fen=paid_fen, by=PROVIDER)


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


def test_a_payment_earns_by_whole_yuan_under_the_rule_that_counts():
    tiers(), rule(state="retired"), rule(version=2, points_per_yuan=3)
    member = make.member()

    assert pay(member, 12_999) == 387

    entry = Entry.objects.select_related("rule").get()
    assert (entry.points, entry.reference, entry.rule.version) == (387, "order:D1:paid", 2)
    assert Account.objects.get().qualifying_fen == 12_999
    assert make.types_of(member) == ["points.earned"]


def test_a_payment_counts_once():
    tiers(), rule()
    member = make.member()
    pay(member, 120_000)
    before = make.snapshot()

    assert pay(member, 120_000) == 1_200
    assert make.snapshot() == before


@pytest.mark.parametrize("active", [True, False])
def test_a_payment_that_earns_nothing_still_counts_towards_the_tier(active):
    tiers(), rule(state="active" if active else "retired")
    member = make.member()

    assert pay(member, 99 if active else 9_900) == 0

    assert not Entry.objects.exists()
    assert make.types_of(member) == []
    assert as_points(member.pk)["tier"]["qualifying"] == (99 if active else 9_900)
    assert as_points(member.pk)["version"] == 1


def test_nothing_paid_changes_nothing():
    rule()
    member = make.member()
    assert pay(member, 0) == 0
    assert not Account.objects.exists()


def test_reaching_a_threshold_raises_the_tier_at_once_and_says_so_after_the_points():
    tiers(), rule()
    member = make.member()
    pay(member, 99_999)
    assert as_points(member.pk)["tier"]["next"] == {"code": "silver", "missing": 1}

    pay(member, 1, "D2")

    tier = as_points(member.pk)["tier"]
    assert (tier["code"], tier["name"], tier["next"]) == ("silver", "银卡", {"code": "gold", "missing": 400_000})
    assert make.types_of(member) == ["points.earned", "tier.changed"]
    told = Event.objects.get(type="tier.changed").data
    assert told == {"from": "normal", "to": "silver", "at": tier["since"]}


def test_one_payment_may_pass_several_thresholds():
    tiers(), rule()
    member = make.member()
    pay(member, 2_000_000)
    assert make.types_of(member) == ["points.earned", "tier.changed"]
    tier = as_points(member.pk)["tier"]
    assert (tier["code"], tier["next"]) == ("diamond", None)


def test_the_version_of_an_account_rises_once_with_points_and_tier():
    tiers(), rule()
    member = make.member()
    pay(member, 200_000)
    assert Account.objects.get().version == Entry.objects.get().version == 1
    assert drifted() == []
