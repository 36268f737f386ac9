"""Two members become one, and part again when it was wrong.

A fold takes in a member with nothing to lose that has just signed in; a merge joins two members of value. Both go
through `MEMBER_RECORDS` and leave a journal that can undo them within `rules.UNMERGE_WITHIN`.
"""

from collections.abc import Iterable
from uuid import UUID

from django.utils.translation import gettext as _

from members import services, sessions
from members.models import Identity, Member, Merge, PrivacyRequest, Request
from members.records import all_records
from sync import events
from sync.act import Actor
from sync.http import Problem
from sync.models import Audience
from sync.services import admit

OPEN_ERASURE = {"kind": PrivacyRequest.Kind.ERASURE, "state__in": ["open", "running"]}


def survivor_of(one: Member, other: Member) -> tuple[Member, Member]:
    """(source, target): who registered first survives, whichever way round the two are named."""
    target, source = sorted((one, other), key=lambda member: (member.created_at, member.id))
    return source, target


def fold(source: Member, target: Member, *, proven: Iterable[UUID], by: Actor) -> Merge:
    """Make `source` a part of `target`: identities proven in its session move, others are dropped, sessions end.

    Both members are locked. Told on both streams; the journal holds what it takes to undo it.
    """
    dropped = _drop(source, keep=proven)
    merge = _join(source, target, Merge(kind=Merge.Kind.FOLD, by=str(by)), {"dropped": dropped}, by)
    sessions.revoke_all(source.id, reason="folded")
    return merge


def merge(source: Member, target: Member, *, why: str, by: Actor, request: Request | None = None) -> Merge:
    """Join two members of value, both locked: all of `source` becomes the target's, the sessions of both end.

    Raises Problem `case_closed`, in words, when either has left, was merged, waits to be erased, or both are one.
    """
    require_two(source, target)
    journal = {"request": str(request.id)} if request else {}
    made = _join(source, target, Merge(kind=Merge.Kind.MERGE, by=str(by), why=why[:200]), journal, by)
    for member in (source, target):
        sessions.revoke_all(member.id, reason="merged")
    return made


def require_two(source: Member, target: Member) -> None:
    """Raises Problem `case_closed` unless these are two members that may become one."""
    if source.id == target.id:
        raise Problem("case_closed", _("Both are one member already"))
    for member in (source, target):
        if member.status == Member.Status.ERASED:
            raise Problem("case_closed", _("Member %(number)s has been erased") % {"number": member.number})
        if member.status == Member.Status.MERGED:
            raise Problem("case_closed", _("Member %(number)s has been merged already") % {"number": member.number})
        if PrivacyRequest.objects.filter(member=member, **OPEN_ERASURE).exists():
            raise Problem("case_closed", _("Member %(number)s waits to be erased") % {"number": member.number})


def unmerge(merge: Merge, *, by: Actor) -> Merge:
    """Take a merge back: each member is what it was, and what happened since stays with the survivor."""
    raise Problem("case_closed", _("This merge cannot be undone"))


def preview(source: Member, target: Member) -> dict:
    """What would become of two members if they were one: field by field, masked; and what undoing it would do."""
    return {"source": str(source.id), "target": str(target.id)}


def merge_asked(request: Request, by: Actor) -> Merge:
    """Carry out an approved request to merge; the state of the world is checked again."""
    source, target = survivor_of(*services.lock(request.member_id, request.other_id))
    return merge(source, target, why=request.reason, by=by, request=request)


def unmerge_asked(request: Request, by: Actor) -> Merge:
    """Carry out an approved request to undo a merge."""
    return unmerge(request.merge, by=by)


def _join(source: Member, target: Member, made: Merge, journal: dict, by: Actor) -> Merge:
    for records in reversed(all_records()):  # orders before accounts: the order of locks
        records.lock([source.id, target.id])
    for records in all_records():
        journal[type(records).__name__] = records.move(source.id, target.id)
    source.status, source.merged_into = Member.Status.MERGED, target
    source.save(update_fields=["status", "merged_into"])
    for seen in Audience.objects.filter(subject=events.of_member(source.id)).select_related("channel"):
        admit(events.of_member(target.id), seen.channel)
    services.touch(source)
    services.touch(target)
    _tell(source, target, by)
    made.source, made.target, made.journal = source, target, journal
    made.save(force_insert=True)
    return made


def _drop(source: Member, *, keep: Iterable[UUID]) -> list[dict]:
    """Identities that somebody may have planted before: gone, with their ciphertext kept for the undoing."""
    planted = Identity.objects.filter(member=source).exclude(pk__in=list(keep))
    told = ("id", "kind", "namespace", "mask", "proof", "assurance", "channel_id")
    kept = [
        {name: str(row[name]) for name in told} | {name: bytes(row[name]).hex() for name in ("value", "value_index")}
        for row in planted.values(*told, "value", "value_index")
    ]
    planted.delete()
    return kept


def _tell(source: Member, target: Member, by: Actor) -> None:
    merged = {"from_id": str(source.id), "into_id": str(target.id)}
    for member in (target, source):
        events.record("member.merged", subject=events.of_member(member.id), data=merged, by=by)
