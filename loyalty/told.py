"""Points as they are told: the entry and the balance of events and answers.

A person has one balance, wherever they are a member; what moved it belongs to the channel where it did, like an order.
Who else sees them reads the balance, and is not told what they do with another brand. What the hub itself moves, on no
channel, all are told.
"""

from uuid import UUID

from loyalty.ledger import Balance, Gift, Given, Posted, Posting
from loyalty.models import Entry
from sync import events
from sync.act import Actor
from sync.http import instant
from sync.models import Channel

TOLD_AS = {Entry.Kind.MOVED: str(Entry.Kind.ADJUSTED)}  # a merge's transfer: the contract has no word for it


def as_entry(entry: Entry) -> dict:
    """An entry as the contract shows it; what follows from an earlier entry is known by that one's reference."""
    channel = entry.channel if entry.channel_id else None
    return {
        "id": str(entry.pk),
        "kind": TOLD_AS.get(entry.kind, entry.kind),
        "points": entry.points,
        "available_after": entry.available_after,
        "reference": entry.follows.reference if entry.follows_id else entry.reference,
        "channel": channel and channel.code,
        "created_at": instant(entry.created_at),
        "available_at": instant(entry.available_at),
        "expires_at": instant(entry.expires_at),
    }


def as_posted(posted: Posted) -> dict:
    """An entry and the balance it left: what events tell and backends are answered."""
    return {"entry": as_entry(posted.entry), "balance": dict(vars(posted.balance))}


def tell(member: UUID, posted: Posted, by: Actor) -> None:
    """Record the event of an entry on its member's stream, for the sharing group of the entry's channel."""
    entry = posted.entry
    channel = entry.channel if entry.channel_id else None
    events.record(**_about(member, entry.kind, channel), data=as_posted(posted), by=by)


def ahead(member: UUID, posting: Posting, by: Actor) -> events.Recorded | None:
    """The same of a posting that is its act's first fact, for the ledger to record with it; None if it is not."""
    return events.ahead(**_about(member, posting.kind, posting.channel), by=by)


def _about(member: UUID, kind: str, channel: Channel | None) -> dict:
    groups = [channel.group_id] if channel else None
    return {"type": f"points.{TOLD_AS.get(kind, kind)}", "subject": events.of_member(member), "only_for": groups}


def tell_given(gift: Gift, like: Posting, given: Given, by: Actor) -> None:
    """The same for one of many gifts, of which the ledger tells only what it did not know before."""
    entry = Entry(
        id=given.entry,
        kind=like.kind,
        contra=-gift.points,
        reference=gift.reference,
        channel=like.channel,
        available_after=given.available,
        available_at=given.created_at if like.kind == Entry.Kind.EARNED else None,
        expires_at=given.expires_at,
        created_at=given.created_at,
    )
    balance = Balance(given.available, given.pending, given.held, given.debt, given.version)
    tell(gift.member, Posted(entry, balance), by)
