"""Reading members: as themselves, as a channel may, and what they have agreed to."""

from collections.abc import Iterable
from uuid import UUID

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils.translation import get_language

from members.models import Consent, Identity, Member, Policy, Session
from sync import events, prepared
from sync.clock import Clock
from sync.http import Problem, instant
from sync.models import Audience, Channel, Stream, Visible
from sync.rows import Rows

MEMBERS = Rows(Member)
SEEN = f"""
SELECT EXISTS (
    SELECT FROM sync_audience a JOIN sync_channel c ON c.id = a.channel_id
    WHERE a.subject = 'member/' || m.id AND c.group_id = %(group)s
), {MEMBERS.of("m")} FROM members_member m WHERE m.id = %(member)s
"""  # noqa: S608 - names of our own columns


def as_me(member: Member, seen_by: Channel | None = None, on: Channel | None = None) -> dict:
    """The member as the contract shows them to themselves; to a channel, what its row lets it see of them, with the
    ways into its sharing group.

    `on` is the channel whose policies count, where nobody but the member looks.
    """
    hidden = hidden_from(seen_by)
    identities = () if "identities" in hidden else identities_of(member.id, seen_by)
    shown = {
        "id": str(member.id),
        "number": member.number,
        "nickname": member.nickname,
        "avatar_url": shown_address(member.avatar_url),
        "gender": member.gender,
        "birthday": member.birthday and member.birthday.isoformat(),
        "email": member.email,
        "phone": member.phone_mask or None,
        "identities": [as_identity(identity) for identity in identities],
        "consents_required": consents_required(member.id, seen_by or on),
        "status": member.status,
        "version": member.version,
        "created_at": instant(member.created_at),
        "updated_at": instant(member.updated_at),
    }
    return {name: value for name, value in shown.items() if name not in hidden}


def hidden_from(channel: Channel | None) -> set[str]:
    """The fields of a member that a channel's row keeps from it: they are left out of what it is told."""
    return set(Visible.values) - set(channel.visible_fields) if channel else set()


def shown_address(url: str) -> str:
    """An address of the hub's own is kept as its path, so that the hub can move."""
    return f"{settings.PUBLIC_URL}{url}" if url.startswith("/") else url


def identities_of(member_id: UUID, seen_by: Channel | None = None) -> QuerySet[Identity]:
    """What ties doors to the member, oldest first; claims without proof apart. To a channel: those of its group."""
    found = Identity.objects.filter(member=member_id).exclude(proof=Identity.Proof.CLAIMED)
    if seen_by:
        found = found.filter(Q(channel=None) | Q(channel__group=seen_by.group_id))
    return found.select_related("channel").order_by("id")


def proven_openid(session_id: UUID, app_id: str) -> str | None:
    """The openid of an app that the person behind a session showed to open it; None when they came another way."""
    shown = Session.objects.values_list("proven", flat=True).get(pk=session_id)
    rows = Identity.objects.filter(pk__in=shown, kind=Identity.Kind.WECHAT_OPENID, namespace=app_id)
    found = rows.filter(proof=Identity.Proof.VERIFIED).first()
    return found and found.value


def as_identity(identity: Identity) -> dict:
    """One identity, its value masked."""
    return {
        "id": str(identity.id),
        "kind": identity.kind,
        "channel": identity.channel and identity.channel.code,
        "masked": identity.mask,
        "proof": identity.proof,
        "verified_at": instant(identity.verified_at),
    }


def current_policies(channel: Channel | None = None) -> list[Policy]:
    """The policies in force on a channel, one per purpose: its own text, else that of all channels.

    Of these the one in the reader's language, else in Chinese, else in any.
    """
    found: dict[str, Policy] = {}
    known = Policy.objects.filter(Q(channel=None) | Q(channel=channel), is_current=True)
    for policy in known.order_by("purpose", "locale"):
        best = found.get(policy.purpose)
        if best is None or _rank(policy) < _rank(best):
            found[policy.purpose] = policy
    return list(found.values())


def _rank(policy: Policy) -> tuple[bool, int]:
    preferred = [get_language() or "zh-hans", "zh-hans", policy.locale]
    return policy.channel_id is None, preferred.index(policy.locale)


