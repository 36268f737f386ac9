"""Identities, and the phone that one of them is."""

from datetime import datetime
from uuid import UUID

from django.db.models import Q

from members.models import Identity, Member
from members.moving.rows import handed
from sync.secret import blind_index

PHONE = [field.name for field in Member._meta.concrete_fields if field.name.startswith("phone")]
KEPT = ("kind", "namespace", "mask", "proof", "assurance")
TIMES = ("verified_at", "suspended_at", "last_seen_at", "created_at")
Kind, Proof = Identity.Kind, Identity.Proof


def move(source: Member, target: Member) -> dict:
    """All identities of the source, whatever their proof. The target keeps its own phone, or takes the source's."""
    journal = {"phones": [_mirrored(member) for member in (source, target)]}
    if source.phone:
        _show(source, None)
    journal["identities"] = handed(Identity.objects.filter(member=source), target)
    _mirror(target, journal["phones"][0])
    return journal


def restore(source: Member, target: Member, journal: dict, at: str) -> None:
    """What came with the source goes back. What the survivor proved since is its own, a channel's word included."""
    back = Identity.objects.filter(pk__in=journal["identities"], member=target)
    handed(back.filter(Q(verified_at=None) | Q(verified_at__lte=datetime.fromisoformat(at))), source)
    phones = dict(zip((source, target), journal["phones"], strict=True))
    for member in (target, source):  # a phone is let go before somebody else has it
        _mirror(member, phones[member])


def drop(source: Member, *, keep: list[UUID]) -> tuple[list[dict], list[dict]]:
    """Delete identities that somebody may have planted before: all but those in `keep`.

    Returns what a journal may know of them, and what has to be sealed to bring them back.
    """
    planted = list(Identity.objects.filter(member=source).exclude(pk__in=keep).order_by("id"))
    told = [{"id": str(row.id), "kind": row.kind, "proof": row.proof} for row in planted]
    sealed = [_kept(row) for row in planted]
    Identity.objects.filter(pk__in=[row.id for row in planted]).delete()
    return told, sealed


def bring_back(source: Member, sealed: list[dict]) -> None:
    """Give a member the identities that were dropped, but for those that somebody holds by now."""
    for kept in sealed:
        if _is_free(kept):
            row = Identity(id=UUID(kept["id"]), member=source, value=kept["value"])
            row.value_index = blind_index(kept["kind"], kept["value"])
            for name in (*KEPT, "channel_id"):
                setattr(row, name, kept[name])
            for name in TIMES:
                setattr(row, name, kept[name] and datetime.fromisoformat(kept[name]))
            row.save(force_insert=True)


def _kept(row: Identity) -> dict:
    times = {name: (time := getattr(row, name)) and time.isoformat() for name in TIMES}
    channel = {"channel_id": row.channel_id and str(row.channel_id)}
    return {"id": str(row.id), "value": row.value} | {name: getattr(row, name) for name in KEPT} | channel | times


def _is_free(kept: dict) -> bool:
    index = blind_index(kept["kind"], kept["value"])
    same = Identity.objects.filter(kind=kept["kind"], namespace=kept["namespace"], value_index=index)
    if kept["proof"] == Proof.VERIFIED:
        return not same.filter(proof=Proof.VERIFIED).exists()
    said = same.filter(proof__in=[Proof.ATTESTED, Proof.ASSERTED], channel=kept["channel_id"])
    return not same.filter(proof=Proof.VERIFIED).exists() and not said.exists()


def _phones(member: Member) -> list[Identity]:
    return list(Identity.objects.filter(member=member, kind=Kind.PHONE, proof=Proof.VERIFIED).order_by("-verified_at"))


def _mirrored(member: Member) -> str | None:
    """The identity that is the member's phone."""
    return next((str(row.id) for row in _phones(member) if row.value == member.phone), None)


def _mirror(member: Member, preferred: str | None) -> None:
    """A member's phone is one of the verified ones: as it is, else the preferred, else the newest, else none."""
    phones = _phones(member)
    if any(row.value == member.phone for row in phones):
        return
    chosen = next((row for row in phones if str(row.id) == preferred), next(iter(phones), None))
    if chosen or member.phone:
        _show(member, chosen)


def _show(member: Member, identity: Identity | None) -> None:
    member.phone = identity and identity.value
    member.phone_index = identity and blind_index(Kind.PHONE, identity.value)
    member.phone_mask = identity.mask if identity else ""
    member.phone_last4 = identity.value[-4:] if identity else ""
    member.save(update_fields=PHONE)
