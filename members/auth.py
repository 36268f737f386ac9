"""Who stands behind a member's access token."""

from datetime import datetime, timedelta

from django.db.models import F

from members.models import Session
from members.sessions import ended
from sync import auth
from sync.act import Actor
from sync.clock import Clock
from sync.http import Problem
from sync.secret import digest

SEEN_EVERY = timedelta(minutes=1)


def by_token(token: str) -> auth.Proof:
    """The member, channel and session of an access token, by one indexed join.

    Raises Problem `not_authenticated`, `token_expired`, `token_revoked`, `member_frozen`, `channel_inactive`.
    """
    standing = {"member_status": F("member__status"), "frozen_scopes": F("member__frozen_scopes"), "now": Clock()}
    known = Session.objects.select_related("channel").annotate(**standing)
    session = known.filter(access_digest=digest(token)).first()
    if refusal := _refusal(session):
        raise Problem(refusal)
    _seen(session, session.now)
    return auth.Proof(
        auth.MEMBER,
        Actor("member", str(session.member_id), session.channel.code),
        session.channel,
        member=session.member_id,
        session=session.id,
        stepped_up_at=session.stepped_up_at,
    )


def _refusal(session: Session | None) -> str:
    if session is None:
        return "not_authenticated"
    if refusal := ended(session, session.member_status, session.frozen_scopes):
        return refusal
    if session.access_expires_at <= session.now:
        return "token_expired"
    return "" if session.channel.is_active else "channel_inactive"


def _seen(session: Session, now: datetime) -> None:
    """Note that the session is in use: once a minute, and at the first use of its newest tokens."""
    first_use = session.rotated_at is not None and session.successor_used_at is None
    if first_use or now - session.last_seen_at > SEEN_EVERY:
        used = {"successor_used_at": Clock()} if first_use else {}
        current = Session.objects.filter(pk=session.pk, access_digest=session.access_digest)  # rotated meanwhile?
        current.update(last_seen_at=Clock(), **used)
