"""A channel's terms for its orders."""

from orders.models import OrderTerms
from sync.models import Channel
from sync.rows import Rows

TERMS = Rows(OrderTerms)
OF_CHANNEL = f"SELECT {TERMS.of('t')} FROM orders_orderterms t WHERE t.channel_id = %s"  # noqa: S608 - our own columns


def of(channel: Channel) -> OrderTerms:
    """The channel's terms; the defaults where nobody set any."""
    return next(iter(TERMS.found(OF_CHANNEL, [channel.pk])), None) or OrderTerms(channel=channel)
