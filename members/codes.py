"""Codes to show at a till: eighteen digits that say, for a minute, that the member stands there.

A 9, fifteen random digits, two check digits (ISO 7064, MOD 97-10). No payment code of WeChat (10-15) or Alipay (25-30)
begins with 9, so a scanner tells them apart; a code misread or mistyped is refused without a look-up. Each session has
one code, the newest. It belongs to the channel that presents it first and lives as long as its session may.
"""

import re
import secrets
from datetime import timedelta
from uuid import UUID

from django.db.models import Q

from members.models import Member, MemberCode, Scope
from sync import quotas
from sync.clock import Clock
from sync.models import Channel
from sync.secret import keyed_digest

LIFETIME = timedelta(seconds=60)
PER_MEMBER = ((10, 60), (300, 3600))  # (codes, seconds)
GUESSES = {"limit": 60, "every": 60}  # of a channel; with 10,000 codes alive one in a million a day comes true
RANDOM, CHECK = 10**15, 97
SHAPE = re.compile(r"9[0-9]{17}")


def issue(*, member: UUID, session: UUID) -> str:
    """A new code of a session, in clear; the one before lets nobody in any more.

    Raises Problem `rate_limited`. Call it outside a transaction.
    """
    for limit, every in PER_MEMBER:
        quotas.count(f"member-code/{member}", limit=limit, every=every)
    code = _checked(9 * RANDOM + secrets.randbelow(RANDOM))
    row = MemberCode(session_id=session, member_id=member, digest=_digest(code))
    row.created_at, row.expires_at = Clock(), Clock() + LIFETIME
    news = ["member", "digest", "channel", "created_at", "expires_at"]
    MemberCode.objects.bulk_create([row], update_conflicts=True, unique_fields=["session"], update_fields=news)
    return code


def holder(channel: Channel, value: str) -> Member | None:
    """Who shows this code on this channel, which from now on is the only one it serves; None when it serves nobody.

    Raises Problem `rate_limited` when the channel has presented too many that never were: a guess counts
    whatever becomes of the request or the act.
    """
    code = re.sub(r"[\s-]", "", value)
    if not (SHAPE.fullmatch(code) and int(code) % CHECK == 1):
        return None
    guess = f"member-code/guess/{channel.code}"
    quotas.count(guess, **GUESSES, lasting=True)
    row = MemberCode.objects.select_related("member").filter(digest=_digest(code)).first()
    if row is None:
        return None
    quotas.give_back(guess, every=GUESSES["every"], lasting=True)
    return row.member if _is_alive(row) and _taken(row, channel) else None


def _is_alive(row: MemberCode) -> bool:
    """Whether the code, its session, and its member's standing still let anybody in."""
    standing = [Member.Status.ACTIVE, Member.Status.FROZEN]
    alive = MemberCode.objects.filter(pk=row.pk, expires_at__gt=Clock(), member__status__in=standing)
    alive = alive.exclude(member__frozen_scopes__contains=[Scope.SIGN_IN])
    session = {"revoked_at": None, "expires_at__gt": Clock(), "channel__is_active": True}
    return alive.filter(**{f"session__{name}": value for name, value in session.items()}).exists()


def _taken(row: MemberCode, channel: Channel) -> bool:
    """Whether the code is this channel's: of two that present it at once, one has it."""
    free = MemberCode.objects.filter(pk=row.pk, digest=bytes(row.digest)).filter(Q(channel=None) | Q(channel=channel))
    return free.update(channel=channel) == 1


def _checked(number: int) -> str:
    """The number with the two digits behind that make it 1 modulo 97."""
    return f"{number}{98 - number * 100 % CHECK:02d}"


def _digest(code: str) -> bytes:
    return keyed_digest(code, "member-code")
