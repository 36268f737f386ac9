"""Taking a way in away: an identity goes, and with it the sessions that nothing else opened."""

from uuid import UUID

from members import identity, proving, services, sessions
from members.models import Identity, Member, Session
from sync.act import Actor, act
from sync.http import Problem

VERIFIED, CLAIMED = Identity.Proof.VERIFIED, Identity.Proof.CLAIMED


@act
def unlink(*, identity_id: UUID, session_id: UUID) -> None:
    """Remove an identity of the session's member. Sessions end that were opened by it alone, the calling one too.

    Raises Problem `not_found`, `step_up_required`, `last_identity`, `token_revoked`.
    """
    member_id = Session.objects.values_list("member_id", flat=True).get(pk=session_id)
    (member,) = services.lock(member_id)
    session = proving.alive(session_id)
    row = _own(member, identity_id)
    proving.require_confirmed(session, member)
    if not _others(row).exists():
        raise Problem("last_identity")
    by = Actor("member", str(member.id), session.channel.code)
    identity.let_go(member, row, by=by)
    if row.kind == Identity.Kind.PHONE and member.phone is None:
        _promote(member, by)
    services.touch(member)
    sessions.revoke(_opened_by_it_alone(member, identity_id), reason="identity_removed")


def _own(member: Member, identity_id: UUID) -> Identity:
    """What the member sees among their identities; raises Problem `not_found`."""
    rows = Identity.objects.filter(pk=identity_id, member=member).exclude(proof=CLAIMED)
    row = rows.select_related("channel").first()
    if row is None:
        raise Problem("not_found")
    return row


def _others(row: Identity):
    """The ways in that stay: of a verified one only what is verified is as good."""
    others = Identity.objects.filter(member=row.member_id, suspended_at=None).exclude(pk=row.pk)
    return others.filter(proof=VERIFIED) if row.proof == VERIFIED else others.exclude(proof=CLAIMED)


def _promote(member: Member, by: Actor) -> None:
    """A further phone that the member proved, from a merge, is theirs now."""
    further = Identity.objects.filter(member=member, kind=Identity.Kind.PHONE, proof=VERIFIED)
    if phone := further.order_by("-last_seen_at").first():
        (item,) = identity.of_phone(phone.value, phone.assurance)
        identity.take_as_own(member, item, by=by)


def _opened_by_it_alone(member: Member, identity_id: UUID) -> list[UUID]:
    left = set(Identity.objects.filter(member=member, proof=VERIFIED).values_list("id", flat=True))
    alive = Session.objects.filter(member=member, revoked_at=None, proven__contains=[identity_id])
    return [session.id for session in alive if not left & set(session.proven)]
