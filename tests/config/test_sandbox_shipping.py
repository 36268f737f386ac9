"""The sandbox's WeChat and shipping: told by the hub itself, refusing as the real one does, pushing what follows."""

import json

import httpx
import pytest
from django.test import Client

from config.sandbox.models import Shipping, ShippingTold, TextNotice, Trade
from config.sandbox.seed import credentials
from config.sandbox.stand_ins import pushing
from members import notice_sending, notices, wechat
from members.calling import Deadline
from orders import wechat_sealing
from orders.models import ShippingUpload
from orders.shipping import telling, uploading
from sync import clock
from tests import make
from tests.config import make_sandbox
from tests.config.sandbox_servers import both_processes, stand_ins  # noqa: F401 - fixtures
from tests.orders import make_orders, make_uploads

UPLOAD, ASK, REMIND = telling.UPLOAD, telling.GET_ORDER, "/wxa/sec/order/notify_confirm_receive"
PARCEL = {
    "tracking_no": "SF1",
    "express_company": "SF",
    "item_desc": "茶",
    "contact": {"receiver_contact": "138****8000"},
}


def paid_trade(number="4200000001") -> str:
    make_sandbox.merchant()
    account = make_sandbox.PayAccount.objects.get()
    known = {"app_id": "wx-mini-program", "trade_type": "JSAPI", "payer": "o-ming", "amount_fen": 12_900}
    known |= {"notify_url": "http://127.0.0.1/x", "prepay_id": "p", "state": "SUCCESS", "paid_fen": 12_900}
    Trade.objects.create(account=account, out_trade_no="T1", transaction_id=number, success_at=clock.now(), **known)
    return number


@pytest.fixture
def trade(stand_ins):  # noqa: F811 - the fixture
    make_sandbox.apps()
    return paid_trade()


def body(number, *parcels, at="2026-11-22T12:00:00.000+08:00", **fields) -> dict:
    known = {"order_key": {"order_number_type": 2, "transaction_id": number}, "logistics_type": 1, "delivery_mode": 1}
    known |= {"shipping_list": list(parcels or [PARCEL]), "upload_time": at, "payer": {"openid": "o-ming"}}
    return known | fields


def told(asked: dict, path=UPLOAD) -> int:
    """WeChat's errcode."""
    try:
        wechat.post(make.channel("mini-program"), path, asked, by=Deadline(10))
    except wechat.Refused as error:
        return error.errcode
    return 0


@pytest.mark.parametrize(
    ("wrong", "errcode"),
    [
        ({"order_key": {"order_number_type": 2, "transaction_id": "none"}}, 10060001),
        ({"order_key": {}}, 268485194),
        ({"logistics_type": 5}, 10060005),
        ({"logistics_type": 2, "delivery_mode": 2}, 10060006),
        ({"delivery_mode": 2}, 10060007),
        ({"delivery_mode": 3}, 268485224),
        ({"shipping_list": [PARCEL, PARCEL]}, 268485228),
        ({"shipping_list": [PARCEL] * 16, "delivery_mode": 2, "is_all_delivered": True}, 10060024),
        ({"shipping_list": [PARCEL | {"item_desc": ""}]}, 10060008),
        ({"shipping_list": [PARCEL | {"item_desc": "茶" * 121}]}, 10060009),
        ({"shipping_list": [PARCEL | {"tracking_no": ""}]}, 268485226),
        ({"shipping_list": [PARCEL | {"express_company": ""}]}, 268485227),
        ({"shipping_list": [PARCEL | {"contact": {}}]}, 10060014),
        ({"shipping_list": [PARCEL | {"contact": {"receiver_contact": "13800138000"}}]}, 10060014),
        ({"shipping_list": {}}, 47001),
        ({"upload_time": "2026-11-22 12:00:00"}, 268485216),
        ({"payer": {"openid": "o-lan"}}, 10060031),
    ],
)
def test_wrong_uploads_are_refused_with_wechats_codes(trade, wrong, errcode):
    assert told(body(trade) | wrong) == errcode
    assert not Shipping.objects.exists()
    assert ShippingTold.objects.get().errcode == errcode


