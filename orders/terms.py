"""A channel's terms for its orders."""

from orders.models import OrderTerms
from sync.models import Channel


def of(channel: Channel) -> OrderTerms:
    """The channel's terms; the defaults where nobody set any."""
    return OrderTerms.objects.filter(channel=channel).first() or OrderTerms(channel=channel)
