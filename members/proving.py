"""Proving more from within a session: a phone, or that it is still the same person."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from members import identity, linking, notices, rules, services, sessions, sight
from members.identity import Evidence, Taken
from members.models import Identity, LinkCase, Member, Session
from members.signing_in import SignedIn, opened
from sync import clock
from sync.act import Actor, act
from sync.http import Problem

Spend = Callable[[], None]
NEVER = datetime(1970, 1, 1, tzinfo=UTC)


def nothing() -> None:
    """The proof was used up where it was exchanged."""


@dataclass(frozen=True)
class Door:
    """A session, locked, and what the person behind it has just proven."""

    session: Session
    member: Member
    item: Evidence
    replaces: bool = False

    @property
    def by(self) -> Actor:
        return Actor("member", str(self.member.id), self.session.channel.code)

    def attach(self, member: Member, *, adopts: bool = False) -> tuple[Identity, bool]:
        """Tie what was proven to the member, beside all that the session showed before."""
        known = {"channel": self.session.channel, "by": self.by, "proven": self.session.proven}
        return identity.attach(member, self.item, adopts=adopts, **known)

    def strengthen(self, row: Identity) -> None:
        """The session has shown one identity more."""
        self.session.assurance = max(self.session.assurance, self.item.assurance)
        self.session.proven = sorted({*self.session.proven, row.id})


def require_confirmed(session: Session, member: Member) -> None:
    """Refuse what is grave to a session that was not confirmed just now; raises Problem `step_up_required`."""
    confirmed = rules.is_confirmed(
        stepped_up_at=session.stepped_up_at,
        has_phone=member.phone is not None,
        signed_in_at=session.created_at,
        assurance=session.assurance,
        now=clock.now(),
    )
    if not confirmed:
        raise Problem("step_up_required")


def require_confirmed_session(session_id: UUID) -> None:
    """The same of a session by its id, asked before anything is counted or used up."""
    session = Session.objects.select_related("member").get(pk=session_id)
    require_confirmed(session, session.member)


@act
def prove_phone(*, session_id: UUID, phone: str, assurance: int, spend: Spend = nothing) -> SignedIn:
    """The person behind a session proved a phone: it becomes theirs, or they turn out to be its owner, or a case opens.

    New tokens in every case. Raises Problem `token_revoked` when the session ended meanwhile, `step_up_required` when
    another phone would be replaced without a step-up.
    """
    (item,) = identity.of_phone(phone, assurance)
    return identity.look_again(lambda: _proven(session_id, item, spend))


@act
def change_phone(*, session_id: UUID, phone: str, spend: Spend) -> SignedIn:
    """The person behind a confirmed session proved by SMS the phone that is to be theirs instead of the one before.

    All other sessions end. A phone that another member holds is never taken: linking decides as in `prove_phone`.
    New tokens. Raises Problem `token_revoked`, `step_up_required`.
    """
    (item,) = identity.of_phone(phone, rules.SMS)
    return identity.look_again(lambda: _proven(session_id, item, spend, replaces=True))


def _proven(session_id: UUID, item: Evidence, spend: Spend, *, replaces: bool = False) -> SignedIn:
    """What the proof makes of the person; and what waited for the phone is theirs."""
    signed_in = _prove(session_id, item, spend, replaces=replaces)
    by = Actor("member", str(signed_in.member.id), signed_in.session.channel.code)
    identity.claim(signed_in.member, item, by=by)
    return signed_in


def _prove(session_id: UUID, item: Evidence, spend: Spend, *, replaces: bool = False) -> SignedIn:
    known = Session.objects.select_related("channel").get(pk=session_id)
    member_id, waiting = known.member_id, identity.waiting_member([item], known.channel)
    members, held = identity.lock_holders([item], member_id, *{waiting} - {None})
    if identity.waiting_member([item], known.channel) != waiting:
        raise Taken
    door = Door(alive(session_id), members[member_id], item, replaces)
    if replaces:
        require_confirmed(door.session, door.member)
    _require_own_word(door)
    spend()
    if held:
        return _prove_held(door, members[held[item].member_id], held[item])
    if waiting in {None, member_id}:
        return _phone_is_mine(door)
    return _prove_waiting(door, members[waiting])


def _require_own_word(door: Door) -> None:
    """A session that rests on a channel's word brings nothing new to a member with proofs of their own, nor them to
    anybody else; raises Problem `step_up_required`."""
    if door.session.assurance > sessions.CHANNELS_WORD or identity.is_held_by(door.member, door.item):
        return
    if Identity.objects.filter(member=door.member, proof=Identity.Proof.VERIFIED).exists():
        raise Problem("step_up_required")


def _prove_held(door: Door, holder: Member, held: Identity) -> SignedIn:
    """Somebody proved this phone before: oneself, the number's last holder, or who one turns out to be."""
    if holder == door.member:
        return _phone_is_mine(door)
    if identity.is_unseen(held, holder):
        return _prove_recycled(door, holder)
    settled = _settled(door, holder, held.last_seen_at)
    if settled.absorbed:
        return _phone_of_survivor(door, settled)
    return SignedIn(door.member, door.session, sessions.reissue(door.session), case=settled.case)


