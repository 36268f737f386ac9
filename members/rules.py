"""When a proof opens a member, when two members become one: arithmetic of times, nothing else."""

from datetime import datetime, timedelta

FOLD_WITHIN = timedelta(minutes=10)  # of the signing in that is folded
PROVEN_WITHIN = timedelta(days=90)  # of the owner's own proof, when WeChat's component alone speaks
UNSEEN_AFTER = timedelta(days=90)  # operators give a cancelled number away after that long
STEP_UP_LASTS = timedelta(minutes=10)
UNMERGE_WITHIN = timedelta(days=30)
SMS, WECHAT = 3, 2  # assurance


def may_fold(*, holds_value: bool, signed_in_at: datetime, assurance: int, proven_at: datetime, now: datetime) -> bool:
    """Whether a member that has just signed in may vanish into the owner of what it proved."""
    if holds_value or now - signed_in_at > FOLD_WITHIN:
        return False
    return assurance >= SMS or now - proven_at <= PROVEN_WITHIN


def is_unseen(*, proven_at: datetime, seen_at: datetime | None, now: datetime) -> bool:
    """Whether a number may have a new holder: neither proven nor its owner seen for 90 days."""
    return now - max(proven_at, seen_at or proven_at) > UNSEEN_AFTER


def is_stepped_up(at: datetime | None, now: datetime) -> bool:
    """Whether the person behind a session confirmed it recently enough for what is grave."""
    return at is not None and now - at <= STEP_UP_LASTS
