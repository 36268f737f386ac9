"""The keys WeChat Pay signs with: fetched, opened, believed, overlapping while one replaces another."""

import base64
import secrets
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.x509.oid import NameOID

from orders import tasks
from orders.models import MerchantKey, Order
from orders.payments import certificates, signing, wechat_pay
from sync.models import Quota
from tests import make
from tests.orders import make_orders as o
from tests.orders import outside
from tests.orders.test_notifications import PATH, send

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def certificate(private: str, *, since=-DAY, until=365 * DAY) -> tuple[str, str]:
    """Serial and certificate (PEM) of a key."""
    key, name = serialization.load_pem_private_key(private.encode(), None), x509.NameAttribute
    subject, now = x509.Name([name(NameOID.COMMON_NAME, "Tenpay.com")]), datetime.now(UTC)
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
    made = builder.not_valid_before(now + since).not_valid_after(now + until).sign(key, hashes.SHA256())
    return f"{made.serial_number:X}", made.public_bytes(serialization.Encoding.PEM).decode()


def sealed(serial: str, pem: str, *, key: str = o.API_KEY, algorithm: str = signing.ALGORITHM) -> dict:
    """One certificate as the list brings it."""
    nonce = secrets.token_hex(6)
    ciphertext = AESGCM(key.encode()).encrypt(nonce.encode(), pem.encode(), b"certificate")
    box = {"algorithm": algorithm, "nonce": nonce, "associated_data": "certificate"}
    return {"serial_no": serial, "encrypt_certificate": box | {"ciphertext": base64.b64encode(ciphertext).decode()}}


class Rotating:
    """WeChat Pay with certificates: what its list holds and what it signs with."""

    def __init__(self, wechat):
        self.wechat, self.listed, self.asked = wechat, [], 0
        self.old = certificate(wechat.private_key)
        self.fresh_private = outside.key_pair()[0]
        self.fresh = certificate(self.fresh_private)
        wechat.merchant.keys.all().delete()
        wechat.certificates = self.answer

    def answer(self) -> dict:
        self.asked += 1
        return {"data": self.listed}

    def knows(self, *certificates) -> None:
        for serial, pem in certificates:
            MerchantKey.objects.create(merchant=self.wechat.merchant, serial=serial, public_key=pem)

    def signs_with(self, certificate, private) -> None:
        self.wechat.serial, self.wechat.private_key = certificate[0], private

    def known(self) -> set[str]:
        return set(wechat_pay.keys_of(self.wechat.merchant))


@pytest.fixture
def world(wechat):
    made = Rotating(wechat)
    made.signs_with(made.old, wechat.private_key)
    return made


def test_on_first_use_a_certificate_that_came_sealed_is_believed(world):
    world.listed = [sealed(*world.old)]
    assert certificates.refresh(world.wechat.merchant) == 1
    assert world.known() == {world.old[0]}
    assert certificates.refresh(world.wechat.merchant) == 0


def test_a_list_signed_by_a_certificate_it_brings_is_believed_though_we_hold_older_ones(world):
    world.knows(world.old)
    world.listed = [sealed(*world.old), sealed(*world.fresh)]
    world.signs_with(world.fresh, world.fresh_private)
    assert certificates.refresh(world.wechat.merchant) == 1
    assert world.known() == {world.old[0], world.fresh[0]}


def test_after_a_rotation_all_that_the_new_certificate_signs_is_believed(world):
    body, headers = rotated(world)
    world.signs_with(world.fresh, world.fresh_private)
    assert send(body, headers).status_code == 204
    assert world.known() == {world.old[0], world.fresh[0]}


def test_a_list_signed_by_neither_is_not_believed(world):
    world.knows(world.old)
    world.listed = [sealed(*world.old), sealed(*world.fresh, key="0" * 32)]
    world.signs_with(world.fresh, world.fresh_private)  # another's list: that one is not sealed for us
    with pytest.raises(wechat_pay.Unavailable):
        certificates.refresh(world.wechat.merchant)
    world.listed = [sealed(*world.old), sealed(*world.fresh)]
    world.signs_with(world.old, world.fresh_private)
    with pytest.raises(wechat_pay.Unavailable):  # the serial is ours, the key is not
        certificates.refresh(world.wechat.merchant)
    assert world.known() == {world.old[0]}


def refused(world, **list_of):
    world.listed = [sealed(**list_of)]
    before = make.snapshot()
    with pytest.raises(wechat_pay.Unavailable):
        certificates.refresh(world.wechat.merchant)
    assert make.snapshot() == before


def test_what_is_not_sealed_for_us_is_not_believed(world):
    serial, pem = world.old
    refused(world, serial=serial, pem=pem, key="0" * 32)
    refused(world, serial=serial, pem=pem, algorithm="AEAD_SM4_GCM")
    refused(world, serial="ABCDEF", pem=pem)
    refused(world, serial=serial, pem="junk")


def test_one_that_we_cannot_use_spoils_none_of_the_others(world):
    world.knows(world.old)
    bad = [sealed(*world.fresh, algorithm="AEAD_SM4_GCM"), sealed("ABCDEF", world.old[1]), sealed("AA", "junk")]
    world.listed = [*bad, sealed(*world.fresh)]
    assert certificates.refresh(world.wechat.merchant) == 1
    assert world.known() == {world.old[0], world.fresh[0]}


