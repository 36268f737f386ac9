"""What PostgreSQL itself refuses, whoever asks."""

import pytest
from django.db import DatabaseError, IntegrityError, transaction
from django.db.models import F

from loyalty import services
from loyalty.models import Account, EarnRule, Entry, Lot, Tier
from sync.act import SYSTEM
from sync.ids import uuid7
from tests import make
from tests.loyalty.make_holds import hold
from tests.loyalty.make_points import execute, holder, rule, tiers

pytestmark = pytest.mark.django_db


def entry(**fields) -> Entry:
    account = Account.objects.get()
    known = {"account": account, "kind": "earned", "available": 5, "contra": -5, "contra_kind": "issued"}
    known |= {"source": "hub", "reference": "x", "available_after": 105, "version": 2}
    return Entry.objects.create(**known | fields)


@pytest.mark.parametrize(
    ("component", "constraint"),
    [
        ("available", "account_available_or_debt"),
        ("debt", "account_available_or_debt"),
        ("pending", "account_pending_held_not_negative"),
        ("held", "account_pending_held_not_negative"),
    ],
)
def test_no_component_of_a_balance_is_ever_negative(component, constraint):
    holder(100)
    with pytest.raises(IntegrityError, match=constraint):
        Account.objects.update(**{"available": 0, component: -1})


def test_nobody_has_points_and_owes_some():
    holder(100)
    with pytest.raises(IntegrityError, match="account_available_or_debt"):
        execute("UPDATE loyalty_account SET debt = 1")


@pytest.mark.parametrize("sides", [{"available": 6}, {"pending": 1}, {"held": 1}, {"debt": 1}, {"contra": -6}])
def test_an_entry_that_does_not_sum_to_zero_is_refused(sides):
    holder(100)
    with pytest.raises(IntegrityError, match="entry_sums_to_zero"):
        entry(**sides)


def test_an_entry_that_moves_nothing_is_refused():
    holder(100)
    with pytest.raises(IntegrityError, match="entry_moves_something"):
        entry(available=0, contra=0)


@pytest.mark.parametrize("turned", [{"kind": "spent"}, {"available": -5, "contra": 5}])
def test_an_earning_only_gives_and_a_spending_only_takes(turned):
    holder(100)
    with pytest.raises(IntegrityError, match="entry_sign_follows_kind"):
        entry(**turned)


def test_a_reference_is_never_used_twice():
    holder(100)
    with pytest.raises(IntegrityError, match="entry_reference_once"):
        entry(reference="start")


def test_a_version_is_never_given_twice():
    holder(100)
    with pytest.raises(IntegrityError, match="entry_version_once"):
        entry(version=1)


@pytest.mark.parametrize("table", ["loyalty_entry", "loyalty_draw"])
@pytest.mark.parametrize("change", ["UPDATE {} SET held = 7", "DELETE FROM {}"])
def test_an_entry_and_what_it_drew_are_never_changed_by_raw_sql(table, change):
    services.spend(member=holder(100).pk, points=1, reference="s", by=SYSTEM)
    with pytest.raises(DatabaseError, match=f"Cannot update or delete rows from {table}"):
        execute(change.format(table))


