"""The stand-in for WeChat Pay: believed by the hub's own verifier, opened by the hub's own key."""

import json
import re
import time
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import pytest

from config.sandbox import faults
from config.sandbox.models import Trade
from config.sandbox.stand_ins import notifying, signing
from orders.payments import notices, transactions, wechat_pay
from orders.payments import signing as hub_signing
from orders.payments.wechat_pay import H5, JSAPI, NATIVE, Opening, Refused, Unavailable, WechatPay
from sync.ids import uuid7
from tests.config import make_sandbox
from tests.config.sandbox_servers import stand_ins  # noqa: F401 - a fixture


@pytest.fixture
def merchant(stand_ins):  # noqa: F811 - the fixture
    return make_sandbox.merchant()


def opening(number: str | None = None, **other) -> Opening:
    known = {"out_trade_no": number or uuid7().hex, "app_id": "wx-mini-program", "amount_fen": 12_900}
    known |= {"description": "茶", "expires_at": datetime.now(UTC) + timedelta(hours=2), "payer": "o-somebody"}
    return Opening(**known | other)


@pytest.mark.parametrize(("method", "name"), [(JSAPI, "package"), (NATIVE, "code_url"), (H5, "h5_url")])
def test_the_hub_opens_a_payment_asks_about_it_and_closes_it(merchant, method, name):
    provider, asked = WechatPay(merchant), opening()
    assert provider.open(method, asked)[name]
    told = provider.query(asked.out_trade_no)
    assert (told["trade_state"], told["out_trade_no"]) == ("NOTPAY", asked.out_trade_no)
    assert "transaction_id" not in told

    provider.close(asked.out_trade_no)
    provider.close(asked.out_trade_no)
    assert provider.query(asked.out_trade_no)["trade_state"] == "CLOSED"
    with pytest.raises(Refused, match="ORDER_CLOSED"):
        provider.open(method, asked)


def test_opening_twice_is_opening_once_unless_the_terms_differ(merchant):
    provider, asked = WechatPay(merchant), opening()
    first = provider.open(JSAPI, asked)
    assert provider.open(JSAPI, asked)["package"] == first["package"]
    with pytest.raises(Refused, match="OUT_TRADE_NO_USED"):
        provider.open(JSAPI, opening(asked.out_trade_no, amount_fen=1))
    assert Trade.objects.get().amount_fen == 12_900


def test_a_paid_payment_is_told_as_paid_and_not_closed(merchant):
    provider, asked = WechatPay(merchant), opening()
    provider.open(JSAPI, asked)
    began = datetime.now(UTC).replace(microsecond=0)
    notifying.succeed(asked.out_trade_no, amount_fen=None, times=1)

    told = provider.query(asked.out_trade_no)
    assert transactions.is_paid(told)
    paid = transactions.read(told)
    assert (paid.amount_fen, paid.app_id, paid.currency) == (12_900, "wx-mini-program", "CNY")
    assert began <= paid.paid_at <= datetime.now(UTC)
    with pytest.raises(Refused, match="ORDERPAID"):
        provider.close(asked.out_trade_no)


def test_what_was_never_opened_does_not_exist(merchant):
    for call in (WechatPay(merchant).query, WechatPay(merchant).close):
        with pytest.raises(Refused, match="ORDER_NOT_EXIST"):
            call(uuid4().hex)


@pytest.mark.parametrize(
    ("method", "other"),
    [(JSAPI, {"payer": ""}), (NATIVE, {"amount_fen": 0}), (NATIVE, {"out_trade_no": "x"}), (NATIVE, {"app_id": ""})],
)
def test_a_payment_of_nothing_by_nobody_is_refused(merchant, method, other):
    with pytest.raises(Refused, match="PARAM_ERROR"):
        WechatPay(merchant).open(method, opening(**other))
    assert not Trade.objects.exists()


def test_only_the_merchant_s_signature_counts(merchant):
    asked = opening()
    for field, wrong in (("private_key", make_sandbox.keys("platform")[0]), ("serial", "ANOTHER"), ("mchid", "1")):
        honest, forged = getattr(merchant, field), WechatPay(merchant)
        setattr(merchant, field, wrong)
        with pytest.raises(Refused, match="SIGN_ERROR"):
            forged.open(NATIVE, asked)
        setattr(merchant, field, honest)
    assert not Trade.objects.exists()