@pytest.mark.parametrize("body", [{}, {"data": None}, {"data": [1]}, {"data": [{}]}, []])
def test_a_list_that_is_none_changes_nothing(world, body):
    world.knows(world.old)
    world.wechat.certificates = lambda: body
    with pytest.raises(wechat_pay.Unavailable):
        certificates.refresh(world.wechat.merchant)
    assert world.known() == {world.old[0]}


def paid(world):
    o.earning()
    payment = o.payment(o.order(member=make.member()), merchant=world.wechat.merchant)
    asked = {"appid": payment.app_id, "mchid": o.MCHID, "out_trade_no": payment.pk.hex}
    world.wechat.trades[payment.pk.hex] = asked | {"amount": {"total": payment.amount_fen, "currency": "CNY"}}
    return world.wechat.pay(payment.pk.hex)


def rotated(world) -> tuple[bytes, dict]:
    """The list, signed by the old key, brings the new one, which signs a notification."""
    world.knows(world.old)
    world.listed = [sealed(*world.old), sealed(*world.fresh)]
    body, _headers = world.wechat.notification(paid(world))
    return body, world.wechat.signed(body, by=(world.fresh[0], world.fresh_private))


def test_a_notification_under_a_new_certificate_makes_us_fetch_it(world):
    body, headers = rotated(world)
    assert send(body, headers).status_code == 204
    assert Order.objects.get().payment_status == "paid"
    assert world.known() == {world.old[0], world.fresh[0]}
    assert world.asked == 1


def test_old_and_new_are_both_believed(world):
    world.knows(world.old, world.fresh)
    told = paid(world)
    for by in ((world.old[0], world.wechat.private_key), (world.fresh[0], world.fresh_private)):
        body, _headers = world.wechat.notification(told)
        assert send(body, world.wechat.signed(body, by=by)).status_code == 204
    assert world.asked == 0


def test_a_serial_that_stays_unknown_is_looked_up_once_a_minute(world, still_windows, settings):
    settings.QUOTA_FACTOR = 1
    world.knows(world.old)
    world.listed = [sealed(*world.old)]
    body, _headers = world.wechat.notification(paid(world))
    forged = world.wechat.signed(body, by=("ABCDEF", world.fresh_private))
    assert [send(body, forged).status_code for _n in range(5)] == [401] * 5
    assert world.asked == 1
    Quota.objects.all().delete()
    assert send(body, forged).status_code == 401
    assert world.asked == 2


def test_an_unknown_public_key_is_not_looked_up(world):
    world.knows(world.old)
    body, _headers = world.wechat.notification(paid(world))
    forged = world.wechat.signed(body, by=("PUB_KEY_ID_0119", world.fresh_private))
    assert send(body, forged).status_code == 401
    assert world.asked == 0


def test_while_the_list_cannot_be_had_the_notification_is_refused_and_nothing_kept(world):
    body, headers = rotated(world)
    world.wechat.failing = 500
    answer = send(body, headers, PATH)
    assert (answer.status_code, answer.json()["code"]) == (401, "signature_invalid")
    assert world.known() == {world.old[0]}


@pytest.mark.parametrize(("since", "until"), [(-3 * DAY, -DAY), (DAY, 3 * DAY)], ids=["expired", "not yet valid"])
def test_a_certificate_out_of_its_time_proves_nothing(world, since, until):
    other = certificate(world.wechat.private_key, since=since, until=until)
    world.knows(other, world.fresh)
    body, _headers = world.wechat.notification(paid(world))
    assert send(body, world.wechat.signed(body, by=(other[0], world.wechat.private_key))).status_code == 401


def test_when_all_we_hold_has_expired_it_is_a_first_use_again(world):
    world.knows(certificate(world.wechat.private_key, since=-3 * DAY, until=-DAY))
    world.listed = [sealed(*world.old)]
    assert certificates.refresh(world.wechat.merchant) == 1


def test_answers_under_a_new_certificate_are_believed_once_it_is_fetched(world):
    world.knows(world.old)
    world.listed = [sealed(*world.old), sealed(*world.fresh)]
    told = paid(world)
    world.wechat.signing_of = lambda path: (
        (world.old[0], world.wechat.private_key) if "certificates" in path else (world.fresh[0], world.fresh_private)
    )
    assert wechat_pay.WechatPay(world.wechat.merchant).query(told["out_trade_no"])["trade_state"] == "SUCCESS"


def test_certificates_are_fetched_by_the_clock_but_not_for_those_with_public_keys(world):
    world.listed = [sealed(*world.old)]
    tasks.refresh_certificates()
    assert world.known() == {world.old[0]}
    MerchantKey.objects.update(serial="PUB_KEY_ID_0119")
    tasks.refresh_certificates()
    assert world.asked == 1
    MerchantKey.objects.all().delete()
    world.wechat.failing = 500
    tasks.refresh_certificates()
    assert not MerchantKey.objects.exists()
