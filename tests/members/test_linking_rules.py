"""The arithmetic of linking, as tables."""

from datetime import UTC, datetime, timedelta

import pytest

from members import rules

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def ago(minutes: float | None):
    return None if minutes is None else NOW - timedelta(minutes=minutes)


@pytest.mark.parametrize(
    ("stepped_up", "has_phone", "signed_in", "assurance", "opens"),
    [
        (0, True, 999, 3, True), (10, True, 999, 2, True), (10.1, True, 0, 3, False), (None, True, 0, 3, False),
        (None, False, 0, 2, True), (None, False, 10, 3, True), (None, False, 10.1, 3, False),
        (None, False, 0, 1, False), (0, False, 999, 3, False),
    ],
)  # fmt: skip
def test_what_is_grave_is_open_to_who_confirmed_it(stepped_up, has_phone, signed_in, assurance, opens):
    confirmed = rules.is_confirmed(
        stepped_up_at=ago(stepped_up),
        has_phone=has_phone,
        signed_in_at=ago(signed_in),
        assurance=assurance,
        now=NOW,
    )
    assert confirmed is opens


@pytest.mark.parametrize(
    ("given", "alone", "both"),
    [
        ([], False, False),
        ([(3, 0)], True, False),
        ([(3, 10)], True, False),
        ([(3, 10.1)], False, False),
        ([(2, 0)], False, False),
        ([(2, 0), (2, 0)], False, False),
        ([(3, 0), (2, 0)], True, False),
        ([(3, 0), (3, 10.1)], True, False),
        ([(3, 0), (3, 10)], True, True),
        ([(3, 0), (3, 5), (1, 0)], True, True),
    ],
)
def test_one_strong_proof_joins_what_only_one_side_would_lose_two_join_members_of_value(given, alone, both):
    proofs = [(assurance, ago(minutes)) for assurance, minutes in given]
    assert rules.is_enough(proofs, both_hold_value=False, now=NOW) is alone
    assert rules.is_enough(proofs, both_hold_value=True, now=NOW) is both


@pytest.mark.parametrize(
    ("holds_value", "signed_in", "assurance", "days", "folds"),
    [
        (False, 0, 3, 999, True), (False, 10, 3, 0, True), (False, 10.1, 3, 0, False), (True, 0, 3, 0, False),
        (False, 0, 2, 90, True), (False, 0, 2, 90.1, False), (False, 10.1, 2, 0, False), (True, 0, 2, 0, False),
    ],
)  # fmt: skip
def test_who_has_nothing_and_came_just_now_is_folded(holds_value, signed_in, assurance, days, folds):
    may = rules.may_fold(
        holds_value=holds_value,
        signed_in_at=ago(signed_in),
        assurance=assurance,
        proven_at=NOW - timedelta(days=days),
        now=NOW,
    )
    assert may is folds


@pytest.mark.parametrize(
    ("proven", "seen", "unseen"),
    [(0, None, False), (90, None, False), (90.1, None, True), (200, 90, False), (200, 90.1, True), (90.1, 0, False)],
)
def test_a_number_is_unseen_after_90_days_without_proof_or_sight_of_its_owner(proven, seen, unseen):
    seen_at = None if seen is None else NOW - timedelta(days=seen)
    assert rules.is_unseen(proven_at=NOW - timedelta(days=proven), seen_at=seen_at, now=NOW) is unseen
