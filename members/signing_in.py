"""Signing in: what a person proved decides who they are; a person nobody knows is registered with their consent."""

from dataclasses import dataclass, field, replace
from uuid import UUID

from django.db import IntegrityError, transaction

from members import consent, identity, linking, registration, rules, services, sessions, sight
from members.identity import Evidence, Shown, Taken
from members.models import Identity, LinkCase, Member, Policy, Scope, Session
from sync import clock, events
from sync.act import Actor, act
from sync.http import Problem
from sync.models import Channel


@dataclass(frozen=True)
class SignedIn:
    """A member with a session of their own, and how it came to be."""

    member: Member
    session: Session
    tokens: sessions.Tokens
    created: bool = False
    linked: bool = False
    absorbed: UUID | None = None
    case: LinkCase | None = None


@dataclass(frozen=True)
class ConsentMissing:
    """Nobody is registered yet: the token carries the proof until the person agrees."""

    token: str
    required: list[Policy]


@dataclass
class Arrival:
    """A person at a channel's door, and what the act finds out about them."""

    shown: Shown
    consents: consent.Given
    channel: Channel
    device: str = ""
    device_id: str = ""
    beside: UUID | None = None
    member: Member | None = None
    created: bool = False
    recycled: Member | None = None
    proven: list[UUID] = field(default_factory=list)
    is_news: bool = False
    joined: bool = False

    @property
    def by(self) -> Actor:
        return Actor("member", str(self.member.id), self.channel.code)


@act
def sign_in(
    *,
    shown: Shown,
    consents: consent.Given,
    channel: Channel,
    device: str = "",
    device_id: str = "",
    beside: UUID | None = None,
) -> SignedIn | ConsentMissing:
    """Open a session for whoever holds what was shown, or register them. Of many at once, one registers.

    `beside` is the session that the same person showed with it. Raises Problem `member_frozen`, `code_invalid` when
    the proof was used up meanwhile, `step_up_required` for a channel's word that needs a live proof beside it.
    """
    return identity.look_again(lambda: _enter(Arrival(shown, consents, channel, device, device_id, beside)))


def _enter(arrival: Arrival) -> SignedIn | ConsentMissing:
    held = _recognise(arrival)
    if arrival.member and arrival.member.is_frozen(Scope.SIGN_IN):
        raise Problem("member_frozen")
    _lift_suspension(arrival, held)
    was_here = _was_here(arrival, held)
    if not was_here and (missing := consent.missing(arrival.consents, arrival.channel)):
        return ConsentMissing(_waiting(arrival), missing)
    arrival.shown.spend()
    if arrival.member is None:
        arrival.member, arrival.created = _registered(arrival), True
    if arrival.recycled:
        identity.let_go_of_phone(arrival.recycled, arrival.shown.evidence[0], by=arrival.by)
        services.touch(arrival.recycled)
    foreign = _attach(arrival, held)
    arrival.is_news |= consent.grant(arrival.member, arrival.consents, channel=arrival.channel, by=arrival.by)
    if arrival.is_news and not arrival.created:
        services.touch(arrival.member)
    return _opened(arrival, *foreign)


def _was_here(arrival: Arrival, held: dict[Evidence, Identity]) -> bool:
    """Whether the person agreed before: who is merely known from a channel's word has never been here."""
    if not held or arrival.member is None:
        return False
    is_proven = any(row.proof == Identity.Proof.VERIFIED for row in held.values())
    return is_proven or Session.objects.filter(member=arrival.member).exists()


def _lift_suspension(arrival: Arrival, held: dict[Evidence, Identity]) -> None:
    """What a channel said of a member with proofs of their own opens nothing, unless one of them is shown beside it."""
    suspended = [row for row in held.values() if row.suspended_at]
    if not suspended:
        return
    here = {"member": arrival.member, "channel": arrival.channel, "revoked_at": None}
    beside = Session.objects.filter(pk=arrival.beside, **here).first()
    proven_at = beside and (beside.stepped_up_at or beside.created_at)
    if not beside or not rules.proves_beside(assurance=beside.assurance, proven_at=proven_at, now=clock.now()):
        raise Problem("step_up_required")
    Identity.objects.filter(pk__in=[row.pk for row in suspended]).update(suspended_at=None)


