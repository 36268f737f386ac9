"""Tickets: what a client that is signed in opens its socket with, once, within 30 seconds (OWASP ASVS V4.4.3)."""

from datetime import timedelta

from django.db.models.functions import Now

from sync.models import Channel, Ticket
from sync.retention import in_batches
from sync.secret import digest, token

TTL = 30  # seconds

REDEEM = """
UPDATE sync_ticket t SET used_at = clock_timestamp()
WHERE t.digest = %s AND t.kind = %s AND t.used_at IS NULL AND t.expires_at > clock_timestamp()
RETURNING t.subject, t.session, t.channel_id,
    (SELECT c.origins FROM sync_channel c WHERE c.id = t.channel_id AND c.is_active) AS origins
"""


def issue(*, subject: str, session: str, channel: Channel | None, kind: str = Ticket.Kind.MEMBER) -> str:
    """A new ticket, in clear: it is stored as a hash."""
    clear = token("hub_wt_")
    Ticket.objects.create(
        digest=digest(clear),
        kind=kind,
        subject=subject,
        session=session,
        channel=channel,
        expires_at=Now() + timedelta(seconds=TTL),
    )
    return clear


def drop_expired() -> int:
    """Forget tickets that opened something or can no longer. Returns how many."""
    return in_batches(Ticket.objects.filter(expires_at__lt=Now() - timedelta(minutes=10)))
