"""Who sees a member. A sharing group that comes to see one is told all there is to see, once; nobody else is.

Who ceases to see a member is told nothing more: the relay and the feed ask who sees it at the time, and what waits to
be sent is withdrawn.
"""

from collections.abc import Iterable
from uuid import UUID

from django.db.models import QuerySet

from members.models import Member
from members.records import all_records
from sync import events
from sync.act import Actor
from sync.models import Audience, Channel
from sync.services import admit, dismiss


def show(member: Member, channel: Channel) -> None:
    """Let a channel, and with it its sharing group, see a member. A part of an act; the member is locked, or new."""
    if admit(events.of_member(member.id), channel):
        _introduce(member, [channel])


def begin(member: Member, channel: Channel) -> None:
    """Let a channel see the member who registers there now: of who is new, that is all there is to tell."""
    admit(events.of_member(member.id), channel)


def share(source: Member, target: Member) -> list[str]:
    """Let all who see the source see the target; returns the ids of the channels that did not. A part of an act; both
    members are locked."""
    known = set(_who_sees(target))
    fresh = [channel for channel in _who_sees(source) if channel not in known]
    if gained := [channel for channel in fresh if admit(events.of_member(target.id), channel)]:
        _introduce(target, gained)
    return [str(channel.pk) for channel in fresh]


def hide(member: Member, channels: Iterable[UUID]) -> None:
    """Let these channels see a member no more. A part of an act; the member is locked."""
    dismiss([events.of_member(member.id)], channels)


def _who_sees(member: Member) -> QuerySet[Channel]:
    seen = Audience.objects.filter(subject=events.of_member(member.id))
    return Channel.objects.filter(pk__in=seen.values("channel")).order_by("pk")


def _introduce(member: Member, gained: list[Channel]) -> None:
    """Tell the groups of these channels, whose own doing it may be: it is the hub that tells them."""
    by = Actor("system", "hub", gained[0].code)
    for records in all_records():
        records.introduce(member.id, [channel.group_id for channel in gained], by)