def _prove_recycled(door: Door, holder: Member) -> SignedIn:
    """The number has a new holder by now, or its old one is back: SMS takes it, WeChat's word leaves it where it is."""
    is_mine = door.item.assurance >= rules.SMS
    if is_mine:
        identity.let_go_of_phone(holder, door.item, by=door.by)
        services.touch(holder)
    case = linking.open_case(LinkCase.Kind.RECYCLED_PHONE, door.member, holder, door.item)
    if is_mine:
        return _phone_is_mine(door, case)
    return SignedIn(door.member, door.session, sessions.reissue(door.session), case=case)


def _prove_waiting(door: Door, waiting: Member) -> SignedIn:
    """Nobody proved this phone before, but a channel says whose it is: SMS claims that member, and so does WeChat's
    component while the channel's word is as fresh as a proof of the owner's own would have to be. Whoever is restricted
    keeps the phone."""
    settled = _settled(door, waiting, identity.said_at(waiting, door.item) or NEVER)
    if settled.absorbed:
        return _phone_of_survivor(door, settled)
    if waiting.status == Member.Status.FROZEN:
        return SignedIn(door.member, door.session, sessions.reissue(door.session), case=settled.case)
    return _phone_is_mine(door, settled.case)


def _settled(door: Door, other: Member, proven_at: datetime) -> linking.Settled:
    return linking.settle(
        door.member,
        other,
        item=door.item,
        proven_at=proven_at,
        signed_in_at=door.session.created_at,
        proven=door.session.proven,
        by=door.by,
    )


def _phone_of_survivor(door: Door, settled: linking.Settled) -> SignedIn:
    sight.show(settled.member, door.session.channel)
    row, is_new = door.attach(settled.member, adopts=True)
    if is_new:
        services.touch(settled.member)
    door.strengthen(row)
    return opened(settled, door.session)


def _phone_is_mine(door: Door, case: LinkCase | None = None) -> SignedIn:
    """Nobody else holds the phone: it is the member's. Replacing another one takes a confirmed session."""
    before = door.member.phone
    further = before != door.item.value and identity.is_held_by(door.member, door.item)
    if before not in {None, door.item.value} and (door.replaces or not further):
        require_confirmed(door.session, door.member)
        (old,) = identity.of_phone(before, rules.SMS)
        identity.let_go_of_phone(door.member, old, by=door.by)
    row, is_new = door.attach(door.member)
    if door.member.phone is None:  # it was a further phone of theirs
        identity.take_as_own(door.member, door.item, by=door.by)
    if door.member.phone != before:
        services.touch(door.member)
        if before or door.replaces:
            sessions.revoke_all(door.member.id, reason="phone_changed", but=door.session.id)
            at = {"at": notices.moment(clock.now())}
            notices.notify(door.member.id, "phone_changed", f"version/{door.member.version}", at)
    elif is_new:
        services.touch(door.member)
    door.strengthen(row)
    return SignedIn(door.member, door.session, sessions.reissue(door.session), case=case)


@act
def step_up(*, session_id: UUID, phone: str, spend: Spend) -> Session:
    """The person behind a session proved the member's own phone again: what is grave is open to them for a while.

    Raises Problem `token_revoked`, and `code_invalid` for a phone that is the member's no more.
    """
    session = alive(session_id)
    (item,) = identity.of_phone(phone, rules.SMS)
    if not Member.objects.filter(pk=session.member_id, phone_index=item.index).exists():
        raise Problem("code_invalid")
    spend()
    held = Identity.objects.filter(item.where, member=session.member_id, proof=Identity.Proof.VERIFIED)
    session.proven = sorted({*session.proven, *held.values_list("id", flat=True)})
    session.stepped_up_at, session.assurance = clock.now(), rules.SMS
    session.save(update_fields=["stepped_up_at", "assurance", "proven"])
    return session


def alive(session_id: UUID) -> Session:
    """The session, locked; raises Problem `token_revoked` when it ended after its token was checked."""
    rows = Session.objects.select_for_update(of=("self",), no_key=True).select_related("channel")
    session = rows.filter(pk=session_id, revoked_at=None).first()
    if session is None:
        raise Problem("token_revoked")
    return session
