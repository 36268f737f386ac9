"""Orders that WeChat is told of, and a WeChat that says what it is told to say."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from django.utils import timezone

from orders.models import Carrier, Order, ShipmentLine, ShippingUpload
from orders.shipping import telling, uploading
from sync.act import SYSTEM, act
from tests import make
from tests.members.outside import Outside, Server
from tests.orders import make_orders

UPLOAD, ASK = telling.UPLOAD, telling.GET_ORDER
ADDRESS = {
    "receiver": "张三",
    "phone": "+8613800138000",
    "province": "浙江省",
    "city": "杭州市",
    "street": "龙井路 1 号",
}


def paid_order(placed_on="mini-program", lines=1, **fields) -> Order:
    order = make_orders.order(channel=placed_on, lines=lines, address=ADDRESS)
    known = {"payer": "openid-of-ming", "method": "wechat_jsapi"} | fields
    payment = make_orders.payment(order, **known)
    number = f"42{order.number[1:]}"
    make_orders.pay(payment, transaction_id=number)
    order.refresh_from_db()
    return order


def ship(order, number="SF1001", carrier="shunfeng", *, lines=None, is_all=True):
    """A parcel with these lines, and the order as far as it goes."""
    carried_by = Carrier.objects.filter(code=carrier).first()
    shipment = order.shipments.create(
        carrier=carrier, carried_by=carried_by, tracking_number=number, shipped_at=make.NOON
    )
    held = lines if lines is not None else list(order.lines.all())
    ShipmentLine.objects.bulk_create(ShipmentLine(shipment=shipment, line=line, quantity=1) for line in held)
    goods = {"fulfilment_status": "shipped", "shipped_at": make.NOON} if is_all else {"fulfilment_status": "partial"}
    Order.objects.filter(pk=order.pk).update(**goods)
    want(order)
    return shipment


@act
def want(order):
    order.refresh_from_db()
    uploading.want(order, SYSTEM)


def run():
    """All that is due, and what comes of it at once."""
    while telling.tell_due():
        pass


def later():
    """The next try's time has come."""
    ShippingUpload.objects.filter(next_at__isnull=False).update(next_at=timezone.now())
    telling.tell_due()


def upload() -> ShippingUpload:
    return ShippingUpload.objects.get()


def sent(outside, path=UPLOAD) -> list[dict]:
    return [json.loads(asked.body) for asked in outside.requests if asked.url.startswith(path)]


def answering(outside, path, *answers):
    outside.answers[path] = [(200, answer) if isinstance(answer, dict) else answer for answer in answers]


def refusal(code):
    return {"errcode": code, "errmsg": "no"}


def held(*pairs, finished=True, times=1, state=2):
    """What get_order says."""
    parcels = [{"tracking_no": number, "express_company": company, "goods_desc": "茶"} for number, company in pairs]
    shipping = {"finish_shipping": finished, "finish_shipping_count": times if finished else 0}
    return {"errcode": 0, "order": {"order_state": state, "shipping": shipping | {"shipping_list": parcels}}}


@contextmanager
def wechat(settings) -> Iterator[Outside]:
    """WeChat on loopback; it takes every upload unless told otherwise."""
    with Server() as server:
        settings.WECHAT_API_URL = server.url
        server.outside.answers[UPLOAD] = [(200, {"errcode": 0, "errmsg": "ok"})] * 50
        yield server.outside


def carriers() -> None:
    """Couriers and others, and one that WeChat does not know."""
    for code, name, kind, wechat_code in [
        ("shunfeng", "顺丰速运", "express", "SF"),
        ("zhongtong", "中通快递", "express", "ZTO"),
        ("local", "同城配送", "local", ""),
        ("virtual", "无需物流", "virtual", ""),
        ("pickup", "到店自提", "pickup", ""),
        ("nobody", "无名快递", "express", ""),
    ]:
        known = {"name": name, "kind": kind, "wechat_code": wechat_code}
        Carrier.objects.update_or_create(code=code, defaults=known)
