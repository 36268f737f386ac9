"""Status and sums, as tables."""

from itertools import product

import pytest
from django.utils import translation

from orders import rules
from orders.models import Order
from orders.rules import Status

PAYMENT, FULFILMENT, REFUND = (
    choices.values for choices in (Order.PaymentStatus, Order.FulfilmentStatus, Order.RefundStatus)
)


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        (("unpaid", "none", "none"), Status.PENDING_PAYMENT),
        (("closed", "none", "none"), Status.CANCELLED),
        (("paid", "none", "none"), Status.PAID),
        (("paid", "partial", "none"), Status.PARTIALLY_SHIPPED),
        (("paid", "shipped", "none"), Status.SHIPPED),
        (("paid", "delivered", "none"), Status.DELIVERED),
        (("paid", "completed", "none"), Status.COMPLETED),
        (("paid", "completed", "partial"), Status.PARTIALLY_REFUNDED),
        (("paid", "none", "full"), Status.REFUNDED),
    ],
)
def test_three_states_have_one_name(states, expected):
    assert rules.status(*states) == expected


@pytest.mark.parametrize("states", list(product(["paid"], FULFILMENT, REFUND)))
def test_an_open_refund_shows_whatever_else_holds(states):
    assert rules.status(*states, is_refunding=True) == Status.REFUNDING


@pytest.mark.parametrize("states", list(product(PAYMENT, FULFILMENT, REFUND)))
def test_every_combination_has_a_name(states):
    assert rules.status(*states) in Status


def test_labels_are_the_words_operators_say():
    with translation.override("zh-hans"):
        assert [str(label) for label in Status.labels] == [
            *("待付款", "待发货", "部分发货", "待收货", "已签收"),
            *("已完成", "已关闭", "退款中", "部分退款", "已退款"),
        ]


def items(*pairs):
    return [{"quantity": quantity, "unit_price_fen": price} for quantity, price in pairs]


@pytest.mark.parametrize(
    ("lines", "shipping", "discounts", "points", "total"),
    [
        (items((1, 12_900)), 0, [], 0, 12_900),
        (items((2, 500), (3, 100)), 800, [], 0, 2_100),
        (items((1, 1_000)), 200, [300, 100], 0, 800),
        (items((1, 1_000)), 0, [1_000], 0, 0),
        (items((1, 1_000)), 0, [], 250, 750),
        (items((1, 1_000)), 0, [], 2_000, 0),
    ],
)
def test_sums(lines, shipping, discounts, points, total):
    taken = [{"amount_fen": amount} for amount in discounts]
    assert rules.sums(lines, shipping, taken, points=points, claimed_fen=total).total_fen == total


@pytest.mark.parametrize(
    ("lines", "discounts", "claimed"),
    [
        (items((1, 100)), [], 101),
        (items((1, 100)), [], 0),
        (items((1, 100)), [{"amount_fen": 101}], None),
        (items((2, rules.MAX_TOTAL_FEN)), [], None),
    ],
)
def test_sums_that_do_not_agree_are_refused(lines, discounts, claimed):
    with pytest.raises(rules.AmountMismatch):
        rules.sums(lines, 0, discounts, claimed_fen=claimed)


@pytest.mark.parametrize(("points", "owed", "fen"), [(0, 100, 0), (30, 100, 30), (300, 100, 100), (5, -3, 0)])
def test_points_take_off_no_more_than_is_owed(points, owed, fen):
    assert rules.points_discount(points, owed) == fen
