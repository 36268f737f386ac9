"""Whatever becomes of notifications and of WeChat Pay itself, every order ends where its money is, without a hand."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import httpx
import pytest
from django.db.models import F

from config.sandbox import faults
from config.sandbox.models import Trade
from loyalty.models import Purchase
from orders import tasks
from orders.models import Order, OrderTerms, Payment, PaymentCase, Refund
from orders.payments import checkout, closing, wechat_pay
from sync import clock, inbox
from sync.models import Event, InboxMessage
from tests import make
from tests.config import make_sandbox, make_staff
from tests.config.sandbox_servers import both_processes  # noqa: F401 - a fixture
from tests.orders import make_orders as o
from tests.orders.make_pages import page, said

PAID, UNPAID = 16, 6


@pytest.fixture
def hub(both_processes):  # noqa: F811 - the fixture
    """The hub and its stand-ins as servers, with a merchant and rules for points."""
    make_sandbox.merchant()
    o.earning()
    yield both_processes
    wechat_pay.client().close()
    wechat_pay.client.cache_clear()


def opened() -> Payment:
    """A member's order with an open payment."""
    member = make.member()
    order = o.order(member=member)
    Order.objects.filter(pk=order.pk).update(closes_at=clock.now() + timedelta(minutes=60))
    whose = {"member": member.pk, "channel": order.channel, "address": "127.0.0.1"}
    return checkout.pay(number=order.number, method="wechat_native", **whose)


def thumbs(hub: str, payments: list[Payment]) -> None:
    """All of them are paid at once; the notifications fare as the faults say."""

    def pay(payment: Payment) -> None:
        answer = httpx.post(f"{hub}/sandbox/wechat-pay/{payment.pk}/succeed", json={}, timeout=60, trust_env=False)
        assert answer.status_code == 200, answer.text

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(pay, payments))


def passes(**time) -> None:
    """Time goes by, and the clock's tasks do what they do."""
    by = timedelta(**time)
    Payment.objects.update(
        created_at=F("created_at") - by, expires_at=F("expires_at") - by, asked_at=F("asked_at") - by
    )
    Order.objects.update(closes_at=F("closes_at") - by, created_at=F("created_at") - by)
    for _turn in range(3):
        tasks.ask_about_payments()
        closing.close_due()
    inbox.apply_due()


def told(type: str) -> list[str]:
    return sorted(Event.objects.filter(type=type).values_list("data__number", flat=True))


def ends_well(paid: list[Payment], unpaid: list[Payment]) -> None:
    """Every order is where its money is, told once, and its rows and its page say how the hub heard of it."""
    numbers = {"paid": sorted(each.order.number for each in paid), "closed": sorted(x.order.number for x in unpaid)}
    for status, of_them in numbers.items():
        assert sorted(Order.objects.filter(payment_status=status).values_list("number", flat=True)) == of_them
    assert (told("order.paid"), told("order.cancelled")) == (numbers["paid"], numbers["closed"])
    assert sorted(Purchase.objects.values_list("order_number", flat=True)) == numbers["paid"]
    assert not PaymentCase.objects.exists()
    assert not InboxMessage.objects.exclude(state="applied").exists()
    finance = make_staff.signed_in("finance", [make.channel()])
    for payment in Payment.objects.filter(order__payment_status="paid"):
        trade = Trade.objects.get(out_trade_no=payment.pk.hex)
        assert (payment.state, payment.transaction_id) == ("paid", trade.transaction_id)
        heard = InboxMessage.objects.filter(subject=f"wechat_pay/{payment.pk.hex}").exists()
        assert heard or payment.asked_at
        story = said(finance.get(page(payment.order)))
        assert ("微信支付发来“支付成功”" in story) == heard
        assert (f"已向微信支付查询（累计 {payment.asks} 次）：已支付" in story) == bool(payment.asked_at)
    assert set(Payment.objects.filter(order__payment_status="closed").values_list("state", flat=True)) <= {"closed"}


NOTIFICATIONS = {
    "lost": {"lose_payment_notifications": 0.2},
    "all lost": {"lose_payment_notifications": 1},
    "delayed": {"delay_payment_notifications": 0.5},
    "doubled": {"duplicate_payment_notifications": 1},
    "wrongly signed": {"missign_payment_notifications": 0.5},
    "all of it": {
        "lose_payment_notifications": 0.2,
        "delay_payment_notifications": 0.3,
        "duplicate_payment_notifications": 0.5,
        "missign_payment_notifications": 0.3,
        "wechat_pay_error": 0.2,
    },
}


@pytest.mark.parametrize(
    "wrong",
    [pytest.param(wrong, id=name, marks=pytest.mark.slow) for name, wrong in NOTIFICATIONS.items()],
)
def test_whatever_becomes_of_notifications_every_order_ends_right(hub, wrong):
    payments = [opened() for _n in range(PAID + UNPAID)]
    paid, unpaid = payments[:PAID], payments[PAID:]
    faults.put(wrong)
    thumbs(hub, paid)
    for minutes in (0.6, 1, 4, 25, 31, 1, 1, 2, 4, 8, 15):
        passes(minutes=minutes)
    ends_well(paid, unpaid)


@pytest.mark.slow
def test_while_wechat_pay_is_down_nothing_is_closed_and_afterwards_all_ends_right(hub):
    payments = [opened() for _n in range(PAID + UNPAID)]
    paid, unpaid = payments[:PAID], payments[PAID:]
    faults.put({"wechat_pay_down": 1})
    thumbs(hub, paid)
    for minutes in (0.6, 1, 4, 5, 45, 5):  # the last is past the time when they close
        passes(minutes=minutes)
        assert set(Order.objects.values_list("payment_status", flat=True)) == {"unpaid"}
    faults.clear()
    for minutes in (1, 2, 4, 8):
        passes(minutes=minutes)
    ends_well(paid, unpaid)


@pytest.mark.slow
def test_a_rotation_in_the_middle_loses_nothing(hub):
    before = [opened() for _n in range(4)]
    make_sandbox.rotates()
    thumbs(hub, before)
    after = [opened() for _n in range(4)]
    thumbs(hub, after)
    inbox.apply_due()
    ends_well(before + after, [])
    assert not Payment.objects.exclude(asked_at=None).exists()


@pytest.mark.parametrize("misfits", ["ask", "automatic"])
def test_money_that_came_after_closing_is_waited_for_or_taken_by_itself(hub, misfits):
    payment = opened()
    OrderTerms.objects.create(channel=payment.order.channel, misfits=misfits)
    Payment.objects.update(state="closed")  # as if WeChat Pay had closed it, and took the money all the same
    passes(minutes=61)
    assert Order.objects.get().payment_status == "closed"
    thumbs(hub, [payment])
    thumbs(hub, [payment])
    inbox.apply_due()
    case = PaymentCase.objects.get()
    assert (case.kind, case.proposed) == ("after_close", "reopen")
    assert (case.action, Order.objects.get().payment_status) == (
        ("reopen", "paid") if misfits == "automatic" else ("", "closed")
    )
    assert not Refund.objects.exists()
