"""Points as they are read."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from django.db.models import QuerySet

from loyalty import rules
from loyalty.models import Account, EarnRule, Entry, Tier
from loyalty.told import TOLD_AS, as_entry, as_posted  # noqa: F401 - how points are read as well
from members.models import Member, Session
from sync.clock import Clock
from sync.http import instant
from sync.models import Channel

PRESENT = timedelta(minutes=30)


def as_points(member: UUID) -> dict:
    """A member's points and tier (API `me/points`); zeros and the lowest tier before the first entry."""
    found = Member.objects.select_related("account__tier").defer("phone", "email").get(pk=member)
    account = getattr(found, "account", None) or Account(member=found)
    return {
        "available": account.available,
        "pending": account.pending,
        "held": account.held,
        "debt": account.debt,
        "expiring": [],
        "tier": as_tier(account, Tier.objects.all()),
        "version": account.version,
    }


def as_tier(account: Account, tiers: Sequence[Tier]) -> dict | None:
    """The tier an account is in, since when, and what is missing to the next (in fen); None when there are none."""
    tier = account.tier or rules.tier_for(0, tiers)
    if tier is None:
        return None
    higher = rules.next_tier(max(account.qualifying_fen, tier.threshold_fen), tiers)
    return {
        "code": tier.code,
        "name": tier.name,
        "since": instant(account.tier_since or account.member.created_at),
        "until": None,
        "qualifying": account.qualifying_fen,
        "next": higher and {"code": higher.code, "missing": higher.threshold_fen - account.qualifying_fen},
    }


def entries_of(member: UUID) -> QuerySet[Entry]:
    """A member's entries; their `version` is their order."""
    return Entry.objects.filter(account__member=member).select_related("channel", "follows")


def active_rule() -> EarnRule | None:
    """The earn rule that counts now."""
    return EarnRule.objects.filter(kind=EarnRule.Kind.PAID, state=EarnRule.State.ACTIVE).first()


def is_present(member: UUID, channel: Channel) -> bool:
    """Whether the member has a session on this channel that was seen within the last 30 minutes."""
    live = Session.objects.filter(member=member, channel=channel, revoked_at=None, expires_at__gt=Clock())
    return live.filter(last_seen_at__gte=Clock() - PRESENT).exists()
