"""Two members, one person: folding what has just signed in into the owner of what it proved, or opening a case."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.utils.translation import gettext as _

from members import rules, services, sessions
from members.identity import Evidence
from members.models import Identity, LinkCase, Member, Merge
from members.records import all_records
from sync import clock, events
from sync.act import Actor
from sync.models import Audience
from sync.services import admit


@dataclass(frozen=True)
class Settled:
    """Who the person is now: another member that absorbed theirs, or their own with a case."""

    member: Member
    absorbed: UUID | None = None
    case: LinkCase | None = None


def settle(
    member: Member,
    other: Member,
    *,
    item: Evidence,
    proven_at: datetime,
    signed_in_at: datetime,
    proven: Iterable[UUID],
    by: Actor,
) -> Settled:
    """`member` proved what `other` holds: fold it if it has nothing to lose, else open a case. Both are locked.

    `proven_at` is when `other` last proved it, `signed_in_at` when `member` signed in, `proven` what it showed then.
    """
    known = item.kind != Identity.Kind.PHONE or item.assurance >= rules.SMS
    foldable = other.status == Member.Status.ACTIVE and rules.may_fold(
        holds_value=holds_value(member.id),
        signed_in_at=signed_in_at,
        assurance=rules.SMS if known else item.assurance,
        proven_at=proven_at,
        now=clock.now(),
    )
    if not foldable:
        return Settled(member, case=open_case(LinkCase.Kind.MERGE, member, other, item))
    fold(member, other, proven=proven, by=by)
    return Settled(other, absorbed=member.id)


def holds_value(member_id: UUID) -> bool:
    """Whether any floor keeps something of the member that would be lost."""
    return any(records.holds_value(member_id) for records in all_records())


def fold(source: Member, target: Member, *, proven: Iterable[UUID], by: Actor) -> Merge:
    """Make `source` a part of `target`: identities proven in its session move, others are dropped, sessions end.

    Both members are locked. Told on both streams; the journal holds what it takes to undo it.
    """
    for records in reversed(all_records()):  # orders before accounts: the order of locks
        records.lock([source.id, target.id])
    journal = {"dropped": _drop(source, keep=proven)}
    for records in all_records():
        journal[type(records).__name__] = records.move(source.id, target.id)
    source.status, source.merged_into = Member.Status.MERGED, target
    source.save(update_fields=["status", "merged_into"])
    sessions.revoke_all(source.id, reason="folded")
    for seen in Audience.objects.filter(subject=events.of_member(source.id)).select_related("channel"):
        admit(events.of_member(target.id), seen.channel)
    services.touch(source)
    services.touch(target)
    _tell(source, target, by)
    return Merge.objects.create(kind=Merge.Kind.FOLD, source=source, target=target, journal=journal, by=str(by))


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


def open_case(kind: str, member: Member, other: Member, item: Evidence) -> LinkCase:
    """The open case between two members, made when there is none; the proof just given counts in it."""
    case, _made = LinkCase.objects.get_or_create(
        kind=kind, member=member, other=other, state=LinkCase.State.OPEN,
        defaults={"identity_kind": item.kind, "mask": item.mask},
    )  # fmt: skip
    given = {"kind": item.kind, "assurance": item.assurance, "at": clock.now().isoformat()}
    case.proofs = [proof for proof in case.proofs if proof["kind"] != item.kind] + [given]
    case.save(update_fields=["proofs"])
    return case


def as_case(case: LinkCase) -> dict:
    """The `link_case` of the contract: what it still takes to show that both are one person."""
    needed = [
        {"kind": "old_sign_in", "hint": _("Sign in to the other account")},
        {"kind": "order_fact", "hint": _("The number and the total of an order")},
    ]
    given = {proof["kind"] for proof in case.proofs if proof["assurance"] >= rules.SMS}
    if case.other.phone_mask and "phone" not in given:
        needed.insert(0, {"kind": "sms", "hint": case.other.phone_mask})
    return {"id": str(case.id), "kind": case.kind, "proofs_needed": needed}
