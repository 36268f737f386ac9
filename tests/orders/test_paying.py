"""Money settles an order once; what does not fit becomes a case, never an error."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections

from loyalty.models import Entry
from orders import services
from orders.models import Order, Payment, PaymentCase
from sync.models import Event
from tests import make
from tests.orders import make_orders as o

pytestmark = pytest.mark.django_db


@pytest.fixture
def member():
    o.earning()
    return make.member()


def test_payment_points_and_tier_are_told_in_the_order_of_their_causes(member):
    order = o.order(member=member, fen=120_000)
    o.pay(o.payment(order), fen=120_000)
    order.refresh_from_db()
    assert (order.payment_status, order.paid_fen, order.paid_at) == ("paid", 120_000, make.NOON)
    assert (order.points_earned, order.version) == (1_200, 2)
    assert make.types_of(member) == ["order.placed", "order.paid", "points.earned", "tier.changed"]
    told = Event.objects.get(type="order.paid").data
    assert (told["version"], told["points_earned"], told["status"]) == (2, 1_200, "paid")


def test_paying_twice_changes_nothing_the_second_time(member):
    payment = o.payment(o.order(member=member))
    o.pay(payment)
    before = make.snapshot()
    assert o.pay(payment).pk == payment.pk
    assert make.snapshot() == before


def test_less_than_a_yuan_is_paid_and_earns_nothing(member):
    order = o.order(member=member, fen=99)
    o.pay(o.payment(order), fen=99)
    order.refresh_from_db()
    assert (order.payment_status, order.points_earned) == ("paid", 0)
    assert not Entry.objects.exists()


def test_a_guests_payment_is_told_on_the_orders_stream():
    order = o.order()
    o.pay(o.payment(order))
    assert make.types_of(f"order/{order.number}") == ["order.placed", "order.paid"]


def case_of(kept, kind):
    assert isinstance(kept, PaymentCase)
    assert kept.kind == kind
    return kept


def unchanged(order):
    now = Order.objects.get(pk=order.pk)
    return (now.payment_status, now.version, now.paid_fen) == (order.payment_status, order.version, order.paid_fen)


def test_another_amount_becomes_a_case(member):
    order = o.order(member=member)
    case = case_of(o.pay(o.payment(order), fen=12_899), "wrong_amount")
    assert (case.order_id, case.amount_fen) == (order.pk, 12_899)
    assert unchanged(order)


def test_what_an_order_cost_before_does_not_pay_what_it_costs_now(member):
    order = o.order(member=member)
    payment = o.payment(order)
    Order.objects.filter(pk=order.pk).update(shipping_fen=100, total_fen=13_000)
    case_of(o.pay(payment), "wrong_amount")
    assert Order.objects.get(pk=order.pk).payment_status == "unpaid"


def test_money_that_is_a_case_does_not_pay_as_well(member):
    order = o.order(member=member)
    case = case_of(o.pay(make.uuid7()), "unknown_order")
    assert case_of(o.pay(o.payment(order)), "unknown_order").pk == case.pk
    assert unchanged(order)


def test_money_for_a_closed_payment_becomes_a_case(member):
    order = o.order(member=member)
    case_of(o.pay(o.payment(order, state="closed")), "after_close")
    assert unchanged(order)


def test_money_for_a_closed_order_becomes_a_case(member):
    order = o.order(member=member)
    payment = o.payment(order)
    Order.objects.filter(pk=order.pk).update(payment_status="closed", closed_at=make.NOON)
    case_of(o.pay(payment), "after_close")
    assert make.types_of(member) == ["order.placed"]


def test_money_for_a_paid_order_becomes_a_case(member):
    order = o.order(member=member)
    first = o.payment(order)
    o.pay(first)
    second = o.payment(order)
    case_of(o.pay(second, transaction_id="4200002"), "paid_twice")
    case_of(o.pay(first, transaction_id="4200003"), "paid_twice")
    assert Entry.objects.count() == 1


def test_money_for_a_payment_nobody_knows_becomes_a_case():
    unknown = Payment(amount_fen=1).pk
    case = case_of(o.pay(unknown), "unknown_order")
    assert (case.order, case.out_trade_no) == (None, unknown.hex)


def test_the_same_misfit_again_is_the_same_case(member):
    payment = o.payment(o.order(member=member))
    first = o.pay(payment, fen=1)
    before = make.snapshot()
    assert o.pay(payment, fen=1).pk == first.pk
    assert make.snapshot() == before


def take(order, **fields):
    known = {"number": order.number, "channel": order.channel, "provider": "offline", "transaction_id": "R-1"}
    known |= {"amount_fen": order.total_fen, "paid_at": make.NOON, "by": make.BACKEND}
    return services.take_payment(**known | fields)


def test_money_the_channel_took_settles_its_order_once(member):
    order = o.order(member=member)
    payment, is_new = take(order)
    assert (payment.state, is_new) == ("paid", True)
    before = make.snapshot()
    assert take(order) == (payment, False)
    assert make.snapshot() == before
    assert make.types_of(member) == ["order.placed", "order.paid", "points.earned"]


def test_a_transaction_number_counts_once_in_the_whole_hub(member):
    take(o.order(member=member))
    other = o.order(member=member)
    before = make.snapshot()
    with pytest.raises(services.TransactionKnown):
        take(other)
    with pytest.raises(services.TransactionKnown):
        take(Order.objects.exclude(pk=other.pk).get(), amount_fen=1)
    assert make.snapshot() == before


def test_the_wrong_amount_a_channel_took_becomes_a_case_once(member):
    order = o.order(member=member)
    kept, is_new = take(order, amount_fen=1)
    case_of(kept, "wrong_amount")
    assert is_new
    assert take(order, amount_fen=1) == (kept, False)
    assert unchanged(order)


def test_a_channel_takes_money_for_its_own_orders_only():
    order = o.order(channel="mini-program")
    with pytest.raises(Order.DoesNotExist):
        take(order, channel=make.channel("website"))


def at_once(calls):
    def run(call):
        try:
            return call()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


@pytest.mark.django_db(transaction=True)
def test_two_payments_at_once_settle_one_and_keep_the_other_as_a_case():
    o.earning()
    order = o.order(member=make.member())
    wechat = o.payment(order)
    at_once([lambda: o.pay(wechat), lambda: take(order)] * 5)
    assert Payment.objects.filter(state="paid").count() == 1
    assert PaymentCase.objects.count() == Entry.objects.count() == 1
    assert make.types_of(order.member) == ["order.placed", "order.paid", "points.earned"]


@pytest.mark.django_db(transaction=True)
def test_one_transaction_told_of_two_orders_at_once_counts_once():
    orders = [o.order(), o.order()]

    def tell(order):
        try:
            return take(order)[0]
        except services.TransactionKnown:
            return None

    told = at_once([lambda order=order: tell(order) for order in orders * 5])
    assert len({payment.pk for payment in told if payment}) == 1
    assert Order.objects.filter(payment_status="paid").count() == 1
