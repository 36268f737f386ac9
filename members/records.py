"""What each floor holds of a member, so that two members can become one.

`settings.MEMBER_RECORDS` names one class per app; each answers the protocol `Records`. A system check
(`members/checks.py`) fails when a model with a foreign key to Member is in nobody's `models`.
"""

from collections.abc import Iterable
from datetime import datetime
from functools import cache, partial
from typing import ClassVar, Protocol
from uuid import UUID

from django.conf import settings
from django.db import models
from django.db.models import Max
from django.utils.module_loading import import_string

from members import copying, figures, moving, unnaming
from members.figures import Figure
from members.labels import LABELS
from members.models import (
    Address,
    Avatar,
    Consent,
    FieldWrite,
    Freeze,
    Identity,
    LinkCase,
    Member,
    MemberCode,
    MemberNotice,
    Merge,
    NoticeConsent,
    PrivacyRequest,
    Request,
    Session,
    SmsChallenge,
)
from sync import events
from sync.act import Actor
from sync.forgetting import Words
from sync.models import Audience

# All that a fact may name as changed of a member, sorted.
EVERYTHING = (
    *("addresses", "avatar_url", "birthday", "consents", "consents_required", "created_at", "email", "gender"),
    *("identities", "nickname", "number", "phone", "status"),
)


class StillOpen(Exception):
    """The member cannot be forgotten yet: `reasons` are words like `order`, `hold`, `debt`."""

    def __init__(self, reasons: list[str]):
        super().__init__(", ".join(reasons))
        self.reasons = reasons


class Records(Protocol):
    """One app's rows that belong to members. All methods run in the act of somebody else."""

    models: ClassVar[list[type[models.Model]]]
    labels: ClassVar[dict[str, object]]  # what `export` calls things, for people

    def lock(self, member_ids: list[UUID]) -> None:
        """Lock what `move` will change, in ascending order. The members are locked already."""

    def holds_value(self, member_id: UUID) -> bool:
        """Whether the member would lose something if this app's rows became another's."""

    def seen_at(self, member_id: UUID) -> datetime | None:
        """When the member last did something that only they do; None when never, or when this app could not know."""

    def knows(self, member_id: UUID, fact: dict) -> bool:
        """Whether something that only the member should know is so: `{"kind": "order", "number", "total_fen"}`.

        `but_by_phone`: what a phone alone ties to the member does not count.
        """

    def claim(self, member_id: UUID, phone: str, by: Actor) -> None:
        """The locked member has just proven a phone (E.164): what waited for whoever proves it is theirs."""

    def introduce(self, member_id: UUID, groups: list[int], by: Actor) -> None:
        """These sharing groups see the locked member from now on: record for them what there is to see."""

    def figures(self, member_id: UUID) -> Iterable[Figure]:
        """How the member stands, for staff who compare two: (what, how), masked and in their words."""

    def move(self, source: UUID, target: UUID) -> dict:
        """Make the source's rows the target's. Returns the journal that can undo it: ids and sums, JSON, no names.

        What cannot be undone without a name stands under `sealed`: it is kept apart, encrypted, and given back.
        """

    def restore(self, source: UUID, target: UUID, journal: dict) -> None:
        """Undo `move` by its journal: exactly when nothing happened since, else what is still as it was left."""

    def export(self, member_id: UUID) -> dict:
        """All this app keeps of the member and may show them: JSON, times in UTC, nothing of other people."""

    def blocks(self, member_id: UUID) -> list[str]:
        """What must be over before the member may be forgotten: words like `order`, `hold`, `debt`."""

    def known_as(self, member_id: UUID) -> Words:
        """The words by which messages may name the member or what is theirs, each with the sender who would say it."""

    def erase(self, member_id: UUID) -> dict:
        """Forget who the member was; what the law or the books need stays without a name. Raises StillOpen.

        Returns counts by kind for the receipt: {"gone": {…}, "kept": {…}}.
        """


@cache
def all_records() -> list[Records]:
    """One instance per app, in the order of the settings."""
    return [import_string(path)() for path in settings.MEMBER_RECORDS]


class Members:
    """Identities, consents, sessions and cases."""

    labels: ClassVar = LABELS
    models: ClassVar = [
        *[Member, Identity, Consent, Session, MemberCode, LinkCase, Merge, SmsChallenge, Freeze, Request],
        *[FieldWrite, Avatar, Address, NoticeConsent, MemberNotice, PrivacyRequest],
    ]

    def lock(self, member_ids: list[UUID]) -> None:
        """The identities; `services.lock` took the members."""
        found = Identity.objects.select_for_update(no_key=True).filter(member__in=member_ids)
        list(found.order_by("id").values_list("id", flat=True))

    def holds_value(self, member_id: UUID) -> bool:
        """A phone or a restriction. A restricted member must not vanish into another."""
        return Member.objects.filter(pk=member_id).exclude(phone_mask="", status=Member.Status.ACTIVE).exists()

    def seen_at(self, member_id: UUID) -> datetime | None:
        """The last proof of any identity, the last use of any session."""
        proven = Identity.objects.filter(member=member_id, proof=Identity.Proof.VERIFIED)
        found = [
            rows.aggregate(at=Max("last_seen_at"))["at"] for rows in (proven, Session.objects.filter(member=member_id))
        ]
        return max(filter(None, found), default=None)

    def knows(self, member_id: UUID, fact: dict) -> bool:
        """Nothing here is known to the member alone."""
        return False

    def claim(self, member_id: UUID, phone: str, by: Actor) -> None:
        """The phone itself is tied to the member by the act that proves it."""

    def introduce(self, member_id: UUID, groups: list[int], by: Actor) -> None:
        """All of the member, as one change: whoever is told fetches it."""
        subject, data = events.of_member(member_id), partial(_as_changed, member_id)
        known = Audience.objects.filter(subject=subject).exclude(channel__group__in=groups)
        others = list(known.values_list("channel__group", flat=True).distinct())
        events.record_for(groups, others, "member.updated", subject=subject, data=data, by=by)

    def export(self, member_id: UUID) -> dict:
        """The person, their ways in, addresses, consents, sessions and what they asked for; of others nothing."""
        return copying.copy_of(member_id)

    def blocks(self, member_id: UUID) -> list[str]:
        """A restriction."""
        return unnaming.blocks(member_id)

    def known_as(self, member_id: UUID) -> Words:
        """Id, number, e-mail and every identity."""
        return unnaming.words_of(member_id)

    def erase(self, member_id: UUID) -> dict:
        """The last of the floors to forget: the others need to know the person by their identities."""
        return unnaming.unname(member_id)

    def figures(self, member_id: UUID) -> Iterable[Figure]:
        """Profile, ways in, addresses, consents, restrictions."""
        return figures.of(member_id)

    def move(self, source: UUID, target: UUID) -> dict:
        """Ways in, profile and addresses, consents, restrictions, and whom the source absorbed."""
        return moving.move(source, target)

    def restore(self, source: UUID, target: UUID, journal: dict) -> None:
        """Everything goes back that is still as the merge left it."""
        moving.restore(source, target, journal)


def _as_changed(member_id: UUID) -> dict:
    """The data of a fact that all of a member is new to who is told, as the act leaves the member."""
    version = Member.objects.values_list("version", flat=True).get(pk=member_id)
    return {"id": str(member_id), "version": version, "changed": list(EVERYTHING)}
