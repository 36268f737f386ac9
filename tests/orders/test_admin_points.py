"""An order's page leads to the entries it made, an entry's page to its order: both ways, within one's channels."""

import pytest

from loyalty.models import Entry
from orders.models import Order
from tests import make
from tests.config import make_staff
from tests.loyalty import make_points
from tests.loyalty.make_pages import page_of, read
from tests.loyalty.make_purchases import buy, refund
from tests.orders import make_orders

pytestmark = pytest.mark.django_db


@pytest.fixture
def order() -> Order:
    make_points.rule()
    placed = make_orders.order(member=make.member())
    buy(placed.member, number=placed.number, channel=placed.channel)
    refund([2_900], number=placed.number)
    return placed


def test_an_order_and_its_entries_lead_to_each_other(order):
    browser = make_staff.signed_in("operator", [order.channel])
    entries = list(Entry.objects.filter(kind__in=["earned", "reversed"]))
    assert len(entries) == 2
    page = browser.get(page_of(order)).content.decode()
    for entry in entries:
        assert page_of(entry) in page
        assert page_of(order) in browser.get(page_of(entry)).content.decode()
        assert f"订单 {order.number}" in read(browser, entry)


def test_staff_of_another_channel_of_the_member_see_the_entry_without_the_order(order):
    mini = make.channel("mini-program")
    make.admit(f"member/{order.member_id}", mini)
    browser = make_staff.signed_in("operator", [mini])
    page = browser.get(page_of(Entry.objects.get(kind="earned"))).content.decode()
    assert page_of(order) not in page
