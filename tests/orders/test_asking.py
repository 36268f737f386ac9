"""What WeChat Pay could not tell is asked about: after half a minute, 1, 5 and 30 minutes, then hourly."""

from datetime import timedelta

import pytest
from django.db.models import F

from orders import services, tasks
from orders.models import Order, Payment
from orders.payments import asking, providers
from orders.payments.providers import Offline
from orders.payments.wechat_pay import Refused, WechatPay
from sync import clock
from sync.models import Measure
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


def test_it_is_asked_about_at_fixed_times_then_hourly_until_it_expires(payment, wechat):
    Payment.objects.update(expires_at=F("created_at") + timedelta(hours=12))
    asked, age = [], 0
    for minutes in (0.4, 0.1, 0.3, 0.3, 3.5, 0.5, 24.5, 0.6, 30, 31, 30, 31):
        older(minutes=minutes)
        age += minutes
        if asking.ask_due():
            asked.append(round(age, 1))
    assert asked == [0.5, 1.1, 5.1, 30.2, 91.2, 152.2]
    payment.refresh_from_db()
    assert (payment.state, payment.asks) == ("open", 6)


def test_a_call_without_an_answer_is_made_again_half_a_minute_later(payment, wechat):
    wechat.failing = 500
    for _turn in range(3):
        older(seconds=31)
        assert (asking.ask_due(), asking.ask_due()) == (1, 0)
    assert Payment.objects.get().asks == 0
    wechat.failing = None
    wechat.pay(payment.pk.hex)
    older(seconds=31)
    asking.ask_due()
    assert Order.objects.get().payment_status == "paid"


def test_what_fails_holds_up_nothing_else(payment, wechat):
    for _n in range(asking.AT_ONCE):
        o.payment(o.order(), merchant=wechat.merchant, expires_at=clock.now() + timedelta(hours=1))
    wechat.failing = 500
    older(seconds=31)
    assert asking.ask_due() == asking.AT_ONCE
    assert asking.ask_due() == 1
    assert Payment.objects.filter(asked_at=None).count() == 0


@pytest.mark.parametrize("state", ["SOMETHING_NEW", None, 7])
def test_a_state_that_nobody_knows_is_accepted_and_measured(payment, wechat, state):
    wechat.trades[payment.pk.hex]["trade_state"] = state
    older(seconds=31)
    assert asking.ask_due() == 1
    assert Payment.objects.get().state == "open"
    assert Measure.objects.get(name="wechat_pay.states_unknown").samples == 1


def test_an_order_paid_otherwise_closes_what_was_open(payment, wechat):
    order = payment.order
    services.take_payment(
        number=order.number, channel=order.channel, provider="offline", transaction_id="R-1",
        amount_fen=order.total_fen, paid_at=make.NOON, by=make.BACKEND,
    )  # fmt: skip
    assert asking.ask_due() == 1
    assert Payment.objects.get(pk=payment.pk).state == "closed"
    assert wechat.trades[payment.pk.hex]["trade_state"] == "CLOSED"


def test_money_that_does_not_fit_ends_its_payment(payment, wechat):
    wechat.pay(payment.pk.hex, amount={"total": 1, "currency": "CNY"})
    older(seconds=31)
    asking.ask_due()
    assert Payment.objects.get().state == "closed"
    older(hours=5)
    assert asking.ask_due() == 0


def test_no_payment_is_open_longer_than_its_order(wechat):
    client = make.member_client(make.member(channel="mini-program", openid="o-1"), "mini-program")
    order = o.order(member=client.member)
    Order.objects.filter(pk=order.pk).update(closes_at=clock.now() + timedelta(minutes=3))
    path = f"me/orders/{order.number}/payments"
    first = client.post(path, {"method": "wechat_native"})
    assert Payment.objects.get().expires_at == Order.objects.get().closes_at
    assert client.post(path, {"method": "wechat_native"}).json() == first.json()
    Payment.objects.update(state="closed")
    Order.objects.update(closes_at=clock.now() + timedelta(seconds=59))
    assert client.post(path, {"method": "wechat_native"}).json()["code"] == "order_state"


@pytest.mark.parametrize(("name", "kind"), [("wechat_pay", WechatPay), ("offline", Offline), ("pos-7", Offline)])
def test_a_provider_is_found_by_its_name(name, kind):
    assert isinstance(providers.of(name, None), kind)


@pytest.mark.parametrize("call", ["query", "close", "refund", "refund_query", "bill"])
def test_nobody_can_be_asked_about_money_taken_offline(call):
    with pytest.raises(Refused, match="NOT_SUPPORTED"):
        getattr(providers.of("offline", None), call)("1")
