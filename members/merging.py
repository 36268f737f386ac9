"""Two members become one, and part again when it was wrong.

A fold takes in a member with nothing to lose that has just signed in; a merge joins two members of value. Both go
through `MEMBER_RECORDS` and leave a journal by which two people can take them back within `rules.UNMERGE_WITHIN`. The
journal knows ids and sums; what is personal in it is sealed, and forgotten when nobody can use it any more.
"""

import json
from collections.abc import Iterable
from uuid import UUID

from django.db.models import Q
from django.utils.translation import gettext as _

from members import notices, queries, rules, services, sessions, sight
from members.models import Address, Identity, Member, Merge, PrivacyRequest, Request, Session
from members.moving import ways_in
from members.records import all_records
from sync import clock, events
from sync.act import Actor, act
from sync.clock import Clock
from sync.http import Problem
from sync.models import Channel

OPEN_ERASURE = {"kind": PrivacyRequest.Kind.ERASURE, "state__in": ["open", "running"]}
BATCH = 1_000


def survivor_of(one: Member, other: Member) -> tuple[Member, Member]:
    """(source, target): who registered first survives, whichever way round the two are named."""
    target, source = sorted((one, other), key=lambda member: (member.created_at, member.id))
    return source, target


@act
def fold(source: Member, target: Member, *, proven: Iterable[UUID], by: Actor) -> Merge:
    """Make `source` a part of `target`: identities proven in its session move, others are dropped, sessions end.

    Both members are locked. Told on both streams; the journal holds what it takes to undo it.
    """
    dropped, sealed = ways_in.drop(source, keep=list(proven))
    made = Merge(kind=Merge.Kind.FOLD, source=source, target=target, by=str(by), journal={"dropped": dropped})
    _join(made, {"dropped": sealed}, by)
    sessions.revoke_all(source.id, reason="folded")
    return made


@act
def merge(source: Member, target: Member, *, why: str, by: Actor, request: Request | None = None) -> Merge:
    """Join two members of value, both locked: all of `source` becomes the target's, the sessions of both end.

    Raises Problem `case_closed`, in words, when either has left, was merged, waits to be erased, or both are one.
    """
    require_two(source, target)
    journal = {"request": str(request.id)} if request else {}
    made = Merge(kind=Merge.Kind.MERGE, source=source, target=target, by=str(by), why=why[:200], journal=journal)
    _join(made, {}, by)
    for member in (source, target):
        sessions.revoke_all(member.id, reason="merged")
    return made


def require_two(source: Member, target: Member) -> None:
    """Raises Problem `case_closed` unless these are two members that may become one."""
    if source.id == target.id:
        raise Problem("case_closed", _("Both are one member already"))
    for member in (source, target):
        said = {"number": member.number}
        if member.status == Member.Status.ERASED:
            raise Problem("case_closed", _("Member %(number)s has been erased") % said)
        if member.status == Member.Status.MERGED:
            raise Problem("case_closed", _("Member %(number)s has been merged already") % said)
        if PrivacyRequest.objects.filter(member=member, **OPEN_ERASURE).exists():
            raise Problem("case_closed", _("Member %(number)s waits to be erased") % said)


@act
def unmerge(merge: Merge, *, by: Actor) -> Merge:
    """Take a merge back: what came with `source` goes back to it, what happened since stays with the survivor.

    Each is exactly what it was when nothing happened since. The sessions of both end. Raises Problem `case_closed`.
    """
    source, target = _locked(merge)
    merge = Merge.objects.select_for_update(no_key=True).select_related("source", "target").get(pk=merge.pk)
    require_undoable(merge)
    _lock_floors(source, target)
    _tell("member.unmerged", source, target, by)
    before = [_shape(member) for member in (source, target)]
    _part(merge, source, target)
    for member, shape in zip((source, target), before, strict=True):
        sessions.revoke_all(member.id, reason="unmerged")
        _tell_changed(member, shape, by)
    merge.undone_at, merge.undone_by, merge.sealed = clock.now(), str(by), None
    merge.save(update_fields=["undone_at", "undone_by", "sealed"])
    return merge


def require_undoable(merge: Merge) -> None:
    """Raises Problem `case_closed`, in words, when a merge can be taken back no more, or not yet."""
    if merge.undone_at:
        raise Problem("case_closed", _("This merge has been undone already"))
    if merge.sealed is None or clock.now() - merge.at > rules.UNMERGE_WITHIN:
        days = {"days": rules.UNMERGE_WITHIN.days}
        raise Problem("case_closed", _("A merge can be undone within %(days)s days only") % days)
    for member in (merge.source, merge.target):
        if member.status == Member.Status.ERASED:
            raise Problem("case_closed", _("Member %(number)s has been erased") % {"number": member.number})
    if later := _later(merge):
        named = {"source": later.source.number, "target": later.target.number}
        raise Problem("case_closed", _("Undo the later merge of %(source)s into %(target)s first") % named)


