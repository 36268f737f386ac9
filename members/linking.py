"""Two members, one person: folding what has just signed in into the owner of what it proved, or opening a case."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.utils.translation import gettext as _

from members import rules
from members.identity import Evidence
from members.merging import fold
from members.models import Identity, LinkCase, Member
from members.records import all_records
from sync import clock
from sync.act import Actor


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
