"""What can go wrong around payments in the sandbox: certificates that change, bills, notifications that fare badly."""

from datetime import date, datetime, timedelta

import httpx
import pytest

from config.sandbox import faults
from config.sandbox.models import PayAccount, PlatformCertificate, Trade
from config.sandbox.stand_ins import notifying
from orders.payments import calling, certificates, wechat_pay
from orders.payments.wechat_pay import NATIVE, Refused, Unavailable, WechatPay
from tests.config import make_sandbox
from tests.config.sandbox_servers import served, stand_ins  # noqa: F401 - a fixture
from tests.config.test_sandbox_wechat_pay import opening, succeed


@pytest.fixture
def merchant(stand_ins):  # noqa: F811 - the fixture
    return make_sandbox.merchant()


@pytest.fixture
def payment(merchant) -> str:
    asked = opening()
    WechatPay(merchant).open(NATIVE, asked)
    return str(wechat_pay.payment_id(asked.out_trade_no))


@pytest.fixture
def heard(settings) -> list[str]:
    """The signatures of what arrived where the hub would listen."""
    signatures: list[str] = []

    def hub(environ, start_response):
        signatures.append(environ["HTTP_WECHATPAY_SIGNATURE"])
        start_response("204 No Content", [])
        return [b""]

    with served(hub) as port:
        settings.PORT = port
        yield signatures


def test_a_rotation_by_hand_is_followed_by_the_hub(merchant, client):
    make_sandbox.rotates()
    serial = client.post("/sandbox/wechat-pay/rotate-certificate").json()["serial"]
    assert PayAccount.objects.get().platform_serial == serial
    assert WechatPay(merchant).open(NATIVE, opening())
    assert set(wechat_pay.keys_of(merchant)) == set(PlatformCertificate.objects.values_list("serial", flat=True))
    assert certificates.refresh(merchant) == 0


def test_certificates_are_listed_to_the_merchant_alone(merchant):
    merchant.serial = "ANOTHER"
    with pytest.raises(Refused, match="SIGN_ERROR"):
        calling.send(merchant, "GET", certificates.PATH)


@pytest.mark.parametrize("day", ["", "yesterday", "2026-13-01"])
def test_a_bill_of_no_day_is_refused(merchant, day):
    with pytest.raises(Refused, match="PARAM_ERROR"):
        calling.send(merchant, "GET", f"/v3/bill/tradebill?bill_date={day}&bill_type=ALL")


def test_there_is_no_bill_of_today_nor_of_a_day_without_trades(merchant, payment, client):
    notifying._paid(payment.replace("-", ""), None)
    today = datetime.now(notifying.SHANGHAI).date()
    for day in (today, date(2020, 1, 1)):
        with pytest.raises(Refused, match="NO_STATEMENT_EXIST"):
            WechatPay(merchant).bill(day)
    Trade.objects.update(success_at=datetime.now(notifying.SHANGHAI) - timedelta(days=1))
    assert WechatPay(merchant).bill(today - timedelta(days=1))["hash_type"] == "SHA1"


def test_a_bill_is_handed_to_the_merchant_alone(merchant, settings):
    answer = httpx.get(f"{settings.WECHAT_PAY_URL}/v3/billdownload/file?token=2026-11-21", trust_env=False)
    assert answer.status_code == 401


def test_while_it_is_down_nothing_answers_and_nothing_is_sent(merchant, payment, client, heard):
    faults.put({"wechat_pay_down": 1})
    with pytest.raises(Unavailable, match="502"):
        WechatPay(merchant).query(payment.replace("-", ""))
    assert succeed(client, payment, times=3).json() == {"delivered": 0, "statuses": [None] * 3}
    assert heard == []


def test_doubled_notifications_are_sent_twice(payment, client, heard):
    faults.put({"duplicate_payment_notifications": 1})
    assert succeed(client, payment, times=3).json()["delivered"] == len(heard) == 6


def test_wrongly_signed_ones_do_not_hold(payment, client, heard):
    faults.put({"missign_payment_notifications": 1})
    succeed(client, payment)
    (signature,) = heard
    assert (len(signature), signature[-2:]) == (344, "==")


def test_delayed_ones_come_within_their_time(payment, client, heard):
    faults.put({"delay_payment_notifications": 0.2})
    began = datetime.now(notifying.SHANGHAI)
    succeed(client, payment, times=4)
    assert len(heard) == 4
    assert datetime.now(notifying.SHANGHAI) - began < timedelta(seconds=20)