def _recognise(arrival: Arrival) -> dict[Evidence, Identity]:
    """Find and lock the member: the holder of the first thing shown that anybody holds, else one that waits for it."""
    evidence = arrival.shown.evidence
    members, held = identity.lock_holders(evidence)
    first = next((item for item in evidence if item in held), None)
    holder = first and members[held[first].member_id]
    if first and first.kind == Identity.Kind.PHONE and identity.is_unseen(held[first], holder):
        arrival.recycled = holder
        held.clear()
    elif first:
        arrival.member = holder
    elif not evidence[0].said and (waiting := identity.waiting_member(evidence, arrival.channel)):
        (arrival.member,) = services.lock(waiting)
        if identity.waiting_member(evidence, arrival.channel) != arrival.member.id:
            raise Taken
    return held


def _waiting(arrival: Arrival) -> str:
    """The token under which the proof waits for consent; a proof that waits already keeps its token."""
    if arrival.shown.token:
        return arrival.shown.token
    arrival.shown.spend()
    return registration.open_for(arrival.shown.evidence, arrival.channel, code=arrival.shown.code)


def _registered(arrival: Arrival) -> Member:
    """A new member of the channel, told to the world; their identities follow in the same act."""
    member = Member(home_channel=arrival.channel)
    try:
        with transaction.atomic():
            member.save(force_insert=True)
    except IntegrityError as error:
        raise identity.taken_or(error) from error
    kinds = {"phone" if item.kind == Identity.Kind.PHONE else "identities" for item in arrival.shown.evidence}
    by = Actor("member", str(member.id), arrival.channel.code)
    data = services.changed(member, "identities", *kinds)
    events.record("member.registered", subject=events.of_member(member.id), data=data, by=by)
    sight.begin(member, arrival.channel)
    return member


def _attach(arrival: Arrival, held: dict[Evidence, Identity]) -> list[Evidence | Identity]:
    """Tie what was shown to the member. Returns evidence and identity of what turns out to be another's, or nothing."""
    foreign = []
    for item in arrival.shown.evidence:
        if item in held and held[item].member_id != arrival.member.id:
            foreign = [item, held[item]]
            continue
        row, is_new = identity.attach(
            arrival.member,
            item,
            channel=arrival.channel,
            by=arrival.by,
            tell=not arrival.created,
            proven=arrival.proven,
        )
        arrival.proven.append(row.id)
        arrival.is_news |= is_new
        arrival.joined |= is_new and bool(held) and item not in held and item is arrival.shown.evidence[0]
    return foreign


def _opened(arrival: Arrival, item: Evidence | None = None, held: Identity | None = None) -> SignedIn:
    """The session, on the member or on the one that it turns out to be; and what waited for their phone."""
    settled = linking.Settled(arrival.member)
    if arrival.recycled:
        phone = arrival.shown.evidence[0]
        case = linking.open_case(LinkCase.Kind.RECYCLED_PHONE, arrival.member, arrival.recycled, phone)
        settled = linking.Settled(arrival.member, case=case)
    elif held:
        other = Member.objects.get(pk=held.member_id)  # locked by _recognise
        settled = linking.settle(
            arrival.member,
            other,
            item=item,
            proven_at=held.last_seen_at,
            signed_in_at=clock.now(),
            proven=arrival.proven,
            by=arrival.by,
        )
    sight.show(settled.member, arrival.channel)
    wanted = Session(channel=arrival.channel, proven=arrival.proven, device=arrival.device)
    wanted.device_id = arrival.device_id
    wanted.assurance = max(item.assurance for item in arrival.shown.evidence)
    signed_in = opened(settled, wanted)
    for item in arrival.shown.evidence:
        identity.claim(settled.member, item, by=Actor("member", str(settled.member.id), arrival.channel.code))
    return replace(signed_in, created=arrival.created, linked=signed_in.linked or arrival.joined)


def opened(settled: linking.Settled, session: Session) -> SignedIn:
    """Start a session like the given one for whoever the person turned out to be."""
    started, tokens = sessions.start(
        member=settled.member,
        channel=session.channel,
        assurance=session.assurance,
        proven=session.proven,
        device=session.device,
        device_id=session.device_id,
    )
    absorbed = settled.absorbed
    return SignedIn(settled.member, started, tokens, linked=bool(absorbed), absorbed=absorbed, case=settled.case)
