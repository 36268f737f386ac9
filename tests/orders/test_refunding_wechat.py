"""Refunds through WeChat Pay: called for once committed, asked about, believed when they are ours."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connections
from django.db.models import F

from orders import services, tasks
from orders.models import Order, PaymentCase, Refund
from orders.payments import refunding, refusals
from sync import inbox
from sync.models import InboxMessage, Measure
from tests import make
from tests.orders import make_orders as o
from tests.orders import make_refunds as r
from tests.orders.test_notifications import send

pytestmark = pytest.mark.django_db


@pytest.fixture
def order(wechat):
    o.earning()
    return r.paid(member=make.member(), merchant=wechat.merchant, lines=2, fen=12_900)


@pytest.fixture
def refund(order):
    return r.refund(order, (1, 6_450))


def tell(wechat, refund, state="SUCCESS", **changed) -> None:
    """A notification of the refund arrives and is applied."""
    told = wechat.refunds.end(refund.pk.hex, state, mchid=o.MCHID, **changed)
    answer = send(*wechat.notification(told, type=f"REFUND.{state}"))
    assert answer.status_code == 204
    inbox.apply_due()


def older(**by) -> None:
    Refund.objects.update(next_at=F("next_at") - timedelta(**by))


def seen(refund) -> tuple[str, str]:
    refund.refresh_from_db()
    return refund.state, refund.problem


def test_a_committed_refund_is_called_for(order, refund, wechat):
    assert refunding.carry_out(refund.pk).state == "processing"
    (asked,) = wechat.refunds.known.values()
    assert asked == {
        "transaction_id": refund.payment.transaction_id,
        "out_refund_no": refund.pk.hex,
        "notify_url": "http://127.0.0.1:8000/callbacks/wechat-pay/1900000001",
        "amount": {"refund": 6_450, "total": 12_900, "currency": "CNY"},
        "status": "PROCESSING",
    }
    tell(wechat, refund)
    assert seen(refund) == ("done", "")
    assert (refund.refunded_at, refund.transaction_id) == (make.NOON, f"50{refund.pk.hex[-12:]}")
    assert r.money(order) == (6_450, 0, 0, "partial")


def test_calling_twice_calls_once(refund, wechat):
    for _turn in range(3):
        refunding.carry_out(refund.pk)
    assert wechat.calls == [("POST", "/v3/refund/domestic/refunds")]


def test_one_that_is_done_at_once_is_done_at_once(refund, wechat):
    wechat.refunds.state = "SUCCESS"
    assert refunding.carry_out(refund.pk).state == "done"


def test_a_lost_notification_is_made_up_for(refund, wechat):
    refunding.carry_out(refund.pk)
    wechat.refunds.end(refund.pk.hex, mchid=o.MCHID)
    tasks.carry_out_refunds()
    assert seen(refund)[0] == "processing"  # too early
    older(seconds=31)
    tasks.carry_out_refunds()
    assert seen(refund)[0] == "done"


def test_it_is_asked_about_at_growing_intervals(refund, wechat):
    refunding.carry_out(refund.pk)
    asked = []
    for _turn in range(140):
        older(seconds=30)
        asked.append(refunding.ask_due())
    assert [turn for turn, count in enumerate(asked, start=1) if count][:4] == [1, 2, 10, 60]


def test_the_sweep_calls_for_what_was_decided_elsewhere(refund, wechat):
    assert refunding.ask_due() == 1
    assert refund.pk.hex in wechat.refunds.known


def test_without_an_answer_it_is_called_for_again_under_the_same_number(refund, wechat):
    wechat.failing = 500
    assert refunding.carry_out(refund.pk).state == "processing"
    wechat.failing = None
    older(seconds=31)
    refunding.ask_due()
    assert list(wechat.refunds.known) == [refund.pk.hex]
    tell(wechat, refund)
    assert seen(refund)[0] == "done"


def test_a_refusal_after_a_lost_answer_says_nothing_of_what_was_asked_first(order, refund, wechat):
    wechat.failing = 500
    refunding.carry_out(refund.pk)
    wechat.failing, wechat.refunds.refusing = None, (400, "INVALID_REQUEST")
    wechat.refunds.known[refund.pk.hex] = {  # the first call did arrive
        "transaction_id": refund.payment.transaction_id, "status": "SUCCESS",
        "amount": {"refund": 6_450, "total": 12_900, "currency": "CNY"},
    }  # fmt: skip
    older(seconds=31)
    refunding.ask_due()
    assert seen(refund) == ("done", "")
    assert r.money(order) == (6_450, 0, 0, "partial")


def test_a_number_that_stands_for_another_refund_holds_up_no_others(order, refund, wechat):
    other = r.paid(member=make.member(), merchant=wechat.merchant)
    good = r.refund(other, (1, 12_900))
    taken = {"provider": "wechat_pay", "transaction_id": f"50{refund.pk.hex[-12:]}", "refunded_at": make.NOON}
    r.refund(r.paid(member=make.member(), provider="alipay"), (1, 100), executed=taken)
    wechat.refunds.state = "SUCCESS"
    assert refunding.ask_due() == 2
    assert (seen(refund), seen(good)) == (("processing", "told_otherwise"), ("done", ""))


def test_one_that_wechat_never_heard_of_is_called_for_again(refund, wechat):
    refunding.carry_out(refund.pk)
    wechat.refunds.known.clear()
    older(seconds=31)
    refunding.ask_due()
    assert list(wechat.refunds.known) == [refund.pk.hex]


@pytest.mark.parametrize(("status", "code"), [(403, "USER_ACCOUNT_ABNORMAL"), (400, "INVALID_REQUEST"), (404, "X")])
def test_a_refusal_frees_the_money_and_says_why(order, refund, wechat, status, code):
    wechat.refunds.refusing = (status, code)
    refunding.carry_out(refund.pk)
    assert seen(refund) == ("failed", code)
    assert r.money(order) == (0, 0, 0, "none")
    assert refusals.in_words(code) == str(refusals.WORDS.get(code, code))


@pytest.mark.parametrize(("status", "code"), [(403, "NOT_ENOUGH"), (401, "SIGN_ERROR"), (403, "NO_AUTH")])
def test_what_somebody_can_put_right_is_tried_again(order, refund, wechat, status, code):
    wechat.refunds.refusing = (status, code)
    refunding.carry_out(refund.pk)
    assert seen(refund) == ("processing", code)
    assert r.money(order) == (0, 6_450, 1, "none")
    refunding.ask_due()
    assert Measure.objects.get(name="refunds.stuck").value == 1
    wechat.refunds.refusing = None
    older(seconds=31)
    refunding.ask_due()
    assert seen(refund) == ("processing", "")


def test_an_abnormal_refund_waits_for_a_person_and_may_still_succeed(order, refund, wechat):
    refunding.carry_out(refund.pk)
    tell(wechat, refund, "ABNORMAL")
    assert seen(refund) == ("processing", "ABNORMAL")
    assert r.money(order) == (0, 6_450, 1, "none")
    tell(wechat, refund)
    assert seen(refund) == ("done", "")


def test_a_closed_refund_failed(order, refund, wechat):
    refunding.carry_out(refund.pk)
    tell(wechat, refund, "CLOSED")
    assert seen(refund) == ("failed", "CLOSED")
    assert r.money(order) == (0, 0, 0, "none")


def test_late_and_repeated_notifications_change_nothing(order, refund, wechat):
    refunding.carry_out(refund.pk)
    tell(wechat, refund)
    version, before = Order.objects.get().version, make.types_of(order.member)
    for state in ("SUCCESS", "ABNORMAL", "SUCCESS"):
        tell(wechat, refund, state)
    assert (Order.objects.get().version, make.types_of(order.member)) == (version, before)
    assert seen(refund) == ("done", "")


def test_a_word_against_what_is_settled_is_measured(refund, wechat):
    refunding.carry_out(refund.pk)
    tell(wechat, refund, "CLOSED")
    tell(wechat, refund)
    assert seen(refund) == ("failed", "contradicted CLOSED")


@pytest.mark.parametrize(
    "other",
    [
        {"amount": {"refund": 1, "total": 12_900, "currency": "CNY"}},
        {"amount": {"refund": 6_450, "total": 1, "currency": "CNY"}},
        {"amount": {"refund": 6_450, "total": 12_900, "currency": "USD"}},
        {"amount": {"refund": "6450", "total": 12_900}},
        {"amount": None},
        {"out_trade_no": "ab" * 16},
        {"transaction_id": "4299"},
        {"success_time": ""},
        {"refund_id": None},
        {"out_refund_no": "cd" * 16},
        {"out_refund_no": 5},
    ],
)
def test_a_notification_of_something_else_is_kept_for_a_person(order, refund, wechat, other):
    refunding.carry_out(refund.pk)
    tell(wechat, refund, **other)
    assert InboxMessage.objects.get().state == "quarantined"
    assert r.money(order) == (0, 6_450, 1, "none")


def test_of_another_merchant_it_is_not_even_believed(order, refund, wechat):
    refunding.carry_out(refund.pk)
    told = wechat.refunds.end(refund.pk.hex, mchid="1900000002")
    assert send(*wechat.notification(told, type="REFUND.SUCCESS")).status_code == 401


def test_an_answer_about_something_else_is_not_taken(order, refund, wechat):
    wechat.refunds.changed = {"amount": {"refund": 1, "total": 12_900}}
    wechat.refunds.state = "SUCCESS"
    refunding.carry_out(refund.pk)
    assert seen(refund) == ("processing", "told_otherwise")
    assert r.money(order) == (0, 6_450, 1, "none")


def test_a_case_s_money_goes_back_whole(wechat):
    named = {"kind": "unknown_order", "provider": "wechat_pay", "transaction_id": "4299", "out_trade_no": "ab" * 16}
    kept = PaymentCase.objects.create(amount_fen=700, paid_at=make.NOON, merchant=wechat.merchant, **named)
    refund = services.refund_case(case=kept.pk, by=make.STAFF)
    refunding.carry_out(refund.pk)
    assert wechat.refunds.known[refund.pk.hex]["amount"] == {"refund": 700, "total": 700, "currency": "CNY"}
    tell(wechat, refund, out_trade_no="ab" * 16)
    kept.refresh_from_db()
    assert (seen(refund)[0], kept.action) == ("done", "refund")


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_hundred_notifications_refund_once(order, refund, wechat):
    refunding.carry_out(refund.pk)
    told = wechat.refunds.end(refund.pk.hex, mchid=o.MCHID)

    def one(_nth) -> int:
        try:
            return send(*wechat.notification(told, type="REFUND.SUCCESS")).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(one, range(40))) == {204}
    inbox.apply_due()
    assert r.money(order) == (6_450, 0, 0, "partial")
    assert make.types_of(order.member).count("order.refunded") == 1
