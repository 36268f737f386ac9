"""An order becomes paid: the one place where it does."""

from datetime import datetime

from loyalty import services as loyalty
from orders.models import Order, PaymentCase
from orders.services import news, redeeming
from orders.services.changing import keep
from orders.shipping import uploading
from sync import inbox
from sync.act import Actor, act


@act
def settle(order: Order, *, paid_fen: int, paid_at: datetime, by: Actor) -> None:
    """The order is paid; the points it used are taken, those it brings follow. Its locks are held.

    News in the order of their causes: `order.paid`, `points.spent`, `points.earned`, `tier.changed`.
    """
    order.payment_status, order.paid_fen, order.paid_at = Order.PaymentStatus.PAID, paid_fen, paid_at
    news.tell("order.paid", order, by)
    redeeming.capture(order, by)
    if order.member_id:
        order.points_earned = earned(order, by)
    keep(order, "payment_status", "paid_fen", "paid_at", "points_earned")
    if order.fulfilment_status != Order.FulfilmentStatus.NONE:
        uploading.want(order, by)  # its goods were told of before its money
    reopening = order.cases.filter(resolved_at=None, proposed=PaymentCase.Action.REOPEN)
    reopening.update(proposed=PaymentCase.Action.REFUND)  # it can be paid only once
    inbox.wake(news.paid_as(order.channel.code, order.external_id))  # refunds that were told before


def earned(order: Order, by: Actor, turn: int = 0) -> int:
    """What the purchase brings its member, once per order; `turn`: how often it was given to another one before."""
    return loyalty.earn_for_purchase(
        member=order.member_id,
        order_number=order.number,
        lines=[(line.pk, line.sku, line.quantity * line.unit_price_fen) for line in order.lines.all()],
        shipping_fen=order.shipping_fen,
        paid_fen=order.paid_fen,
        paid_at=order.paid_at,
        channel=order.channel,
        by=by,
        turn=turn,
    )
