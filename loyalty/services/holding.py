"""Two-phase spending: points are held, then captured or released. A hold whose time is over has released itself."""

from datetime import timedelta
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from loyalty import ledger, told
from loyalty.ledger import Moves, Posting, ReferenceConflict
from loyalty.models import Entry, Hold
from loyalty.models.ledger import LONGEST
from loyalty.services import posting, settling
from members import services as members
from sync.act import Actor, act
from sync.models import Channel
from sync.rows import Rows

HOLDS = Rows(Hold)
ONE = f"SELECT {HOLDS.of('h')} FROM loyalty_hold h WHERE h.entry_id = %s"  # noqa: S608 - names of our own columns


class HoldExpired(Exception):
    """The hold's time is over: it has released itself."""

    def __init__(self):
        super().__init__(_("The hold has expired and its points are available again"))


class HoldClosed(ReferenceConflict):
    """The hold was captured or released before, and not like this."""

    def __init__(self, state: str):
        self.state = state
        super().__init__(_("The hold is closed already: %(state)s") % {"state": Hold.State(state).label})


class MoreThanHeld(Exception):
    """Fewer points are held than were to be captured."""

    def __init__(self, points: int):
        super().__init__(_("The hold holds %(points)s points") % {"points": points})
        self.points = points


@act
def hold(
    *,
    member: UUID,
    channel: Channel,
    points: int,
    reference: str,
    expires_in: timedelta,
    by: Actor,
    is_present: bool = False,
    source: str = "",
) -> tuple[Hold, bool]:
    """Set points aside for at most a day, once per reference; returns the hold and whether it is new.

    Like a spending it needs the member on this channel within the last 30 minutes (`is_present`: shown otherwise).
    Who closes it has its `source`: the actor's unless told. Raises NotPresent, NotEnough, Frozen, ReferenceConflict;
    then nothing was changed.
    """
    seconds = int(min(expires_in, LONGEST).total_seconds())
    holding = Posting(
        kind=Entry.Kind.HELD,
        moves=Moves(available=-points, held=points),
        contra_kind="",
        source=source or posting.source_of(by),
        reference=reference,
        channel=channel,
        hold_seconds=seconds,
    )
    holder = posting.present(member)
    posting.require_presence(holder, channel, holding, is_present)
    posted = posting.take(holder, holding, by)
    (held,) = HOLDS.found(ONE, [posted.entry.pk])
    if held.channel_id == channel.pk:
        held.channel = channel
    if held.expires_at - held.created_at != timedelta(seconds=seconds):
        raise ReferenceConflict  # the same reference, for another time
    return held, posted.created


@act
def capture(*, hold: UUID, by: Actor, points: int | None = None) -> Hold:
    """Spend what is held, or a part of it and release the rest. The same again changes nothing.

    Raises Hold.DoesNotExist for what `by` does not hold, HoldExpired, MoreThanHeld, HoldClosed.
    """
    found = _own(hold, posting.source_of(by))
    wanted = found.points if points is None else points
    return _close(found, wanted, by)


@act
def release(*, hold: UUID, by: Actor) -> Hold:
    """Give back what is held. The same again changes nothing. Raises Hold.DoesNotExist, HoldExpired, HoldClosed."""
    return _close(_own(hold, posting.source_of(by)), 0, by)


@act
def redeem(*, hold: UUID, points: int, by: Actor, source: str) -> Entry:
    """Spend points that were set aside for what cannot be refused any more; the rest of the hold is released.

    When the hold has given them back meanwhile, they are taken all the same: what is not there is owed. The same again
    changes nothing. Raises Hold.DoesNotExist, MoreThanHeld, HoldClosed.
    """
    found = _own(hold, source)
    if points > found.points:
        raise MoreThanHeld(found.points)
    _shut(found, points, by)
    if found.state != Hold.State.CAPTURED:
        return _take_late(found, points, by)
    _require_same(found, points)
    return spent_of(found)


@act
def let_go(*, hold: UUID, by: Actor, source: str) -> None:
    """Give back what is still held, if anything is. Raises Hold.DoesNotExist."""
    _shut(_own(hold, source), 0, by)


def spent_of(hold: Hold) -> Entry | None:
    """The entry that spent what was held, in time or late."""
    captured = Entry.objects.filter(follows=hold.pk, kind=Entry.Kind.SPENT).first()
    return captured or ledger.known(hold.account.member_id, hold.source, _late(hold))


def _late(hold: Hold) -> str:
    return f"{hold.reference}:late"


def _take_late(hold: Hold, points: int, by: Actor) -> Entry:
    taking = Posting(
        kind=Entry.Kind.SPENT,
        moves=Moves(available=-points),
        contra_kind=ledger.REDEEMED,
        source=hold.source,
        reference=_late(hold),
        channel=hold.channel,
        owe=True,
    )
    return posting.post(posting.locked(hold.account.member_id), taking, by).entry


def _own(hold: UUID, source: str) -> Hold:
    own = Hold.objects.filter(source=source)
    member = own.values_list("account__member_id", flat=True).get(pk=hold)
    members.lock(member)
    return own.select_related("account", "channel", "entry").get(pk=hold)


def _close(hold: Hold, points: int, by: Actor) -> Hold:
    if points > hold.points:
        raise MoreThanHeld(hold.points)
    if not _shut(hold, points, by):
        _require_same(hold, points)
    return hold


def _shut(hold: Hold, points: int, by: Actor) -> bool:
    """Capture so much of a hold and release the rest; False when it was closed already."""
    member = hold.account.member_id
    while (made := ledger.close_hold(hold.pk, points)) is None:
        settling.settle(member)
    hold.refresh_from_db(fields=["state", "captured", "closed_at"])
    for posted in made:
        posted.entry.follows, posted.entry.channel = hold.entry, hold.channel
        told.tell(member, posted, by)
    if made and points < hold.points:
        settling.settle(member)  # what came back to a lot that is over
    return bool(made)


def _require_same(hold: Hold, points: int) -> None:
    if hold.state == Hold.State.EXPIRED:
        raise HoldExpired
    if hold.captured != points:
        raise HoldClosed(hold.state)
