"""Orders as staff find them: paid, shipped, asked back, told to WeChat, handled by hand; one of everything."""

import json
import uuid
from datetime import timedelta

from django.contrib.auth.models import User
from django.utils import timezone

from orders import services
from orders.models import (
    Bill,
    BillLine,
    Carrier,
    Disclosure,
    Intervention,
    Merchant,
    Order,
    OrderTerms,
    Refund,
    RefundLine,
    Shipment,
    ShippingFile,
    ShippingRow,
    ShippingUpload,
    Superseded,
)
from orders.services import shipping
from orders.shipping import known
from sync.act import Actor
from sync.models import InboxMessage
from tests import make
from tests.orders import make_orders

SHOP = Actor("channel", "website", "website")


def carrier(code: str = "shunfeng") -> Carrier:
    """One that everybody knows, as a new hub does."""
    (row,) = (row for row in known.rows() if row["code"] == code)
    return Carrier.objects.get_or_create(code=code, defaults=row)[0]


def paid(order: Order, transaction_id: str = "", **fields) -> Order:
    """The order, paid by money its channel took."""
    told = {"provider": "offline", "transaction_id": transaction_id or uuid.uuid4().hex, "amount_fen": order.total_fen}
    told |= {"number": order.number, "channel": order.channel, "paid_at": make.NOON, "by": SHOP}
    services.take_payment(**told | fields)
    return Order.objects.get(pk=order.pk)


def shipped(order: Order, number: str = "SF1234567890123", **fields) -> Shipment:
    """A parcel of a paid order with all that is left."""
    carrier()
    known = {"carrier": "顺丰", "tracking_number": number, "by": SHOP}
    return shipping.ship(order=order.pk, **known | fields)[0]


def tracked(parcel: Shipment, count: int = 2, text: str = "快递员 13800138000 派送中") -> None:
    """What a carrier told of a parcel, a minute apart, newest first."""
    start = timezone.now() - timedelta(days=1)
    told = [
        {"at": (start + timedelta(minutes=n)).isoformat(), "text": text, "state": "in_transit", "place": "杭州"}
        for n in reversed(range(count))
    ]
    Shipment.objects.filter(pk=parcel.pk).update(told_at=start)
    parcel.refresh_from_db()
    parcel.tracking = json.dumps(told, ensure_ascii=False)
    parcel.save(update_fields=["tracking"])


def asked_back(order: Order, fen: int = 1_000) -> Refund:
    """A request for money of the first line of an order, by its member."""
    refund = Refund.objects.create(order=order, state="requested", amount_fen=fen, asked_by="member/1", reason="破损")
    RefundLine.objects.create(refund=refund, line=order.lines.first(), quantity=0, amount_fen=fen)
    Order.objects.filter(pk=order.pk).update(open_refunds=order.open_refunds + 1)
    order.refresh_from_db()
    return refund


def uploaded(order: Order, **fields) -> ShippingUpload:
    """What WeChat is to be told of the shipping of an order's payment."""
    return ShippingUpload.objects.create(payment=order.payments.get(state="paid"), **fields)


def message(payment, body: dict | None = None, **fields) -> InboxMessage:
    """A notification of WeChat Pay about a payment, as the inbox keeps it."""
    known = {"sender": "wechat-pay/1900000001", "type": "wechat_pay.TRANSACTION.SUCCESS", "body_digest": b"1"}
    known |= {"message_id": uuid.uuid4().hex, "subject": f"wechat_pay/{payment.pk.hex}"}
    return InboxMessage.objects.create(body=json.dumps(body or {"trade_state": "SUCCESS"}), **known | fields)


def file_of(order: Order, user: User, turn: str = "") -> ShippingFile:
    """A shipping file with one line in order."""
    made = ShippingFile.objects.create(
        name=f"parcels{turn}.csv", channels=["website"], lines=1, wrong=0, brought_by=user
    )
    row = {"order": order, "carrier": "顺丰", "tracking_number": f"SF00{turn}", "known_as": order.number}
    ShippingRow.objects.create(file=made, line=2, state="waiting", **row)
    return made


def bill(merchant: Merchant | None = None) -> Bill:
    """WeChat Pay's bill of a day, with one trade."""
    known = {"name": "商户", "api_key": "k" * 32, "private_key": "x", "serial": "1"}
    merchant = merchant or Merchant.objects.get_or_create(mchid="1900000009", defaults=known)[0]
    days = timedelta(days=Bill.objects.count())
    made = Bill.objects.create(merchant=merchant, billed_on=make.NOON.date() - days, state="kept", kept_at=make.NOON)
    trade = {"transaction_id": uuid.uuid4().hex, "out_trade_no": uuid.uuid4().hex, "trade_state": "SUCCESS"}
    sums = {"settled_fen": 12_900, "ordered_fen": 12_900, "currency": "CNY", "fee_millifen": 77_400}
    BillLine.objects.create(bill=made, position=1, traded_at=make.NOON, **trade | sums)
    return made


def one_of_each(member, channel, turn: str = "") -> Order:
    """An order with a row of every kind that staff can look at."""
    order = paid(make_orders.order(member=member, channel=channel, lines=2))
    tracked(shipped(order, f"SF12345{turn}"))
    uploaded(order)
    asked_back(order)
    Superseded.objects.create(
        order=order, type="order.updated", by="channel/website", reason="paid", occurred_at=make.NOON
    )
    Intervention.objects.create(order=order, kind="shipped", reason="仓库补发", by="staff/1")
    Disclosure.objects.create(order=order, actor="staff/1", reason="核对地址")
    OrderTerms.objects.get_or_create(channel=channel)
    user, _made = User.objects.get_or_create(username="packer")
    file_of(order, user, turn)
    bill()
    return order
