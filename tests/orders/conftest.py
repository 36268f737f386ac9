"""What the tests of orders share."""

import pytest

from orders.payments import wechat_pay
from tests.orders import make_orders, make_uploads, outside


@pytest.fixture(scope="session")
def rsa_pair() -> tuple[str, str]:
    """A private and a public key, PEM."""
    return outside.key_pair()


@pytest.fixture(scope="session")
def merchant_pair() -> tuple[str, str]:
    """The merchant's own pair."""
    return outside.key_pair()


@pytest.fixture
def wechat(db, settings, rsa_pair, merchant_pair):
    """WeChat Pay outside, and the merchant it knows; `.merchant` is its row."""
    private, public = rsa_pair
    world = outside.Outside(private, merchant_pair[1], mchid=make_orders.MCHID, api_key=make_orders.API_KEY)
    world.merchant = make_orders.merchant(merchant_pair, public)
    with outside.listening(world):
        settings.WECHAT_PAY_URL = world.url
        wechat_pay.client()  # threads that begin together would each make one
        yield world
        wechat_pay.client().close()
        wechat_pay.client.cache_clear()


@pytest.fixture(name="outside")
def told_of_shipping(settings):
    """WeChat outside, as it is told of parcels."""
    with make_uploads.wechat(settings) as world:
        yield world


@pytest.fixture
def carriers(db):
    """The carriers that parcels go by."""
    make_uploads.carriers()


@pytest.fixture
def paid(outside, carriers):
    """An order that WeChat Pay took money for, to be told of when it is shipped."""
    return make_uploads.paid_order()
