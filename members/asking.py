"""Grave acts on members take two people: one asks, another decides, and only then is it done."""

from collections.abc import Callable
from uuid import UUID

from django.contrib.auth.models import User
from django.utils.translation import gettext as _

from members import freezing, merging
from members.models import LinkCase, Member, Merge, Request
from sync import clock
from sync.act import Actor, act
from sync.http import Problem

Kind, State = Request.Kind, Request.State
CARRIED_OUT: dict[str, Callable[[Request, Actor], object]] = {
    Kind.MERGE: merging.merge_asked,
    Kind.UNMERGE: merging.unmerge_asked,
    Kind.FREEZE: freezing.freeze_asked,
    Kind.UNFREEZE: freezing.unfreeze_asked,
}


@act
def ask(
    *,
    kind: str,
    member: UUID,
    user: User,
    reason: str,
    other: UUID | None = None,
    case: LinkCase | None = None,
    merge: Merge | None = None,
    terms: dict | None = None,
) -> Request:
    """Ask for a grave act on a member; nothing happens until somebody else approves.

    Of two members to be merged it is kept for the one that would be absorbed. Raises Problem `invalid` without a
    reason, `case_closed`, in words, when it makes no sense or the same waits already.
    """
    if not reason.strip():
        raise Problem("invalid", _("Say why"))
    locked = _locked(member, other)
    held, beside = locked[member], locked.get(other)
    if kind == Kind.MERGE:
        held, beside = merging.survivor_of(held, beside)
        merging.require_two(held, beside)
    if kind == Kind.UNMERGE:
        merging.require_undoable(merge)
    if case:
        _require_case(case.pk, {held.pk, beside and beside.pk})
    if kind in {Kind.FREEZE, Kind.UNFREEZE}:
        terms = (terms or {}) | {"held": freezing.held(held.pk)}
    if Request.objects.filter(kind=kind, member=held, state=State.ASKED).exists():
        raise Problem("case_closed", _("This waits for approval already"))
    asked = Request(kind=kind, member=held, other=beside, case=case, merge=merge, terms=terms or {})
    asked.reason, asked.asked_by = reason.strip()[:200], user
    asked.save(force_insert=True)
    return asked


@act
def decide(*, request: UUID, user: User, approve: bool, why: str = "") -> Request:
    """Carry out what somebody else asked for, or refuse it and say why. The same decision again changes nothing.

    Raises Problem `forbidden` to the one who asked, `case_closed` when it was decided otherwise or can be done no more.
    """
    outcome = State.DONE if approve else State.REFUSED
    asked = _held(request)
    if asked.asked_by_id == user.pk:
        raise Problem("forbidden", _("You asked for this yourself: somebody else decides"))
    if (asked.state, asked.decided_by_id) == (outcome, user.pk):
        return asked
    _require_open(asked)
    if approve and asked.case_id:
        _require_case(asked.case_id, {asked.member_id, asked.other_id})
    if approve:
        CARRIED_OUT[asked.kind](asked, Actor("staff", str(user.pk)))
    return _close(asked, outcome, user, why)


@act
def withdraw(*, request: UUID, user: User) -> Request:
    """Take back what oneself asked for. Raises Problem `forbidden` to anybody else, `case_closed` once decided."""
    asked = _held(request)
    if asked.asked_by_id != user.pk:
        raise Problem("forbidden", _("Only the person who asked for this can withdraw it"))
    if asked.state == State.WITHDRAWN:
        return asked
    _require_open(asked)
    return _close(asked, State.WITHDRAWN, user)


def _locked(*members: UUID | None) -> dict[UUID, Member]:
    """These members themselves, before anything else that belongs to them."""
    rows = Member.objects.select_for_update(no_key=True).filter(pk__in=[each for each in members if each])
    return {member.id: member for member in rows.order_by("id")}


def _held(request: UUID) -> Request:
    known = Request.objects.get(pk=request)
    merged = [known.merge.source_id, known.merge.target_id] if known.merge else []
    _locked(known.member_id, known.other_id, *merged)
    return Request.objects.select_for_update(of=["self"], no_key=True).get(pk=request)


def _require_case(case: UUID, members: set[UUID | None]) -> None:
    """The grounds still hold: an open case between just these two members. Raises Problem `case_closed`."""
    found = LinkCase.objects.select_for_update(no_key=True).get(pk=case)
    if found.state != LinkCase.State.OPEN or {found.member_id, found.other_id} != members:
        raise Problem("case_closed", _("The case is closed, or about somebody else"))


def _require_open(asked: Request) -> None:
    if asked.state != State.ASKED:
        said = {"state": asked.get_state_display()}
        raise Problem("case_closed", _("This has been decided already: %(state)s") % said)


def _close(asked: Request, state: str, user: User, why: str = "") -> Request:
    asked.state, asked.why = state, why.strip()[:200]
    asked.decided_by, asked.decided_at = user, clock.now()
    asked.save()
    return asked
