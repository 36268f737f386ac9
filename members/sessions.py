"""Sessions: one member on one channel with one device, known by two bearer tokens of which only hashes are kept.

A refresh token is `hub_rt_` + base64url(session id ‖ secret ‖ tag). The tag lets the hub recognise every token it ever
gave without storing it: authentic, but neither current nor in grace, means that it was used twice. Successors are
derived from the token that is used, so a repeat within the grace returns the very same ones.

How long tokens and sessions last, each channel says; no refresh takes a session beyond its end. What a session could
open ends with it: its code for a till, the SMS codes on their way to it. Tickets and sockets ask about their session.
"""

import base64
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hmac import compare_digest
from uuid import UUID

from django.db import connection

from members.models import ExportFile, Member, MemberCode, Scope, Session, SmsChallenge
from sync import clock
from sync.act import act
from sync.http import Problem
from sync.ids import uuid7
from sync.models import Channel
from sync.secret import derived, digest, keyed_digest, token

ACCESS, REFRESH = "hub_at_", "hub_rt_"
GRACE = timedelta(seconds=60)
SECRET, TAG = 32, 16  # bytes
FROZEN = "frozen"  # why a session ended
CHANNELS_WORD = 1  # the assurance of a session that a channel handed over

REVOKED = """
SELECT asked.id::text FROM unnest(%s::uuid[]) AS asked (id)
LEFT JOIN members_session s ON s.id = asked.id
LEFT JOIN members_member m ON m.id = s.member_id
LEFT JOIN sync_channel c ON c.id = s.channel_id
WHERE s.id IS NULL OR s.revoked_at IS NOT NULL OR s.expires_at <= clock_timestamp()
    OR m.status NOT IN ('active', 'frozen') OR 'sign_in' = ANY(m.frozen_scopes) OR NOT c.is_active
"""


@dataclass(frozen=True, repr=False)
class Tokens:
    """A pair of bearer tokens, in clear: to be answered once and never kept."""

    access: str
    refresh: str

    def as_dict(self, session: Session, now: datetime) -> dict:
        """The `tokens` object of the contract."""
        return {
            "access_token": self.access,
            "token_type": "Bearer",
            "expires_in": _left(session.access_expires_at, now),
            "refresh_token": self.refresh,
            "refresh_expires_in": _left(session.expires_at, now),
        }


def _left(until: datetime, now: datetime) -> int:
    return max(round((until - now).total_seconds()), 0)


def start(
    *,
    member: Member,
    channel: Channel,
    assurance: int,
    proven: Iterable[UUID] = (),
    device: str = "",
    device_id: str = "",
) -> tuple[Session, Tokens]:
    """Sign a member in: a new session and its tokens. `proven` are the identities that were just shown."""
    session = Session(id=uuid7(), member=member, channel=channel, assurance=assurance, device=device[:200])
    session.proven, session.device_id, session.created_at = list(proven), device_id, clock.now()
    tokens = _fresh(session)
    _hold(session, tokens, session.created_at)
    session.save(force_insert=True)
    return session, tokens


@act
def reissue(session: Session) -> Tokens:
    """New tokens for a session whose standing changed; those it had end. The session row must be locked."""
    tokens = _fresh(session)
    _hold(session, tokens, clock.now())
    session.previous_digest = session.rotated_at = session.successor_used_at = None
    session.save()
    return tokens


def rotate(refresh_token: str) -> tuple[Session, Tokens]:
    """Spend a refresh token. Within 60 s, while its successor is unused, it gives that same successor again.

    Raises Problem `not_authenticated`, `token_expired`, `token_revoked`, `member_frozen`, `channel_inactive`, and
    `token_reused` after ending the session.
    """
    outcome = _turn(session_of(refresh_token), refresh_token)
    if isinstance(outcome, str):
        raise Problem(outcome)
    return outcome


def session_of(refresh_token: str) -> UUID:
    """The session an authentic refresh token belongs to; raises Problem `not_authenticated`."""
    try:
        raw = base64.urlsafe_b64decode(refresh_token.removeprefix(REFRESH) + "==")
    except ValueError as error:
        raise Problem("not_authenticated") from error
    identity, secret, tag = raw[:16], raw[16 : 16 + SECRET], raw[16 + SECRET :]
    authentic = len(tag) == TAG and compare_digest(tag, _tag(UUID(bytes=identity), secret))
    if not (authentic and _written(UUID(bytes=identity), secret) == refresh_token):
        raise Problem("not_authenticated")
    return UUID(bytes=identity)


@act
def _turn(session_id: UUID, used: str) -> tuple[Session, Tokens] | str:
    sessions = Session.objects.select_for_update(of=("self",), no_key=True).select_related("channel")
    session = sessions.filter(pk=session_id).first()  # the member is read behind the lock: frozen meanwhile?
    now = clock.now()
    if refusal := _refusal(session, now):
        return refusal
    tokens, mark = _successors(session, used), digest(used)
    if compare_digest(mark, bytes(session.refresh_digest)):
        _hold(session, tokens, now)
        session.previous_digest, session.rotated_at, session.successor_used_at = mark, now, None
        session.last_seen_at = now
        session.save()
    elif not _in_grace(session, mark, now):
        _end(Session.objects.filter(pk=session.pk), "token_reused")
        return "token_reused"
    return session, tokens


