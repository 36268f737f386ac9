"""Paying an order: points once, kept by line, pending until goods can no longer come back; spending counts."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from loyalty import services
from loyalty.models import Account, EarnRule, Entry, Lot, Purchase
from loyalty.queries import as_points
from sync.act import SYSTEM
from sync.ids import uuid7
from sync.models import Event
from tests import make
from tests.loyalty.make_points import at_once, balance, drifted, holder, rule, tiers
from tests.loyalty.make_purchases import activate, boost, buy, lines, purchase

pytestmark = pytest.mark.django_db
YEAR = timedelta(days=365)


def split(number: str = "D1") -> list[tuple[int, int]]:
    return [(line.fen, line.points) for line in purchase(number).lines.all()]


def test_a_payment_earns_by_whole_yuan_under_the_rule_that_counts():
    tiers(), rule(state="retired"), rule(version=2, points_per_yuan=3)
    member = make.member()

    assert buy(member, 12_999) == 387

    entry = Entry.objects.select_related("rule").get()
    assert (entry.points, entry.reference, entry.source, entry.rule.version) == (387, "order:D1:paid", "hub", 2)
    assert make.types_of(member) == ["points.earned"]
    bought = purchase()
    assert (bought.entry, bought.rule, bought.tier.code) == (entry, entry.rule, "normal")
    assert (bought.paid_fen, bought.points, bought.growth) == (12_999, 387, 129)
    assert bought.account == Account.objects.get()
    assert bought.origin == bought.account_id


def test_what_was_paid_and_earned_lies_on_the_lines_and_the_shipping():
    rule()
    buy(make.member(), [10_000, 5_000], shipping_fen=1_000, paid_fen=8_000)  # half of it was a discount
    assert split() == [(5_000, 50), (2_500, 25), (500, 5)]
    assert [bool(line.line) for line in purchase().lines.all()] == [True, True, False]
    assert [line.sku for line in lines()] == ["TEA-1", "TEA-2"]


def test_a_purchase_counts_once():
    tiers(), rule()
    member = make.member()
    buy(member, 120_000)
    before = make.snapshot()

    assert buy(member, 120_000) == 1_200
    assert make.snapshot() == before


def test_another_sum_for_the_same_order_is_refused():
    rule()
    member = make.member()
    buy(member, 120_000)
    before = make.snapshot()
    with pytest.raises(services.ReferenceConflict):
        buy(member, 120_001)
    assert make.snapshot() == before


@pytest.mark.parametrize("active", [True, False])
def test_a_purchase_that_earns_nothing_still_counts_towards_the_tier(active):
    tiers(), rule(state="active" if active else "retired")
    member = make.member()

    assert buy(member, 99 if active else 9_900) == 0

    assert not Entry.objects.exists()
    assert make.types_of(member) == []
    assert as_points(member.pk)["tier"]["qualifying"] == (99 if active else 9_900)
    assert as_points(member.pk)["version"] == 1
    before = make.snapshot()
    assert buy(member, 99 if active else 9_900) == 0
    assert make.snapshot() == before


def test_nothing_paid_changes_nothing():
    rule()
    before = make.snapshot(), make.member()
    assert buy(before[1], 0) == 0
    assert not Account.objects.exists()
    assert not Purchase.objects.exists()


def test_reaching_a_threshold_raises_the_tier_at_once_and_says_so_after_the_points():
    tiers(), rule()
    member = make.member()
    buy(member, 99_999)
    assert as_points(member.pk)["tier"]["next"] == {"code": "silver", "missing": 1}

    buy(member, 1, "D2")

    tier = as_points(member.pk)["tier"]
    assert (tier["code"], tier["name"], tier["next"]) == ("silver", "银卡", {"code": "gold", "missing": 400_000})
    assert make.types_of(member) == ["points.earned", "tier.changed"]
    told = Event.objects.get(type="tier.changed").data
    assert (told["from"], told["to"]) == ("normal", "silver")


def test_the_version_of_an_account_rises_once_with_points_and_tier():
    tiers(), rule()
    buy(make.member(), 200_000)
    assert Account.objects.get().version == Entry.objects.get().version == 1
    assert drifted() == []


def test_points_wait_until_goods_can_no_longer_come_back():
    rule()
    shop, member, paid_at = make.channel(refund_window_days=7), make.member(), datetime.now(UTC)

    buy(member, 10_000, channel=shop, paid_at=paid_at)
    buy(member, 5_000, "D2", channel=shop, paid_at=paid_at - timedelta(days=8))

    assert balance(member) == (50, 100, 0, 0)
    waiting = purchase().entry.lot
    assert (waiting.is_pending, waiting.available_at) == (True, paid_at + timedelta(days=7))
    assert not purchase("D2").entry.lot.is_pending
    with pytest.raises(services.NotEnough):
        services.spend(member=member.pk, points=51, reference="s", by=SYSTEM)


def test_the_rule_says_how_long_its_points_live():
    rule(valid_days=30)
    buy(make.member())
    lot = Lot.objects.get()
    assert timedelta(days=30) < lot.expires_at - lot.available_at <= timedelta(days=31)


@pytest.mark.parametrize(
    ("dates", "points"),
    [({"starts_at": make.NOON}, 129), ({"ends_at": make.NOON}, 0), ({"starts_at": make.NOON + YEAR}, 0)],
)
def test_a_rule_counts_within_its_dates_by_when_it_was_paid(dates, points):
    rule(**dates)
    assert buy(make.member(), paid_at=make.NOON) == points
    assert purchase().rule == (EarnRule.objects.get() if points else None)


def test_what_multiplies_depends_on_tier_channel_and_article():
    silver, drafted = tiers()[1], rule(state="draft")
    boost(drafted, 2, tier=silver)
    boost(drafted, "1.5", channel=make.channel("mini-program"))
    boost(drafted, 3, includes=["TEA-2"])
    activate(drafted)
    member = make.member()

    assert buy(member, [50_000, 50_000]) == 500 + 1_500  # the tier it brings counts from the next on
    assert buy(member, [1_000, 1_000], "D2", channel=make.channel("mini-program")) == 30 + 90
    assert split("D2") == [(1_000, 30), (1_000, 90)]
    assert purchase("D2").tier == silver


def test_a_day_has_a_cap_whatever_the_version_and_the_account_it_began_on():
    first = rule(cap_per_day=150)
    member = make.member()
    assert [buy(member, 10_000, number) for number in ("D1", "D2", "D3")] == [100, 50, 0]

    EarnRule.objects.filter(pk=first.pk).update(state="retired")
    rule(version=2, cap_per_day=200)

    assert buy(member, 10_000, "D4") == 50
    assert buy(make.member(), 10_000, "D5") == 100
    assert services.earn(member=member.pk, points=500, reference="gift", by=SYSTEM).points == 500


def test_yesterday_leaves_todays_cap_alone():
    rule(cap_per_day=150)
    member = make.member()
    buy(member, 10_000)
    with connection.cursor() as cursor:  # nothing else can put an entry into the past
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; ALTER TABLE loyalty_entry DISABLE TRIGGER USER")
        cursor.execute("UPDATE loyalty_entry SET created_at = created_at - interval '1 day'")
        cursor.execute("ALTER TABLE loyalty_entry ENABLE TRIGGER USER; SET CONSTRAINTS ALL DEFERRED")
    assert buy(member, 15_000, "D2") == 150


def test_an_open_debt_is_settled_by_what_is_earned():
    rule()
    member = holder(50)
    services.spend(member=member.pk, points=50, reference="s", by=make.BACKEND)
    first = Entry.objects.get(reference="start")
    services.reverse(entry=first.pk, by=SYSTEM)

    assert buy(member, 8_000) == 80

    assert balance(member) == (30, 0, 0, 0)
    assert (purchase().points, sum(points for _fen, points in split())) == (80, 80)
    assert drifted() == []


def test_an_absorbed_member_buys_for_the_survivor():
    rule()
    survivor = make.member()
    absorbed = make.member(status="merged", merged_into=survivor)
    assert buy(absorbed, 8_000) == 80
    assert purchase().account.member_id == survivor.pk


def test_a_purchase_costs_the_same_however_many_lines(django_assert_num_queries):
    tiers(), rule()
    member = make.member()
    buy(member)
    for count, number in ((1, "D2"), (9, "D3")):
        with django_assert_num_queries(COST):
            buy(member, [1_000] * count, number)


COST = 13


@pytest.mark.django_db(transaction=True)
def test_one_order_told_by_many_at_once_is_one_purchase():
    tiers(), rule()
    member, line = make.member(), uuid7()
    paid = {"lines": [(line, "TEA-1", 120_000)], "paid_at": make.NOON}

    assert at_once(20, lambda _n: buy(member, **paid)) == [1_200] * 20

    assert Purchase.objects.get().points == Entry.objects.get().points == 1_200
    assert make.types_of(member) == ["points.earned", "tier.changed"]


@pytest.mark.django_db(transaction=True)
def test_many_orders_at_once_share_one_cap():
    rule(cap_per_day=250)
    member = make.member()
    assert sum(at_once(8, lambda n: buy(member, 10_000, f"D{n}"))) == 250
