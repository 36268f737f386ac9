"""Freezes: what a member may not do, from when two people laid it until it is lifted or runs out.

Scopes are signing in, spending points and placing orders. A freeze of all of them without an end is the blacklist: the
member keeps the phone and every identity, so that nobody registers with them anew. A member has one open freeze; a
change of its scopes ends it and lays another in the same act.
"""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from members import services, sessions
from members.models import Freeze, Member, Request, Scope
from sync import clock, events
from sync.act import SYSTEM, Actor, act
from sync.clock import Clock
from sync.http import Problem

EVERYTHING = tuple(Scope.values)
BATCH = 200


@act
def lay(
    member: Member,
    scopes: Iterable[str],
    reason: str,
    note: str,
    expires_at: datetime | None,
    by: Actor | str,
    approved_by: Actor | str,
) -> Freeze:
    """Freeze a locked member for these scopes, in place of what was frozen before; without `expires_at` for good.

    Frozen for signing in, every session ends at once. Raises Problem `case_closed` for somebody merged or erased, for
    an end that has passed, and for no scope at all.
    """
    scopes = _in_order(scopes)
    _require_sense(member, scopes, expires_at)
    before = _end(member, by)
    frozen = Freeze(member=member, scopes=scopes, reason=reason, note=note[:200], expires_at=expires_at)
    frozen.by, frozen.approved_by = str(by), str(approved_by)
    frozen.save(force_insert=True)
    _set(member, scopes)
    if gone := [scope for scope in before if scope not in scopes]:
        _tell("member.unfrozen", member, gone, approved_by)
    _tell("member.frozen", member, scopes, approved_by)
    if Scope.SIGN_IN in scopes:
        sessions.revoke_all(member.id, reason=sessions.FROZEN)
    return frozen


@act
def lift(member: Member, by: Actor | str) -> list[str]:
    """Let a locked member do everything again. Returns the scopes that were frozen: none when nothing was."""
    scopes = _end(member, by)
    if scopes:
        _set(member, [])
        _tell("member.unfrozen", member, scopes, by)
    return scopes


def lift_expired() -> int:
    """Lift every freeze that has run out, each in an act of its own. Returns how many. May run at any time."""
    due = Freeze.objects.filter(lifted_at=None, expires_at__lte=Clock()).order_by("expires_at")
    return sum(map(_lift_if_due, due.values_list("member_id", flat=True)[:BATCH]))


@act
def _lift_if_due(member_id) -> bool:
    (member,) = services.lock(member_id)
    is_due = Freeze.objects.filter(member=member, lifted_at=None, expires_at__lte=Clock()).exists()
    return is_due and bool(lift(member, SYSTEM))


def join(source: Member, target: Member, *, by: Actor | str) -> list[str]:
    """Of two locked members about to become one, the target bears what either bore: all scopes, the later end.

    The source is free of its own. Returns the scopes that the source bore.
    """
    borne = _open_of(source)
    if borne is None:
        return []
    _end(source, by)
    _set(source, [])
    own = _open_of(target)
    both = [borne, own] if own else [borne]
    scopes = _in_order(scope for each in both for scope in each.scopes)
    ends = [each.expires_at for each in both]
    until = None if None in ends else max(ends)
    if own is None or (scopes, until) != (own.scopes, own.expires_at):
        lay(target, scopes, borne.reason, borne.note, until, borne.by, borne.approved_by)
    return borne.scopes


def freeze_asked(request: Request, by: Actor) -> Freeze:
    """Lay the freeze that somebody of the staff asked for and `by` approves.

    Raises Problem `case_closed` when it makes sense no more, or another freeze was laid or lifted since.
    """
    member = _as_it_was(request)
    terms, asked_by = request.terms, Actor("staff", str(request.asked_by_id))
    until = parse_datetime(terms["until"]) if terms.get("until") else None
    return lay(member, terms["scopes"], terms["reason"], terms.get("note", ""), until, asked_by, by)


def unfreeze_asked(request: Request, by: Actor) -> list[str]:
    """Lift the freeze as somebody asked for and `by` approves; raises Problem `case_closed` when there is none."""
    scopes = lift(_as_it_was(request), by)
    if not scopes:
        raise Problem("case_closed", _("This member is not frozen"))
    return scopes


def held(member_id: UUID) -> str | None:
    """The freeze that a member bears."""
    found = Freeze.objects.filter(member=member_id, lifted_at=None).values_list("pk", flat=True).first()
    return found and str(found)


def _as_it_was(request: Request) -> Member:
    """The member of a request, or who absorbed them, locked, bearing what was borne when it was asked for."""
    (member,) = services.lock(request.member_id)
    if held(member.id) != request.terms.get("held"):
        raise Problem("case_closed", _("What is frozen has changed since this was asked for: ask anew"))
    return member


def _require_sense(member: Member, scopes: list[str], expires_at: datetime | None) -> None:
    if member.status not in {Member.Status.ACTIVE, Member.Status.FROZEN}:
        raise Problem("case_closed", _("This member is there no more"))
    if not scopes:
        raise Problem("case_closed", _("Say what is frozen"))
    if expires_at and expires_at <= clock.now():
        raise Problem("case_closed", _("The freeze would have ended already"))


def _in_order(scopes: Iterable[str]) -> list[str]:
    given = set(scopes)
    return [scope for scope in EVERYTHING if scope in given]


def _open_of(member: Member) -> Freeze | None:
    return Freeze.objects.filter(member=member, lifted_at=None).first()


def _end(member: Member, by: Actor | str) -> list[str]:
    """Close the open freeze; returns what it froze."""
    frozen = list(member.frozen_scopes)
    Freeze.objects.filter(member=member, lifted_at=None).update(lifted_at=Clock(), lifted_by=str(by))
    return frozen


def _set(member: Member, scopes: list[str]) -> None:
    member.frozen_scopes = scopes
    member.status = Member.Status.FROZEN if scopes else Member.Status.ACTIVE
    member.save(update_fields=["frozen_scopes", "status"])
    services.touch(member)


def _tell(fact: str, member: Member, scopes: list[str], by: Actor | str) -> None:
    told_by = by if isinstance(by, Actor) else SYSTEM
    data = {"id": str(member.id), "scopes": scopes}
    events.record(fact, subject=events.of_member(member.id), data=data, by=told_by)