def test_shipping_is_told_once_and_anew_once(trade):
    other, third = PARCEL | {"tracking_no": "SF2"}, PARCEL | {"tracking_no": "SF3"}
    assert told(body(trade)) == 0
    assert told(body(trade)) == 10060023
    assert told(body(trade, other)) == 10060014  # not later
    assert told(body(trade, other, at="2026-11-22T12:00:01.000+08:00")) == 0
    assert told(body(trade, third, at="2026-11-22T12:00:02.000+08:00")) == 10060003
    order = wechat.post(make.channel("mini-program"), ASK, {"transaction_id": trade}, by=Deadline(10))["order"]
    assert (order["order_state"], order["shipping"]["finish_shipping_count"]) == (2, 2)
    assert [each["tracking_no"] for each in order["shipping"]["shipping_list"]] == ["SF2"]


def test_split_parcels_add_up_until_all_is_delivered(trade):
    split = {"delivery_mode": 2, "is_all_delivered": False}
    assert told(body(trade, **split)) == 0
    assert told(body(trade, PARCEL | {"tracking_no": "SF2"}, **split | {"is_all_delivered": True})) == 0
    held = Shipping.objects.get()
    assert (len(held.parcels), held.finished, held.is_reshipped) == (2, 1, False)


def test_the_buyer_is_reminded_once_of_what_was_shipped(trade):
    asked = {"transaction_id": trade, "received_time": 1}
    assert told(asked, REMIND) == 10060004
    told(body(trade))
    assert [told(asked, REMIND) for _time in range(2)] == [0, 10060004]


def test_uploads_and_news_are_shown_codes_apart(trade, client):
    told(body(trade))
    TextNotice.objects.create(phone="+8613800138000", occasion="order_shipped", values={"number": "D1"})
    (upload,) = client.get("/sandbox/wechat/uploads").json()["results"]
    assert (upload["errcode"], upload["shipping_list"], upload["app_id"]) == (0, [PARCEL], "wx-mini-program")
    (news,) = client.get("/sandbox/sms/notices").json()["results"]
    assert (news["phone"], news["occasion"], news["values"]) == ("+8613800138000", "order_shipped", {"number": "D1"})
    assert client.get("/sandbox/sms").json() == {"results": []}


def test_a_text_message_reaches_the_stand_in(trade):
    member = make.member(phone="+8613800138000")
    notices.notify(member.pk, "member_merged", "1", {"at": "now"}, by_sms=True)
    notice_sending.send_due()
    assert TextNotice.objects.get().phone == "+8613800138000"


def test_what_the_stand_in_seals_the_hub_opens():
    key, content = credentials.push_key("mini-program"), b'{"MsgType": "event"}'
    sealed = pushing.sealed(content, key=key, app_id="wx1")
    assert wechat_sealing.unsealed(sealed, key, "wx1") == content


@pytest.mark.django_db(transaction=True)
def test_from_the_parcel_to_the_released_money(both_processes):  # noqa: F811 - the fixture
    make_sandbox.apps()
    place = make.channel("mini-program")
    place.push_token, place.push_key = credentials.push_token(place.code), credentials.push_key(place.code)
    place.save()
    number = paid_trade()
    make_uploads.carriers()
    order = make_orders.order(channel="mini-program", address=make_uploads.ADDRESS)
    merchant = make_orders.Merchant.objects.get()
    make_orders.pay(make_orders.payment(order, merchant=merchant, payer="o-ming"), transaction_id=number)
    make_uploads.ship(order)
    make_uploads.run()
    assert (ShippingUpload.objects.get().state, ShippingUpload.objects.get().problem) == ("sent", "")
    answer = httpx.post(f"{both_processes}/sandbox/wechat/uploads/{number}/settle", json={}, timeout=30)
    assert answer.json() == {"statuses": [200]}
    assert ShippingUpload.objects.get().settled_at
    with pytest.raises(uploading.NotCorrectable):
        uploading.correct(upload=ShippingUpload.objects.get().pk, by=make.STAFF)
    asked = {"message": {"MsgType": "text", "Content": "在吗", "FromUserName": "o-ming"}}
    answer = httpx.post(f"{both_processes}/sandbox/wechat/pushes", json=asked | {"app_id": place.app_id}, timeout=30)
    assert answer.json() == {"statuses": [200]}
    assert json.loads(Client().get("/sandbox/wechat/uploads").content)["results"]