def as_policy(policy: Policy) -> dict:
    """A policy to agree to."""
    return {
        "purpose": policy.purpose,
        "version": policy.version,
        "title": policy.title,
        "text_url": policy.text_url,
    }


def consents_required(member_id: UUID, channel: Channel | None = None) -> list[dict]:
    """The required policies in force on a channel that the member has not granted."""
    granted = granted_by(member_id)
    missing = [p for p in current_policies(channel) if p.is_required and p.version not in granted.get(p.purpose, set())]
    return [as_policy(policy) for policy in missing]


def granted_by(member_id: UUID) -> dict[str, set[str]]:
    """Purpose → the versions the member agrees to now: all since they last said no, wherever they said it.

    More than one, for a channel may have a text of its own: agreeing to it takes nothing back elsewhere.
    """
    return granted_among(Consent.objects.filter(member=member_id).order_by("id"))


def granted_among(said: Iterable[Consent]) -> dict[str, set[str]]:
    """The same of what a member said, oldest first."""
    granted: dict[str, set[str]] = {}
    for consent in said:
        if consent.act == Consent.Act.GRANTED:
            granted.setdefault(consent.purpose, set()).add(consent.version)
        else:
            granted.pop(consent.purpose, None)
    return granted


def may_see(channel: Channel, member_id: UUID) -> Member:
    """A member that the channel, or another of its sharing group, may see; an absorbed one gives its survivor.

    Raises Problem `not_found`.
    """
    for is_seen, *values in prepared.run(SEEN, {"member": member_id, "group": channel.group_id}):
        member = MEMBERS.instance(values)
        if member.merged_into_id:
            return may_see(channel, member.merged_into_id)
        if is_seen and member.status != Member.Status.ERASED:
            return member
    raise Problem("not_found")


def may_reach(channel: Channel, member_id: UUID) -> Member:
    """A member that the channel may write to: one it sees, or of whom it, or its sharing group, asserted an identity.

    Raises Problem `not_found`.
    """
    member = _survivor(member_id)
    if member and (_is_seen(channel, member) or _is_spoken_of(channel, member)):
        return member
    raise Problem("not_found")


def sees(channel: Channel, member: Member) -> bool:
    """Whether the channel may read the member, or all there is to read came from its own sharing group.

    Write-only reach must not tell what a person did elsewhere: of who proved an identity the answer is silent.
    """
    own = Q(channel__group=channel.group_id, proof__in=[Identity.Proof.ATTESTED, Identity.Proof.ASSERTED])
    return _is_seen(channel, member) or not Identity.objects.filter(member=member).exclude(own).exists()


def _survivor(member_id: UUID) -> Member | None:
    member = Member.objects.select_related("merged_into").filter(pk=member_id).first()
    while member and member.merged_into:
        member = member.merged_into
    return None if member is None or member.status == Member.Status.ERASED else member


def _is_seen(channel: Channel, member: Member) -> bool:
    seen = Audience.objects.filter(subject=events.of_member(member.id), channel__group=channel.group_id)
    return seen.exists()


def _is_spoken_of(channel: Channel, member: Member) -> bool:
    said = Identity.objects.filter(member=member, channel__group=channel.group_id)
    return said.filter(proof__in=[Identity.Proof.ATTESTED, Identity.Proof.ASSERTED]).exists()


def head_of(member_id: UUID) -> int:
    """The sequence of the last fact about a member; 0 before the first."""
    stream = Stream.objects.filter(pk=events.of_member(member_id)).first()
    return stream.head if stream else 0


def sessions_of(member_id: UUID) -> QuerySet[Session]:
    """The member's sessions that are alive."""
    alive = Session.objects.filter(member=member_id, revoked_at=None, expires_at__gt=Clock())
    return alive.select_related("channel")


def as_signed_in(session: Session, current: UUID) -> dict:
    """One place where the member is signed in."""
    return {
        "id": str(session.id),
        "channel": session.channel.code,
        "device": session.device,
        "assurance": session.assurance,
        "is_current": session.id == current,
        "created_at": instant(session.created_at),
        "last_seen_at": instant(session.last_seen_at),
    }
