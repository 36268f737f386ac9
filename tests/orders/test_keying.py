"""Staff give the hub a key of WeChat Pay: several are believed at a time."""

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from orders.payments import wechat_pay
from orders.services import keying
from tests import make
from tests.orders import make_orders as o
from tests.orders import outside
from tests.orders.test_certificates import certificate
from tests.orders.test_notifications import send

pytestmark = pytest.mark.django_db
KEY_ID = "PUB_KEY_ID_0119000000012024"


@pytest.fixture
def merchant(wechat):
    return wechat.merchant


def add(merchant, serial, public_key):
    return keying.add_key(merchant=merchant.pk, serial=serial, public_key=public_key, by=make.STAFF)


def test_what_is_signed_by_a_key_that_staff_gave_is_believed_beside_the_old(wechat, merchant):
    private, public = outside.key_pair()
    add(merchant, f" {KEY_ID} ", public)
    payment = o.payment(o.order(), merchant=merchant)
    asked = {"appid": payment.app_id, "mchid": o.MCHID, "out_trade_no": payment.pk.hex}
    wechat.trades[payment.pk.hex] = asked | {"amount": {"total": payment.amount_fen, "currency": "CNY"}}
    body, old = wechat.notification(wechat.pay(payment.pk.hex))
    assert send(body, wechat.signed(body, by=(KEY_ID, private))).status_code == 204
    assert send(body, old).status_code == 204


def test_a_certificate_stands_under_its_own_serial(merchant):
    serial, pem = certificate(outside.key_pair()[0])
    add(merchant, serial, pem)
    assert serial in wechat_pay.keys_of(merchant)


def test_the_same_again_changes_nothing_and_another_is_refused(merchant):
    public = outside.key_pair()[1]
    first = add(merchant, KEY_ID, public)
    before = make.snapshot()
    assert add(merchant, KEY_ID, public) == first
    with pytest.raises(keying.KeyKnown):
        add(merchant, KEY_ID, outside.key_pair()[1])
    assert make.snapshot() == before


def pem(key) -> str:
    kind = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, kind).decode()


def test_what_is_no_key_of_wechat_pay_is_refused(merchant):
    private, public = outside.key_pair()
    serial, made = certificate(private)
    short = pem(rsa.generate_private_key(public_exponent=65537, key_size=1024))  # noqa: S505 - to be refused
    curve = pem(ec.generate_private_key(ec.SECP256R1()))
    before = make.snapshot()
    for name, key in [
        (KEY_ID, "junk"), (KEY_ID, public + public), (KEY_ID, short), (KEY_ID, curve), (KEY_ID + "0" * 64, public),
        ("ABCDEF", made), (serial, public), ("no hex", made),
    ]:  # fmt: skip
        with pytest.raises(keying.NotAKey):
            add(merchant, name, key)
    assert make.snapshot() == before


def test_a_private_key_is_told_from_any_other_mistake(merchant):
    private, public = outside.key_pair()
    before = make.snapshot()
    for key in (private, public + private, certificate(private)[1] + private):
        with pytest.raises(keying.PrivateKey):
            add(merchant, KEY_ID, key)
    assert make.snapshot() == before
