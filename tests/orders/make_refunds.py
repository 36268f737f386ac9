"""Refunds for tests of orders."""

import itertools
from datetime import timedelta

from orders import services
from orders.models import Line, Order, Refund
from orders.services.placing import Redeeming
from sync.act import Actor
from tests import make
from tests.orders import make_orders as o

CHANNEL = Actor("channel", "website", "website")
WECHAT = Actor("provider", "wechat_pay", "website")
_numbers = itertools.count(1)


def paid(*, merchant=None, points: int = 0, provider: str = "offline", **fields) -> Order:
    """A paid order: by WeChat Pay with a merchant, else as its channel took it; `points` paid for a part of it."""
    used = {"redeeming": Redeeming(points, is_present=True)} if points else {}
    order = o.order(**used | fields)
    if order.total_fen and merchant:
        opened = o.payment(order, merchant=merchant)
        o.pay(opened, fen=order.total_fen, transaction_id=f"42{next(_numbers):08d}")
    elif order.total_fen:
        named = {"provider": provider, "transaction_id": f"T{next(_numbers)}"}
        money = {"amount_fen": order.total_fen, "paid_at": make.NOON, "by": CHANNEL}
        services.take_payment(number=order.number, channel=order.channel, **named, **money)
    return Order.objects.select_related("channel", "member").get(pk=order.pk)


def lines(order: Order) -> list[Line]:
    return list(order.lines.order_by("position"))


def items(order: Order, *wanted: tuple[int, int]) -> list[dict]:
    """(pieces, fen) of each line in their order; None leaves one out."""
    return [
        {"line_id": line.pk, "quantity": each[0], "amount_fen": each[1]}
        for line, each in zip(lines(order), wanted, strict=False)
        if each
    ]


def executed(**fields) -> dict:
    """What a channel says of a refund that it did."""
    return {"provider": "offline", "transaction_id": f"B{next(_numbers)}", "refunded_at": make.NOON} | fields


def refund(order: Order, *wanted, done: bool = False, **fields) -> Refund:
    """The channel refunds; `done`: it has done so itself."""
    known = {"external_id": f"R{next(_numbers)}", "channel": order.channel, "by": CHANNEL}
    known |= {"executed": executed()} if done else {}
    return services.refund(order=order.pk, items=items(order, *wanted), **known | fields)[0]


def told(refund: Refund, state: str = "done", **fields) -> Refund:
    """WeChat Pay says how it ended."""
    known = {"refunded_at": make.NOON + timedelta(days=1), "transaction_id": f"50{refund.pk.hex[-10:]}", "by": WECHAT}
    return services.refund_told(refund=refund.pk, state=state, **known | fields)


def money(order: Order) -> tuple:
    """What the order says of its refunds: done, under way, open, status."""
    order.refresh_from_db()
    return order.refunded_fen, order.refunding_fen, order.open_refunds, order.refund_status
