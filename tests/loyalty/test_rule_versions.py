"""Versions of rules: drafted from the one before, compared, put in force by one; what is in force never changes."""

from decimal import Decimal

import pytest
from django.db import DatabaseError, IntegrityError

from loyalty import queries
from loyalty.models import EarnBoost, EarnRule
from loyalty.services import rule_versions
from loyalty.services.rule_versions import DraftThere, NotDraft, Outdated, activate, basis_of, draft_from
from tests import make
from tests.loyalty.make_points import at_once, execute, rule, tiers
from tests.loyalty.make_purchases import activate as put_in_force
from tests.loyalty.make_purchases import boost

pytestmark = pytest.mark.django_db
ANY_CHANGE = [
    "points_per_yuan = 2",
    "includes = '{TEA-*}'",
    "cap_per_day = 1",
    "valid_days = 1",
    "ends_at = now()",
    "code = 'other'",
    "version = 9",
    "activated_at = now()",
]


def in_force() -> EarnRule:
    """A rule in force with two multipliers."""
    drafted = rule(state="draft", includes=["TEA-*"], cap_per_day=500, valid_days=90)
    boost(drafted, "1.5", tier=tiers()[1])
    boost(drafted, 2, channel=make.channel(), includes=["TEA-1"])
    return put_in_force(drafted)


def confirmed(draft: EarnRule) -> EarnRule:
    return activate(rule=draft.pk, basis=basis_of(draft), by=make.STAFF)


def test_the_next_version_begins_as_what_is_in_force():
    first = in_force()
    draft = draft_from(first.pk)
    assert (draft.code, draft.version, draft.state, draft.activated_at) == (first.code, 2, "draft", None)
    assert rule_versions.terms_of(draft) == rule_versions.terms_of(first)
    assert rule_versions.boosts_of(draft) == rule_versions.boosts_of(first) != []
    assert EarnBoost.objects.count() == 4


def test_there_is_one_draft_of_a_rule():
    first = in_force()
    draft = draft_from(first.pk)
    before = make.snapshot()
    with pytest.raises(DraftThere) as there:
        draft_from(first.pk)
    assert there.value.draft == draft
    assert make.snapshot() == before


def test_a_draft_takes_the_place_of_what_is_in_force():
    first = in_force()
    draft = draft_from(first.pk)
    EarnRule.objects.filter(pk=draft.pk).update(points_per_yuan=3)

    done = confirmed(draft)

    first.refresh_from_db()
    assert (first.state, done.state, done.activated_by) == ("retired", "active", "staff/1")
    assert done.activated_at > first.created_at
    assert queries.active_rule() == done
    assert draft_from(done.pk).version == 3


def test_the_first_of_a_kind_takes_nobodys_place():
    in_force()
    assert confirmed(rule(kind="registration", code="welcome", state="draft", fixed_points=50)).state == "active"
    assert EarnRule.objects.filter(state="active").count() == 2


@pytest.mark.parametrize("state", ["active", "retired"])
def test_only_a_draft_is_put_in_force(state):
    known = rule(state=state)
    before = make.snapshot()
    with pytest.raises(NotDraft):
        confirmed(known)
    assert make.snapshot() == before


