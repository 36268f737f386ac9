"""Refunds: points go in proportion, line by line; what was spent already is owed, forgiven or paid for."""

from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loyalty import services
from loyalty.models import Entry, Lot, Programme, Purchase, PurchaseLine, PurchaseRefund
from loyalty.queries import as_points
from loyalty.records import Loyalty
from loyalty.services import Reversed
from members.models import Member
from sync.act import SYSTEM
from sync.ids import uuid7
from tests import make
from tests.loyalty.make_points import at_once, balance, drifted, execute, rule, tiers
from tests.loyalty.make_purchases import buy, lines, purchase, refund

pytestmark = pytest.mark.django_db


def policy(name: str, **terms) -> None:
    Programme.objects.update_or_create(id=1, defaults={"refund_policy": name} | terms)


def spend(member, points: int, reference: str = "s") -> Entry:
    return services.spend(member=member.pk, points=points, reference=reference, by=SYSTEM)


def test_a_refund_takes_back_its_share_of_the_line():
    tiers(), rule()
    member = make.member()
    buy(member, [10_000, 5_000], shipping_fen=800)

    assert refund([2_500]) == Reversed(points=25)

    assert balance(member) == (133, 0, 0, 0)
    reversal = Entry.objects.get(kind="reversed")
    earning = purchase().entry
    assert (reversal.points, reversal.reverses, reversal.reference) == (-25, earning, "refund:R1")
    assert (reversal.source, reversal.rule) == ("hub", earning.rule)
    assert earning.lot.remaining == 133
    assert make.types_of(member) == ["points.earned", "points.reversed"]
    bought, line = purchase(), lines()[0]
    assert (line.refunded_fen, line.reversed_points) == (2_500, 25)
    assert (bought.refunded_fen, bought.reversed_points, bought.lost_growth) == (2_500, 25, 25)
    assert as_points(member.pk)["tier"]["qualifying"] == 13_300


def test_the_same_refund_again_changes_nothing():
    tiers(), rule()
    buy(make.member(), [10_000, 5_000])
    first = refund([2_500, 100])
    before = make.snapshot()
    assert refund([2_500, 100]) == first
    assert make.snapshot() == before


@pytest.mark.parametrize("other", [[2_500], [2_500, 101], [100, 2_500]])
def test_another_split_under_the_same_reference_is_refused(other):
    rule()
    buy(make.member(), [10_000, 5_000])
    refund([2_500, 100])
    before = make.snapshot()
    with pytest.raises(services.ReferenceConflict):
        refund(other)
    assert make.snapshot() == before


def test_the_reference_of_another_orders_refund_is_refused():
    rule()
    member = make.member()
    buy(member), buy(member, number="D2")
    refund([100])
    before = make.snapshot()
    with pytest.raises(services.ReferenceConflict):
        refund([100], number="D2")
    assert make.snapshot() == before


@pytest.mark.parametrize(("fen", "shipping_fen"), [([15_001], 0), ([9_000, 6_001], 0), ([-1], 0), ([], 1)])
def test_more_than_was_paid_is_refused(fen, shipping_fen):
    rule()
    buy(make.member(), [10_000, 5_000])
    before = make.snapshot()
    with pytest.raises(services.OverRefunded):
        refund(fen, shipping_fen=shipping_fen)
    assert make.snapshot() == before


def test_what_exceeds_a_lines_share_is_borne_by_the_others():
    rule()
    buy(make.member(), [10_000, 5_000], paid_fen=7_500)  # shares of 5,000 and 2,500; the shop says 6,000 and 1,500
    assert refund([6_000]) == Reversed(points=60)
    assert [(line.refunded_fen, line.reversed_points) for line in lines()] == [(5_000, 50), (1_000, 10)]
    assert refund([0, 1_500], "R2") == Reversed(points=15)
    assert purchase().reversed_points == purchase().points == 75


def test_who_was_erased_owes_nothing_and_rises_no_more():
    tiers(), rule()
    member = make.member()
    buy(member, [200_000])
    Loyalty().erase(member.pk)
    Member.objects.filter(pk=member.pk).update(status="erased")
    assert refund([50_000]) == Reversed(points=500, forgiven=500)
    assert balance(member) == (0, 0, 0, 0)
    assert make.types_of(member)[-2:] == ["points.reversed", "points.adjusted"]
    assert drifted() == []


def test_what_was_refunded_is_not_refunded_again():
    rule()
    buy(make.member(), [10_000])
    refund([6_000])
    before = make.snapshot()
    with pytest.raises(services.OverRefunded):
        refund([4_001], "R2")
    with pytest.raises(services.OverRefunded):
        services.refund_purchase(order_number="D1", reference="R2", lines={uuid7(): 1}, by=SYSTEM)
    assert make.snapshot() == before


