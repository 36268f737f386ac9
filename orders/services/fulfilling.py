"""What an order's parcels say of its goods: how far they are, when that was, and when the order is over by itself.

Goods that were paid back need not be sent. Parcels on their way back keep an order from completing by itself. What a
channel told beyond its parcels (all arrived, completed) stays: states only rise, but for a parcel taken back.
"""

from datetime import timedelta

from django.db import connection

from members import notices
from orders import terms
from orders.models import Line, Order, Shipment
from orders.services import news
from orders.services.buyers_news import tell_buyer
from orders.services.changing import keep
from sync import clock
from sync.act import Actor

Goods, State, Watch = Order.FulfilmentStatus, Shipment.State, Shipment.Watch
RANKS = [Goods.NONE, Goods.PARTIAL, Goods.SHIPPED, Goods.DELIVERED, Goods.COMPLETED]
COMING_BACK = {State.RETURNING, State.RETURNED, State.REFUSED}
FOLLOWED = {Watch.WANTED, Watch.FOLLOWED}
MAY_FALL = {Goods.PARTIAL, Goods.SHIPPED}
SOME_CARRIER = "快递"  # in messages, which are in Chinese
WRITTEN = ("fulfilment_status", "shipped_at", "delivered_at", "completes_at")

COUNT = """
UPDATE orders_line l SET shipped_quantity = coalesce((
    SELECT sum(c.quantity) FROM orders_shipmentline c JOIN orders_shipment s ON s.id = c.shipment_id
    WHERE c.line_id = l.id AND s.withdrawn_at IS NULL), 0)
WHERE l.order_id = %s
"""


def count_shipped(order: Order) -> None:
    """Write on each line of a locked order how much of it its parcels hold; the database refuses more than it has."""
    with connection.cursor() as cursor:
        cursor.execute(COUNT, [order.pk])


def follow_parcels(order: Order, by: Actor, type: str, *, rising: str = "", may_fall: bool = False) -> None:
    """Bring a locked order to what its parcels say and tell `type`, then that all arrived where that is so now.

    `rising` is told instead where more is on its way than before. `may_fall`: a parcel was taken back, or less is in
    it than was said.
    """
    held = order.fulfilment_status
    set_goods(order, may_fall=may_fall)
    rises = RANKS.index(order.fulfilment_status) > RANKS.index(held)
    news.tell(rising if rising and rises else type, order, by)
    _tell_arrival(order, held, by)
    keep(order, *WRITTEN)


def follow_refund(order: Order, by: Actor) -> tuple[str, ...]:
    """After goods of a locked order were paid back: what is left to be sent may be nothing. Names the fields to keep.

    To be called once `order.refunded` is told: that all has arrived may follow from it.
    """
    held = order.fulfilment_status
    set_goods(order)
    _tell_arrival(order, held, by)
    return WRITTEN


def set_goods(order: Order, *, may_fall: bool = False) -> None:
    """Set the goods' state of a locked order, and its times, by its parcels."""
    parcels, held = list(order.shipments.filter(withdrawn_at=None)), order.fulfilment_status
    said = state_of(list(Line.objects.filter(order=order)), parcels)
    falls = RANKS.index(said) < RANKS.index(held)
    order.fulfilment_status = held if falls and not (may_fall and held in MAY_FALL) else said
    if order.fulfilment_status in {Goods.NONE, Goods.PARTIAL}:
        order.shipped_at = None
    elif said in {Goods.SHIPPED, Goods.DELIVERED}:
        order.shipped_at = max(parcel.shipped_at for parcel in parcels)
    if said == Goods.DELIVERED and order.delivered_at is None:
        order.delivered_at = max(parcel.delivered_at for parcel in parcels)
    order.completes_at = completes_at(order, parcels)


def state_of(lines: list[Line], parcels: list[Shipment]) -> Goods:
    """How far the goods are, by parcels alone."""
    if not parcels:
        return Goods.NONE
    if any(line.shipped_quantity < line.quantity - line.refunded_quantity for line in lines):
        return Goods.PARTIAL
    return Goods.DELIVERED if all(parcel.delivered_at for parcel in parcels) else Goods.SHIPPED


def completes_at(order: Order, parcels: list[Shipment]):
    """When the order completes without a word from the buyer; None while that is not to be."""
    held = terms.of(order.channel)
    if any(parcel.state in COMING_BACK for parcel in parcels):
        return None
    if order.fulfilment_status == Goods.DELIVERED:
        return order.delivered_at + timedelta(days=held.complete_after_days)
    awaited = any(parcel.watch in FOLLOWED and not parcel.delivered_at for parcel in parcels)
    if order.fulfilment_status != Goods.SHIPPED or awaited:
        return None
    return order.shipped_at + timedelta(days=held.complete_shipped_after_days)


def notify_shipment(order: Order, shipment: Shipment) -> None:
    """Have the member told that a parcel is under way, if they accepted that.

    A carrier the hub does not know is not named: what a channel calls it may be anything, under the hub's signature.
    """
    carrier = shipment.carried_by.name if shipment.carried_by else SOME_CARRIER
    values = {"number": order.number, "carrier": carrier, "waybill": shipment.tracking_number}
    at = {"at": notices.moment(shipment.shipped_at)}
    tell_buyer(order, "order_shipped", f"shipment/{shipment.pk}", values | at)


def notify_arrival(order: Order) -> None:
    """Have the member told that all has arrived, once per order, if they accepted that."""
    at = notices.moment(order.delivered_at or clock.now())
    tell_buyer(order, "order_delivered", f"order/{order.number}", {"number": order.number, "at": at})


def _tell_arrival(order: Order, held: str, by: Actor) -> None:
    if order.fulfilment_status == Goods.DELIVERED and held != Goods.DELIVERED:
        news.tell("order.delivered", order, by)
        notify_arrival(order)