CHANGES = {
    "terms": lambda draft: EarnRule.objects.filter(pk=draft.pk).update(points_per_yuan=Decimal("1.01")),
    "multiplier": lambda draft: draft.boosts.update(multiplier=9),
    "more": lambda draft: boost(draft, 2),
    "fewer": lambda draft: draft.boosts.first().delete(),
    "in force": lambda draft: confirmed(rule(code="other", state="draft")),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_was_seen_compared_must_still_hold(change):
    draft = draft_from(in_force().pk)
    seen = basis_of(draft)
    change(draft)
    before = make.snapshot()
    with pytest.raises(Outdated):
        activate(rule=draft.pk, basis=seen, by=make.STAFF)
    assert make.snapshot() == before


@pytest.mark.django_db(transaction=True)
def test_of_many_drafts_put_in_force_at_once_one_wins():
    in_force()
    drafts = [rule(code=f"draft-{n}", state="draft", points_per_yuan=n) for n in range(8)]
    seen = [basis_of(draft) for draft in drafts]

    found = at_once(8, lambda n: activate(rule=drafts[n].pk, basis=seen[n], by=make.STAFF))

    won = [each for each in found if isinstance(each, EarnRule)]
    assert [EarnRule.objects.get(state="active")] == won
    assert {type(each) for each in found if each not in won} == {Outdated}


@pytest.mark.django_db(transaction=True)
def test_a_draft_begun_by_many_at_once_is_one_draft():
    first = in_force()
    found = at_once(6, lambda _n: draft_from(first.pk))
    assert sum(isinstance(each, EarnRule) for each in found) == 1
    assert EarnRule.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_a_multiplier_never_slips_into_what_goes_into_force():
    draft = draft_from(in_force().pk)
    seen = basis_of(draft)

    def work(n: int):
        return boost(draft, n) if n else activate(rule=draft.pk, basis=seen, by=make.STAFF)

    activated, *added = at_once(6, work)
    late = [each for each in added if isinstance(each, DatabaseError)]
    assert isinstance(activated, Outdated) or len(late) == len(added)


@pytest.mark.parametrize("change", ANY_CHANGE)
@pytest.mark.parametrize("state", ["active", "retired"])
def test_terms_in_force_or_past_are_never_changed_by_raw_sql(state, change):
    rule(state=state)
    with pytest.raises(DatabaseError, match="Cannot update rows from loyalty_earnrule"):
        execute(f"UPDATE loyalty_earnrule SET {change}")  # noqa: S608


@pytest.mark.parametrize(("state", "after"), [("active", "draft"), ("retired", "draft"), ("retired", "active")])
def test_a_version_never_goes_back(state, after):
    rule(state=state)
    with pytest.raises(DatabaseError, match="Cannot update rows from loyalty_earnrule"):
        execute("UPDATE loyalty_earnrule SET state = %s", after)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE loyalty_earnboost SET multiplier = 9",
        "DELETE FROM loyalty_earnboost",
        "INSERT INTO loyalty_earnboost (rule_id, name, multiplier, includes)"
        " SELECT id, '', 1, '{}' FROM loyalty_earnrule",
        "UPDATE loyalty_earnboost SET rule_id = (SELECT id FROM loyalty_earnrule WHERE state = 'draft')",
    ],
)
def test_multipliers_are_frozen_with_their_rule(change):
    in_force()
    rule(code="next", state="draft")
    with pytest.raises(DatabaseError, match="no draft are never changed"):
        execute(change)


@pytest.mark.parametrize("state", ["active", "retired"])
def test_a_version_that_was_in_force_is_kept(state):
    rule(state=state)
    with pytest.raises(DatabaseError, match="Cannot delete rows from loyalty_earnrule"):
        EarnRule.objects.all().delete()


def test_a_draft_may_go_with_its_multipliers():
    draft = draft_from(in_force().pk)
    draft.delete()
    assert (EarnRule.objects.count(), EarnBoost.objects.count()) == (1, 2)


@pytest.mark.parametrize(
    ("fields", "held_by"),
    [
        ({"points_per_yuan": -1}, "earn_rule_rate_in_bounds"),
        ({"points_per_yuan": 1_001}, "earn_rule_rate_in_bounds"),
        ({"growth_per_yuan": -1}, "earn_rule_rate_in_bounds"),
        ({"starts_at": make.NOON, "ends_at": make.NOON}, "earn_rule_ends_after_it_starts"),
    ],
)
def test_the_database_refuses_a_rule_that_cannot_be(fields, held_by):
    with pytest.raises(IntegrityError, match=held_by):
        rule(state="draft", **fields)


@pytest.mark.parametrize(
    ("fields", "held_by"),
    [
        ({"multiplier": -1}, "multiplier_in_bounds"),
        ({"multiplier": 101}, "multiplier_in_bounds"),
        ({"multiplier": 1, "starts_at": make.NOON, "ends_at": make.NOON}, "ends_after_it_starts"),
    ],
)
def test_the_database_refuses_a_multiplier_that_cannot_be(fields, held_by):
    drafted = rule(state="draft")
    with pytest.raises(IntegrityError, match=held_by):
        boost(drafted, **fields)
