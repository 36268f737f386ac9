"""What staff may look at: rows of the channels they hold, in lists and pages alike; the rest is not there.

A channel is held by `sync.view_channel` on the object. Who holds every channel there is sees everything, rows that
belong to no channel included.
"""

from functools import cached_property

from django.db.models import CharField, Exists, OuterRef, Q, Value
from django.db.models.functions import Cast, Concat
from guardian.shortcuts import get_objects_for_user

from sync.models import Audience, Channel


class Sight:
    """The channels a member of staff holds; asked once per request."""

    def __init__(self, user):
        self.user = user

    @cached_property
    def channels(self) -> list[Channel]:
        return list(get_objects_for_user(self.user, "sync.view_channel", Channel, accept_global_perms=False))

    @cached_property
    def is_whole(self) -> bool:
        """Whether there is nothing to hide."""
        return len(self.channels) > 0 and len(self.channels) == Channel.objects.count()


def sight(request) -> Sight:
    """The sight of the staff behind a request."""
    if not hasattr(request, "sight"):
        request.sight = Sight(request.user)
    return request.sight


def of_channel(path: str = "channel"):
    """Rows whose channel is held."""
    return lambda channels: Q(**{f"{path}__in": channels})


def of_member(path: str = "pk"):
    """Rows about a member who was seen on a channel that is held; `path` leads to the member's id."""
    return lambda channels: Exists(
        Audience.objects.filter(
            subject=Concat(Value("member/"), Cast(OuterRef(path), CharField())), channel__in=channels
        )
    )


def of_subject(path: str = "subject"):
    """Rows of a stream that a channel that is held may see."""
    return lambda channels: Exists(Audience.objects.filter(subject=OuterRef(path), channel__in=channels))


def of_event(path: str = ""):
    """Events that a channel that is held may see; `path` leads to the event. An order's, only those of its channel;
    what is told to some sharing groups only, with a channel of these."""
    seen = of_subject(f"{path}subject")

    def within(channels: list[Channel]):
        codes, groups = [each.code for each in channels], list({each.group_id for each in channels})
        told = Q(**{f"{path}only_for__isnull": True}) | Q(**{f"{path}only_for__overlap": groups})
        own = Q(**{f"{path}data__channel__in": codes})
        return told & (seen(channels) & Q(**{f"{path}data__channel__isnull": True}) | own)

    return within


def of_sender(channels: list[Channel]):
    """What channels that are held sent in, and what their merchants' provider did."""
    senders = [f"channels/{each.code}" for each in channels]
    senders += [f"wechat-pay/{each.merchant_id}" for each in channels if each.merchant_id]
    return Q(sender__in=senders)


def everywhere(channels: list[Channel]):
    """Rows that belong to the hub as a whole: whoever may see such rows sees all of them."""
    return Q()
