"""A member opens payments at WeChat Pay, from either channel, one at a time."""

from datetime import timedelta

import pytest
from django.db import connections
from django.db.models import F

from orders import services
from orders.models import Merchant, Order, Payment, PaymentCase
from orders.payments import signing, wechat_pay
from tests import make
from tests.orders import make_orders as o

pytestmark = pytest.mark.django_db


@pytest.fixture
def shopper():
    """A member on the mini-program, with an openid there and not on the website."""
    return make.member_client(make.member(channel="mini-program", openid="o-shopper"), "mini-program")


@pytest.fixture
def order(shopper, wechat):
    return o.order(member=shopper.member)


def ask(client, order, method="wechat_jsapi", **headers):
    return client.post(f"me/orders/{order.number}/payments", {"method": method}, headers=headers)


def opened(client, order, method="wechat_jsapi") -> dict:
    answer = ask(client, order, method)
    assert answer.status_code == 201, answer.json()
    return answer.json()


def test_within_wechat_the_client_gets_what_requestpayment_takes(shopper, order, wechat, merchant_pair):
    payment = opened(shopper, order)
    params = payment["params"]
    assert set(params) == {"appId", "timeStamp", "nonceStr", "package", "signType", "paySign"}
    assert (params["appId"], params["package"], params["signType"]) == ("wx-mini-program", "prepay_id=wx2016", "RSA")
    signed = signing.lines(params["appId"], params["timeStamp"], params["nonceStr"], params["package"])
    assert params["paySign"] == signing.sign(signed, merchant_pair[0])
    (asked,) = wechat.trades.values()
    assert asked["out_trade_no"] == payment["payment_id"].replace("-", "")
    assert asked["amount"] == {"total": 12_900, "currency": "CNY"}
    assert asked["payer"] == {"openid": "o-shopper"}
    assert asked["notify_url"] == "http://127.0.0.1:8000/callbacks/wechat-pay/1900000001"


@pytest.mark.parametrize(
    ("method", "name"), [("wechat_native", "code_url"), ("wechat_h5", "h5_url")], ids=["native", "h5"]
)
def test_elsewhere_it_gets_an_address(shopper, order, wechat, method, name):
    assert set(opened(shopper, order, method)["params"]) == {name}
    (asked,) = wechat.trades.values()
    assert "payer" not in asked
    assert asked.get("scene_info", {}).get("payer_client_ip") == ("127.0.0.1" if method == "wechat_h5" else None)


def test_behind_a_proxy_the_payers_own_address_is_told(shopper, order, wechat, settings):
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    shopper.headers["X-Forwarded-For"] = "198.51.100.66, 203.0.113.7"  # the first is what the client claims
    opened(shopper, order, "wechat_h5")
    (asked,) = wechat.trades.values()
    assert asked["scene_info"]["payer_client_ip"] == "203.0.113.7"


def test_the_openid_lies_encrypted(shopper, order):
    opened(shopper, order)
    row = Payment.objects.values("payer", "params").get()
    assert b"o-shopper" not in bytes(row["payer"])
    assert b"prepay" not in bytes(row["params"])


def test_an_open_payment_is_given_again(shopper, order, wechat):
    first = opened(shopper, order)
    assert opened(shopper, order) == first
    assert [path.rpartition("/")[2] for _method, path in wechat.calls] == ["jsapi"]


def test_another_method_on_another_channel_closes_the_first(shopper, order, wechat):
    first = opened(shopper, order)
    website = make.member_client(shopper.member, "website")
    second = opened(website, order, "wechat_native")
    assert first["payment_id"] != second["payment_id"]
    assert [path.rpartition("/")[2] for _method, path in wechat.calls][2:] == ["close", "native"]
    assert dict(Payment.objects.values_list("method", "state")) == {"wechat_jsapi": "closed", "wechat_native": "open"}


def test_without_an_openid_of_this_app_there_is_no_payment(shopper, order, wechat):
    website = make.member_client(shopper.member, "website")
    answer = ask(website, order)
    assert (answer.status_code, answer.json()["code"]) == (409, "openid_required")
    assert not Payment.objects.exists()


def test_money_that_has_come_meanwhile_settles_the_order(shopper, order, wechat):
    payment = opened(shopper, order)
    wechat.pay(payment["payment_id"].replace("-", ""))
    answer = ask(shopper, order, "wechat_native")
    assert (answer.status_code, answer.json()["code"]) == (409, "payment_in_progress")
    assert Order.objects.get().payment_status == "paid"
    assert ask(shopper, order).json()["code"] == "order_state"


@pytest.mark.parametrize("state", ["USERPAYING", "ACCEPT", "SOMETHING_NEW"])
def test_money_in_motion_is_waited_for(shopper, order, wechat, state):
    payment = opened(shopper, order)
    wechat.trades[payment["payment_id"].replace("-", "")]["trade_state"] = state
    assert ask(shopper, order, "wechat_native").json()["code"] == "payment_in_progress"
    assert Payment.objects.get().state == "open"


def test_money_that_comes_between_asking_and_closing_is_waited_for(shopper, order, wechat):
    payment = opened(shopper, order)
    wechat.trades[payment["payment_id"].replace("-", "")]["paid_at_last"] = True
    assert ask(shopper, order, "wechat_native").json()["code"] == "payment_in_progress"
    assert Payment.objects.get().state == "open"


