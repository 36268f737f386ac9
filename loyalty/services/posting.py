"""Points given, taken, and given back."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from loyalty import ledger, queries, told
from loyalty.ledger import ISSUED, REDEEMED, Gift, Moves, Posted, Posting, ReferenceConflict
from loyalty.models import EarnRule, Entry
from loyalty.services import settling
from members import services as members
from members.models import Member, Scope
from sync.act import Actor, act
from sync.models import Channel

HUB, REVERSAL, CAPTURED = "hub", "reversal", "captured"  # sources beside the channels' own
AT_ONCE = 100  # earnings of one channel that may be under way together


class Frozen(Exception):
    """The member's points are frozen: they may come in, none may go out."""

    def __init__(self):
        super().__init__(_("A frozen member cannot spend points"))


class NotPresent(Exception):
    """A channel may spend points only of a member who is there."""

    def __init__(self):
        super().__init__(_("The member has not been seen on this channel for 30 minutes"))


@act
def earn(
    *,
    member: UUID,
    points: int,
    reference: str,
    by: Actor,
    channel: Channel | None = None,
    reason: str = "",
    rule: EarnRule | None = None,
) -> Entry:
    """Give points, once per reference; an open debt is settled first. Raises ReferenceConflict."""
    named = {"source": source_of(by), "reference": reference, "reason": reason, "channel": channel, "rule": rule}
    return post(present(member), earning(points, **named), by).entry


@act
def spend(
    *,
    member: UUID,
    points: int,
    reference: str,
    by: Actor,
    channel: Channel | None = None,
    reason: str = "",
    rule: EarnRule | None = None,
) -> Entry:
    """Take points, once per reference. Raises NotEnough, Frozen, ReferenceConflict; then nothing was changed."""
    named = {"source": source_of(by), "reference": reference, "reason": reason, "channel": channel, "rule": rule}
    return take(present(member), spending(points, **named), by).entry


@act
def book(
    *,
    member: UUID,
    channel: Channel,
    kind: str,
    points: int,
    reference: str,
    by: Actor,
    is_present: bool = False,
    **more,
) -> Posted:
    """What a channel's backend books: `kind` is earn or spend; `more` are reason, available_at, expires_at.

    More than the channel may give (at once, to the member or to all in a day) stays pending for staff. Spending needs
    the member on this channel within the last 30 minutes (`is_present`: shown otherwise), but for a repeated request.
    Raises NotPresent, NotEnough, Frozen, ReferenceConflict.
    """
    survivor = present(member)
    named = {"source": source_of(by), "reference": reference, "channel": channel} | more
    if kind == "earn":
        for_staff = _exceeds(survivor.pk, channel, points, named["source"], reference)
        return post(survivor, earning(points, for_staff=for_staff, **named), by)
    spent = spending(points, **named)
    require_presence(survivor, channel, spent, is_present)
    return take(survivor, spent, by)


@act
def give_many(*, gifts: Sequence[Gift], like: Posting, by: Actor) -> list[tuple[Gift, bool]]:
    """Give points to thousands in one act, once per reference; returns each gift and whether it is new.

    `like` says the kind, source, reason and so on of all of them. Some thousands at a time: the act holds all members.
    Raises ReferenceConflict; then nothing was changed.
    """
    survivors = members.lock(*(gift.member for gift in gifts))
    gifts = [replace(gift, member=survivor.pk) for gift, survivor in zip(gifts, survivors, strict=True)]
    given = {row.nth: row for row in ledger.post_many(gifts, like)}
    found = []
    for nth, gift in enumerate(gifts, start=1):
        row = given[nth]
        if row.outcome == "conflict":
            raise ReferenceConflict
        if row.outcome == "posted":
            told.tell_given(gift, like, row, by)
        found.append((gift, row.outcome == "posted" or (row.outcome == "single" and _give_singly(gift, like, by))))
    return found


