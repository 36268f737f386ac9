"""What the database refuses of refunds and of the cases they give back, whoever asks."""

from functools import partial

import pytest
from django.db import IntegrityError, InternalError, transaction
from django.db.utils import ProgrammingError

from orders.models import Order, PaymentCase, Refund, RefundLine
from tests import make
from tests.orders import make_orders as o
from tests.orders import make_refunds as refunds

pytestmark = pytest.mark.django_db
DONE = {"state": "done", "refunded_at": make.NOON}


def refused(what: str, change, error=IntegrityError):
    with pytest.raises(error, match=what), transaction.atomic():
        change()


def refund(order: Order | None = None, **fields) -> Refund:
    known = {"state": "requested", "amount_fen": 100, "asked_by": "channel/website"}
    return Refund.objects.create(order=order, **known | fields)


def case(**fields) -> PaymentCase:
    known = {"kind": "paid_twice", "provider": "offline", "transaction_id": "1", "amount_fen": 1, "paid_at": make.NOON}
    return PaymentCase.objects.create(**known | fields)


@pytest.fixture
def order() -> Order:
    return refunds.paid()


@pytest.mark.parametrize(
    ("constraint", "fields"),
    [
        ("refund_refunded_at_follows_state", {"state": "done"}),
        ("refund_refunded_at_follows_state", {"refunded_at": make.NOON}),
        ("refund_not_negative", {"amount_fen": -1}),
        ("refund_not_negative", {"shipping_fen": -1}),
        ("refund_not_negative", {"deducted_fen": -1}),
        ("refund_not_negative", {"points_reversed": -1}),
        ("refund_not_negative", {"points_returned": -1}),
    ],
)
def test_a_refund_that_contradicts_itself(order, constraint, fields):
    refused(constraint, partial(refund, order, **fields))


def test_a_refund_of_nothing():
    refused("refund_is_of_something", refund)


def test_one_number_of_a_channel_for_two_refunds(order):
    named = {"channel": order.channel, "external_id": "R1"}
    refund(order, **named)
    refused("refund_external_id_once", partial(refund, order, **named))


def test_one_number_of_a_provider_for_two_refunds(order):
    named = {"provider": "offline", "transaction_id": "B1"} | DONE
    refund(order, **named)
    refused("refund_counted_once", partial(refund, order, **named))


def test_a_case_given_back_twice():
    kept = case()
    refund(case=kept, state="failed")
    refund(case=kept, **DONE)
    refused("refund_once_per_case", partial(refund, case=kept))


@pytest.mark.parametrize(
    ("held", "change"),
    [
        ("done", {"state": "failed", "refunded_at": None}),
        ("done", {"state": "processing", "refunded_at": None}),
        ("failed", {"state": "requested"}),
        ("failed", {"state": "processing"}),
        ("processing", {"state": "requested"}),
        ("processing", {"amount_fen": 99}),
        ("processing", {"shipping_fen": 1}),
        ("processing", {"provider": "another"}),
        ("done", {"amount_fen": 99}),
        ("failed", {"amount_fen": 99}),
    ],
)
def test_a_refund_only_moves_forward_and_stays_of_what_it_is(order, held, change):
    made = refund(order, **DONE if held == "done" else {"state": held})
    refused("only moves forward", lambda: Refund.objects.filter(pk=made.pk).update(**change))


def test_a_refund_stays_with_its_order_and_its_case(order):
    made, other = refund(order), refunds.paid()
    refused("only moves forward", lambda: Refund.objects.filter(pk=made.pk).update(order=other))
    refused("only moves forward", lambda: Refund.objects.filter(pk=made.pk).update(case=case()))


@pytest.mark.parametrize("state", ["requested", "processing", "done"])
def test_a_refund_is_never_forgotten(order, state):
    made = refund(order, **DONE if state == "done" else {"state": state})
    gone = Refund.objects.filter(pk=made.pk)
    refused("pgtrigger", lambda: gone._raw_delete("default"), (InternalError, ProgrammingError))


def test_a_line_refunded_twice_by_one_refund_or_for_less_than_nothing(order):
    made, line = refund(order), order.lines.get()
    RefundLine.objects.create(refund=made, line=line, quantity=0, amount_fen=0)
    twice = partial(RefundLine.objects.create, refund=made, line=line, quantity=1, amount_fen=1)
    refused("refund_line_once", twice)
    refused("refund_line_not_negative", lambda: RefundLine.objects.update(amount_fen=-1))


@pytest.mark.parametrize(
    ("constraint", "change"),
    [
        ("order_refunded_within_paid", {"refunding_fen": 12_901}),
        ("order_refunded_within_paid", {"refunded_fen": 1, "refunding_fen": 12_900, "refund_status": "partial"}),
        ("order_refunded_within_paid", {"refunded_fen": 12_901, "refund_status": "full"}),
        ("order_refunded_in_full", {"refunded_fen": 12_900, "refund_status": "partial"}),
        ("order_refund_has_a_status", {"refunded_fen": 1}),
        ("open_refunds", {"open_refunds": -1}),
        ("order_points_not_negative", {"points_redeemed": -1}),
    ],
)
def test_an_order_that_gives_back_what_it_has_not(order, constraint, change):
    refused(constraint, lambda: Order.objects.filter(pk=order.pk).update(**change))


def test_what_went_back_never_comes_again(order):
    rows = Order.objects.filter(pk=order.pk)
    rows.update(refunded_fen=200, refund_status="partial")
    refused("only moves forward", lambda: rows.update(refunded_fen=100))
    refused("only moves forward", lambda: rows.update(refunded_fen=0, refund_status="none"))
    rows.update(refunded_fen=12_900, refund_status="full")
    refused("only moves forward", lambda: rows.update(refund_status="partial"))
    refused("only moves forward", lambda: rows.update(paid_fen=13_000))


@pytest.mark.parametrize("change", [{"action": "refund"}, {"resolved_at": make.NOON}])
def test_a_case_that_is_half_resolved(change):
    kept = case(order=o.order())
    refused("payment_case_resolved_by_an_action", lambda: PaymentCase.objects.filter(pk=kept.pk).update(**change))
