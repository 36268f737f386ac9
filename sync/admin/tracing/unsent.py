"""Why an endpoint was not sent an event: the rules of the relay's fan-out, in words, as settings are now."""

from dataclasses import dataclass

from django.utils.translation import gettext as _

from sync.models import Channel, Endpoint, Event


@dataclass(frozen=True)
class Unsent:
    """An endpoint that has no delivery of the event, and why."""

    endpoint: Endpoint
    why: str


def told(event: Event, endpoints: list[Endpoint], groups: set) -> list[Unsent]:
    """A reason for each endpoint without a delivery; `groups` are the sharing groups that see the subject."""
    return [Unsent(each, _why(event, each, groups)) for each in endpoints]


def groups_of(event: Event, audience: list[Channel], channels: list[Channel]) -> set:
    """The sharing groups that are told of an event: of what belongs to a channel that one's, else the subject's."""
    own = event.data.get("channel")
    seeing = [each for each in channels if each.code == own] if own is not None else audience
    groups = {each.group_id for each in seeing}
    return groups if event.only_for is None else groups & set(event.only_for)


def _why(event: Event, endpoint: Endpoint, groups: set) -> str:
    channel = endpoint.channel
    if event.data.get("history") is True:
        return _("It tells of times before the hub: such events are in the feed and pushed to nobody.")
    if event.actor == f"channel/{channel.code}":
        return _("This channel's own backend caused it: it is not sent back.")
    if channel.group_id not in groups:
        if event.only_for is not None:
            return _("It was told to other sharing groups only.")
        return _("The channel's sharing group does not see this subject.")
    if endpoint.types and event.type not in endpoint.types:
        return _("The endpoint does not ask for this type.")
    if event.settled.at < endpoint.created_at:
        return _("The endpoint was made later.")
    if not channel.is_active:
        return _("The channel is switched off.")
    if not endpoint.is_active:
        return _("The endpoint is switched off (%(why)s).") % {"why": endpoint.disabled_reason or _("by hand")}
    return _("When it settled, the endpoint was off or asked for other types, or could not see the subject yet.")
