"""Proving more from within a session: a phone, or that it is still the same person."""

from collections.abc import Callable
from uuid import UUID

from django.db import transaction

from members import identity, linking, rules, services, sessions
from members.identity import Evidence, Taken
from members.models import Identity, LinkCase, Member, Session
from members.signing_in import TURNS, SignedIn, opened
from sync import clock, events
from sync.act import Actor, act
from sync.http import Problem
from sync.services import admit

Spend = Callable[[], None]


def nothing() -> None:
    """The proof was used up where it was exchanged."""


@act
def prove_phone(
    *, session_id: UUID, phone: str, assurance: int, spend: Callable[[], None], device: str = ""
) -> SignedIn:
    """The person behind a session proved a phone: it becomes theirs, or they turn out to be its owner, or a case opens.

    New tokens in every case. Raises Problem `token_revoked` when the session ended meanwhile, `step_up_required` when
    another phone would be replaced without a step-up.
    """
    (item,) = identity.of_phone(phone, assurance)
    for turn in range(TURNS):
        try:
            with transaction.atomic():
                return _prove(session_id, item, spend)
        except Taken:
            if turn == TURNS - 1:
                raise


def _prove(session_id: UUID, item: Evidence, spend: Spend) -> SignedIn:
    member_id = Session.objects.values_list("member_id", flat=True).get(pk=session_id)
    members, held = identity.lock_holders([item], member_id)
    session = alive(session_id)
    spend()
    member, holder = members[member_id], members[held[item].member_id] if item in held else None
    by = Actor("member", str(member.id), session.channel.code)
    if holder in {None, member}:
        return _phone_is_mine(session, member, item, by)
    if item.assurance >= rules.SMS and identity.is_unseen(held[item]):
        identity.let_go_of_phone(holder, by=by)
        services.touch(holder)
        case = linking.open_case(LinkCase.Kind.RECYCLED_PHONE, member, holder, item)
        return _phone_is_mine(session, member, item, by, case)
    settled = linking.settle(
        member, holder, item=item, held=held[item], signed_in_at=session.created_at, proven=session.proven, by=by
    )
    if not settled.absorbed:
        return SignedIn(member, session, sessions.reissue(session), case=settled.case)
    admit(events.of_member(holder.id), session.channel)
    row, _new = identity.attach(holder, item, channel=session.channel, by=by)
    _strengthen(session, item, row)
    return opened(settled, session)


def _phone_is_mine(
    session: Session, member: Member, item: Evidence, by: Actor, case: LinkCase | None = None
) -> SignedIn:
    """Nobody else holds the phone: it is the member's. Replacing another one takes a step-up."""
    if member.phone not in {None, item.value}:
        if not rules.is_stepped_up(session.stepped_up_at, clock.now()):
            raise Problem("step_up_required")
        identity.let_go_of_phone(member, by=by)
    row, is_new = identity.attach(member, item, channel=session.channel, by=by)
    if is_new:
        services.touch(member)
    _strengthen(session, item, row)
    return SignedIn(member, session, sessions.reissue(session), case=case)


def _strengthen(session: Session, item: Evidence, row: Identity) -> None:
    session.assurance = max(session.assurance, item.assurance)
    session.proven = sorted({*session.proven, row.id})


@act
def step_up(*, session_id: UUID, spend: Spend) -> Session:
    """The person behind a session proved the member's own phone again: what is grave is open to them for a while."""
    session = alive(session_id)
    spend()
    session.stepped_up_at, session.assurance = clock.now(), rules.SMS
    session.save(update_fields=["stepped_up_at", "assurance"])
    return session


def alive(session_id: UUID) -> Session:
    """The session, locked; raises Problem `token_revoked` when it ended after its token was checked."""
    rows = Session.objects.select_for_update(of=("self",), no_key=True).select_related("channel")
    session = rows.filter(pk=session_id, revoked_at=None).first()
    if session is None:
        raise Problem("token_revoked")
    return session
