"""Identities: evidence the hub has just verified, who holds it, and tying it to a member.

Only what the hub verified itself decides. What a channel asserted waits for its first live proof, which adopts it;
from then on all else that channels said of the member signs nobody in until it is proven together with such a proof.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Max, Q

from members import rules, services, sessions
from members.models import Identity, Member
from members.records import all_records
from members.wechat import Person
from sync import clock, events
from sync.act import Actor
from sync.http import Problem
from sync.indexing import indexed
from sync.models import Channel
from sync.secret import blind_index, mask_id, mask_phone

ONCE = {
    "identity_verified_once",
    "identity_verified_once_2",
    "identity_asserted_once_per_channel",
    "identity_asserted_once_per_channel_2",
    "member_phone_once",
    "member_phone_once_2",
    "members_member_number_key",
}
Kind, Proof = Identity.Kind, Identity.Proof
SAID = (Proof.ATTESTED, Proof.ASSERTED)
THERE = (Member.Status.ACTIVE, Member.Status.FROZEN)
TURNS = 3
T = TypeVar("T")


class Taken(Exception):
    """Somebody else came to hold it at the same moment: look again."""


def look_again(work: Callable[[], T]) -> T:
    """Run `work` in a savepoint, and anew when it finds something taken; raises Problem `unavailable` in the end."""
    for _turn in range(TURNS):
        with suppress(Taken), transaction.atomic():
            return work()
    raise Problem("unavailable", retry_after=1)


@dataclass(frozen=True, repr=False)
class Evidence:
    """An identity that was proven just now; `assurance` is 2 (WeChat) or 3 (SMS).

    Or one that a channel's own login vouches for: assurance 1, and `said` is how good the channel's word is.
    """

    kind: str
    value: str
    assurance: int
    namespace: str = ""
    said: str = ""

    @property
    def index(self) -> bytes:
        return blind_index(self.kind, self.value)

    @property
    def mask(self) -> str:
        return mask_phone(self.value) if self.kind == Kind.PHONE else mask_id(self.value)

    @property
    def where(self) -> Q:
        return Q(kind=self.kind, namespace=self.namespace, value_index=self.index)

    def matches(self, identity: Identity) -> bool:
        known = identity.kind, identity.namespace, indexed(identity, "value_index")
        return known == (self.kind, self.namespace, self.index)


@dataclass(frozen=True, repr=False)
class Shown:
    """What a person proved, the most personal first, and how the proof is used up in the act that it allows.

    `token` is set when the proof is a registration that was waiting for consent, `code` when it is one of WeChat's,
    which nobody can exchange again.
    """

    evidence: list[Evidence]
    spend: Callable[[], None] = lambda: None
    token: str = ""
    code: str = ""


def of_phone(phone: str, assurance: int) -> list[Evidence]:
    """The evidence of a phone in E.164."""
    return [Evidence(Kind.PHONE, phone, assurance)]


def of_wechat(person: Person, channel: Channel) -> list[Evidence]:
    """The evidence of a WeChat sign-in: the openid of the channel's app, the unionid when WeChat told it."""
    openid = Evidence(Kind.WECHAT_OPENID, person.openid, rules.WECHAT, channel.app_id)
    return [openid, Evidence(Kind.WECHAT_UNIONID, person.unionid, rules.WECHAT)] if person.unionid else [openid]


def holdings(evidence: list[Evidence]) -> dict[Evidence, Identity]:
    """Which of these identities are verified already, and whose; of a channel's word also what it said before."""
    where = Q(pk=None)
    for item in evidence:
        where |= item.where & (Q(proof__in=[Proof.VERIFIED, *SAID]) if item.said else Q(proof=Proof.VERIFIED))
    rows = list(Identity.objects.filter(where).exclude(member__status=Member.Status.ERASED).order_by("-id"))
    rows.sort(key=lambda row: row.proof == Proof.VERIFIED)  # the last that fits counts: the hub's own, the oldest
    return {item: row for item in evidence for row in rows if item.matches(row)}


def lock_holders(evidence: list[Evidence], *also: UUID) -> tuple[dict[UUID, Member], dict[Evidence, Identity]]:
    """Lock whoever holds these identities, and `also`, in ascending order; returns members by id and the holdings."""
    locked: dict[UUID, Member] = {}
    while True:
        held = holdings(evidence)
        wanted = {row.member_id for row in held.values()} | set(also)
        if wanted <= locked.keys():
            return locked, held
        wanted |= locked.keys()
        locked = dict(zip(wanted, services.lock(*wanted), strict=True))


def waiting_member(evidence: list[Evidence], channel: Channel) -> UUID | None:
    """The one member whom channels say this identity belongs to, when nobody ever proved an identity of theirs.

    What the sharing group of the door says comes first: a stranger's word keeps nobody from what is theirs.
    """
    said = Identity.objects.filter(evidence[0].where, proof__in=SAID)
    members = Member.objects.filter(status__in=THERE).exclude(identities__proof=Proof.VERIFIED)
    for words in (said.filter(channel__group=channel.group_id), said):
        if found := members.filter(pk__in=words.values("member")).values_list("id", flat=True)[:2]:
            return found[0] if len(found) == 1 else None
    return None


def word_of(channel: Channel) -> str:
    """How good a channel's word is."""
    return Proof.ATTESTED if channel.is_trusted else Proof.ASSERTED


def said_at(member: Member, item: Evidence) -> datetime | None:
    """When a channel last said that this is the member's; None when none did."""
    return Identity.objects.filter(item.where, member=member, proof__in=SAID).aggregate(at=Max("last_seen_at"))["at"]


