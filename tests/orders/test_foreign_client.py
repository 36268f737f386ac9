"""What others make of WeChat Pay's rules (`wechatpayv3`) and what we make of them is the same, both ways."""

import json
import time

import pytest
from wechatpayv3 import SignType, WeChatPay, WeChatPayType

from config.sandbox.models import PayAccount, Trade
from config.sandbox.stand_ins import notifying
from config.sandbox.stand_ins import signing as theirs
from orders.models import MerchantKey
from orders.payments import certificates, notices, signing, wechat_pay
from tests.config import make_sandbox
from tests.config.sandbox_servers import stand_ins  # noqa: F401 - a fixture
from tests.config.test_sandbox_wechat_pay import opening
from tests.orders import make_orders as o
from tests.orders.vectors import AES_GCM_JAVA, NOTIFICATION

KEY_ID = "PUB_KEY_ID_0119000000012024"


@pytest.fixture
def pairs(rsa_pair, merchant_pair):
    """The pair of WeChat Pay and that of the merchant, each private and public."""
    return rsa_pair, merchant_pair


def foreign(merchant_private: str, platform_public: str, *, api_key: str = o.API_KEY, mchid: str = o.MCHID):
    """A client of somebody else's for the same merchant, in public key mode: it calls nobody when it is made."""
    return WeChatPay(
        wechatpay_type=WeChatPayType.NATIVE,
        mchid=mchid,
        private_key=merchant_private,
        cert_serial_no="OURS",
        appid="wx-website",
        apiv3_key=api_key,
        notify_url="https://hub.example/callbacks/wechat-pay/1900000001",
        public_key=platform_public,
        public_key_id=KEY_ID,
    )


def test_it_signs_what_ours_signs_the_same(pairs):
    _platform, merchant = pairs
    parts = ["wx-website", "1624523846", "nonce", "prepay_id=wx2016"]
    assert foreign(merchant[0], pairs[0][1]).sign(parts) == signing.sign(signing.lines(*parts), merchant[0])
    assert SignType.RSA_SHA256


def test_ours_verifies_what_it_signs(pairs):
    platform, _merchant = pairs
    body, now = json.dumps({"id": "1", "summary": "支付成功"}), time.time()
    signature = foreign(platform[0], platform[1]).sign([str(int(now)), "nonce", body])
    headers = dict(zip(signing.HEADERS, (KEY_ID, signature, str(int(now)), "nonce"), strict=True))
    signing.verify(headers, body.encode(), {KEY_ID: platform[1]}, now=now)
    with pytest.raises(signing.NotSigned):
        signing.verify(headers, body.encode() + b" ", {KEY_ID: platform[1]}, now=now)


def test_it_verifies_and_opens_what_ours_signs_and_seals(db, wechat, pairs):
    platform, merchant = pairs
    wechat.serial = KEY_ID
    told = {"mchid": o.MCHID, "out_trade_no": "1", "trade_state": "SUCCESS", "summary": "支付成功"}
    body, headers = wechat.notification(told)
    headers["Wechatpay-Signature-Type"] = signing.SCHEME
    client = foreign(merchant[0], platform[1])
    opened = client.callback(headers, body.decode())
    assert opened["resource"] == told
    assert client.callback(headers, body.decode().replace("SUCCESS", "SUCCESX")) is None
    MerchantKey.objects.update(serial=KEY_ID)
    assert notices.read(o.MCHID, headers, body, now=time.time()).told == told


def test_both_open_what_wechats_own_library_sealed(pairs):
    client = foreign(pairs[1][0], pairs[0][1], api_key=AES_GCM_JAVA["key"])
    sealed = {"algorithm": signing.ALGORITHM} | AES_GCM_JAVA
    body = json.dumps({"resource_type": "encrypt-resource", "resource": sealed})
    headers = dict(zip(signing.HEADERS, (KEY_ID, "", "1", "nonce"), strict=True))
    headers["Wechatpay-Signature"] = signing.sign(signing.lines("1", "nonce", body), pairs[0][0])
    headers["Wechatpay-Signature-Type"] = signing.SCHEME
    assert client.decrypt_callback(headers, body) == signing.unseal(sealed, AES_GCM_JAVA["key"]).decode() == "message"
    resource = json.loads(NOTIFICATION["body"])["resource"]
    ours = signing.decrypt(
        NOTIFICATION["api_v3_key"], resource["nonce"], resource["associated_data"], resource["ciphertext"]
    )
    assert ours.decode() == NOTIFICATION["plaintext"]


@pytest.fixture
def known(stand_ins, settings, monkeypatch):  # noqa: F811 - the fixture
    """The merchant, and a client of somebody else's that talks with the stand-in."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    merchant, platform = make_sandbox.merchant(), make_sandbox.keys("platform")
    PayAccount.objects.update(platform_serial=KEY_ID)
    MerchantKey.objects.update(serial=KEY_ID)
    client = foreign(make_sandbox.keys("merchant")[0], platform[1], api_key=merchant.api_key)
    client._core._gate_way = settings.WECHAT_PAY_URL
    return merchant, client


def test_it_pays_asks_and_closes_at_the_stand_in_as_ours_does(known):
    merchant, client = known
    number = opening().out_trade_no
    status, answer = client.pay(description="茶", out_trade_no=number, amount={"total": 100, "currency": "CNY"})
    assert (status, set(json.loads(answer))) == (200, {"code_url"})
    assert json.loads(client.query(out_trade_no=number)[1]) == wechat_pay.WechatPay(merchant).query(number)
    assert client.close(out_trade_no=number)[0] == 204
    assert wechat_pay.WechatPay(merchant).query(number)["trade_state"] == "CLOSED"


def test_it_opens_the_stand_ins_notification_as_ours_does(known):
    merchant, client = known
    asked = opening()
    wechat_pay.WechatPay(merchant).open(wechat_pay.NATIVE, asked)
    trade = notifying._paid(asked.out_trade_no, None)
    body = notifying.notification(trade)
    headers = theirs.headers(trade.account, body)
    ours = notices.read(merchant.mchid, headers, body, now=time.time())
    assert client.callback(headers, body.decode())["resource"] == ours.told
    assert Trade.objects.get().state == "SUCCESS"


def test_it_reads_the_stand_ins_certificates_as_ours_does(known):
    merchant, client = known
    from_rotation = make_sandbox.rotated()
    client._core._update_certificates()
    found = {f"{certificate.serial_number:040X}" for certificate in client._core._certificates}
    assert found == {from_rotation}
    assert certificates.refresh(merchant) == 1
    assert merchant.keys.filter(serial=from_rotation).exists()
