"""Members by what a channel says of them: found or made, never merged, never verified.

What the hub proved itself outweighs a channel's word, the channel's own word that of its sharing group. The answer is
an id to write to; seeing a member takes a sign-in or a proof on the channel. A code shown at a till is such a proof:
the hub gave it to a live session a minute ago, and the person held it out to this channel of their own will.
What a channel says of a member with proofs of their own serves its facts; it signs nobody in (`members/granting.py`).
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from members import identity, profile, queries, services, sight
from members.identity import SAID, Kind, Proof, Taken
from members.models import Consent, Identity, Member
from sync import clock, events, quotas
from sync.act import Actor, act
from sync.clock import Clock
from sync.http import Problem
from sync.models import Channel
from sync.secret import blind_index, mask_id, mask_phone

DAY = 86_400
PER_MASK = (20, DAY)  # (phones of one mask new to a channel, seconds): 10,000 phones share a mask
STRANGERS_FOUND = ((60, 60), (600, 3600), (3_000, DAY))  # by phone alone
SAID_ANEW_AFTER = timedelta(days=1)


@dataclass(frozen=True, repr=False)
class Said:
    """One identity as a channel says it; `namespace` is the app of an openid, the channel of its own number."""

    kind: str
    value: str
    namespace: str = ""

    @property
    def where(self) -> dict:
        return {"kind": self.kind, "namespace": self.namespace, "value_index": blind_index(self.kind, self.value)}

    @property
    def mask(self) -> str:
        return mask_phone(self.value) if self.kind == Kind.PHONE else mask_id(self.value)


@dataclass(frozen=True)
class Agreed:
    """A consent that a channel took, with its evidence."""

    purpose: str
    version: str
    at: datetime
    evidence: str


@dataclass(frozen=True)
class Person:
    """All that a channel says of a person. The profile, true `at` that time or now, counts only for who is new.

    `shown` are owners of codes.
    """

    said: list[Said]
    profile: dict = field(default_factory=dict)
    agreed: list[Agreed] = field(default_factory=list)
    shown: frozenset[UUID] = frozenset()
    at: datetime | None = None


def resolve(person: Person, *, channel: Channel, by: Actor) -> tuple[Member, bool]:
    """The member a channel speaks of, and whether it was made now.

    Raises Problem `identity_conflict` when the identities belong to different members, `rate_limited` when the channel
    asks about more phones than it may: else it could find out a masked one, or who is a member elsewhere.
    """
    for said in person.said:
        if said.kind == Kind.PHONE and not _spoken(said, channel).exists():
            count_mask(said, channel)
            _count_stranger(said, channel, is_alone=len(person.said) == 1)
    return _found_or_made(person, channel, by)


@act
def _found_or_made(person: Person, channel: Channel, by: Actor) -> tuple[Member, bool]:
    return identity.look_again(lambda: _resolved(person, channel, by))


def count_mask(said: Said, channel: Channel) -> None:
    """Count a phone that is new to the channel by its mask, whatever becomes of the request.

    Raises Problem `rate_limited`: a channel that is shown a mask could try all that it may stand for.
    """
    masked = blind_index("resolved-mask", said.mask).hex()[:32]
    limit, every = PER_MASK
    quotas.count(f"resolve/{channel.code}/{masked}", limit=limit, every=every, lasting=True)


def _count_stranger(said: Said, channel: Channel, *, is_alone: bool) -> None:
    """Count a phone new to the channel that leads, alone, to somebody the channel does not see."""
    found = holder_of(said, channel) if is_alone else None
    if found and not queries.sees(channel, Member.objects.get(pk=found)):
        for limit, every in STRANGERS_FOUND:
            quotas.count(f"resolve/{channel.code}", limit=limit, every=every, lasting=True)


def _spoken(said: Said, channel: Channel) -> QuerySet[Identity]:
    return Identity.objects.filter(**said.where, proof__in=SAID, channel=channel)


def _resolved(person: Person, channel: Channel, by: Actor) -> tuple[Member, bool]:
    known = holders_of(person, channel)
    if len(set(services.lock(*known))) > 1:
        raise Problem("identity_conflict")
    if known != holders_of(person, channel):
        raise Taken
    member, created = (services.lock(*known)[0], False) if known else (_made(person, channel, by), True)
    news = [row for said in person.said if (row := _noted(member, said, channel))]
    is_known = created or person.shown or queries.sees(channel, member)  # else it agrees to nothing for them
    agreed = is_known and _agreed(member, person.agreed, channel, by)
    if not created and (news or agreed):
        services.touch(member)
        for row in news:
            subject, data, groups = events.of_member(member.id), services.as_linked(member, row), services.told_of(row)
            events.record("member.identity_linked", subject=subject, data=data, by=by, only_for=groups)
    if person.shown:
        sight.show(member, channel)
    return member, created


def holders_of(person: Person, channel: Channel) -> set[UUID]:
    """Whose these identities and codes are."""
    return {holder for said in person.said if (holder := holder_of(said, channel))} | person.shown


def holder_of(said: Said, channel: Channel) -> UUID | None:
    """Whose it is: by the hub's own proof, else by the channel's word, else by the word of its sharing group."""
    rows = Identity.objects.filter(**said.where).exclude(member__status=Member.Status.ERASED)
    proven = rows.filter(proof=Proof.VERIFIED)
    spoken = rows.filter(proof__in=SAID).order_by("id")
    for candidates in (proven, spoken.filter(channel=channel), spoken.filter(channel__group=channel.group_id)):
        if found := candidates.values_list("member_id", flat=True).first():
            return found
    return None


def _made(person: Person, channel: Channel, by: Actor) -> Member:
    member = Member(home_channel=channel, **person.profile)
    try:
        with transaction.atomic():
            member.save(force_insert=True)
    except IntegrityError as error:
        raise identity.taken_or(error) from error
    profile.note(member, profile.Said(person.profile, channel, person.at), by=by)
    data = services.changed(member, "identities", *person.profile)
    events.record("member.registered", subject=events.of_member(member.id), data=data, by=by)
    return member


def _noted(member: Member, said: Said, channel: Channel) -> Identity | None:
    """What the channel said, once; None when it is known of this member already or the channel said it of another."""
    if _spoken(said, channel).exists():
        old = _spoken(said, channel).filter(member=member, last_seen_at__lt=Clock() - SAID_ANEW_AFTER)
        old.update(last_seen_at=Clock())
        return None
    if Identity.objects.filter(**said.where, proof=Proof.VERIFIED).exists():
        return None
    row = Identity(member=member, value=said.value, mask=said.mask, channel=channel, **said.where)
    row.proof = identity.word_of(channel)
    if Identity.objects.filter(member=member, proof=Proof.VERIFIED).exists():
        row.suspended_at = clock.now()
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError as error:
        raise identity.taken_or(error) from error
    return row


def _agreed(member: Member, agreed: list[Agreed], channel: Channel, by: Actor) -> bool:
    """Keep the consents about which the member has said nothing yet. Returns whether there were any."""
    said = set(Consent.objects.filter(member=member).values_list("purpose", flat=True))
    news = {item.purpose: item for item in agreed if item.purpose not in said}
    for item in news.values():
        Consent.objects.create(
            member=member,
            purpose=item.purpose,
            version=item.version,
            act=Consent.Act.GRANTED,
            channel=channel,
            evidence=item.evidence,
            at=item.at,
        )
        data = {"id": str(member.id), "purpose": item.purpose, "version": item.version}
        events.record("member.consent_granted", subject=events.of_member(member.id), data=data, by=by)
    return bool(news)
