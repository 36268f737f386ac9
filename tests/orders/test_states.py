"""Each of an order's states only moves forward, whoever writes: by the ORM past every act, or by SQL of one's own."""

from itertools import combinations

import pytest
from django.db import IntegrityError, connection, transaction

from orders.models import Order
from tests import make
from tests.orders import make_orders as o

pytestmark = pytest.mark.django_db
T = make.NOON
PAYMENT = {
    "unpaid": {"paid_at": None, "paid_fen": 0},
    "closed": {"paid_at": None, "paid_fen": 0, "closed_at": T},
    "paid": {"paid_at": T, "paid_fen": 12_900},
}
GOODS = {
    "none": {"shipped_at": None, "delivered_at": None, "completed_at": None},
    "partial": {"shipped_at": None, "delivered_at": None, "completed_at": None},
    "shipped": {"shipped_at": T, "delivered_at": None, "completed_at": None},
    "delivered": {"delivered_at": T, "completed_at": None},
    "completed": {"completed_at": T},
}
REFUND = {"none": {"refunded_fen": 0}, "partial": {"refunded_fen": 100}, "full": {"refunded_fen": 12_900}}
AXES = {"payment_status": PAYMENT, "fulfilment_status": GOODS, "refund_status": REFUND}
BACKWARDS = [
    (axis, low, high) for axis, states in AXES.items() for low, high in combinations(states, 2)
]  # every pair, each the wrong way round


def by_orm(order: Order, **fields) -> None:
    Order.objects.filter(pk=order.pk).update(**fields)


def by_sql(order: Order, **fields) -> None:
    named = ", ".join(f"{name} = %s" for name in fields)
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE orders_order SET {named} WHERE id = %s", [*fields.values(), order.pk])  # noqa: S608


ways = pytest.mark.parametrize("write", [by_orm, by_sql])


@pytest.fixture
def order():
    return o.order()


def put(order: Order, axis: str, state: str) -> None:
    """Legally, in one step: upwards nothing is in the way."""
    if axis == "refund_status" and state != "none":
        put(order, "payment_status", "paid")
    by_orm(order, **{axis: state}, **AXES[axis][state])


def refused(write, order: Order, **fields) -> None:
    before = make.snapshot()
    with pytest.raises(IntegrityError, match="only moves forward"), transaction.atomic():
        write(order, **fields)
    assert make.snapshot() == before


@ways
@pytest.mark.parametrize(("axis", "low", "high"), BACKWARDS)
def test_no_state_goes_back(order, write, axis, low, high):
    put(order, axis, high)
    refused(write, order, **{axis: low}, **AXES[axis][low])


@ways
@pytest.mark.parametrize(("axis", "low", "high"), BACKWARDS)
def test_every_state_may_go_on(order, write, axis, low, high):
    put(order, axis, low)
    if axis == "refund_status":
        put(order, "payment_status", "paid")
    write(order, **{axis: high}, **AXES[axis][high])
    order.refresh_from_db()
    assert getattr(order, axis) == high


@ways
@pytest.mark.parametrize("paid_fen", [0, 12_899, 12_901])
def test_what_was_paid_stays_what_was_paid(order, write, paid_fen):
    put(order, "payment_status", "paid")
    refused(write, order, paid_fen=paid_fen)


@ways
def test_what_went_back_stays_back(order, write):
    put(order, "refund_status", "partial")
    refused(write, order, refunded_fen=99)


@ways
@pytest.mark.parametrize("fields", [{"refunded_fen": 12_901}, {"refunding_fen": 12_801}])
def test_no_more_goes_back_than_was_paid(order, write, fields):
    put(order, "refund_status", "partial")
    with pytest.raises(IntegrityError, match="order_refunded_within_paid"), transaction.atomic():
        write(order, **fields)


@ways
@pytest.mark.parametrize(
    ("axis", "word"), [("payment_status", "open"), ("fulfilment_status", "lost"), ("refund_status", "")]
)
def test_no_state_is_a_word_of_its_own(order, write, axis, word):
    with pytest.raises(IntegrityError), transaction.atomic():
        write(order, **{axis: word})
