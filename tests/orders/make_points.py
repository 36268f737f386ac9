"""Members with points who order, for tests of points at checkout."""

from loyalty.models import Programme
from orders import services
from orders.models import Order
from orders.services.placing import Redeeming
from tests import make
from tests.loyalty.make_points import holder
from tests.orders import make_orders as o


def programme(**fields) -> Programme:
    """The programme's terms: a fen a point, and points may pay for all of an order, unless told."""
    return Programme.objects.create(**fields)


def buyer(points: int = 1_000, channel: str = "website", **fields) -> make.Caller:
    """A member with so many points who is signed in on a channel."""
    return make.member_client(holder(points, **fields), channel)


def order(client: make.Caller, points: int = 300, **fields) -> Order:
    """An order of theirs with so many points to redeem, on the channel they are on."""
    redeeming = Redeeming(points, fields.pop("is_present", None))
    return o.order(member=client.member, channel=client.channel, redeeming=redeeming, **fields)


def paid(order: Order, transaction_id: str = "R-1", by=make.BACKEND) -> Order:
    """The channel took the money for it."""
    money = {"provider": "offline", "transaction_id": transaction_id, "amount_fen": order.total_fen}
    services.take_payment(number=order.number, channel=order.channel, paid_at=make.NOON, by=by, **money)
    return Order.objects.get(pk=order.pk)
