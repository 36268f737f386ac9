"""What staff compare when they look at two members side by side: masked, short, in their words."""

from collections.abc import Iterator
from uuid import UUID

from django.utils.translation import gettext as _

from members import queries
from members.models import Address, Identity, Member, NoticeConsent, Scope
from sync.secret import mask_email

Figure = tuple[str, str]  # what it is, how it stands


def of(member_id: UUID) -> Iterator[Figure]:
    """Profile, ways in, addresses, consents and restrictions of a member."""
    member = Member.objects.get(pk=member_id)
    yield _("Nickname"), member.nickname
    yield _("Gender"), member.get_gender_display()
    yield _("Birthday"), member.birthday.isoformat() if member.birthday else ""
    yield _("E-mail"), mask_email(member.email) if member.email else ""
    yield _("Phone"), member.phone_mask
    yield _("Ways in"), ", ".join(_named(each) for each in queries.identities_of(member_id))
    yield _("Addresses"), str(Address.objects.filter(member=member_id).count())
    yield _("Agreed to"), ", ".join(_agreed(member_id))
    yield _("Messages that may be sent"), str(sum(_sends(member_id)))
    yield _("Frozen"), ", ".join(str(Scope(scope).label) for scope in member.frozen_scopes)


def _named(identity: Identity) -> str:
    proof = "" if identity.proof == Identity.Proof.VERIFIED else f" ({identity.get_proof_display()})"
    return f"{identity.get_kind_display()} {identity.mask}{proof}"


def _agreed(member_id: UUID) -> list[str]:
    granted = queries.granted_by(member_id)
    return [f"{purpose} {' '.join(sorted(granted[purpose]))}" for purpose in sorted(granted)]


def _sends(member_id: UUID) -> list[int]:
    return list(NoticeConsent.objects.filter(member=member_id).values_list("left", flat=True))
