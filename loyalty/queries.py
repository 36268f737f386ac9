"""Points as they are read."""

from datetime import timedelta
from uuid import UUID

from django.db.models import Sum

from loyalty import standing
from loyalty.models import Account, EarnRule, Lot, Programme
from sync import prepared
from sync.clock import Clock
from sync.http import instant
from sync.models import Channel

PRESENT = timedelta(minutes=30)
SEEN_LATELY = """
SELECT EXISTS (
    SELECT FROM members_session
    WHERE member_id = %(member)s AND channel_id = %(channel)s AND revoked_at IS NULL
        AND expires_at > clock_timestamp() AND last_seen_at >= clock_timestamp() - %(within)s::interval)
"""


def as_points(member: UUID) -> dict:
    """A member's points and tier (API `me/points`); zeros and the lowest tier before the first entry."""
    account = standing.account_of(member)
    return {
        "available": account.available,
        "pending": account.pending,
        "held": account.held,
        "debt": account.debt,
        "expiring": expiring(account),
        "tier": standing.as_tier(account),
        "version": account.version,
    }


def expiring(account: Account) -> list[dict]:
    """The points that go within the programme's days of notice, summed by the moment they go, the soonest first."""
    soon = Clock() + timedelta(days=Programme.current().notice_days)
    lots = Lot.objects.filter(account=account.pk, remaining__gt=0, expires_at__gt=Clock(), expires_at__lte=soon)
    by_time = lots.values("expires_at").annotate(points=Sum("remaining")).order_by("expires_at")
    return [{"points": row["points"], "at": instant(row["expires_at"])} for row in by_time]


def active_rule(kind: str = EarnRule.Kind.PAID) -> EarnRule | None:
    """The version of an earn rule that counts now."""
    return EarnRule.objects.filter(kind=kind, state=EarnRule.State.ACTIVE).first()


def is_present(member: UUID, channel: Channel) -> bool:
    """Whether the member has a session on this channel that was seen within the last 30 minutes."""
    ((found,),) = prepared.run(SEEN_LATELY, {"member": member, "channel": channel.pk, "within": PRESENT})
    return found
