"""Points given or taken by staff: at once within what one person may do alone, else when somebody else approves."""

from uuid import UUID

import pgtrigger
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from loyalty.ledger import Moves, NotEnough, Posting
from loyalty.models import Account, Adjustment, AdjustmentRow, Entry, Programme, Reason
from loyalty.services import budgets
from loyalty.services.posting import HUB, locked, post
from members.models import Member
from sync import clock
from sync.act import Actor, act
from sync.ids import uuid7

ADJUSTED = "adjusted"  # the contra side
State = Adjustment.State


class Unfit(Exception):
    """The reason does not allow this adjustment, or wants words beside it."""


class OwnRequest(Exception):
    """Nobody decides on what they asked for themselves."""

    def __init__(self):
        super().__init__(_("You asked for this yourself: somebody else decides"))


class NotYours(Exception):
    """Only who asked for it takes it back."""

    def __init__(self):
        super().__init__(_("Only the person who asked for this can withdraw it"))


class Decided(Exception):
    """It has been decided already."""

    def __init__(self, state: str):
        super().__init__(_("This has been decided already: %(state)s") % {"state": state})


class NotUndoable(Exception):
    """Only what was posted is undone, and only once."""

    def __init__(self):
        super().__init__(_("Only a posted adjustment can be undone, and only once"))


class MemberGone(Exception):
    """The member has left: there is no account to post to."""

    def __init__(self):
        super().__init__(_("This member's account has been erased"))


@act
def adjust(
    *, member: UUID, points: int, reason: Reason, note: str = "", by: Actor, id: UUID | None = None
) -> Adjustment:
    """Give (positive) or take (negative) points for a reason: posted, or asked for when above what one may do alone.

    The same `id` again gives what is there. Raises Unfit, OverBudget, NotEnough, MemberGone, Decided (the `id` is
    somebody else's); then nothing was changed.
    """
    asker = budgets.locked(by)
    if known := Adjustment.objects.filter(pk=id).first():
        if known.asked_by_id != asker.pk:
            raise Decided(known.get_state_display())
        return known
    note = note.strip()
    require_fit(reason, points, note)
    return _ask(Adjustment(id=id or uuid7(), points=points, reason=reason, note=note, asked_by=asker), member, by)


@act
def undo(*, adjustment: UUID, note: str = "", by: Actor) -> Adjustment:
    """Take a posted adjustment back, once; points spent since become a debt. The same limits hold as for asking.

    Repeated by the same person it gives what is there. Raises NotUndoable, OverBudget, MemberGone.
    """
    asker = budgets.locked(by)
    undone = _held(adjustment)
    live = Adjustment.objects.filter(undoes=undone, state__in=[State.ASKED, State.POSTED]).first()
    if live and live.asked_by_id == asker.pk:
        return live
    if live or undone.state != State.POSTED or undone.undoes_id:
        raise NotUndoable
    taken_back = Adjustment(points=-undone.points, reason=undone.reason, note=note.strip(), asked_by=asker)
    taken_back.undoes = undone
    return _ask(taken_back, _whose(taken_back), by)


@act
def approve(*, adjustment: UUID, by: Actor) -> Adjustment:
    """Post what somebody else asked for. Repeated it changes nothing.

    Raises OwnRequest, Decided, NotEnough, MemberGone; then nothing was changed.
    """
    asked = _to_decide(adjustment, State.POSTED, by)
    if asked.state == State.ASKED:
        asked.decided_by_id = int(by.id)
        settle(asked, _present(_whose(asked)), by)
        asked.save()
    return asked


@act
def refuse(*, adjustment: UUID, why: str = "", by: Actor) -> Adjustment:
    """Turn down what somebody else asked for; no point moves. Raises OwnRequest, Decided."""
    asked = _to_decide(adjustment, State.REFUSED, by)
    return _close(asked, State.REFUSED, by, why) if asked.state == State.ASKED else asked


@act
def withdraw(*, adjustment: UUID, by: Actor) -> Adjustment:
    """Take back what oneself asked for. Raises NotYours, Decided."""
    asked = _held(adjustment)
    if asked.asked_by_id != int(by.id):
        raise NotYours
    if asked.state not in {State.ASKED, State.WITHDRAWN}:
        raise Decided(asked.get_state_display())
    return _close(asked, State.WITHDRAWN, by) if asked.state == State.ASKED else asked


