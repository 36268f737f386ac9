"""A dry run: what another version would have given for what was bought, order by order, in bounded memory."""

import tracemalloc
from datetime import UTC, datetime, timedelta

import pytest

from loyalty import dry_run as drily
from loyalty.dry_run import dry_run
from loyalty.models import Account, Bonus, EarnRule, Purchase, PurchaseLine
from loyalty.services import rule_versions
from tests import make
from tests.loyalty.make_points import rule, tiers
from tests.loyalty.make_purchases import boost, buy

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def ago(days: float) -> datetime:
    return datetime.now(UTC) - days * DAY


def next_version(**terms) -> EarnRule:
    draft = rule_versions.draft_from(EarnRule.objects.get(state="active").pk)
    EarnRule.objects.filter(pk=draft.pk).update(**terms)
    draft.refresh_from_db()
    return draft


def figures(diff) -> tuple:
    return diff.cases, diff.before, diff.after, diff.gaining, diff.losing


def test_it_tells_totals_who_gains_who_loses_and_the_biggest_differences():
    rule()
    member = make.member()
    for number, fen in (("D1", [10_000]), ("D2", [99]), ("D3", [5_000, 20_000]), ("D4", [800])):
        buy(member, fen, number, paid_at=ago(3))
    buy(member, 90_000, "D5", paid_at=ago(31))
    draft = next_version(excludes=["TEA-1"], points_per_yuan=2)
    before = make.snapshot()

    diff = dry_run(draft)

    assert figures(diff) == (4, 358, 400, 1, 2)
    told = [(each.number, each.paid_fen, each.before, each.after, each.change) for each in diff.biggest]
    assert told == [("D3", 25_000, 250, 400, 150), ("D1", 10_000, 100, 0, -100), ("D4", 800, 8, 0, -8)]
    assert diff.is_whole
    assert diff.basis == rule_versions.basis_of(draft)
    assert make.snapshot() == before
    assert figures(dry_run(draft, days=32))[0] == 5


def test_the_same_terms_change_nothing():
    rule()
    buy(make.member(), [12_345, 6_789], shipping_fen=1_000, paid_fen=15_555)
    assert figures(dry_run(next_version())) == (1, 155, 155, 0, 0)


def test_tier_channel_and_moment_are_those_of_the_order():
    silver = tiers()[1]
    rule()
    member = make.member()
    buy(member, 100_000, paid_at=ago(2))  # makes silver
    buy(member, 10_000, "D2", paid_at=ago(2), channel=make.channel("mini-program"))
    draft = next_version(starts_at=datetime.now(UTC) + DAY)  # as if it had been in force all the time
    boost(draft, 3, tier=silver)
    boost(draft, 2, channel=make.channel("mini-program"))
    boost(draft, 50, starts_at=ago(1))
    assert figures(dry_run(draft)) == (2, 1_100, 1_000 + 600, 1, 0)


def test_a_days_cap_is_counted_by_member_and_day():
    rule()
    one, other = make.member(), make.member()
    noon = ago(5).replace(hour=4)
    for n, (member, at) in enumerate([(one, noon), (other, noon), (one, noon), (one, noon + DAY)]):
        buy(member, 10_000, f"D{n}", paid_at=at + n * timedelta(minutes=1))
    assert figures(dry_run(next_version(cap_per_day=150))) == (4, 400, 350, 0, 1)


def test_of_very_many_only_the_newest_are_looked_at():
    rule()
    member = make.member()
    for n in range(6):
        buy(member, 10_000 * (n + 1), f"D{n}", paid_at=ago(10 - n))
    diff = dry_run(next_version(points_per_yuan=0), most=3)
    assert (diff.cases, diff.before, diff.is_whole) == (3, 400 + 500 + 600, False)


def test_only_the_biggest_differences_are_kept():
    rule()
    member = make.member()
    for n in range(30):
        buy(member, 100 * (n + 1), f"D{n}")
    diff = dry_run(next_version(points_per_yuan=0))
    assert [each.size for each in diff.biggest] == list(range(30, 10, -1))


def test_a_fixed_bonus_is_compared_by_how_often_it_was_given():
    welcome = rule(kind="registration", code="welcome", fixed_points=50)
    account = Account.objects.create(member=make.member())
    for n in range(3):
        Bonus.objects.create(kind="registration", key=bytes([n]), account=account)
    assert figures(dry_run(rule(code="next", kind="registration", fixed_points=80, state="draft"))) == (3, 0, 240, 0, 0)
    assert dry_run(welcome).after == 150


def many(count: int) -> None:
    """So many purchases, past the ledger."""
    account = Account.objects.create(member=make.member())
    at = ago(1)
    known = {"account": account, "origin": account.pk, "paid_fen": 10_000, "points": 100, "paid_at": at}
    bought = Purchase.objects.bulk_create(Purchase(order_number=f"N{n}", **known) for n in range(count))
    PurchaseLine.objects.bulk_create(PurchaseLine(purchase=each, sku="A", fen=10_000, points=100) for each in bought)


@pytest.mark.slow
def test_memory_stays_the_same_and_one_statement_reads_all(monkeypatch, django_assert_num_queries):
    many(3_000)
    draft = rule(state="draft", points_per_yuan=2)
    monkeypatch.setattr(drily, "CHUNK", 100)
    dry_run(draft, most=10)
    peaks = []
    for most in (300, 3_000):
        tracemalloc.start()
        with django_assert_num_queries(6):
            assert dry_run(draft, most=most).after == most * 200
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 2 * peaks[0]
