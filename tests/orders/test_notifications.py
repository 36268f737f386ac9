"""WeChat Pay tells of a payment: judged as raw bytes, kept, answered, applied once."""

import json
import secrets
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections
from django.test import Client

from loyalty.models import Entry
from orders.models import Order, Payment, PaymentCase
from orders.payments import signing, wechat_pay
from sync import inbox
from sync.models import InboxMessage, Measure
from tests import make
from tests.orders import make_orders as o
from tests.orders import outside

PATH = f"/callbacks/wechat-pay/{o.MCHID}"
pytestmark = pytest.mark.django_db


@pytest.fixture
def payment(wechat):
    o.earning()
    opened = o.payment(o.order(member=make.member()), merchant=wechat.merchant)
    asked = {"appid": opened.app_id, "mchid": o.MCHID, "out_trade_no": wechat_pay.out_trade_no(opened.pk)}
    wechat.trades[opened.pk.hex] = asked | {"amount": {"total": opened.amount_fen, "currency": "CNY"}}
    return opened


def send(body: bytes, headers: dict, path: str = PATH):
    client = Client(raise_request_exception=False)
    return client.generic("POST", path, body, content_type="application/json", headers=headers)


def tell(wechat, told, **changed) -> None:
    """A notification arrives and is applied."""
    answer = send(*wechat.notification(told, **changed))
    assert (answer.status_code, answer.content) == (204, b"")
    inbox.apply_due()


def refused(body: bytes, headers: dict, path: str = PATH) -> None:
    answer = send(body, headers, path)
    assert (answer.status_code, answer.json()["code"]) == (401, "signature_invalid")
    assert answer["Content-Type"] == "application/problem+json"
    assert not InboxMessage.objects.exists()


def test_a_notification_pays_its_order(wechat, payment):
    told = wechat.pay(payment.pk.hex)
    tell(wechat, told)
    payment.refresh_from_db()
    assert (payment.state, payment.transaction_id) == ("paid", told["transaction_id"])
    assert payment.paid_at == make.NOON
    assert Order.objects.get().payment_status == "paid"
    assert make.types_of(payment.order.member) == ["order.placed", "order.paid", "points.earned"]
    assert InboxMessage.objects.get().state == "applied"


def test_the_same_notification_again_changes_nothing(wechat, payment):
    body, headers = wechat.notification(wechat.pay(payment.pk.hex))
    assert send(body, headers).status_code == 204
    inbox.apply_due()
    before = make.snapshot()
    for again in (headers, wechat.signed(body)):
        assert send(body, again).status_code == 204
    inbox.apply_due()
    assert make.snapshot() == before


def test_the_same_payment_told_anew_changes_nothing(wechat, payment):
    told = wechat.pay(payment.pk.hex)
    tell(wechat, told)
    tell(wechat, told)
    assert Entry.objects.count() == Payment.objects.count() == 1
    assert not PaymentCase.objects.exists()


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        ({"amount": {"total": 1, "currency": "CNY"}}, "wrong_amount"),
        ({"amount": {"total": 12_900, "currency": "USD"}}, "wrong_amount"),
        ({"appid": "wx-mini-program"}, "unknown_order"),
        ({"out_trade_no": secrets.token_hex(16)}, "unknown_order"),
        ({"out_trade_no": "OLD-SHOP-1"}, "unknown_order"),
    ],
)
def test_money_that_does_not_fit_becomes_a_case(wechat, payment, changed, kind):
    tell(wechat, wechat.pay(payment.pk.hex, **changed) | changed)
    assert PaymentCase.objects.get().kind == kind
    assert Order.objects.get().payment_status == "unpaid"
    assert InboxMessage.objects.get().state == "applied"


@pytest.mark.parametrize("missing", ["transaction_id", "amount", "success_time", "out_trade_no", "trade_state"])
def test_a_transaction_that_lacks_something_is_quarantined(wechat, payment, missing):
    told = wechat.pay(payment.pk.hex)
    del told[missing]
    tell(wechat, told)
    assert InboxMessage.objects.get().state == "quarantined"
    assert Order.objects.get().payment_status == "unpaid"


@pytest.mark.parametrize("name", signing.HEADERS)
def test_a_missing_header_is_refused(wechat, payment, name):
    body, headers = wechat.notification(wechat.pay(payment.pk.hex))
    refused(body, {key: value for key, value in headers.items() if key != name})
    refused(body, headers | {name: ""})
    refused(body, headers | {name: "x" + headers[name]})


def test_a_changed_body_is_refused(wechat, payment):
    body, headers = wechat.notification(wechat.pay(payment.pk.hex))
    for changed in (b"", b" " + body, body + b"\n", body[:-1], json.dumps(json.loads(body), indent=1).encode()):
        refused(changed, headers)


