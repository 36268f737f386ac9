"""小程序发货信息管理: WeChat is told of shipping, and refuses as the real one does.

Split parcels add up until it is said that all is delivered; from then on, or when mode or kind of shipping change, an
upload is the payment's one second shipping.
"""

import json
import re

from django.db import transaction
from django.http import HttpRequest
from django.views.decorators.http import require_POST

from config.sandbox.models import Shipping, ShippingTold, Trade
from config.sandbox.stand_ins import wechat
from config.sandbox.stand_ins.wechat import Refusal, answered
from sync import clock

EXPRESS, SPLIT, MOST, LONGEST = 1, 2, 15, 120
UNKNOWN, ALREADY_RESHIPPED, NOT_SHIPPABLE, WRONG_TYPE = 10060001, 10060003, 10060004, 10060005
NOT_SPLITTABLE, NO_END, NO_GOODS, GOODS_TOO_LONG, INVALID = 10060006, 10060007, 10060008, 10060009, 10060014
UNCHANGED, TOO_MANY, NOT_THE_PAYER = 10060023, 10060024, 10060031
WRONG_NUMBER_TYPE, WRONG_TIME, WRONG_MODE = 268485194, 268485216, 268485224
NO_WAYBILL, NO_COMPANY, NOT_ONE = 268485226, 268485227, 268485228
MEANINGS = {
    UNKNOWN: "支付单不存在",
    ALREADY_RESHIPPED: "支付单已使用重新发货机会",
    NOT_SHIPPABLE: "支付单处于不可发货的状态",
    WRONG_TYPE: "物流类型有误",
    NOT_SPLITTABLE: "非快递发货时不允许分拆发货",
    NO_END: "分拆发货模式下必须填写 is_all_delivered 字段",
    NO_GOODS: "商品描述 item_desc 字段不能为空",
    GOODS_TOO_LONG: "商品描述 item_desc 字段太长",
    INVALID: "参数错误",
    UNCHANGED: "发货信息未更新",
    TOO_MANY: "物流信息列表太长",
    NOT_THE_PAYER: "该笔支付单不属于 openid 所指定的用户",
    WRONG_NUMBER_TYPE: "订单单号类型非法",
    WRONG_TIME: "上传时间非法，请按照 RFC 3339 格式填写",
    WRONG_MODE: "发货模式非法",
    NO_WAYBILL: "物流单号不能为空",
    NO_COMPANY: "物流公司编码不能为空",
    NOT_ONE: "统一发货模式下物流信息列表长度必须为 1",
}
wechat.MEANINGS.update(MEANINGS)
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")
MASKED = re.compile(r".*\*.*\d{4}")
STATES = {"paid": 1, "shipped": 2, "settled": 4}


@require_POST
@answered
def upload(request: HttpRequest) -> dict:
    """upload_shipping_info: kept as it came, whatever the answer."""
    app_id = _app(request)
    asked, errcode = wechat._json(request), wechat.OK
    try:
        _take(app_id, asked)
    except Refusal as refusal:
        errcode = refusal.errcode
    ShippingTold.objects.create(app_id=app_id, body=json.dumps(asked, ensure_ascii=False), errcode=errcode)
    if errcode:
        raise Refusal(errcode)
    return {"errcode": wechat.OK, "errmsg": "ok"}


@require_POST
@answered
def get_order(request: HttpRequest) -> dict:
    """What WeChat holds of an order."""
    app_id, asked = _app(request), wechat._json(request)
    named = {"transaction_id": asked.get("transaction_id")}
    if not named["transaction_id"]:
        named = {"account__mchid": asked.get("merchant_id"), "out_trade_no": asked.get("merchant_trade_no")}
    trade = _trade(app_id, **named)
    held = Shipping.objects.filter(transaction_id=trade.transaction_id).first()
    state = "settled" if held and held.settled_at else "shipped" if held and held.finished else "paid"
    order = {
        "transaction_id": trade.transaction_id,
        "merchant_id": trade.account.mchid,
        "merchant_trade_no": trade.out_trade_no,
        "paid_amount": trade.paid_fen,
        "openid": trade.payer or "",
        "pay_time": int(trade.success_at.timestamp()),
        "order_state": STATES[state],
        "shipping": _as_shipping(held) if held else {},
    }
    return {"errcode": wechat.OK, "errmsg": "ok", "order": order}


@require_POST
@answered
def notify_confirm_receive(request: HttpRequest) -> dict:
    """The buyer is reminded to confirm: once, and only of what was shipped."""
    app_id, asked = _app(request), wechat._json(request)
    trade = _trade(app_id, transaction_id=asked.get("transaction_id"))
    reminded = Shipping.objects.filter(transaction_id=trade.transaction_id, finished__gt=0, reminded_at=None)
    if not reminded.update(reminded_at=clock.now()):
        raise Refusal(NOT_SHIPPABLE)
    return {"errcode": wechat.OK, "errmsg": "ok"}


def _app(request: HttpRequest) -> str:
    app_id = wechat.app_of_token(request.GET.get("access_token", ""))
    if app_id is None:
        raise Refusal(wechat.INVALID_CREDENTIAL)
    return app_id


