"""Orders follow their member, and every payment has its points."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from loyalty import services as points
from loyalty.models import Entry
from orders import facts, reconcile
from orders.models import Order
from orders.records import Orders
from sync.act import Actor
from sync.http import Problem
from sync.models import Event
from tests import make
from tests.loyalty.make_points import execute
from tests.orders import make_orders as o

pytestmark = pytest.mark.django_db


@pytest.fixture
def paid():
    o.earning()
    order = o.order(member=make.member())
    o.pay(o.payment(order))
    return order


def found() -> list[tuple[str, str]]:
    return [(each.subject, each.found) for each in reconcile.earnings()]


def past_the_triggers(sql: str, *parameters) -> None:
    """What no act and no person can do here: somebody at the database itself."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(sql, parameters)
        cursor.execute("SET LOCAL session_replication_role = DEFAULT")


def test_what_belongs_together_agrees(paid, django_assert_num_queries):
    o.pay(o.payment(o.order(member=paid.member, fen=99)), fen=99, transaction_id="2")
    o.pay(o.payment(o.order()), transaction_id="3")
    o.order(member=paid.member)
    with django_assert_num_queries(1):
        assert found() == []


def test_a_payment_without_its_points_is_named(paid):
    order = o.order(member=paid.member)
    Order.objects.filter(pk=order.pk).update(payment_status="paid", paid_at=paid.placed_at, paid_fen=12_900)
    assert found() == [(f"order/{order.number}", "none, no purchase")]


def test_a_payment_that_counts_towards_no_tier_is_named(paid):
    past_the_triggers("DELETE FROM loyalty_purchaseline; DELETE FROM loyalty_purchase")
    assert found() == [(f"order/{paid.number}", "1 of 129 points, no purchase")]


def test_a_purchase_of_another_sum_is_named(paid):
    past_the_triggers("UPDATE loyalty_purchase SET paid_fen = 12_800")
    assert found() == [(f"order/{paid.number}", "1 of 129 points, a purchase of 12800 fen for 129 points")]


def test_points_that_wait_are_an_earning_like_any_other():
    shop = make.channel(refund_window_days=7)
    o.earning()
    order = o.order(member=make.member(), channel=shop)
    o.pay(o.payment(order), paid_at=timezone.now())
    assert Entry.objects.get().pending == 129
    execute("UPDATE loyalty_lot SET available_at = now() - interval '1 second'")
    execute("UPDATE loyalty_account SET due_at = now() - interval '1 second'")
    points.settle(order.member_id)
    assert Entry.objects.count() == 2
    assert found() == []


def test_points_without_their_payment_are_named(paid):
    past_the_triggers("UPDATE orders_order SET payment_status = 'unpaid', paid_at = NULL, paid_fen = 0")
    assert found() == [(f"order/{paid.number}", "1 of 129 points, a purchase of 12900 fen for 129 points")]


def test_points_that_differ_are_named(paid):
    Order.objects.filter(pk=paid.pk).update(points_earned=130)
    assert found() == [(f"order/{paid.number}", "1 of 129 points, a purchase of 12900 fen for 129 points")]


def test_an_entry_posted_around_the_house_is_named(paid):
    past_the_triggers("UPDATE loyalty_entry SET available = 500, contra = -500")
    assert Entry.objects.get().available == 500
    assert found() == [(f"order/{paid.number}", "1 of 500 points, a purchase of 12900 fen for 129 points")]


def paid_amounts() -> list[tuple[str, str, str]]:
    return [(each.subject, each.expected, each.found) for each in reconcile.payments()]


def test_orders_and_their_payments_that_agree_are_not_named(paid, django_assert_num_queries):
    o.payment(o.order(member=paid.member))
    o.order(fen=0)
    with django_assert_num_queries(1):
        assert paid_amounts() == []


def test_an_order_paid_without_a_payment_is_named():
    order = o.order()
    Order.objects.filter(pk=order.pk).update(payment_status="paid", paid_at=make.NOON, paid_fen=12_900)
    told = "12900 fen on the order, 0 fen of payments"
    assert paid_amounts() == [(f"order/{order.number}", "12900 fen (paid)", told)]


def test_a_payment_of_an_order_that_is_not_paid_is_named():
    order = o.order()
    o.payment(order, state="paid", paid_at=make.NOON, transaction_id="1")
    told = "0 fen on the order, 12900 fen of payments"
    assert paid_amounts() == [(f"order/{order.number}", "0 fen (unpaid)", told)]


def test_an_order_paid_another_amount_is_named(paid):
    past_the_triggers("UPDATE orders_payment SET amount_fen = 1")
    assert paid_amounts() == [(f"order/{paid.number}", "12900 fen (paid)", "12900 fen on the order, 1 fen of payments")]
    past_the_triggers("UPDATE orders_order SET paid_fen = 1")
    assert paid_amounts() == [(f"order/{paid.number}", "12900 fen (paid)", "1 fen on the order, 1 fen of payments")]


def test_orders_move_with_their_member(paid):
    survivor = make.member()
    before = Order.objects.get(pk=paid.pk)
    Orders().lock([paid.member_id, survivor.pk])
    assert Orders().holds_value(paid.member_id)
    assert not Orders().holds_value(survivor.pk)
    assert Orders().move(paid.member_id, survivor.pk) == {"orders": [str(paid.pk)]}
    after = Order.objects.get(pk=paid.pk)
    assert (after.member_id, after.version) == (survivor.pk, before.version + 1)
    assert found() == []


BY = Actor("channel", "website", "website")


def test_a_pushed_order_and_a_posted_one_are_the_same():
    backend, body = make.backend_client("website"), o.body(member_id=str(make.member().pk))
    pushed = facts.placed(backend.channel, body, make.NOON, BY)
    assert pushed.placed_at == make.NOON
    posted = backend.post("orders", body)
    assert (posted.status_code, posted.json()["number"]) == (200, pushed.number)
    assert Event.objects.count() == 1


@pytest.mark.parametrize(
    ("wrong", "code"),
    [({"items": []}, "invalid"), ({"total_fen": 1}, "amount_mismatch"), ({"points_to_redeem": 5}, "invalid")],
)
def test_a_pushed_order_that_is_none_says_why(wrong, code):
    channel = make.channel()
    with pytest.raises(Problem) as problem:
        facts.placed(channel, o.body() | wrong, make.NOON, BY)
    assert problem.value.code == code
    assert not Order.objects.exists()


def test_a_pushed_order_of_the_future_is_refused():
    channel, later = make.channel(), timezone.now() + timedelta(minutes=6)
    with pytest.raises(Problem) as problem:
        facts.placed(channel, o.body(), later, BY)
    assert [field for field, _code, _detail in problem.value.errors] == ["time"]
    assert not Order.objects.exists()
