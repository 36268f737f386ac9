"""When a proof opens a member, when two members become one: arithmetic of times, nothing else."""

from collections.abc import Iterable
from datetime import datetime, timedelta

FOLD_WITHIN = timedelta(minutes=10)  # of the signing in that is folded
PROVEN_WITHIN = timedelta(days=90)  # of the owner's own proof, when WeChat's component alone speaks
UNSEEN_AFTER = timedelta(days=90)  # operators give a cancelled number away after that long
STEP_UP_LASTS = timedelta(minutes=10)
UNMERGE_WITHIN = timedelta(days=30)
PROOF_LASTS = timedelta(minutes=10)  # what was shown in a link case
GUESSES, GUESSES_A_DAY = 10, 10  # at an order: of one case; of one member's orders, whoever guesses
SMS, WECHAT = 3, 2  # assurance


def may_fold(*, holds_value: bool, signed_in_at: datetime, assurance: int, proven_at: datetime, now: datetime) -> bool:
    """Whether a member that has just signed in may vanish into the owner of what it proved."""
    if holds_value or now - signed_in_at > FOLD_WITHIN:
        return False
    return assurance >= SMS or now - proven_at <= PROVEN_WITHIN


def is_unseen(*, proven_at: datetime, seen_at: datetime | None, now: datetime) -> bool:
    """Whether a number may have a new holder: neither proven nor its owner seen for 90 days."""
    return now - max(proven_at, seen_at or proven_at) > UNSEEN_AFTER


def proves_beside(*, assurance: int, proven_at: datetime, now: datetime) -> bool:
    """Whether a session was begun or confirmed just now by a proof of the hub's own."""
    return assurance >= WECHAT and now - proven_at <= STEP_UP_LASTS


def is_stepped_up(at: datetime | None, now: datetime) -> bool:
    """Whether the person behind a session confirmed it recently enough for what is grave."""
    return at is not None and now - at <= STEP_UP_LASTS


def is_confirmed(
    *, stepped_up_at: datetime | None, has_phone: bool, signed_in_at: datetime, assurance: int, now: datetime
) -> bool:
    """Whether what is grave is open. Who has no phone to step up with must have signed in just now, by a proof."""
    if has_phone:
        return is_stepped_up(stepped_up_at, now)
    return assurance >= WECHAT and is_stepped_up(signed_in_at, now)


def is_enough(given: Iterable[tuple[int, datetime]], *, both_hold_value: bool, now: datetime) -> bool:
    """Whether different proofs, each (assurance, time), make one member of two: two of them if both hold value."""
    counting = [at for assurance, at in given if counts(assurance, at, now)]
    return len(counting) >= (2 if both_hold_value else 1)


def counts(assurance: int, at: datetime, now: datetime) -> bool:
    """Whether a proof is strong and fresh enough to join two members."""
    return assurance >= SMS and now - at <= PROOF_LASTS
