"""Refunds at the same moment: money adds up, pieces too, each effect once."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connections

from loyalty import queries as points
from orders import services
from orders.models import Order, Refund
from orders.payments import refunding
from tests import make
from tests.orders import make_orders as o
from tests.orders import make_refunds as r

pytestmark = [pytest.mark.django_db(transaction=True)]
REFUSALS = (services.OverRefunded, services.NotRefundable, services.TransactionKnown)


def at_once(*acts) -> list:
    """What each act gives, or its refusal, all begun together."""
    ready = Barrier(len(acts))

    def run(act):
        try:
            ready.wait(10)
            return act()
        except REFUSALS as refusal:
            return refusal
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


def holds(order: Order) -> None:
    """The order agrees with its refunds."""
    refunded, refunding_fen, still_open, status = r.money(order)
    by_state = {state: list(order.refunds.filter(state=state)) for state in Refund.State.values}
    assert refunded == sum(each.amount_fen for each in by_state["done"])
    assert refunding_fen == sum(each.amount_fen for each in by_state["processing"])
    assert still_open == len(by_state["processing"]) + len(by_state["requested"])
    assert refunded + refunding_fen <= order.paid_fen
    assert status == ("full" if refunded == order.paid_fen else "partial" if refunded else "none")
    assert sum(each.points_reversed for each in by_state["done"]) == sum(
        -event.data["entry"]["points"] for event in make.events_of(order.member) if event.type == "points.reversed"
    )


@pytest.fixture
def buyer():
    o.earning()
    return make.member()


def test_of_many_refunds_only_as_many_succeed_as_were_paid(buyer):
    order = r.paid(member=buyer, items=[o.item(1_000, 4)])
    asked = [lambda: r.refund(order, (1, 1_000), done=True) for _turn in range(8)]
    found = at_once(*asked)
    assert sum(isinstance(each, Refund) for each in found) == 4
    assert r.money(order) == (4_000, 0, 0, "full")
    assert make.types_of(buyer).count("order.refunded") == 4
    holds(order)


def test_the_same_request_at_once_is_one_refund(buyer):
    order = r.paid(member=buyer)
    same = {"order": order.pk, "items": r.items(order, (1, 100)), "external_id": "R-1", "channel": order.channel}
    same |= {"executed": r.executed(), "by": r.CHANNEL}
    found = at_once(*[lambda: services.refund(**same)] * 6)
    assert sum(is_new for _refund, is_new in found) == 1
    assert len({refund.pk for refund, _is_new in found}) == 1
    holds(order)


def test_one_number_of_the_provider_on_two_orders_counts_once(buyer):
    orders, done = [r.paid(member=make.member()) for _turn in range(2)], r.executed()
    found = at_once(*[lambda order=order: r.refund(order, (1, 100), executed=done) for order in orders])
    assert sorted(type(each).__name__ for each in found) == ["Refund", "TransactionKnown"]
    assert Refund.objects.count() == 1


def test_a_refund_and_the_word_on_another(buyer, wechat):
    order = r.paid(member=buyer, merchant=wechat.merchant, items=[o.item(1_000, 4)])
    first = r.refund(order, (2, 2_000))
    at_once(lambda: r.told(first), lambda: r.refund(order, (2, 2_000)), lambda: r.told(first))
    assert r.money(order) == (2_000, 2_000, 1, "partial")
    holds(order)


@pytest.mark.parametrize("turn", range(3))
def test_the_call_s_answer_and_the_notification(buyer, wechat, turn):
    order = r.paid(member=buyer, merchant=wechat.merchant)
    refund = r.refund(order, (1, 12_900))
    wechat.refunds.state = "SUCCESS"
    at_once(
        lambda: refunding.carry_out(refund.pk),
        lambda: refunding.carry_out(refund.pk),
        lambda: r.told(refund, transaction_id=f"50{refund.pk.hex[-12:]}", refunded_at=make.NOON),
    )
    assert len(wechat.calls) <= 1
    assert r.money(order) == (12_900, 0, 0, "full")
    assert make.types_of(buyer).count("order.refunded") == 1
    assert points.as_points(buyer.pk)["available"] == 0
    holds(order)


def test_a_success_and_a_closing_end_one_way(buyer, wechat):
    order = r.paid(member=buyer, merchant=wechat.merchant)
    refund = r.refund(order, (1, 12_900))
    at_once(lambda: r.told(refund), lambda: r.told(refund, "failed", problem="CLOSED"))
    refund.refresh_from_db()
    assert refund.state in {"done", "failed"}
    assert refund.problem.startswith("contradicted")
    holds(order)


def test_done_by_the_channel_while_the_member_asks_and_staff_approve(buyer):
    order = r.paid(member=buyer, items=[o.item(1_000, 4)])
    wanted = [{"line_id": r.lines(order)[0].pk, "quantity": 3}]
    asked = services.request_refund(order=order.pk, items=wanted, reason="", by=make.STAFF)
    at_once(
        lambda: r.refund(order, (4, 4_000), done=True),
        lambda: services.approve_refund(refund=asked.pk, by=make.STAFF, executed=r.executed()),
        lambda: services.decline_refund(refund=asked.pk, by=make.STAFF),
        lambda: services.request_refund(order=order.pk, items=wanted, reason="", by=make.STAFF),
    )
    holds(order)
    line = r.lines(order)[0]
    assert line.refunded_quantity == sum(each.lines.get().quantity for each in order.refunds.filter(state="done"))


def test_a_member_who_asks_twice_at_once_asked_once(buyer):
    order = r.paid(member=buyer)
    wanted = [{"line_id": r.lines(order)[0].pk, "quantity": 1}]
    asked = {"order": order.pk, "items": wanted, "reason": "", "by": make.STAFF}
    found = at_once(*[lambda: services.request_refund(**asked)] * 5)
    assert sum(isinstance(each, Refund) for each in found) == 1
    holds(order)


def test_a_case_decided_by_many_is_given_back_once(wechat):
    named = {"kind": "unknown_order", "provider": "wechat_pay", "transaction_id": "4299", "amount_fen": 700}
    kept = services.open_case(named.pop("kind"), merchant=wechat.merchant, paid_at=make.NOON, by=r.WECHAT, **named)
    found = at_once(*[lambda: services.decide_case(case=kept.pk, action="refund", by=make.STAFF)] * 6)
    assert len(found) == 6
    assert Refund.objects.count() == 1
    assert refunding.ask_due() == 1
