"""What the database refuses, whoever asks."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, InternalError, transaction
from django.db.utils import ProgrammingError

from orders.models import Disclosure, Line, Merchant, MerchantKey, Order, Payment, PaymentCase
from tests import make
from tests.orders import make_orders as o

pytestmark = pytest.mark.django_db


@pytest.fixture
def order():
    return o.order()


def refused(constraint, change):
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        change()


@pytest.mark.parametrize(
    ("constraint", "change"),
    [
        ("order_paid_at_follows_status", {"payment_status": "paid"}),
        ("order_paid_at_follows_status", {"paid_at": make.NOON}),
        ("order_paid_at_follows_status", {"paid_fen": 1}),
        ("order_sums_agree", {"total_fen": 1}),
        ("order_sums_agree", {"discount_fen": 1}),
        ("order_sums_agree", {"points_discount_fen": 1}),
        ("order_amounts_not_negative", {"shipping_fen": -1, "total_fen": 12_899}),
        ("order_amounts_not_negative", {"items_fen": -1, "total_fen": -1}),
        ("order_amounts_not_negative", {"discount_fen": -1, "total_fen": 12_901}),
        ("order_refunded_within_paid", {"refunded_fen": 1, "refund_status": "partial"}),
        ("order_refunded_within_paid", {"refunding_fen": -1}),
    ],
)
def test_an_order_that_contradicts_itself(order, constraint, change):
    refused(constraint, lambda: Order.objects.filter(pk=order.pk).update(**change))


def test_two_orders_under_one_number_of_the_channel(order):
    twin = {"external_id": order.external_id, "channel": order.channel, "request_digest": b"", "placed_at": make.NOON}
    refused("order_external_id_once", lambda: Order.objects.create(items_fen=0, total_fen=0, **twin))


@pytest.mark.parametrize(
    ("constraint", "change"),
    [
        ("line_counts_something", {"quantity": 0}),
        ("line_counts_something", {"unit_price_fen": -1}),
        ("line_refunded_within", {"refunded_quantity": 2}),
    ],
)
def test_a_line_of_nothing(order, constraint, change):
    refused(constraint, lambda: Line.objects.filter(order=order).update(**change))


def test_two_lines_in_one_place(order):
    refused("line_position_once", lambda: Line.objects.create(order=order, position=1, **o.item()))


@pytest.mark.parametrize(
    ("constraint", "change"),
    [
        ("payment_pays_something", {"amount_fen": 0}),
        ("payment_paid_at_follows_state", {"state": "paid"}),
        ("payment_paid_at_follows_state", {"paid_at": make.NOON}),
    ],
)
def test_a_payment_that_contradicts_itself(order, constraint, change):
    payment = o.payment(order)
    refused(constraint, lambda: Payment.objects.filter(pk=payment.pk).update(**change))


def test_two_open_payments_of_one_order(order):
    o.payment(order)
    refused("payment_one_open_per_order", lambda: o.payment(order, state="opening"))


def test_two_paid_payments_of_one_order(order):
    paid = {"state": "paid", "paid_at": make.NOON}
    o.payment(order, transaction_id="1", **paid)
    refused("payment_one_per_order", lambda: o.payment(order, transaction_id="2", **paid))


def test_one_transaction_counted_twice(order):
    paid = {"state": "paid", "paid_at": make.NOON, "transaction_id": "1"}
    o.payment(order, **paid)
    other = o.order()
    refused("payment_counted_once", lambda: o.payment(other, **paid))


def forbidden(change):
    with pytest.raises((ProgrammingError, InternalError), match="pgtrigger"), transaction.atomic():
        change()


@pytest.mark.parametrize("status", ["unpaid", "closed"])
def test_a_paid_order_never_becomes_anything_else(order, status):
    o.pay(o.payment(order))
    rows = Order.objects.filter(pk=order.pk)
    with pytest.raises(IntegrityError, match="only moves forward"), transaction.atomic():
        rows.update(payment_status=status, paid_at=None, paid_fen=0, closed_at=make.NOON)
    rows.update(fulfilment_status="shipped", shipped_at=make.NOON)


def test_money_that_came_in_is_never_changed_or_forgotten(order):
    payment, other = o.payment(order), o.order()
    o.pay(payment)
    rows = Payment.objects.filter(pk=payment.pk)
    forbidden(lambda: rows.update(state="closed", paid_at=None))
    forbidden(lambda: rows.update(amount_fen=1))
    forbidden(lambda: rows.update(transaction_id="another"))
    forbidden(lambda: rows.update(order=other))
    forbidden(lambda: rows._raw_delete("default"))
    rows.update(payer=None)


def test_one_misfit_kept_twice(order):
    case = {"kind": "wrong_amount", "provider": "offline", "transaction_id": "1", "amount_fen": 1}
    PaymentCase.objects.create(paid_at=make.NOON, **case)
    refused("payment_case_once", lambda: PaymentCase.objects.create(paid_at=make.NOON, **case))


def test_two_merchants_or_keys_of_one_name():
    merchant = Merchant.objects.create(mchid="1", name="m", api_key="k", private_key="p", serial="s")
    twin = {"name": "m", "api_key": "k", "private_key": "p", "serial": "s"}
    refused("mchid", lambda: Merchant.objects.create(mchid="1", **twin))
    MerchantKey.objects.create(merchant=merchant, serial="1", public_key="p")
    refused("merchant_key_once", lambda: MerchantKey.objects.create(merchant=merchant, serial="1", public_key="q"))


def test_a_disclosure_stays_as_it_was_written(order):
    Disclosure.objects.create(order=order, actor="channel/website")
    with pytest.raises((InternalError, ProgrammingError)), transaction.atomic():
        Disclosure.objects.update(actor="nobody")


def test_secrets_of_a_merchant_lie_encrypted():
    Merchant.objects.create(mchid="1", name="m", api_key="the-api-key", private_key="the-private-key", serial="s")
    row = str(Merchant.objects.values("api_key", "private_key").get())
    assert "the-" not in row
    assert Merchant.objects.get().private_key == "the-private-key"


def test_a_later_change_has_a_later_time(order):
    before = Order.objects.get(pk=order.pk)
    o.pay(o.payment(order))
    after = Order.objects.get(pk=order.pk)
    assert after.updated_at - before.updated_at > timedelta(0)
