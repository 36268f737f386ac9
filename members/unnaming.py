"""What this floor knew of a person, taken away: of a member that is erased nothing stays but an id and what was agreed.

Runs within an erasure (`members/erasing.py`), with the member and whoever it absorbed locked. Rows that prove something
stay without what names anybody: that there was consent, a merge, a restriction, a request, and when.
"""

from uuid import UUID

import pgtrigger
from django.db.models import F, Q

from members import sessions
from members.models import (
    Address,
    Avatar,
    Consent,
    ExportFile,
    FieldWrite,
    Freeze,
    Identity,
    LinkCase,
    Member,
    MemberCode,
    MemberNotice,
    Merge,
    NoticeConsent,
    PrivacyRequest,
    Request,
    Session,
    SmsChallenge,
)
from sync.clock import Clock
from sync.forgetting import EVERYWHERE, Words

ERASED = "erased"
NOTHING = "***"
OPEN = [PrivacyRequest.State.OPEN, PrivacyRequest.State.RUNNING]
GONE = {
    "identities": Identity,
    "addresses": Address,
    "avatars": Avatar,
    "field_writes": FieldWrite,
    "notices": MemberNotice,
    "notice_consents": NoticeConsent,
    "codes": MemberCode,
}
PROFILE = ["nickname", "avatar_url", "gender", "birthday", "email"]


def words_of(member_id: UUID) -> Words:
    """What messages may name the member by: id, number, e-mail, everything it proved or a channel said of it."""
    member = Member.objects.get(pk=member_id)
    said = {(EVERYWHERE, word) for word in (str(member.pk), member.number, member.email, member.phone) if word}
    for identity in Identity.objects.filter(member=member):
        is_numbered = identity.kind == Identity.Kind.EXTERNAL
        said.add((f"channels/{identity.namespace}" if is_numbered else EVERYWHERE, identity.value))
    return said


def blocks(member_id: UUID) -> list[str]:
    """A restriction that was laid on the member must be lifted first: who leaves must not leave it behind."""
    return ["freeze"] if Freeze.objects.filter(member=member_id, lifted_at=None).exists() else []


def unname(member_id: UUID) -> dict:
    """Take away all that names the member; returns counts of what is gone and of what stays without a name."""
    gone = {"sessions": _end_sessions(member_id)} | {
        kind: model.objects.filter(member=member_id).delete()[0] for kind, model in GONE.items()
    }
    gone["challenges"] = SmsChallenge.objects.filter(Q(member=member_id) | Q(session__member=member_id)).delete()[0]
    kept = {
        "consents": _blank_consents(member_id),
        "link_cases": _blank_cases(member_id),
        "merges": _blank_merges(member_id),
        "freezes": Freeze.objects.filter(member=member_id).update(note=""),
        "requests": _blank_requests(member_id),
        "privacy_requests": _blank_privacy(member_id),
    }
    gone["exports"] = ExportFile.objects.filter(request__member=member_id).delete()[0]  # none is being made any more
    gone["profile"] = _blank_member(member_id)
    return {"gone": gone, "kept": kept}


def _end_sessions(member_id: UUID) -> int:
    """All end at once; of each stays when it was, without the device."""
    sessions.revoke_all(member_id, reason=ERASED)
    return Session.objects.filter(member=member_id).update(device="", device_id="", proven=[])


def _blank_consents(member_id: UUID) -> int:
    return Consent.objects.filter(member=member_id).update(evidence="")


def _blank_cases(member_id: UUID) -> int:
    cases = LinkCase.objects.filter(Q(member=member_id) | Q(other=member_id))
    cases.filter(state=LinkCase.State.OPEN).update(state=LinkCase.State.DECLINED, closed_at=Clock(), closed_by=ERASED)
    return cases.update(mask=NOTHING, proofs=[])


def _blank_merges(member_id: UUID) -> int:
    """No merge of somebody who was erased is undone: what that would take is dropped."""
    return Merge.objects.filter(Q(source=member_id) | Q(target=member_id)).update(journal={}, sealed=None, why="")


def _blank_requests(member_id: UUID) -> int:
    """What staff asked for is withdrawn; what they wrote about the person goes, that they asked and decided stays."""
    about = Request.objects.filter(Q(member=member_id) | Q(other=member_id))
    about.filter(state=Request.State.ASKED).update(
        state=Request.State.WITHDRAWN, decided_at=Clock(), decided_by=F("asked_by")
    )
    with pgtrigger.ignore("members.Request:decided_for_good"):
        for request in about:
            request.terms.pop("note", None)
            about.filter(pk=request.pk).update(reason=NOTHING, why="", terms=request.terms)
    return about.count()


def _blank_privacy(member_id: UUID) -> int:
    """The erasure at hand is closed by who carries it out; the member's others have nothing left to do.

    Waits for a copy that is being made. What staff wrote on closing goes too.
    """
    asked = PrivacyRequest.objects.filter(member=member_id)
    others = asked.filter(state__in=OPEN).exclude(kind=PrivacyRequest.Kind.ERASURE)
    others.update(state=PrivacyRequest.State.WITHDRAWN, closed_at=Clock(), closed_by=ERASED)
    asked.filter(receipt__has_key="words").update(receipt={})
    return asked.update(note="")


def _blank_member(member_id: UUID) -> int:
    """The row without the person; how many fields held something. An absorbed one goes on leading to its survivor."""
    member = Member.objects.get(pk=member_id)
    said = sum(bool(getattr(member, name)) for name in (*PROFILE, "phone") if name != "gender")
    member.nickname = member.avatar_url = member.phone_mask = member.phone_last4 = ""
    member.gender, member.birthday, member.email, member.phone = Member.Gender.UNKNOWN, None, None, None
    if member.status != Member.Status.MERGED:
        member.status, member.frozen_scopes = Member.Status.ERASED, []
    phone = [field.name for field in Member._meta.concrete_fields if field.name.startswith("phone")]
    member.save(update_fields=[*PROFILE, *phone, "status", "frozen_scopes"])
    return said