def forget_sealed() -> int:
    """Forget what only an undoing would need, once a merge cannot be undone any more. Returns how many."""
    over = Merge.objects.filter(sealed__isnull=False, at__lt=Clock() - rules.UNMERGE_WITHIN)
    return Merge.objects.filter(pk__in=over.order_by("at").values("pk")[:BATCH]).update(sealed=None)


@act
def merge_asked(request: Request, by: Actor) -> Merge:
    """Carry out an approved request to merge; the state of the world is checked again."""
    source, target = survivor_of(*_both(request.member_id, request.other_id))
    return merge(source, target, why=request.reason, by=by, request=request)


@act
def unmerge_asked(request: Request, by: Actor) -> Merge:
    """Carry out an approved request to undo a merge."""
    return unmerge(request.merge, by=by)


def _both(one: UUID, other: UUID) -> list[Member]:
    """The two members themselves, locked; not whom they were merged into since."""
    locked = Member.objects.select_for_update(no_key=True).filter(pk__in=[one, other]).order_by("id")
    found = {member.id: member for member in locked}
    return [found[one], found[other]]


def _locked(merge: Merge) -> list[Member]:
    """Both sides of a merge, the survivor first, and with them whom the source had absorbed before."""
    if Member.objects.select_for_update(no_key=True).get(pk=merge.target_id).merged_into_id:
        require_undoable(merge)  # by a later merge, that is
    list(
        Member.objects.select_for_update(no_key=True)
        .filter(Q(pk__in=[merge.source_id, merge.target_id]) | Q(merged_into=merge.target_id))
        .order_by("id")
        .values_list("id", flat=True)
    )
    return _both(merge.source_id, merge.target_id)


def _later(merge: Merge) -> Merge | None:
    """A merge of the survivor that stands and came after this one: each is undone before those beneath it."""
    standing = Merge.objects.filter(Q(target=merge.target) | Q(source=merge.target), undone_at=None)
    return standing.filter(at__gt=merge.at).select_related("source", "target").order_by("-at").first()


def _join(made: Merge, sealed: dict, by: Actor) -> None:
    source, target = made.source, made.target
    _lock_floors(source, target)
    _tell("member.merged", source, target, by)
    admitted = sight.share(source, target)
    before = _shape(target)
    for records in all_records():
        journal = records.move(source.id, target.id)
        sealed[type(records).__name__] = {"sealed": journal.pop("sealed")} if "sealed" in journal else {}
        made.journal[type(records).__name__] = journal
    source.refresh_from_db()
    source.status, source.merged_into = Member.Status.MERGED, target
    source.save(update_fields=["status", "merged_into"])
    made.journal["admitted"] = admitted
    services.touch(source)
    _tell_changed(target, before, by)
    made.at, made.sealed = clock.now(), json.dumps(sealed)
    made.save(force_insert=True)
    notices.notify(target.id, "member_merged", f"merge/{made.id}", {"at": notices.moment(made.at)})


def _part(merge: Merge, source: Member, target: Member) -> None:
    sealed = json.loads(merge.sealed)
    source.status, source.merged_into = Member.Status.ACTIVE, None
    source.save(update_fields=["status", "merged_into"])
    for records in all_records():
        name = type(records).__name__
        records.restore(source.id, target.id, merge.journal[name] | sealed[name])
    ways_in.bring_back(source, sealed.get("dropped", []))
    _hide(target, merge)


def _lock_floors(source: Member, target: Member) -> None:
    for records in reversed(all_records()):  # orders before accounts: the order of locks
        records.lock([source.id, target.id])


def _hide(target: Member, merge: Merge) -> None:
    """Who came to see the survivor by the merge ceases to, unless it signed in there since, or proved an identity."""
    admitted = {UUID(each) for each in merge.journal["admitted"]}
    own = Q(pk__in=Session.objects.filter(member=target, created_at__gt=merge.at).values("channel"))
    own |= Q(pk__in=Identity.objects.filter(member=target, proof=Identity.Proof.VERIFIED).values("channel"))
    sight.hide(target, admitted - {*Channel.objects.filter(own, pk__in=admitted).values_list("pk", flat=True)})


def _shape(member: Member) -> dict:
    """What readers of a member can notice."""
    shown = queries.as_me(member)
    del shown["version"], shown["updated_at"]
    shown["addresses"] = list(Address.objects.filter(member=member).order_by("id").values("id", "is_default"))
    return shown | {"consents": queries.granted_by(member.id)}


def _tell_changed(member: Member, before: dict, by: Actor) -> None:
    """The next version of a member, and which fields are others than before."""
    member.refresh_from_db()
    services.touch(member)
    after = _shape(member)
    if changed := [name for name in after if after[name] != before[name]]:
        subject = events.of_member(member.id)
        events.record("member.updated", subject=subject, data=services.changed(member, *changed), by=by)


def _tell(fact: str, source: Member, target: Member, by: Actor) -> None:
    merged = {"from_id": str(source.id), "into_id": str(target.id)}
    for member in (target, source):
        events.record(fact, subject=events.of_member(member.id), data=merged, by=by)
