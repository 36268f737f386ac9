"""What WeChat Pay could not tell is asked about: at half a minute, then each time when the payment is twice as old."""

from datetime import timedelta

import pytest
from django.db.models import F

from orders import tasks
from orders.models import Order, Payment
from orders.payments import asking
from tests import make
from tests.orders import make_orders as o

pytestmark = pytest.mark.django_db


@pytest.fixture
def payment(wechat):
    client = make.member_client(make.member(channel="mini-program", openid="o-1"), "mini-program")
    number = o.order(member=client.member).number
    answer = client.post(f"me/orders/{number}/payments", {"method": "wechat_native"})
    wechat.calls.clear()
    return Payment.objects.get(pk=answer.json()["payment_id"])


def older(**by):
    aged = {name: F(name) - timedelta(**by) for name in ("created_at", "expires_at", "asked_at")}
    Payment.objects.update(**aged)


def test_a_payment_whose_notification_was_lost_is_settled(payment, wechat):
    wechat.pay(payment.pk.hex)
    tasks.ask_about_payments()
    assert wechat.calls == []  # too early
    older(seconds=31)
    tasks.ask_about_payments()
    assert Order.objects.get().payment_status == "paid"
    assert make.types_of(Order.objects.get().member) == ["order.placed", "order.paid"]
    older(minutes=10)
    assert asking.ask_due() == 0


def test_one_that_nobody_paid_stays_open_and_is_asked_about_less_and_less(payment, wechat):
    asked = []
    for _turn in range(16):
        older(seconds=30)
        asked.append(asking.ask_due())
    assert asked[0] == 1
    assert 3 <= sum(asked) <= 5
    assert sum(asked[:5]) >= sum(asked[5:])
    payment.refresh_from_db()
    assert payment.state == "open"


def test_one_that_can_no_longer_be_paid_is_closed_on_both_sides(payment, wechat):
    older(hours=3)
    assert asking.ask_due() == 1
    payment.refresh_from_db()
    assert (payment.state, wechat.trades[payment.pk.hex]["trade_state"]) == ("closed", "CLOSED")


@pytest.mark.parametrize("known", [True, False])
def test_one_whose_opening_died_makes_way(payment, wechat, known):
    Payment.objects.update(state="opening", params=None)
    if not known:
        wechat.trades.clear()
    older(seconds=31)
    assert asking.ask_due() == 1
    assert Payment.objects.get().state == "closed"


def test_while_wechat_pay_is_away_nothing_changes(payment, wechat):
    wechat.failing = 500
    older(seconds=31)
    assert asking.ask_due() == 1
    assert Payment.objects.get().state == "open"
