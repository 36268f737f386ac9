"""Who stands behind a member's access token."""

from datetime import datetime, timedelta

from members.models import Session
from members.sessions import ended
from sync import auth, prepared
from sync.act import Actor
from sync.clock import Clock
from sync.http import Problem
from sync.models import Channel
from sync.rows import Rows
from sync.secret import digest

SEEN_EVERY = timedelta(minutes=1)
SESSIONS, CHANNELS = Rows(Session), Rows(Channel)
KNOWN = f"""
SELECT clock_timestamp(), m.status, m.frozen_scopes, {SESSIONS.of("s")}, {CHANNELS.of("c")}
FROM members_session s JOIN sync_channel c ON c.id = s.channel_id JOIN members_member m ON m.id = s.member_id
WHERE s.access_digest = decode(%s, 'hex')
"""  # noqa: S608 - names of our own columns
WHOSE = "(SELECT member_id FROM members_session WHERE access_digest = decode(%(token)s, 'hex'))"  # of a token's digest


def by_token(token: str, ahead: prepared.Asked | None = None) -> auth.Proof:
    """The member, channel and session of an access token, by one indexed join; `ahead` goes with it.

    Raises Problem `not_authenticated`, `token_expired`, `token_revoked`, `member_frozen`, `channel_inactive`.
    """
    session, rows = _known(token, ahead)
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
        ahead=rows,
    )


def _known(token: str, ahead: prepared.Asked | None) -> tuple[Session | None, list[tuple] | None]:
    """The session of a token with its channel, the standing of its member, and the time; what else was asked for."""
    asked = [(KNOWN, [digest(token).hex()])]
    if ahead:
        sql, named = ahead
        asked.append((sql, {"token": digest(token).hex()} | named))
    known, *rest = prepared.together(*asked)
    session = None
    for now, status, frozen_scopes, *values in known:
        session = SESSIONS.instance(values[: len(SESSIONS)])
        session.channel = CHANNELS.instance(values[len(SESSIONS) :])
        session.now, session.member_status, session.frozen_scopes = now, status, frozen_scopes
    return session, next(iter(rest), None)


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