def test_a_draw_that_moves_nothing_is_refused():
    holder(100)
    with pytest.raises(IntegrityError, match="draw_moves_something"):
        execute("INSERT INTO loyalty_draw (entry_id, lot_id, remaining, held) SELECT id, id, 0, 0 FROM loyalty_entry")


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("remaining = -1", "lot_not_negative"),
        ("held = -1", "lot_not_negative"),
        ("remaining = 101", "lot_holds_what_was_earned"),
        ("remaining = 60, held = 41", "lot_holds_what_was_earned"),
        ("remaining = 60, held = 40, is_pending = TRUE", "lot_pending_is_not_held"),
    ],
)
def test_a_lot_never_holds_more_than_it_earned_nor_less_than_nothing(change, constraint):
    holder(100)
    with pytest.raises(IntegrityError, match=constraint):
        execute(f"UPDATE loyalty_lot SET {change}")  # noqa: S608


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("expires_at = created_at + interval '24 hours 1 microsecond'", "hold_lasts_a_day_at_most"),
        ("points = 0", "hold_holds_something"),
        ("captured = 1", "hold_captured_follows_state"),
        ("state = 'captured', captured = 11, closed_at = now()", "hold_captured_follows_state"),
        ("state = 'captured', closed_at = now()", "hold_captured_follows_state"),
        ("state = 'released'", "hold_closed_at_follows_state"),
        ("closed_at = now()", "hold_closed_at_follows_state"),
    ],
)
def test_a_hold_ends_within_a_day_and_as_it_says(change, constraint):
    hold(holder(100))
    with pytest.raises(IntegrityError, match=constraint):
        execute(f"UPDATE loyalty_hold SET {change}")  # noqa: S608


def test_a_closed_hold_never_opens_again():
    services.release(hold=hold(holder(100)).pk, by=make.BACKEND)
    with pytest.raises(DatabaseError, match="Cannot update rows from loyalty_hold"):
        execute("UPDATE loyalty_hold SET state = 'held', closed_at = NULL")


def test_a_member_never_has_a_second_account():
    member = holder(100)
    with pytest.raises(IntegrityError, match="member_id"):
        Account.objects.create(member=member)


def test_an_account_with_entries_cannot_go():
    holder(100)
    with pytest.raises(IntegrityError, match=r"loyalty_(entry|lot)"):
        execute("SET CONSTRAINTS ALL IMMEDIATE; DELETE FROM loyalty_account")


def test_two_earn_rules_are_never_active():
    rule()
    with pytest.raises(IntegrityError, match="earn_rule_one_active"):
        rule(version=2)


def test_a_version_of_an_earn_rule_exists_once():
    rule()
    with pytest.raises(IntegrityError, match="earn_rule_version_once"):
        rule(state="draft")


@pytest.mark.parametrize("same", ["code", "threshold_fen"])
def test_two_tiers_never_share_code_or_threshold(same):
    known = tiers()[1]
    with pytest.raises(IntegrityError, match=same):
        Tier.objects.create(**{"code": "new", "threshold_fen": 7, "name": "n"} | {same: getattr(known, same)})


def test_nothing_is_spent_below_zero_past_the_ledger():
    member = holder(100)
    with pytest.raises(IntegrityError, match="account_available_or_debt"):
        Account.objects.filter(member=member).update(available=F("available") - 101)


@pytest.mark.parametrize("belongs", ["account", "rule", "reverses", "follows", "channel"])
def test_an_entry_belongs_to_what_is_there_as_soon_as_it_is_written(belongs):
    holder(100)
    with pytest.raises(IntegrityError, match=f"loyalty_entry_{belongs}_id"):
        entry(**{f"{belongs}_id": 0 if belongs == "rule" else uuid7()})


def test_a_lot_belongs_to_an_account_at_once_and_to_an_entry_that_may_follow():
    holder(100)
    lot = {"entry_id": uuid7(), "origin": uuid7(), "earned": 5, "remaining": 5}
    with pytest.raises(IntegrityError, match="loyalty_lot_account_id"), transaction.atomic():
        Lot.objects.create(**lot, account_id=uuid7())
    Lot.objects.create(**lot, account=Account.objects.get())
    with pytest.raises(IntegrityError, match="loyalty_lot_entry_id"):
        execute("SET CONSTRAINTS ALL IMMEDIATE")


def test_rules_and_tiers_keep_their_history():
    made = rule(state="draft")
    made.points_per_yuan = 2
    made.save()
    assert [seen.points_per_yuan for seen in made.events.order_by("pgh_id")] == [1, 2]
    assert EarnRule.objects.get().points_per_yuan == 2