def _give_singly(gift: Gift, like: Posting, by: Actor) -> bool:
    one = replace(like, id=gift.id, reference=gift.reference, moves=Moves(available=gift.points))
    return settling.post(gift.member, one, by).created


@act
def reverse(*, entry: UUID, by: Actor) -> Posted:
    """Undo what is left of an earning or spending that `by` posted itself, once. Points spent since become a debt.

    Raises Entry.DoesNotExist for what is not its own, or is neither; OverReversed when refunds took all of it back.
    """
    own = Q(source=source_of(by)) | Q(source=CAPTURED, follows__source=source_of(by))
    found = Entry.objects.filter(own, kind__in=[Entry.Kind.EARNED, Entry.Kind.SPENT])
    undone = found.select_related("account", "channel", "rule").get(pk=entry)
    survivor = locked(undone.account.member_id)
    before = ledger.known(survivor.pk, REVERSAL, str(undone.pk))
    left = -before.contra if before else ledger.left_of(undone)
    posting = Posting(
        kind=Entry.Kind.REVERSED,
        moves=Moves(available=left),
        contra_kind=undone.contra_kind,
        source=REVERSAL,
        reference=str(undone.pk),
        rule=undone.rule,
        reverses=undone.pk,
        channel=undone.channel,
        owe=True,
    )
    return post(survivor, posting, by)


def locked(member: UUID) -> Member:
    """The member, or who absorbed it, locked: nothing merges or freezes it before the act is over."""
    return members.lock(member)[0]


def present(member: UUID) -> Member:
    """The same; raises Problem `not_found` for a member that is erased, maybe just now: nothing is posted any more."""
    return members.present(member)


def source_of(by: Actor) -> str:
    """Whose references these are: a channel's backend has its own, everybody else shares the hub's."""
    return str(by) if by.kind == "channel" else HUB


def earning(points: int, *, for_staff: bool = False, available_at: datetime | None = None, **named) -> Posting:
    """The posting that gives points: at once, from `available_at`, or when staff lets them through."""
    moves = Moves(pending=points) if for_staff or available_at else Moves(available=points)
    when = None if for_staff else available_at
    return Posting(kind=Entry.Kind.EARNED, moves=moves, contra_kind=ISSUED, available_at=when, **named)


def spending(points: int, **named) -> Posting:
    """The posting that takes points."""
    return Posting(kind=Entry.Kind.SPENT, moves=Moves(available=-points), contra_kind=REDEEMED, **named)


def _exceeds(member: UUID, channel: Channel, points: int, source: str, reference: str) -> bool:
    """Whether staff has to let these points through; of what was posted before, what was decided then."""
    if before := ledger.known(member, source, reference):
        return before.available_at is None
    to_member, to_all = ledger.given_today(member, source)
    if to_all + AT_ONCE * channel.earn_per_entry > channel.earn_per_day:  # others may be giving the same last points
        ledger.alone(f"earn/{source}")
        to_member, to_all = ledger.given_today(member, source)
    return (
        points > channel.earn_per_entry
        or points > channel.earn_per_member - to_member
        or points > channel.earn_per_day - to_all
    )


def require_presence(member: Member, channel: Channel, posting: Posting, is_present: bool) -> None:
    """Raise NotPresent unless the member is on this channel, was shown to be there, or this was posted before."""
    if is_present or queries.is_present(member.pk, channel):
        return
    if not ledger.known(member.pk, posting.source, posting.reference):
        raise NotPresent


def take(member: Member, posting: Posting, by: Actor) -> Posted:
    """Post what takes points out of reach. Raises Frozen, NotEnough, ReferenceConflict."""
    if member.is_frozen(Scope.POINTS):
        raise Frozen
    return post(member, posting, by)


def post(member: Member, posting: Posting, by: Actor) -> Posted:
    """Post for a member that is locked, and tell it when it is new."""
    return settling.post(member.pk, posting, by, ahead=True)