@pytest.mark.parametrize("seconds", [-301, 360, -86_400])
def test_an_old_or_early_one_is_refused(wechat, payment, seconds):
    body, _headers = wechat.notification(wechat.pay(payment.pk.hex))
    refused(body, wechat.signed(body, at=time.time() + seconds))


def test_no_changed_byte_is_heard(wechat, payment):
    body, headers = wechat.notification(wechat.pay(payment.pk.hex))
    for position in range(0, len(body), 7):
        refused(body[:position] + bytes([body[position] ^ 1]) + body[position + 1 :], headers)
    for name, value in headers.items():
        for position in range(0, len(value), 7):
            refused(body, headers | {name: value[:position] + chr(ord(value[position]) ^ 1) + value[position + 1 :]})
    assert Measure.objects.get(name="wechat_pay.notifications_refused").samples > 100
    assert send(body, headers).status_code == 204


def test_another_algorithm_is_refused(wechat, payment):
    body, headers = wechat.notification(wechat.pay(payment.pk.hex))
    refused(body, headers | {"Wechatpay-Signature-Type": "WECHATPAY2-SM2-WITH-SM3"})
    assert send(body, headers | {"Wechatpay-Signature-Type": signing.SCHEME}).status_code == 204


def test_an_old_notification_again_changes_nothing_and_is_refused_once_it_is_old(wechat, payment):
    body, headers = wechat.notification(wechat.pay(payment.pk.hex))
    assert send(body, headers).status_code == 204
    before = make.snapshot()
    assert send(body, wechat.signed(body, at=time.time() - 290)).status_code == 204
    assert send(body, wechat.signed(body, at=time.time() - 301)).status_code == 401
    now = make.snapshot()
    assert {table for table in now if now[table] != before[table]} <= {"sync_measure"}


@pytest.mark.parametrize("path", ["/callbacks/wechat-pay/1900000002", "/callbacks/wechat-pay/x%20y"])
def test_an_unknown_merchant_is_refused(wechat, payment, path):
    refused(*wechat.notification(wechat.pay(payment.pk.hex)), path)


def test_another_merchants_notification_is_refused(wechat, payment):
    told = wechat.pay(payment.pk.hex) | {"mchid": "1900000002"}
    refused(*wechat.notification(told))


def test_a_key_we_do_not_hold_is_refused(wechat, payment):
    wechat.merchant.keys.update(serial="another")
    refused(*wechat.notification(wechat.pay(payment.pk.hex)))


def test_during_a_change_of_keys_both_are_believed(wechat, payment, rsa_pair):
    wechat.merchant.keys.create(serial="PUB_KEY_ID_0119", public_key=outside.key_pair()[1])
    tell(wechat, wechat.pay(payment.pk.hex))
    assert Order.objects.get().payment_status == "paid"


def test_a_probe_is_refused(wechat, payment):
    body, headers = wechat.notification(wechat.pay(payment.pk.hex))
    probe = signing.PROBE + headers["Wechatpay-Signature"]
    refused(body, headers | {"Wechatpay-Signature": probe})


@pytest.mark.parametrize(
    "changed",
    [
        {"id": None},
        {"id": ""},
        {"id": 7},
        {"event_type": None},
        {"event_type": "X" * 49},
        {"resource": None},
        {"resource": {"algorithm": "AEAD_SM4_GCM"}},
        {"resource": {"algorithm": "AEAD_AES_256_GCM", "nonce": "0", "ciphertext": "AAAA", "associated_data": ""}},
    ],
)
def test_signed_but_malformed_is_refused(wechat, payment, changed):
    refused(*wechat.notification(wechat.pay(payment.pk.hex), **changed))


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{", b'{"id": "1", "id": "2"}', b"\xff", b"9" * 5_000])
def test_signed_but_no_notification_is_refused(wechat, payment, body):
    refused(body, wechat.signed(body))


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_nothing_but_a_post_is_heard(db, method):
    answer = Client().generic(method, PATH)
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")


@pytest.mark.django_db(transaction=True)
def test_a_hundred_copies_at_once_are_one_payment(wechat, payment):
    body, headers = wechat.notification(wechat.pay(payment.pk.hex))

    def copy(_n):
        try:
            return send(body, headers).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(50) as pool:
        assert set(pool.map(copy, range(100))) == {204}
    inbox.apply_due()
    assert InboxMessage.objects.count() == Payment.objects.count() == Entry.objects.count() == 1
    assert make.types_of(payment.order.member) == ["order.placed", "order.paid", "points.earned"]
    assert Order.objects.get().version == 2


def test_what_is_kept_is_encrypted(wechat, payment):
    told = wechat.pay(payment.pk.hex) | {"payer": {"openid": "o-secret-openid"}}
    tell(wechat, told)
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT row_to_json(m)::text, m.body FROM sync_inboxmessage m")
        row, sealed = cursor.fetchone()
    assert "o-secret-openid" not in row
    assert b"o-secret-openid" not in bytes(sealed or b"")
