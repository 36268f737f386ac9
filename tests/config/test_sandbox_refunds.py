"""The stand-in for WeChat Pay's refunds: once per number, never above what was paid, told as the real one tells."""

import time
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from config.sandbox import faults
from config.sandbox.models import TradeRefund
from config.sandbox.stand_ins import notifying, refunds, signing
from orders.models import Refund
from orders.payments import notices
from orders.payments.wechat_pay import NATIVE, Opening, Refused, WechatPay
from sync.ids import uuid7
from tests import make
from tests.config import make_sandbox
from tests.config.sandbox_servers import both_processes, stand_ins  # noqa: F401 - fixtures
from tests.orders import make_orders as o
from tests.orders import make_refunds as r


@pytest.fixture
def merchant(stand_ins):  # noqa: F811 - the fixture
    return make_sandbox.merchant()


def pay(merchant, number: str | None = None, app_id: str = "wx-mini-program") -> str:
    """A payment order that was paid; its number."""
    number = number or uuid7().hex
    known = {"app_id": app_id, "description": "茶", "payer": "", "amount_fen": 12_900}
    expires_at = datetime.now(UTC) + timedelta(hours=2)
    WechatPay(merchant).open(NATIVE, Opening(out_trade_no=number, expires_at=expires_at, **known))
    notifying.succeed(number, amount_fen=None, times=1)
    return number


def asking(trade: str, fen: int = 900, **other) -> dict:
    known = {"out_trade_no": trade, "out_refund_no": uuid7().hex, "notify_url": make_sandbox.NOTIFY}
    return known | {"amount": {"refund": fen, "total": 12_900, "currency": "CNY"}} | other


def test_the_same_refund_again_is_the_same(merchant):
    provider, asked = WechatPay(merchant), asking(pay(merchant))
    first = provider.refund(asked)
    assert (first["status"], first["out_refund_no"]) == ("PROCESSING", asked["out_refund_no"])
    assert provider.refund(asked) == first == provider.refund_query(asked["out_refund_no"])
    with pytest.raises(Refused, match="INVALID_REQUEST"):
        provider.refund(asking(asked["out_trade_no"], 901, out_refund_no=asked["out_refund_no"]))
    assert TradeRefund.objects.get().amount_fen == 900


def test_no_more_goes_back_than_was_paid(merchant):
    provider, trade = WechatPay(merchant), pay(merchant)
    provider.refund(asking(trade, 12_000))
    with pytest.raises(Refused, match="INVALID_REQUEST"):
        provider.refund(asking(trade, 901))
    provider.refund(asking(trade, 900))


@pytest.mark.parametrize(
    ("other", "code"),
    [
        ({"out_trade_no": "unknown"}, "RESOURCE_NOT_EXISTS"),
        ({"amount": {"refund": 1, "total": 1, "currency": "CNY"}}, "INVALID_REQUEST"),
        ({"amount": {"refund": 0, "total": 12_900, "currency": "CNY"}}, "PARAM_ERROR"),
        ({"amount": {"refund": 1, "total": 12_900, "currency": "USD"}}, "PARAM_ERROR"),
        ({"out_refund_no": ""}, "PARAM_ERROR"),
    ],
)
def test_what_does_not_fit_is_refused(merchant, other, code):
    with pytest.raises(Refused, match=code):
        WechatPay(merchant).refund(asking(pay(merchant)) | other)
    assert not TradeRefund.objects.exists()


def test_nobody_knows_what_was_never_asked_for(merchant):
    with pytest.raises(Refused, match="RESOURCE_NOT_EXISTS"):
        WechatPay(merchant).refund_query(uuid4().hex)


def test_an_empty_account_refunds_nothing(merchant):
    trade = pay(merchant)
    faults.put({"refund_not_enough": 1})
    with pytest.raises(Refused, match="NOT_ENOUGH"):
        WechatPay(merchant).refund(asking(trade))


@pytest.mark.parametrize("state", ["SUCCESS", "ABNORMAL", "CLOSED"])
def test_a_notification_is_believed_and_opened_by_the_hub(merchant, state):
    WechatPay(merchant).refund(asking(pay(merchant)))
    refund = TradeRefund.objects.select_related("trade__account", "account").get()
    body = refunds.notification(refund, state)
    notice = notices.read(merchant.mchid, signing.headers(refund.account, body), body, now=time.time())
    assert notice.type == f"REFUND.{state}"
    assert (notice.told["refund_status"], notice.told["mchid"]) == (state, merchant.mchid)


def end(client, refund: object, word: str = "succeed", **body):
    return client.post(f"/sandbox/wechat-pay/refunds/{refund}/{word}", body, content_type="application/json")


def test_a_refund_nobody_asked_for_does_not_end(merchant, client):
    for refund in (uuid4(), "R2026112200000000", "nothing"):
        assert end(client, refund).status_code == 404


def through(hub: str) -> Refund:
    """A refund of the hub's that WeChat Pay has begun."""
    merchant = make_sandbox.merchant()
    make.channel("website", merchant_id=merchant.mchid)
    order = o.order(member=make.member())
    opened = o.payment(order, merchant=merchant)
    pay(merchant, opened.pk.hex, opened.app_id)
    answer = make.backend_client("website").post(
        f"orders/{order.number}/refunds",
        {"external_id": "A", "items": [{"line_id": str(r.lines(order)[0].pk), "quantity": 1, "amount_fen": 12_900}]},
    )
    assert (answer.status_code, answer.json()["state"]) == (201, "processing")
    return Refund.objects.select_related("order").get(pk=answer.json()["id"])


def test_a_refund_succeeds_by_its_id_or_its_number(both_processes, client):  # noqa: F811
    refund = through(both_processes)
    assert end(client, refund.number, "abnormal").json() == {"delivered": 1, "statuses": [204]}
    refund.refresh_from_db()
    assert (refund.state, refund.problem) == ("processing", "ABNORMAL")
    assert end(client, refund.pk, times=3).json() == {"delivered": 3, "statuses": [204] * 3}
    assert r.money(refund.order) == (12_900, 0, 0, "full")


def test_a_lost_notification_leaves_a_refund_that_is_asked_about(both_processes, client):  # noqa: F811
    refund = through(both_processes)
    faults.put({"lose_refund_notifications": 1})
    assert end(client, refund.pk).json() == {"delivered": 0, "statuses": [None]}
    assert WechatPay(refund.merchant).refund_query(refund.pk.hex)["status"] == "SUCCESS"
