"""What time does to points: holds run out, pending points become available, lots expire; and what waits for staff."""

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from uuid import UUID

from django.db import connection

from loyalty import ledger, told
from loyalty.ledger import ISSUED, Moves, Posted, Posting
from loyalty.models import Account, Entry, Lot
from members import services as members
from sync import clock, events
from sync.act import SYSTEM, Actor, act
from sync.models import Channel

TURNED_DOWN = "turned-down"


class NotWaiting(Exception):
    """These points do not wait for staff, or not any more."""


@act
def settle(member: UUID, by: Actor = SYSTEM) -> list[Posted]:
    """Settle what is due on a member's account, and tell it; nothing when nothing is."""
    made = ledger.settle(member)
    named(made)
    for posted in made:
        told.tell(member, posted, by)
    return made


@act
def settle_batch(accounts: int) -> int:
    """Settle so many accounts that are due; returns how many there were. Waits for nobody."""
    with connection.cursor() as cursor:  # one account with thousands of dates must not stand in the way of all
        cursor.execute("SET LOCAL statement_timeout = '5min'")
    settled, made = ledger.settle_due(accounts)
    named(posted for _member, posted in made)
    for member, posted in made:
        told.tell(member, posted, SYSTEM)
    return settled


def settle_due(batch: int = 1_000) -> int:
    """Settle all that is due, in batches, each an act of its own; may be killed and begun again. How many accounts."""
    total = 0
    while settled := settle_batch(batch):
        total += settled
    return total


def post(member: UUID, posting: Posting, by: Actor, *, ahead: bool = False) -> Posted:
    """Post for a member that is locked, after what is due, and tell it when it is new: with the posting (`ahead`) if
    it is its act's first fact, and the act locks nothing of others after it.

    Raises NotEnough, ReferenceConflict, OverReversed; then nothing was changed.
    """
    while True:
        fact = told.ahead(member, posting, by) if ahead else None
        posted = ledger.post(member, posting, fact)
        if posted is not None:
            break
        settle(member)
    if posted.created and fact:
        events.is_told(fact, partial(told.as_posted, posted))
    elif posted.created:
        told.tell(member, posted, by)
    if posted.is_due and (later := settle(member)):  # points came back to a lot that is over
        posted = replace(posted, balance=later[-1].balance)
    return posted


@act
def let_through(*, lot: UUID, by: Actor) -> None:
    """Points above a channel's limits become available now. Raises NotWaiting."""
    waiting = _waiting(lot)
    now = clock.now()
    Lot.objects.filter(pk=lot).update(available_at=now)
    Account.objects.filter(pk=waiting.account_id).update(due_at=now)
    settle(waiting.account.member_id, by)


@act
def turn_down(*, lot: UUID, by: Actor) -> Posted:
    """Points above a channel's limits are not given: the earning is reversed while it waits. Raises NotWaiting."""
    waiting = _waiting(lot)
    posting = Posting(
        kind=Entry.Kind.REVERSED,
        moves=Moves(pending=-waiting.remaining),
        contra_kind=ISSUED,
        source=TURNED_DOWN,
        reference=str(lot),
        reverses=lot,
        channel=waiting.entry.channel,
        owe=True,
    )
    return post(waiting.account.member_id, posting, by)


def _waiting(lot: UUID) -> Lot:
    member = Lot.objects.values_list("account__member_id", flat=True).get(pk=lot)
    members.lock(member)
    settle(member)  # they may have expired while they waited
    found = Lot.objects.select_related("account", "entry__channel").select_for_update(of=["account"], no_key=True)
    waiting = found.filter(pk=lot, is_pending=True, available_at=None, remaining__gt=0).first()
    if waiting is None:
        raise NotWaiting
    return waiting


def named(made: Iterable[Posted]) -> None:
    """Give entries the channels and the earlier entries they are told with, in two queries however many."""
    entries = [posted.entry for posted in made]
    earlier = Entry.objects.in_bulk({entry.follows_id for entry in entries if entry.follows_id})
    channels = Channel.objects.in_bulk({entry.channel_id for entry in entries if entry.channel_id})
    for entry in entries:
        entry.follows, entry.channel = earlier.get(entry.follows_id), channels.get(entry.channel_id)