@pytest.mark.parametrize("state", ["CLOSED", "REVOKED", "PAYERROR"])
def test_what_is_over_there_is_over_here(shopper, order, wechat, state):
    payment = opened(shopper, order)
    wechat.trades[payment["payment_id"].replace("-", "")]["trade_state"] = state
    opened(shopper, order, "wechat_native")
    assert Payment.objects.get(pk=payment["payment_id"]).state == "closed"


def test_a_payment_about_to_expire_is_opened_anew(shopper, order, wechat):
    first = opened(shopper, order)
    Payment.objects.update(expires_at=F("expires_at") - timedelta(minutes=116))
    assert opened(shopper, order)["payment_id"] != first["payment_id"]


def test_while_one_is_being_opened_another_waits(shopper, order, wechat):
    other = []
    wechat.before_answer = lambda path: other.append(path) or None
    held = services.open_payment(
        number=order.number,
        member=shopper.member.pk,
        channel=shopper.channel,
        method="wechat_native",
        merchant=wechat.merchant,
        payer=None,
    )
    assert ask(shopper, order).json()["code"] == "payment_in_progress"
    assert other == []
    Payment.objects.filter(pk=held.pk).update(created_at=F("created_at") - timedelta(minutes=1))
    opened(shopper, order)
    assert Payment.objects.get(pk=held.pk).state == "closed"


@pytest.mark.parametrize("failing", [500, 502, 429, 400])
def test_a_failing_provider_leaves_no_open_payment(shopper, order, wechat, failing):
    wechat.failing = failing
    answer = ask(shopper, order)
    assert (answer.status_code, answer.json()["code"]) == (503, "wechat_unavailable")
    assert Payment.objects.get().state == "closed"
    wechat.failing = None
    opened(shopper, order)


def test_an_answer_that_is_not_wechats_is_not_believed(shopper, order, wechat, merchant_pair):
    wechat.private_key = merchant_pair[0]
    assert ask(shopper, order).json()["code"] == "wechat_unavailable"
    assert Payment.objects.get().state == "closed"


@pytest.mark.django_db(transaction=True)
def test_an_order_closed_while_its_payment_opened_is_not_paid(shopper, order, wechat):
    def close_elsewhere(path):
        if path.endswith("native"):
            Order.objects.filter(pk=order.pk).update(payment_status="closed", closed_at=make.NOON)
            connections.close_all()

    wechat.before_answer = close_elsewhere
    assert ask(shopper, order, "wechat_native").json()["code"] == "order_state"
    assert Payment.objects.get().state == "closed"
    assert [trade["trade_state"] for trade in wechat.trades.values()] == ["CLOSED"]


def test_a_channel_without_a_merchant_takes_no_payments(shopper, order):
    Merchant.objects.update(mchid="1900000002")
    assert ask(shopper, order, "wechat_native").json()["code"] == "forbidden"


def test_a_repeated_request_gets_the_same_answer(shopper, order, wechat):
    key = {"Idempotency-Key": "pay-1"}
    first, again = ask(shopper, order, **key), ask(shopper, order, **key)
    assert first.json() == again.json()
    assert again["Idempotency-Replayed"] == "true"
    assert len(wechat.calls) == 1


@pytest.mark.parametrize("wrong", [{}, {"method": "cash"}, {"method": None}, {"method": 1}, {"method": ["wechat_h5"]}])
def test_a_method_that_is_none_is_refused(shopper, order, wrong):
    answer = shopper.post(f"me/orders/{order.number}/payments", wrong)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "method")


def test_anothers_order_cannot_be_paid_for(shopper, wechat):
    foreign = o.order(member=make.member())
    answer = ask(shopper, foreign, "wechat_native")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert wechat.calls == []


def test_a_key_named_by_its_id_is_asked_for(wechat):
    provider = wechat_pay.WechatPay(wechat.merchant)
    wechat.merchant.keys.update(serial="PUB_KEY_ID_0119000000012024")
    assert provider._headers("GET", "/v3", b"")["Wechatpay-Serial"] == "PUB_KEY_ID_0119000000012024"
    with pytest.raises(wechat_pay.Unavailable, match="unknown serial"):
        provider.open("wechat_native", wechat_pay.opening_of(o.payment(o.order(), expires_at=make.NOON)))


def test_a_paid_query_with_another_amount_becomes_a_case(shopper, order, wechat):
    payment = opened(shopper, order)
    wechat.pay(payment["payment_id"].replace("-", ""), amount={"total": 1, "currency": "CNY"})
    assert ask(shopper, order, "wechat_native").json()["code"] == "payment_in_progress"
    assert PaymentCase.objects.get().kind == "wrong_amount"


def test_a_paid_query_that_does_not_say_when_is_not_believed(shopper, order, wechat):
    payment = opened(shopper, order)
    wechat.pay(payment["payment_id"].replace("-", ""), success_time="")
    assert ask(shopper, order, "wechat_native").json()["code"] == "wechat_unavailable"
    assert Payment.objects.get().state == "open"


def test_the_payer_is_kept_sealed(shopper, order):
    opened(shopper, order)
    assert b"o-shopper" not in bytes(Payment.objects.values_list("payer", flat=True).get())
    assert Payment.objects.get().payer == "o-shopper"