def test_an_old_or_changed_call_is_refused(merchant, settings):
    path = f"/v3/pay/transactions/out-trade-no/{uuid4().hex}?mchid={merchant.mchid}"
    headers = WechatPay(merchant)._headers("GET", path, b"")
    url = settings.WECHAT_PAY_URL
    assert httpx.get(url + path, headers=headers).json()["code"] == "ORDER_NOT_EXIST"
    assert httpx.get(url + path + "1", headers=headers).json()["code"] == "SIGN_ERROR"
    old = re.sub(r'(?<=timestamp=")\d+', str(int(time.time()) - 301), headers["Authorization"])
    for other in (old, "", "Bearer x"):
        answer = httpx.get(url + path, headers=headers | {"Authorization": other})
        assert (answer.status_code, answer.json()["code"]) == (401, "SIGN_ERROR")


def test_answers_are_signed_even_when_they_refuse(merchant, settings):
    path = f"/v3/pay/transactions/out-trade-no/{uuid4().hex}?mchid={merchant.mchid}"
    answer = httpx.get(settings.WECHAT_PAY_URL + path, headers=WechatPay(merchant)._headers("GET", path, b""))
    hub_signing.verify(answer.headers, answer.content, wechat_pay.keys_of(merchant), now=time.time())


def test_a_failing_wechat_pay_is_unavailable(merchant):
    faults.put({"wechat_pay_error": 1})
    with pytest.raises(Unavailable):
        WechatPay(merchant).open(NATIVE, opening())
    assert not Trade.objects.exists()


@pytest.fixture
def trade(merchant):
    asked = opening()
    WechatPay(merchant).open(JSAPI, asked)
    notifying.succeed(asked.out_trade_no, amount_fen=None, times=1)
    return Trade.objects.select_related("account").get()


def test_a_notification_is_believed_and_opened_by_the_hub(merchant, trade):
    body = notifying.notification(trade)
    headers = signing.headers(trade.account, body)

    notice = notices.read(merchant.mchid, headers, body, now=time.time())

    assert notice.type == "TRANSACTION.SUCCESS"
    assert notice.told == notifying.as_transaction(trade)
    assert notice.told["payer"] == {"openid": "o-somebody"}
    assert json.loads(body)["resource"].keys() == {
        "original_type",
        "algorithm",
        "ciphertext",
        "associated_data",
        "nonce",
    }
    assert trade.transaction_id not in body.decode()


@pytest.mark.parametrize("change", ["body", "Wechatpay-Nonce", "Wechatpay-Timestamp", "Wechatpay-Serial"])
def test_a_notification_that_was_changed_is_not_believed(merchant, trade, change):
    body = notifying.notification(trade)
    headers = signing.headers(trade.account, body)
    if change == "body":
        body = body.replace(b"SUCCESS", b"SUCCEED")
    else:
        headers[change] = str(int(time.time()) + 1) if change.endswith("Timestamp") else "another"
    with pytest.raises(hub_signing.NotSigned):
        notices.read(merchant.mchid, headers, body, now=time.time())


def test_each_notification_is_sealed_anew(trade):
    first, second = (json.loads(notifying.notification(trade)) for _ in range(2))
    assert first["id"] != second["id"]
    assert first["resource"]["nonce"] != second["resource"]["nonce"]


def succeed(client, number: str, **body):
    return client.post(f"/sandbox/wechat-pay/{number}/succeed", body, content_type="application/json")


def test_a_payment_nobody_opened_cannot_succeed(merchant, client):
    answer = succeed(client, str(uuid4()))
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("body", [{"times": 0}, {"times": 201}, {"times": "5"}, {"amount_fen": 0}, {"amount_fen": 1.5}])
def test_a_payment_succeeds_by_whole_numbers_only(merchant, client, body):
    asked = opening()
    WechatPay(merchant).open(JSAPI, asked)
    assert succeed(client, str(wechat_pay.payment_id(asked.out_trade_no)), **body).status_code == 400
    assert Trade.objects.get().state == "NOTPAY"


def test_lost_notifications_leave_a_paid_payment(merchant, client):
    asked = opening()
    WechatPay(merchant).open(JSAPI, asked)
    faults.put({"lose_payment_notifications": 1})
    answer = succeed(client, str(wechat_pay.payment_id(asked.out_trade_no)), times=3)
    assert answer.json() == {"delivered": 0, "statuses": [None, None, None]}
    assert Trade.objects.get().state == "SUCCESS"


def test_paying_again_is_the_same_transaction_of_the_amount_that_is_said(merchant, client):
    asked = opening()
    WechatPay(merchant).open(JSAPI, asked)
    payment, seen = str(wechat_pay.payment_id(asked.out_trade_no)), []
    for body in ({"amount_fen": 1}, {}):
        assert succeed(client, payment, **body).status_code == 200
        seen.append(Trade.objects.get())
    assert [trade.paid_fen for trade in seen] == [1, 12_900]
    assert seen[0].transaction_id == seen[1].transaction_id


def test_without_its_stand_ins_the_sandbox_says_so(client, settings, db):
    settings.SANDBOX_PORT = 1
    answer = succeed(client, str(uuid4()))
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
