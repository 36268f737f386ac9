"""A person's own data as they may take it along: theirs in full, of others nothing, of staff no name, no note.

What belongs to a member that was absorbed belongs to the person too. Times in UTC.
"""

from collections.abc import Callable
from uuid import UUID

from django.db.models import Model, Q

from members.models import (
    Address,
    Consent,
    FieldWrite,
    Freeze,
    Identity,
    LinkCase,
    Member,
    MemberNotice,
    Merge,
    NoticeConsent,
    PrivacyRequest,
    Session,
)
from sync.http import instant

PLACE = ("receiver", "phone", "province", "city", "district", "street", "postcode", "is_default")


def everyone(member_id: UUID) -> list[UUID]:
    """The member and all it absorbed, and these, however long the chain: one person. In ascending order."""
    found, wave = {member_id}, [member_id]
    while wave:
        wave = list(Member.objects.filter(merged_into__in=wave).exclude(pk__in=found).values_list("pk", flat=True))
        found.update(wave)
    return sorted(found)


def copy_of(member_id: UUID) -> dict:
    """All that this floor keeps of a member, for themselves."""
    member = Member.objects.select_related("home_channel").get(pk=member_id)
    own = Q(member__in=everyone(member_id))
    return {
        "profile": _profile(member),
        "identities": _each(Identity, own, _identity, "channel"),
        "addresses": _each(Address, own, _address),
        "consents": _each(Consent, own, _consent, "channel"),
        "sessions": _each(Session, own, _session, "channel"),
        "field_writes": _each(FieldWrite, own, _write, "channel"),
        "restrictions": _each(Freeze, own, _freeze),
        "link_cases": _each(LinkCase, own, _case),
        "merges": _each(Merge, Q(target__in=everyone(member_id), undone_at=None), _merge),
        "notices": _each(MemberNotice, own, _notice, "template"),
        "notice_consents": _each(NoticeConsent, own, _notice_consent, "template"),
        "privacy_requests": _each(PrivacyRequest, own, _request),
    }


def _each(model: type[Model], where: Q, shown: Callable, *beside: str) -> list[dict]:
    return [shown(row) for row in model.objects.filter(where).select_related(*beside).order_by("pk")]


def _code(row) -> str | None:
    return row.channel.code if row.channel_id else None


def _profile(member: Member) -> dict:
    return {
        "id": str(member.id),
        "number": member.number,
        "nickname": member.nickname,
        "avatar_url": member.avatar_url,
        "gender": member.gender,
        "birthday": member.birthday and member.birthday.isoformat(),
        "email": member.email,
        "phone": member.phone,
        "status": member.status,
        "channel": member.home_channel.code if member.home_channel_id else None,
        "created_at": instant(member.created_at),
        "updated_at": instant(member.updated_at),
    }


def _identity(row: Identity) -> dict:
    return {
        "kind": row.kind,
        "namespace": row.namespace,
        "value": row.value,
        "proof": row.proof,
        "channel": _code(row),
        "verified_at": instant(row.verified_at),
        "last_seen_at": instant(row.last_seen_at),
        "created_at": instant(row.created_at),
    }


def _address(row: Address) -> dict:
    return {name: getattr(row, name) for name in PLACE} | {"created_at": instant(row.created_at)}


def _consent(row: Consent) -> dict:
    told = {"purpose": row.purpose, "version": row.version, "act": row.act, "text_digest": row.text_digest}
    return told | {"channel": _code(row), "evidence": row.evidence, "at": instant(row.at)}


def _session(row: Session) -> dict:
    return {
        "channel": _code(row),
        "device": row.device,
        "device_id": row.device_id,
        "created_at": instant(row.created_at),
        "last_seen_at": instant(row.last_seen_at),
        "revoked_at": instant(row.revoked_at),
    }


def _write(row: FieldWrite) -> dict:
    told = {"field": row.field, "written_by": row.get_rank_display(), "channel": _code(row)}
    return told | {"at": instant(row.at), "received_at": instant(row.received_at)}


def _freeze(row: Freeze) -> dict:
    told = {"scopes": row.scopes, "reason": row.reason, "at": instant(row.at)}
    return told | {"expires_at": instant(row.expires_at), "lifted_at": instant(row.lifted_at)}


def _case(row: LinkCase) -> dict:
    """That there was a case; whose the other account was is nobody's to take along."""
    told = {"kind": row.kind, "state": row.state, "identity_kind": row.identity_kind}
    return told | {"created_at": instant(row.created_at), "closed_at": instant(row.closed_at)}


def _merge(row: Merge) -> dict:
    return {"kind": row.kind, "from_id": str(row.source_id), "into_id": str(row.target_id), "at": instant(row.at)}


def _notice(row: MemberNotice) -> dict:
    title = row.template.title if row.template else row.get_occasion_display()
    told = {"title": title, "reference": row.reference, "values": row.values, "state": row.state}
    return told | {"created_at": instant(row.created_at), "sent_at": instant(row.sent_at)}


def _notice_consent(row: NoticeConsent) -> dict:
    return {"title": row.template.title, "left": row.left, "updated_at": instant(row.updated_at)}


def _request(row: PrivacyRequest) -> dict:
    told = {"kind": row.kind, "state": row.state, "asked_at": instant(row.asked_at)}
    return told | {"due_at": instant(row.due_at), "closed_at": instant(row.closed_at)}
