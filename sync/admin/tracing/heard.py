"""What open sockets confirmed: per channel, how far its clients are on the subject's stream."""

from dataclasses import dataclass

from django.utils.translation import gettext as _

from sync.admin import shown
from sync.admin.tracing.times import lasted, precise
from sync.models import Acknowledged, Audience, Channel, Event


@dataclass(frozen=True)
class Heard:
    """A channel whose clients may follow the subject."""

    channel: Channel
    state: object
    said: str


def told(event: Event, confirmed: list[Acknowledged], audience: list[Audience]) -> list[Heard]:
    """One line per channel that may see the subject or ever confirmed something of it."""
    known = {each.channel_id: each for each in confirmed}
    channels = {each.channel_id: each.channel for each in [*audience, *confirmed]}
    ordered = sorted(channels.values(), key=lambda each: each.code)
    return [_heard(event, each, known.get(each.pk)) for each in ordered]


def _heard(event: Event, channel: Channel, confirmed: Acknowledged | None) -> Heard:
    if confirmed is None:
        return Heard(channel, shown.tag(_("Silent")), _("No client of this channel ever confirmed anything of it."))
    told = {"sequence": confirmed.sequence, "at": precise(confirmed.at), "behind": event.sequence - confirmed.sequence}
    if confirmed.sequence == event.sequence:
        said = _("Confirmed at %(at)s, %(took)s after it was recorded.") % (
            told | {"took": lasted(event.time, confirmed.at)}
        )
    elif confirmed.sequence > event.sequence:
        said = _("Confirmed: clients were at sequence %(sequence)s by %(at)s.") % told
    else:
        said = _("Not confirmed yet: clients are at sequence %(sequence)s since %(at)s, %(behind)s behind.") % told
        return Heard(channel, shown.tag(_("Behind"), shown.BUSY), said)
    return Heard(channel, shown.tag(_("Confirmed"), shown.GOOD), said)
