"""Two members, one person: folding what has just signed in into the owner of what it proved, or opening a case."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.utils.translation import gettext as _

from members import identity, rules
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
    note(case, item.kind, item.assurance)
    return case


def note(case: LinkCase, kind: str, assurance: int) -> None:
    """Keep in the case that something was shown just now: what and how well, never the thing itself."""
    given = {"kind": kind, "assurance": assurance, "at": clock.now().isoformat()}
    case.proofs = [proof for proof in case.proofs if proof["kind"] != kind] + [given]
    case.save(update_fields=["proofs"])


def counting(case: LinkCase) -> dict[str, tuple[int, datetime]]:
    """What counts in a case by now: kind → (assurance, time). A number that left the other member shows nothing."""
    worthless = set() if _is_their_number(case) else {Identity.Kind.PHONE}
    given = {p["kind"]: (p["assurance"], datetime.fromisoformat(p["at"])) for p in case.proofs}
    now = clock.now()
    return {kind: proof for kind, proof in given.items() if kind not in worthless and rules.counts(*proof, now)}


def _is_their_number(case: LinkCase) -> bool:
    """Whether a proof of the phone that opened the case still speaks of the other member."""
    if case.kind == LinkCase.Kind.RECYCLED_PHONE:
        return False
    theirs = Identity.objects.filter(member=case.other, kind=Identity.Kind.PHONE, mask=case.mask)
    return case.identity_kind != Identity.Kind.PHONE or theirs.exists()


def is_proven(case: LinkCase) -> bool:
    """Whether enough was shown to make one member of two. Restrictions are joined by staff alone."""
    two = case.member, case.other
    if any(member.status != Member.Status.ACTIVE for member in two):
        return False
    both = all(holds_value(member.id) for member in two)
    return rules.is_enough(counting(case).values(), both_hold_value=both, now=clock.now())


def takes_sms(case: LinkCase) -> bool:
    """Whether a code to the other member's phone would show anything: not once the number may have a new holder."""
    if not case.other.phone_mask or not _is_their_number(case):
        return False
    (item,) = identity.of_phone(case.other.phone, rules.SMS)
    held = Identity.objects.filter(item.where, member=case.other, proof=Identity.Proof.VERIFIED).first()
    return held is not None and not identity.is_unseen(held, case.other)


def as_case(case: LinkCase) -> dict:
    """The `link_case` of the contract: what can still be shown to prove that both are one person."""
    needed = {
        "phone": {"kind": "sms", "hint": case.other.phone_mask},
        "old_sign_in": {"kind": "old_sign_in", "hint": _("Sign in to the other account")},
        "order_fact": {"kind": "order_fact", "hint": _("The number and the total of an order")},
    }
    without = set(counting(case)) if takes_sms(case) else {*counting(case), "phone"}
    left = [proof for shows, proof in needed.items() if shows not in without]
    return {"id": str(case.id), "kind": case.kind, "proofs_needed": left}