def require_fit(reason: Reason, points: int, note: str) -> None:
    """Raises Unfit unless the reason is in use, allows this direction, and has its words."""
    if not reason.is_active or not points:
        raise Unfit(_("This reason is no longer used") if points else _("Say how many points"))
    if reason.direction not in {Reason.Direction.BOTH, direction_of(points)}:
        raise Unfit(_("This reason only gives points") if points < 0 else _("This reason only takes points"))
    if reason.is_note_required and not note:
        raise Unfit(_("This reason needs a note"))


def direction_of(points: int) -> str:
    """Whether points go to the member or from them."""
    return Reason.Direction.GIVE if points > 0 else Reason.Direction.TAKE


def settle(adjustment: Adjustment, member: Member, by: Actor) -> None:
    """Post for a member that is locked; the caller saves the adjustment. Raises NotEnough."""
    adjustment.entry = post(member, posting_of(adjustment), by).entry
    adjustment.state, adjustment.decided_at = State.POSTED, clock.now()


def _ask(adjustment: Adjustment, member: UUID, by: Actor) -> Adjustment:
    owner = _present(member)
    budgets.require(adjustment.asked_by_id, abs(adjustment.points))
    adjustment.account, _made = Account.objects.get_or_create(member=owner)
    adjustment.asked_at = clock.now()
    adjustment.needs_approval = abs(adjustment.points) > Programme.current().adjust_alone
    if not adjustment.needs_approval:
        settle(adjustment, owner, by)
    elif not adjustment.undoes_id and adjustment.account.available + adjustment.points < 0:
        raise NotEnough(adjustment.account.available)
    adjustment.save(force_insert=True)
    return adjustment


def reference_of(adjustment: Adjustment) -> str:
    """What its entry is known by."""
    return f"adjust:{adjustment.pk}"


def posting_of(adjustment: Adjustment) -> Posting:
    """The posting of an adjustment, or of the undoing of one."""
    named = {
        "moves": Moves(available=adjustment.points),
        "contra_kind": ADJUSTED,
        "source": HUB,
        "reference": reference_of(adjustment),
        "reason": adjustment.reason.name,
    }
    if not adjustment.undoes_id:
        return Posting(kind=Entry.Kind.ADJUSTED, **named)
    undone = adjustment.undoes.entry_id
    return Posting(kind=Entry.Kind.REVERSED, reverses=undone, owe=adjustment.points < 0, **named)


def _whose(adjustment: Adjustment) -> UUID:
    """Whom it is about; an undoing whoever the points went to: members may have merged or parted since."""
    return (adjustment.undoes.entry if adjustment.undoes_id else adjustment).account.member_id


def _present(member: UUID) -> Member:
    found = locked(member)
    if found.status == Member.Status.ERASED:
        raise MemberGone
    return found


def _held(adjustment: UUID) -> Adjustment:
    rows = Adjustment.objects.select_for_update(of=["self"], no_key=True)
    return rows.select_related("reason", "account", "undoes").get(pk=adjustment)


def _to_decide(adjustment: UUID, outcome: str, by: Actor) -> Adjustment:
    """The row, locked, that `by` may decide on, or has decided on just so."""
    asked, person = _held(adjustment), int(by.id)
    if asked.asked_by_id == person:
        raise OwnRequest
    if asked.state != State.ASKED and (asked.state, asked.decided_by_id) != (outcome, person):
        raise Decided(asked.get_state_display())
    return asked


def _close(asked: Adjustment, state: str, by: Actor, why: str = "") -> Adjustment:
    asked.state, asked.why = state, why.strip()[:200]
    asked.decided_by_id, asked.decided_at = int(by.id), clock.now()
    asked.save()
    return asked


def forget(member: UUID) -> None:
    """Drop what staff wrote about somebody who leaves: notes of adjustments, why one was refused, whom a line named.

    A part of an erasure; includes whom the member absorbed.
    """
    account = Account.objects.filter(member=member).first()
    accounts = [account.pk, *account.absorbed] if account else []
    with pgtrigger.ignore("loyalty.Adjustment:decided_for_good"):
        Adjustment.objects.filter(~Q(note="", why=""), account__in=accounts).update(note="", why="")
    people = [member, *Account.objects.filter(pk__in=accounts).values_list("member", flat=True)]
    AdjustmentRow.objects.filter(member__in=people).update(note="", known_as="")
