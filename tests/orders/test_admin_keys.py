"""Keys of WeChat Pay, pasted by staff on the merchant's page: checked, believed; a private one is not kept."""

import pytest
from django.urls import reverse

from orders.models import MerchantKey
from tests import make
from tests.config import make_staff
from tests.orders import outside
from tests.orders.make_pages import refusals, said
from tests.orders.test_certificates import certificate

pytestmark = pytest.mark.django_db
KEY_ID = "PUB_KEY_ID_0119000000012024"


@pytest.fixture
def merchant(wechat):
    return wechat.merchant


@pytest.fixture
def boss():
    return make_staff.signed_in("administrator", [make.channel()])


def its_page(merchant) -> str:
    return reverse("admin:orders_merchant_change", args=[merchant.pk])


def way(merchant) -> str:
    return reverse("admin:orders_merchant_add_key", args=[merchant.pk])


def add(browser, merchant, pem: str, serial: str = ""):
    return browser.post(way(merchant), {"pem": pem, "serial": serial})


def test_a_public_key_is_added_once_under_its_id(boss, merchant):
    _private, public = outside.key_pair()
    assert way(merchant) in said(boss.get(its_page(merchant)))
    answers = [add(boss, merchant, public, f" {KEY_ID}") for _turn in range(2)]
    assert [(each.status_code, each["Location"]) for each in answers] == [(302, its_page(merchant))] * 2
    assert MerchantKey.objects.filter(merchant=merchant, serial=KEY_ID).count() == 1
    assert KEY_ID in said(boss.get(its_page(merchant)))


def test_a_certificate_brings_its_serial(boss, merchant):
    serial, pem = certificate(outside.key_pair()[0])
    assert add(boss, merchant, f"\n{pem}\n").status_code == 302
    assert merchant.keys.filter(serial=serial.zfill(len(serial) + len(serial) % 2)).exists()


def test_a_private_key_is_neither_kept_nor_shown_again(boss, merchant):
    private, public = outside.key_pair()
    _serial, pem = certificate(private)
    before = make.snapshot()
    for text in (private, public + private, pem + private, private + pem):
        for name in (KEY_ID, ""):
            answer = add(boss, merchant, text, name)
            assert "PRIVATE" not in said(answer)
            assert private.splitlines()[1] not in said(answer)
            assert any("私钥" in each or "private key" in each for each in refusals(answer))
    assert make.snapshot() == before


def test_what_is_no_key_or_another_under_a_known_id_is_refused(boss, merchant):
    add(boss, merchant, outside.key_pair()[1], KEY_ID)
    public = outside.key_pair()[1]
    before = make.snapshot()
    for text, name in [("junk", KEY_ID), (public, ""), (public, KEY_ID), (public + public, KEY_ID + "1"), ("", KEY_ID)]:
        assert refusals(add(boss, merchant, text, name))
    assert make.snapshot() == before


@pytest.mark.parametrize("role", ["operator", "finance", "auditor"])
def test_who_may_not_change_keys_finds_no_way(merchant, role):
    looker = make_staff.signed_in(role, [make.channel()])
    assert way(merchant) not in said(looker.get(its_page(merchant)))
    before = make.snapshot()
    assert looker.get(way(merchant)).status_code == 403
    assert add(looker, merchant, outside.key_pair()[1], KEY_ID).status_code == 403
    assert make.snapshot() == before


def test_a_merchant_of_channels_that_are_not_held_is_not_there(boss, merchant):
    make.channel()
    make.channel("other-brand", group="other", merchant_id="1900000002")
    other = make_staff.signed_in("administrator", [make.channel("other-brand")])
    add(boss, merchant, outside.key_pair()[1], KEY_ID)
    key = reverse("admin:orders_merchantkey_change", args=[merchant.keys.get(serial=KEY_ID).pk])
    pages = [its_page(merchant), way(merchant), key]
    assert [other.get(each).status_code for each in pages] == [404] * 3
    assert [boss.get(each).status_code for each in pages] == [200] * 3
    before = make.snapshot()
    assert add(other, merchant, outside.key_pair()[1], KEY_ID + "1").status_code == 404
    assert make.snapshot() == before
