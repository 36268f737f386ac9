"""What people may ask about their own data: a copy, erasure, correction, restriction. A row each, and a day to meet it.

A copy is made at once (`members/exporting.py`), an erasure after a time to think it over (`members/erasing.py`);
corrections and restrictions are worked on by staff. An open restriction stops all that is not needed for orders.
"""

from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from members import erasing, services
from members.models import Member, PrivacyRequest
from sync import alerts, clock, quotas
from sync.act import Actor, act
from sync.clock import Clock
from sync.http import Problem
from sync.models import Channel

Kind, State = PrivacyRequest.Kind, PrivacyRequest.State
OPEN = [State.OPEN, State.RUNNING]
BY_STAFF = [Kind.CORRECTION, Kind.RESTRICTION]
DAY = 86_400
EXPORT_TAKES = timedelta(days=1)


class NotNow(Exception):
    """The request cannot be entered or closed as things are; the message says why."""


def is_being_erased(member_id: UUID) -> bool:
    """Whether the member asked to be erased and has not thought better of it."""
    return _open_of(member_id, Kind.ERASURE).exists()


def is_restricted(member_id: UUID) -> bool:
    """Whether the member's data may be used for nothing that is not needed; so asked by whoever it absorbed as well."""
    whose = Q(member=member_id) | Q(member__merged_into=member_id)
    return PrivacyRequest.objects.filter(whose, kind=Kind.RESTRICTION, state__in=OPEN).exists()


@act
def ask_export(*, member: UUID, channel: Channel, by: Actor) -> PrivacyRequest:
    """Ask for a copy of all one's data; while one is being made, that one. Raises `rate_limited`, `not_found`,
    `token_revoked` to who was absorbed meanwhile."""
    owner = _asker(member)
    if open_one := _open_of(owner.id, Kind.EXPORT).first():
        return open_one
    quotas.count(f"export/{owner.id}", limit=settings.EXPORTS_PER_DAY, every=DAY, lasting=True)
    return _entered(owner, Kind.EXPORT, EXPORT_TAKES, channel, by)


@act
def ask_erasure(*, member: UUID, channel: Channel, by: Actor) -> PrivacyRequest:
    """Ask to be erased when the cooling-off is over; asked again, the same. Raises Problem `erasure_blocked`.

    Until then everything works as before, and it can be withdrawn. Raises `not_found`, `token_revoked`.
    """
    owner = _asker(member)
    if open_one := _open_of(owner.id, Kind.ERASURE).first():
        return open_one
    if reasons := erasing.blocks(owner.id):
        raise Problem("erasure_blocked", erasing.in_words(reasons), reasons=reasons)
    return _entered(owner, Kind.ERASURE, timedelta(days=settings.ERASURE_COOLING_OFF_DAYS), channel, by)


@act
def withdraw_erasure(*, member: UUID, by: Actor) -> None:
    """Think better of it; nothing happens when nothing was asked. Raises `not_found`, `token_revoked`."""
    owner = _asker(member)
    _close(_open_of(owner.id, Kind.ERASURE).select_for_update(no_key=True).first(), State.WITHDRAWN, by)


@act
def enter(*, member: UUID, kind: str, note: str, by: Actor) -> PrivacyRequest:
    """Staff enter what a member asked for, a correction or a restriction, to be met in time.

    Raises NotNow for another kind, without words, or when a restriction is in force already; Problem `not_found`.
    """
    owner = services.present(member)
    if kind not in BY_STAFF or not note.strip():
        raise NotNow(_("Say what is asked for"))
    if kind == Kind.RESTRICTION and is_restricted(owner.id):
        raise NotNow(_("A restriction is in force already"))
    return _entered(owner, kind, timedelta(days=settings.PRIVACY_DUE_DAYS), None, by, note=note.strip()[:200])


@act
def settle(*, request: UUID, met: bool, words: str, by: Actor) -> PrivacyRequest:
    """Staff close what staff entered, met or refused, and say how or why. A restriction ends when it is closed.

    Raises NotNow when it is closed already, is not theirs to close, or nothing is said.
    """
    found = PrivacyRequest.objects.select_for_update(no_key=True).get(pk=request)
    if found.state not in OPEN:
        raise NotNow(_("This request is closed already"))
    if found.kind not in BY_STAFF or not words.strip():
        raise NotNow(_("Say what was done, or why it was refused"))
    found.receipt = {"words": words.strip()[:200]}
    _close(found, State.DONE if met else State.REFUSED, by)
    return found


def overdue() -> QuerySet[PrivacyRequest]:
    """Open requests whose day has passed."""
    return PrivacyRequest.objects.filter(state__in=OPEN, due_at__lt=Clock())


def watch() -> int:
    """Push how many requests are overdue, for alerts (`privacy.overdue`). Returns it."""
    found = overdue().count()
    alerts.measure("privacy.overdue", found)
    return found


def _asker(member_id: UUID) -> Member:
    """The member themselves, locked: who was absorbed since the token was checked asks nothing for the survivor."""
    owner = services.present(member_id)
    if owner.id != member_id:
        raise Problem("token_revoked")
    return owner


def _open_of(member_id: UUID, kind: str) -> QuerySet[PrivacyRequest]:
    return PrivacyRequest.objects.filter(member=member_id, kind=kind, state__in=OPEN).order_by("asked_at")


def _entered(
    owner: Member, kind: str, within: timedelta, channel: Channel | None, by: Actor, note: str = ""
) -> PrivacyRequest:
    now = clock.now()
    return PrivacyRequest.objects.create(
        kind=kind, member=owner, channel=channel, by=str(by), note=note, asked_at=now, due_at=now + within
    )


def _close(request: PrivacyRequest | None, state: str, by: Actor) -> None:
    if request:
        request.state, request.closed_at, request.closed_by = state, clock.now(), str(by)
        request.save(update_fields=["state", "closed_at", "closed_by", "receipt"])