def test_an_order_that_nobody_earned_for_is_no_purchase():
    before = make.snapshot()
    with pytest.raises(Purchase.DoesNotExist):
        refund([1])
    assert make.snapshot() == before


def test_a_refund_of_nothing_changes_nothing():
    rule()
    buy(make.member())
    before = make.snapshot()
    assert refund([0]) == Reversed(points=0)
    assert make.snapshot() == before


def test_a_refund_below_a_point_is_kept_without_an_entry():
    tiers(), rule()
    member = make.member()
    buy(member, 10_000)

    assert refund([99]) == Reversed(points=0)
    assert refund([1], "R2") == Reversed(points=1)

    assert [kept.points for kept in PurchaseRefund.objects.order_by("id")] == [0, 1]
    assert Entry.objects.filter(kind="reversed").count() == 1
    assert as_points(member.pk)["tier"]["qualifying"] == 9_900


def test_pending_points_go_before_they_came():
    shop = make.channel(refund_window_days=7)
    rule()
    member = make.member()
    buy(member, 10_000, channel=shop)
    refund([10_000])
    assert balance(member) == (0, 0, 0, 0)
    assert Lot.objects.get().remaining == 0
    assert drifted() == []


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_partition_and_order_of_refunds_takes_back_exactly_what_was_earned(data):
    fen = data.draw(st.lists(st.integers(1, 20_000), min_size=3, max_size=3), label="lines")
    shipping = data.draw(st.integers(0, 1_500), label="shipping")
    paid = data.draw(st.integers(1, sum(fen) + shipping), label="paid")
    rate = data.draw(st.sampled_from(["1", "0.33", "7.5"]), label="rate")
    terms, number = rule(code=str(uuid7()), points_per_yuan=Decimal(rate)), str(uuid7())[-20:]
    member = make.member()
    points = buy(member, fen, number, shipping_fen=shipping, paid_fen=paid)
    execute("UPDATE loyalty_earnrule SET state = 'retired' WHERE id = %s", terms.pk)
    left = {part.line: part.fen for part in PurchaseLine.objects.filter(purchase__order_number=number)}

    taken = 0
    while any(left.values()):
        parts = {line: data.draw(st.integers(0, most)) for line, most in left.items()}
        if not any(parts.values()):
            parts = dict(left)
        left = {line: most - parts[line] for line, most in left.items()}
        free = parts.pop(None, 0)
        named = {"order_number": number, "reference": str(uuid7()), "shipping_fen": free}
        taken += services.refund_purchase(lines=parts, by=SYSTEM, **named).points
        assert balance(member) == (points - taken, 0, 0, 0)

    bought = purchase(number)
    assert taken == points == bought.points == bought.reversed_points
    assert (bought.refunded_fen, bought.lost_growth) == (bought.paid_fen, bought.growth) == (paid, paid // 100)
    assert -sum(each.points for each in Entry.objects.filter(reverses__purchase=bought)) == points


def test_points_that_were_spent_are_owed_and_settled_by_what_is_earned_next():
    tiers(), rule()
    member = make.member()
    buy(member, 10_000)
    spend(member, 70)

    assert refund([10_000]) == Reversed(points=100, owed=70)
    assert balance(member) == (0, 0, 0, 70)
    with pytest.raises(services.NotEnough):
        spend(member, 1, "more")

    buy(member, 10_000, "D2")
    assert balance(member) == (30, 0, 0, 0)
    assert drifted() == []
    assert refund([5_000], "R2", "D2") == Reversed(points=50, owed=20)


def test_points_that_were_spent_may_be_forgiven():
    policy("forgive")
    rule()
    member = make.member()
    buy(member, 10_000)
    spend(member, 70)

    assert refund([10_000]) == Reversed(points=100, forgiven=70)

    assert balance(member) == (0, 0, 0, 0)
    forgiven = Entry.objects.get(kind="adjusted")
    assert (forgiven.debt, forgiven.contra_kind, forgiven.reference) == (-70, "forgiven", "refund:R1")
    assert make.types_of(member)[-2:] == ["points.reversed", "points.adjusted"]
    before = make.snapshot()
    assert refund([10_000]) == Reversed(points=100, forgiven=70)
    assert make.snapshot() == before
    assert drifted() == []


def test_points_that_were_spent_may_be_taken_off_the_refund():
    policy("deduct", fen_per_point=3)
    rule()
    member = make.member()
    buy(member, 10_000)
    spend(member, 70)

    assert refund([10_000]) == Reversed(points=100, deducted_fen=210)

    assert balance(member) == (0, 0, 0, 0)
    assert Entry.objects.get(kind="adjusted").contra_kind == "paid_in_money"
    assert drifted() == []


def test_a_refund_pays_for_points_as_far_as_it_reaches():
    policy("deduct", fen_per_point=200)
    rule()
    member = make.member()
    buy(member, 10_000)
    spend(member, 100)

    assert refund([1_050]) == Reversed(points=10, owed=5, deducted_fen=1_000)
    assert balance(member) == (0, 0, 0, 5)


def test_what_was_kept_pays_first_and_the_rest_is_owed():
    rule()
    member = make.member()
    buy(member, 10_000)
    spend(member, 100)
    asked = {"order_number": "D1", "reference": "R1", "lines": {lines()[0].line: 10_000}, "by": make.STAFF}
    assert services.refund_purchase(deducted_fen=30, **asked) == Reversed(100, owed=70, deducted_fen=30)
    assert balance(member) == (0, 0, 0, 70)
    assert drifted() == []


def test_only_the_new_debt_is_forgiven():
    rule()
    member = make.member()
    buy(member, 10_000)
    spend(member, 100)
    refund([5_000])
    policy("forgive")
    assert refund([5_000], "R2") == Reversed(points=50, forgiven=50)
    assert balance(member) == (0, 0, 0, 50)


def test_a_tier_falls_at_once_with_the_order_that_brought_it():
    tiers(), rule()
    member = make.member()
    buy(member, 100_000)
    assert as_points(member.pk)["tier"]["code"] == "silver"

    refund([1])

    tier = as_points(member.pk)["tier"]
    assert (tier["code"], tier["next"]) == ("normal", {"code": "silver", "missing": 1})
    assert make.types_of(member) == ["points.earned", "tier.changed", "tier.changed"]


def test_what_was_earned_before_a_merge_is_taken_back_from_the_survivor():
    rule()
    survivor = make.member()
    absorbed = make.member(status="merged", merged_into=survivor)
    buy(absorbed, 10_000)
    assert refund([10_000]).points == 100
    assert balance(survivor) == (0, 0, 0, 0)


def test_points_that_paid_come_back_to_their_lots():
    rule()
    member = make.member()
    buy(member, 10_000), buy(member, 10_000, "D2")
    spent = spend(member, 150)

    returned = services.return_redeemed(spend_entry=spent.pk, points=60, reference="R1", by=make.STAFF)

    assert (returned.created, returned.entry.kind, returned.entry.points) == (True, "reversed", 60)
    assert returned.entry.reverses_id == spent.pk
    assert balance(member) == (110, 0, 0, 0)
    assert [lot.remaining for lot in Lot.objects.order_by("entry_id")] == [10, 100]  # the last drawn comes back first
    assert drifted() == []


def test_returning_twice_changes_nothing_and_more_than_was_spent_is_refused():
    rule()
    member = make.member()
    buy(member, 10_000)
    asked = {"spend_entry": spend(member, 80).pk, "by": make.STAFF}
    first = services.return_redeemed(points=60, reference="R1", **asked)
    before = make.snapshot()

    again = services.return_redeemed(points=60, reference="R1", **asked)
    assert (again.created, again.entry) == (False, first.entry)
    for points, error in ((21, services.OverReversed), (0, services.OverReversed)):
        with pytest.raises(error):
            services.return_redeemed(points=points, reference="R2", **asked)
    with pytest.raises(services.ReferenceConflict):
        services.return_redeemed(points=20, reference="R1", **asked)
    with pytest.raises(Entry.DoesNotExist):
        services.return_redeemed(points=1, reference="R3", spend_entry=purchase().entry_id, by=make.STAFF)
    assert make.snapshot() == before


def test_a_refund_costs_the_same_however_many_lines(django_assert_num_queries):
    tiers(), rule()
    member = make.member()
    buy(member, [1_000] * 9), buy(member, [1_000] * 9, "D2")
    for count, number in ((1, "D1"), (9, "D2")):
        with django_assert_num_queries(COST):
            refund([1_000] * count, f"R-{number}", number)


COST = 14


@pytest.mark.django_db(transaction=True)
def test_one_refund_told_by_many_at_once_counts_once():
    tiers(), rule()
    member = make.member()
    buy(member, [10_000, 5_000])
    assert at_once(10, lambda _n: refund([10_000, 5_000])) == [Reversed(points=150)] * 10
    assert balance(member) == (0, 0, 0, 0)
    assert make.types_of(member) == ["points.earned", "points.reversed"]


@pytest.mark.django_db(transaction=True)
def test_many_refunds_at_once_never_give_back_more_than_was_paid():
    rule()
    member = make.member()
    buy(member, [10_000])
    found = at_once(10, lambda n: refund([3_000], f"R{n}"))
    assert sum(isinstance(each, Reversed) for each in found) == 3
    assert purchase().refunded_fen == 9_000
    assert balance(member) == (10, 0, 0, 0)