def _refusal(session: Session | None, now: datetime) -> str:
    if session is None:
        return "not_authenticated"
    if refusal := ended(session, session.member.status, session.member.frozen_scopes):
        return refusal
    if min(session.expires_at, _end_of(session)) <= now:
        return "token_expired"
    return "" if session.channel.is_active else "channel_inactive"


def ended(session: Session, status: str, frozen_scopes: list[str]) -> str:
    """The code that tells a token's holder that the session is over, by itself or by its member's standing; or ""."""
    is_frozen = Scope.SIGN_IN in frozen_scopes
    if session.revoked_at:
        return "member_frozen" if is_frozen and session.revoked_reason == FROZEN else "token_revoked"
    if status in {Member.Status.MERGED, Member.Status.ERASED}:
        return "token_revoked"
    return "member_frozen" if is_frozen else ""


def _in_grace(session: Session, mark: bytes, now: datetime) -> bool:
    previous = session.previous_digest
    fresh = previous is not None and session.successor_used_at is None and now - session.rotated_at < GRACE
    return fresh and compare_digest(mark, bytes(previous))


def revoke(sessions: Iterable[UUID], *, reason: str) -> int:
    """End these sessions at once, with their codes and sockets. Returns how many were alive."""
    return _end(Session.objects.filter(pk__in=list(sessions)), reason)


@act
def revoke_all(member: UUID, *, reason: str, but: UUID | None = None) -> int:
    """End every session of a member, `but` one where it is named, with all that could still open one.

    Codes for a till, SMS codes on their way to the member, tickets and sockets, links to copies of their data. Returns
    how many were alive.
    """
    count = _end(Session.objects.filter(member=member).exclude(pk=but), reason)
    _take_back(SmsChallenge.objects.filter(member=member).exclude(session=but, session__isnull=False))
    ExportFile.objects.filter(request__member=member, content__isnull=False).update(content=None)
    return count


@act
def revoke_weak(member: UUID, *, kept: Iterable[UUID], reason: str) -> int:
    """End the member's sessions that rest on a channel's word alone, unless on one of the identities `kept`."""
    weak = Session.objects.filter(member=member, assurance=CHANNELS_WORD)
    kept = list(kept)
    return _end(weak.exclude(proven__overlap=kept) if kept else weak, reason)


@act
def _end(sessions, reason: str) -> int:
    alive = list(sessions.filter(revoked_at=None).values_list("pk", flat=True))
    if not alive:
        return 0
    count = Session.objects.filter(pk__in=alive, revoked_at=None).update(
        revoked_at=clock.Clock(), revoked_reason=reason
    )
    MemberCode.objects.filter(session__in=alive).delete()
    _take_back(SmsChallenge.objects.filter(session__in=alive))
    return count


def _take_back(challenges) -> None:
    challenges.filter(used_at=None).update(used_at=clock.Clock(), phone=None)


def revoked(ids: Iterable[str]) -> set[str]:
    """Of these session ids, those that let nobody in any more, for whatever reason a token would be refused."""
    with connection.cursor() as cursor:
        cursor.execute(REVOKED, [list(ids)])
        return {row[0] for row in cursor.fetchall()}


def _hold(session: Session, tokens: Tokens, now: datetime) -> None:
    """Keep the hashes of these tokens and their time to live, as the channel says; the session's end stays."""
    channel = session.channel
    session.access_digest, session.refresh_digest = digest(tokens.access), digest(tokens.refresh)
    session.ends_at = _end_of(session)
    session.expires_at = min(now + timedelta(days=channel.session_idle_days), session.ends_at)
    session.access_expires_at = min(now + timedelta(minutes=channel.access_minutes), session.expires_at)


def _end_of(session: Session) -> datetime:
    """When a session is over however much it is used: as it was begun, or sooner when its channel allows less now."""
    allowed = session.created_at + timedelta(days=session.channel.session_max_days)
    return min(session.ends_at or allowed, allowed)


def _fresh(session: Session) -> Tokens:
    return Tokens(token(ACCESS), _written(session.id, os.urandom(SECRET)))


def _successors(session: Session, used: str) -> Tokens:
    secret = base64.urlsafe_b64decode(derived(used, "refresh") + "=")
    return Tokens(ACCESS + derived(used, "access"), _written(session.id, secret))


def _written(session: UUID, secret: bytes) -> str:
    return REFRESH + base64.urlsafe_b64encode(session.bytes + secret + _tag(session, secret)).rstrip(b"=").decode()


def _tag(session: UUID, secret: bytes) -> bytes:
    return keyed_digest(secret.hex(), f"refresh:{session}")[:TAG]
