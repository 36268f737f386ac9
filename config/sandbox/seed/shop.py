"""Orders, payments and points of the last ninety days, consistent to the last fen."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import translation

from config.sandbox.seed.dice import Dice
from config.sandbox.seed.goods import GOODS
from config.sandbox.seed.history import Fact
from config.sandbox.seed.house import Brand
from config.sandbox.seed.people import Somebody
from config.sandbox.seed.points import PointsBooks, Purse, Sale, parts_of
from orders import queries as orders
from orders.models import Line, Order, Payment
from orders.services import digest_of
from sync.act import Actor
from sync.models import Channel

ORDERS = [0, 1, 1, 2, 2, 3, 3, 4, 5, 7]
SHIPPING_FEN, FREE_FROM_FEN = 1_000, 9_900
COUPON = 100


@dataclass
class Books:
    """What is to be written, and what is to be told of it."""

    orders: list[Order] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    payments: list[Payment] = field(default_factory=list)
    points: PointsBooks = field(default_factory=PointsBooks)
    told: list[Fact] = field(default_factory=list)

    @property
    def facts(self) -> list[Fact]:
        """All news, each kind in its order."""
        return self.told + self.points.facts

    def store(self) -> None:
        """Write all of it."""
        Order.objects.bulk_create(self.orders)
        Line.objects.bulk_create(self.lines)
        Payment.objects.bulk_create(self.payments)
        self.points.store()


class Shop:
    """Sells to one member after another."""

    def __init__(self, dice: Dice, brand: Brand):
        self.dice, self.brand, self.books = dice, brand, Books()

    def serve(self, somebody: Somebody) -> None:
        """All that one member ever bought and got for it."""
        dice, purse = self.dice, None
        since = somebody.member.created_at
        moments = sorted(dice.between(since, dice.now - timedelta(minutes=40)) for _ in range(dice.choice(ORDERS)))
        for at in moments:
            order = self.place(somebody, dice.choice(somebody.channels), at)
            if dice.happens(0.88):
                purse = purse or Purse(dice, self.brand, self.books.points, somebody)
                self.pay(order, somebody, purse, at + timedelta(seconds=dice.randrange(20, 600)))
            elif at < dice.now - timedelta(days=1):
                self.cancel(order, somebody, at + timedelta(minutes=30))
        if purse:
            purse.settle(dice.now)
            if purse.account.available >= COUPON and dice.happens(0.3):
                self.redeem(somebody, purse, dice.between(purse.account.updated_at, dice.now))

    def place(self, somebody: Somebody, channel: Channel, at: datetime) -> Order:
        """An order of one to three articles."""
        dice = self.dice
        goods = [(good, dice.choice([1, 1, 1, 2, 3])) for good in dice.sample(GOODS, dice.choice([1, 1, 2, 3]))]
        items_fen = sum(good.price_fen * quantity for good, quantity in goods)
        shipping_fen = 0 if items_fen >= FREE_FROM_FEN else SHIPPING_FEN
        external_id = dice.number("W" if channel.code == "website" else "X", at)
        order = Order(
            id=dice.uuid7(at),
            number=dice.number("D", at),
            channel=channel,
            external_id=external_id,
            member=somebody.member,
            request_digest=digest_of(channel, {"external_id": external_id}),
            items_fen=items_fen,
            shipping_fen=shipping_fen,
            total_fen=items_fen + shipping_fen,
            placed_at=at,
            created_at=at,
            updated_at=at,
        )
        self.books.orders.append(order)
        lines = [self._line(order, n, *each, at) for n, each in enumerate(goods, start=1)]
        order._prefetched_objects_cache = {"lines": lines, "shipments": []}
        self.books.lines += lines
        self.tell("order.placed", somebody, at, Actor("channel", channel.code, channel.code), as_told(order))
        return order

    def pay(self, order: Order, somebody: Somebody, purse: Purse, at: datetime) -> None:
        """Paid by WeChat; points and tier follow."""
        at = max(at, purse.account.updated_at + timedelta(seconds=1))  # one act after the other
        self.books.payments.append(self._payment(order, somebody, at))
        by = Actor("provider", "wechat_pay", order.channel.code)
        lines = [(line.pk, line.sku, line.quantity * line.unit_price_fen) for line in order.lines.all()]
        order.payment_status, order.paid_fen, order.paid_at = Order.PaymentStatus.PAID, order.total_fen, at
        sale = Sale(order.number, parts_of(lines, order.shipping_fen), order.paid_fen, order.channel, at)
        order.points_earned = purse.buy(sale, by)
        order.version, order.updated_at = 2, at
        self.tell("order.paid", somebody, at, by, as_told(order))

    def cancel(self, order: Order, somebody: Somebody, at: datetime) -> None:
        """Not paid in time."""
        by = Actor("channel", order.channel.code, order.channel.code)
        order.payment_status, order.version, order.updated_at = Order.PaymentStatus.CLOSED, 2, at
        order.closed_at = at
        self.tell("order.cancelled", somebody, at, by, as_told(order))

    def redeem(self, somebody: Somebody, purse: Purse, at: datetime) -> None:
        """Points for a coupon, booked by the home channel."""
        by = Actor("channel", somebody.home.code, somebody.home.code)
        named = {"source": str(by), "reference": f"coupon:{somebody.member.number}", "channel": somebody.home}
        purse.redeem(COUPON, at, by, reason="兑换优惠券", **named)

    def tell(self, type: str, somebody: Somebody, at: datetime, by: Actor, data: dict) -> None:
        self.books.told.append(Fact(type, somebody.subject, at, by, data))

    def _line(self, order: Order, position: int, good, quantity: int, at: datetime) -> Line:
        return Line(
            id=self.dice.uuid7(at),
            order=order,
            position=position,
            sku=good.sku,
            name=good.name,
            quantity=quantity,
            unit_price_fen=good.price_fen,
        )

    def _payment(self, order: Order, somebody: Somebody, at: datetime) -> Payment:
        openid = somebody.openid(order.channel) if order.channel.code == "mini-program" else None
        return Payment(
            id=self.dice.uuid7(order.placed_at),
            order=order,
            provider="wechat_pay",
            method="wechat_jsapi" if openid else "wechat_native",
            payer=openid,
            channel=order.channel,
            app_id=order.channel.app_id,
            merchant=self.brand.merchant,
            amount_fen=order.total_fen,
            state=Payment.State.PAID,
            transaction_id=f"42{self.dice.randrange(10**26):026d}",
            created_at=order.placed_at,
            expires_at=order.placed_at + timedelta(hours=2),
            paid_at=at,
        )


def as_told(order: Order) -> dict:
    """The order as events tell it, as it stands now."""
    with translation.override(settings.LANGUAGE_CODE):
        told = orders.as_order(order)
    del told["buyer_note"]
    return told