def _trade(app_id: str, **named) -> Trade:
    paid = Trade.objects.select_related("account").filter(app_id=app_id, state=Trade.State.SUCCESS)
    trade = paid.filter(**named).first() if all(isinstance(each, str) and each for each in named.values()) else None
    if trade is None:
        raise Refusal(UNKNOWN)
    return trade


@transaction.atomic
def _take(app_id: str, asked: dict) -> None:
    trade = _trade_of(app_id, asked.get("order_key"))
    _judge(trade, asked)
    held = Shipping.objects.select_for_update().filter(transaction_id=trade.transaction_id).first()
    if held is None:
        held = Shipping(app_id=app_id, transaction_id=trade.transaction_id)
    elif held.settled_at:
        raise Refusal(NOT_SHIPPABLE)
    elif held.finished or _kind(asked) != (held.logistics_type, held.delivery_mode):
        _reship(held, asked)
    fresh = {_pair(each) for each in asked["shipping_list"]}
    held.parcels = [each for each in held.parcels if _pair(each) not in fresh] + asked["shipping_list"]
    if len(held.parcels) > MOST:
        raise Refusal(TOO_MANY)
    held.logistics_type, held.delivery_mode = _kind(asked)
    held.upload_time = asked["upload_time"]
    held.finished += asked["delivery_mode"] != SPLIT or asked["is_all_delivered"]
    held.save()


def _reship(held: Shipping, asked: dict) -> None:
    """Once only, later than before, and something else."""
    same = [_pair(each) for each in asked["shipping_list"]] == [_pair(each) for each in held.parcels]
    if same and _kind(asked) == (held.logistics_type, held.delivery_mode):
        raise Refusal(UNCHANGED)
    if held.is_reshipped:
        raise Refusal(ALREADY_RESHIPPED)
    if asked["upload_time"] <= held.upload_time:
        raise Refusal(INVALID)
    held.is_reshipped, held.parcels = True, []


def _trade_of(app_id: str, key) -> Trade:
    key = key if isinstance(key, dict) else {}
    if key.get("order_number_type") == 2:
        return _trade(app_id, transaction_id=key.get("transaction_id"))
    if key.get("order_number_type") == 1:
        return _trade(app_id, account__mchid=key.get("mchid"), out_trade_no=key.get("out_trade_no"))
    raise Refusal(WRONG_NUMBER_TYPE)


def _judge(trade: Trade, asked: dict) -> None:
    """Refuse what the real one refuses."""
    parcels, (kind, mode), payer = asked.get("shipping_list"), _kind(asked), asked.get("payer")
    if not (isinstance(parcels, list) and parcels and all(isinstance(each, dict) for each in parcels)):
        raise Refusal(wechat.BAD_FORMAT)
    faults = [
        (kind not in {1, 2, 3, 4}, WRONG_TYPE),
        (mode not in {1, SPLIT}, WRONG_MODE),
        (mode == SPLIT and kind != EXPRESS, NOT_SPLITTABLE),
        (mode == SPLIT and not isinstance(asked.get("is_all_delivered"), bool), NO_END),
        (mode != SPLIT and len(parcels) != 1, NOT_ONE),
        (len(parcels) > MOST, TOO_MANY),
        (not MOMENT.fullmatch(str(asked.get("upload_time", ""))), WRONG_TIME),
        (not (isinstance(payer, dict) and payer.get("openid")), wechat.BAD_FORMAT),
    ]
    for is_wrong, errcode in faults:
        if is_wrong:
            raise Refusal(errcode)
    if trade.payer and payer["openid"] != trade.payer:
        raise Refusal(NOT_THE_PAYER)
    for parcel in parcels:
        _judge_parcel(parcel, kind)


def _judge_parcel(parcel: dict, kind: int) -> None:
    goods, contact = str(parcel.get("item_desc") or ""), parcel.get("contact") or {}
    phone = str(contact.get("receiver_contact") or contact.get("consignor_contact") or "")
    faults = [
        (not goods, NO_GOODS),
        (len(goods) > LONGEST, GOODS_TOO_LONG),
        (kind == EXPRESS and not parcel.get("tracking_no"), NO_WAYBILL),
        (kind == EXPRESS and not parcel.get("express_company"), NO_COMPANY),
        (parcel.get("express_company") == "SF" and not phone, INVALID),
        (bool(phone) and not MASKED.fullmatch(phone), INVALID),
    ]
    for is_wrong, errcode in faults:
        if is_wrong:
            raise Refusal(errcode)


def _kind(asked: dict) -> tuple:
    return asked.get("logistics_type"), asked.get("delivery_mode")


def _pair(parcel: dict) -> tuple:
    return parcel.get("tracking_no"), parcel.get("express_company")


def _as_shipping(held: Shipping) -> dict:
    parcels = [
        {"tracking_no": "", "express_company": "", "goods_desc": each.get("item_desc", ""), "upload_time": 0}
        | {name: each[name] for name in ("tracking_no", "express_company", "contact") if name in each}
        for each in held.parcels
    ]
    return {
        "delivery_mode": held.delivery_mode,
        "logistics_type": held.logistics_type,
        "finish_shipping": held.finished > 0,
        "finish_shipping_count": min(held.finished, 2),
        "goods_desc": "",
        "shipping_list": parcels,
    }