def attach(
    member: Member,
    item: Evidence,
    *,
    channel: Channel,
    by: Actor,
    tell: bool = True,
    proven: Iterable[UUID] = (),
    adopts: bool = False,
) -> tuple[Identity, bool]:
    """Tie evidence, which nobody else holds, to a locked member. Returns it and whether it is new.

    What a channel asserted of this member is adopted. The member's first live proof (`adopts`: this is it though the
    member holds others from elsewhere) suspends what was only said of them, but for what was `proven` beside it.
    Raises Taken when somebody else was quicker.
    """
    mine = Identity.objects.filter(item.where, member=member)
    known = mine.filter(proof__in=[Proof.VERIFIED, *SAID] if item.said else [Proof.VERIFIED]).first()
    if known:
        mine.filter(pk=known.pk).update(last_seen_at=clock.Clock(), assurance=max(known.assurance, item.assurance))
        return known, False
    identity = mine.exclude(proof=Proof.CLAIMED).order_by("id").first() or Identity(member=member, kind=item.kind)
    identity.namespace, identity.value, identity.value_index = item.namespace, item.value, item.index
    identity.mask, identity.proof, identity.assurance = item.mask, item.said or Proof.VERIFIED, item.assurance
    identity.channel, identity.suspended_at, identity.last_seen_at = channel, None, clock.now()
    identity.verified_at = None if item.said else identity.last_seen_at
    is_first = adopts or not Identity.objects.filter(member=member, proof=Proof.VERIFIED).exists()
    try:
        with transaction.atomic():
            identity.save()
            if item.kind == Kind.PHONE:
                _hold_phone(member, item)
    except IntegrityError as error:
        raise taken_or(error) from error
    if is_first and not item.said:
        _outweigh(member, identity, list(proven))
    if tell:
        _tell_linked(member, identity, by)
    return identity, True


def _outweigh(member: Member, identity: Identity, proven: list[UUID]) -> None:
    """What channels merely said of the member signs nobody in any more, and whom it signed in is out."""
    weaker = Identity.objects.filter(member=member, proof__in=SAID, suspended_at=None)
    weaker.exclude(pk__in=[identity.pk, *proven]).update(suspended_at=clock.Clock())
    sessions.revoke_weak(member.id, kept=proven, reason="proven_by_owner")


def taken_or(error: IntegrityError) -> Exception:
    """Taken, when the database refused a second holder; else the error itself."""
    constraint = getattr(getattr(error.__cause__, "diag", None), "constraint_name", "")
    return Taken(constraint) if constraint in ONCE else error


def _hold_phone(member: Member, item: Evidence) -> None:
    member.phone, member.phone_index = item.value, item.index
    member.phone_mask, member.phone_last4 = item.mask, item.value[-4:]
    member.save(update_fields=Member.PHONE)


def take_as_own(member: Member, item: Evidence, *, by: Actor) -> None:
    """Of the phones that the locked member proved, this is the one that is theirs. The caller touches the member."""
    _hold_phone(member, item)
    events.record("member.updated", subject=events.of_member(member.id), data=services.changed(member, "phone"), by=by)


def _tell_linked(member: Member, identity: Identity, by: Actor) -> None:
    subject = events.of_member(member.id)
    data, groups = services.as_linked(member, identity), services.told_of(identity)
    events.record("member.identity_linked", subject=subject, data=data, by=by, only_for=groups)
    if identity.kind == Kind.PHONE:
        events.record("member.updated", subject=subject, data=services.changed(member, "phone"), by=by)


def is_held_by(member: Member, item: Evidence) -> bool:
    """Whether the member proved this before."""
    return Identity.objects.filter(item.where, member=member, proof=Proof.VERIFIED).exists()


def claim(member: Member, item: Evidence, *, by: Actor) -> None:
    """What waited on any floor for whoever proves this phone is the locked member's, if the phone is."""
    if item.kind == Kind.PHONE and not item.said and is_held_by(member, item):
        for records in all_records():
            records.claim(member.id, item.value, by)


def let_go(member: Member, row: Identity, *, by: Actor) -> None:
    """One identity is the locked member's no more; what they own stays theirs. The caller touches the member."""
    data, subject = services.as_linked(member, row), events.of_member(member.id)
    is_phone = row.kind == Kind.PHONE and row.proof == Proof.VERIFIED and row.value == member.phone
    row.delete()
    events.record("member.identity_unlinked", subject=subject, data=data, by=by, only_for=services.told_of(row))
    if is_phone:
        member.phone = member.phone_index = None
        member.phone_mask = member.phone_last4 = ""
        member.save(update_fields=Member.PHONE)
        events.record("member.updated", subject=subject, data=services.changed(member, "phone"), by=by)


def let_go_of_phone(member: Member, item: Evidence, *, by: Actor) -> None:
    """A phone is the locked member's no more. The caller touches the member."""
    for row in Identity.objects.filter(item.where, member=member, proof=Proof.VERIFIED):
        let_go(member, row, by=by)


def is_unseen(identity: Identity, owner: Member) -> bool:
    """Whether a phone may have a new holder by now: for 90 days it was not proven, its owner neither seen nor buying.

    A frozen owner keeps the phone: waiting lifts no restriction.
    """
    if owner.status != Member.Status.ACTIVE:
        return False
    seen = [records.seen_at(owner.id) for records in all_records()]
    seen_at = max(filter(None, seen), default=None)
    return rules.is_unseen(proven_at=identity.last_seen_at, seen_at=seen_at, now=clock.now())
