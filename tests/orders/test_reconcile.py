"""Reconciliations of orders are silent on what acts did, name every planted difference, and forget it put right."""

import pytest
from django.conf import settings as conf
from django.db import connection

from orders import reconcile
from orders.models import Order, Payment
from orders.services import closing
from sync import reconcile as engine
from sync.models import Discrepancy
from tests import make
from tests.loyalty.make_points import holder
from tests.orders import make_orders as o
from tests.orders import make_parcels as parcels
from tests.orders import make_points as points
from tests.orders import make_refunds as refunds

pytestmark = pytest.mark.django_db
NAMES = [path for path in conf.RECONCILIATIONS if path.startswith("orders.")]


@pytest.fixture
def order() -> Order:
    """Paid with points and money, sent in part, one piece paid back; beside orders in other states."""
    o.earning(), points.programme(), parcels.carriers()
    member = holder(5_000)
    used = {"member": member, "redeeming": points.Redeeming(900, is_present=True)}
    made = refunds.paid(member=member, points=900, items=[o.item(6_450, 2), o.item(3_000, 1)])
    parcels.ship(made, 1)
    refunds.refund(made, (1, 5_000), done=True)
    refunds.refund(made, None, (1, 1_000))
    parcels.ship(refunds.paid(member=member, points=100))
    refunds.refund(refunds.paid(member=member), (1, 12_900), done=True)
    closing.close(order=o.order(**used).pk, by=make.BACKEND)
    o.order(**used), o.order(fen=0), refunds.paid()
    made.refresh_from_db()
    return made


def plant(sql: str, *parameters) -> None:
    """What no act and no person can do here: somebody at the database itself."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(sql, parameters)
        cursor.execute("SET LOCAL session_replication_role = DEFAULT")


def fields() -> list[str]:
    """What is open, by its field."""
    return sorted(Discrepancy.objects.filter(resolved_at=None).values_list("field", flat=True))


def test_nothing_is_found_of_what_acts_did(order):
    runs = [engine.run(name) for name in NAMES]
    assert [(run.name, run.found, run.error) for run in runs] == [(name, 0, "") for name in NAMES]


@pytest.mark.parametrize(
    ("name", "found", "sql", "back"),
    [
        ("refunds", ["refunded_fen"], "refunded_fen = refunded_fen + 1", "refunded_fen = refunded_fen - 1"),
        ("refunds", ["refunding_fen"], "refunding_fen = 7", "refunding_fen = 0"),
        ("refunds", ["open_refunds"], "open_refunds = 2", "open_refunds = 1"),
        ("refunds", ["refund_status"], "refund_status = 'full'", "refund_status = 'partial'"),
        ("reversals", ["purchase_refunded_fen"], "refunded_fen = 0", "refunded_fen = 5000"),
        (
            "goods",
            ["fulfilment_status"],
            "fulfilment_status = 'shipped', shipped_at = now()",
            "fulfilment_status = 'partial', shipped_at = NULL",
        ),
        ("goods", ["fulfilment_status"], "fulfilment_status = 'none'", "fulfilment_status = 'partial'"),
        ("redeemed", ["points_redeemed"], "points_redeemed = 899", "points_redeemed = 900"),
        ("payments", ["paid_fen"], "paid_fen = paid_fen - 1", "paid_fen = paid_fen + 1"),
        ("earnings", ["points_earned"], "points_earned = points_earned + 1", "points_earned = points_earned - 1"),
    ],
)
def test_an_order_that_says_something_else_is_named_until_it_is_put_right(order, name, found, sql, back):
    for change, expected in ((sql, found), (back, [])):
        plant(f"UPDATE orders_order SET {change} WHERE id = %s", order.pk)  # noqa: S608 - our own
        engine.run(f"orders.reconcile.{name}")
        assert fields() == expected


@pytest.mark.parametrize(
    ("name", "found", "sql", "back"),
    [
        (
            "lines",
            ["line 1 refunded_quantity"],
            "UPDATE orders_line SET refunded_quantity = 2 WHERE order_id = %s AND position = 1",
            "UPDATE orders_line SET refunded_quantity = 1 WHERE order_id = %s AND position = 1",
        ),
        (
            "lines",
            ["line 2 shipped_quantity"],
            "UPDATE orders_line SET shipped_quantity = 1 WHERE order_id = %s AND position = 2",
            "UPDATE orders_line SET shipped_quantity = 0 WHERE order_id = %s AND position = 2",
        ),
        (
            "goods",
            ["fulfilment_status"],
            "UPDATE orders_shipment SET withdrawn_at = now() WHERE order_id = %s",
            "UPDATE orders_shipment SET withdrawn_at = NULL WHERE order_id = %s",
        ),
        (
            "refunds",
            ["open_refunds", "refunding_fen"],
            "UPDATE orders_refund SET state = 'processing' WHERE order_id = %s AND state = 'requested';"
            "UPDATE orders_order SET open_refunds = 0",
            "UPDATE orders_refund SET state = 'requested' WHERE order_id = %s AND state = 'processing';"
            "UPDATE orders_order o SET open_refunds = (SELECT count(*) FROM orders_refund r WHERE r.order_id = o.id"
            " AND r.state = 'requested')",
        ),
        (
            "reversals",
            ["points_reversed"],
            "UPDATE orders_refund SET points_reversed = points_reversed + 1 WHERE order_id = %s AND state = 'done'",
            "UPDATE orders_refund SET points_reversed = points_reversed - 1 WHERE order_id = %s AND state = 'done'",
        ),
        (
            "redeemed",
            ["points_returned"],
            "UPDATE orders_refund SET points_returned = points_returned + 1 WHERE order_id = %s AND state = 'done'",
            "UPDATE orders_refund SET points_returned = points_returned - 1 WHERE order_id = %s AND state = 'done'",
        ),
        (
            "redeemed",
            ["hold"],
            "UPDATE loyalty_hold SET state = 'held', captured = 0, closed_at = NULL WHERE entry_id = "
            "(SELECT hold_id FROM orders_order WHERE id = %s)",
            "UPDATE loyalty_hold SET state = 'captured', captured = 900, closed_at = now() WHERE entry_id = "
            "(SELECT hold_id FROM orders_order WHERE id = %s)",
        ),
    ],
)
def test_what_else_says_something_else_is_named_until_it_is_put_right(order, name, found, sql, back):
    for change, expected in ((sql, found), (back, [])):
        plant(change, order.pk)
        engine.run(f"orders.reconcile.{name}")
        assert fields() == expected


def test_points_of_a_closed_order_that_are_still_set_aside_are_named(order):
    plant("UPDATE loyalty_hold SET state = 'held', closed_at = NULL WHERE state = 'released'")
    assert [(each.field, each.expected, each.found) for each in reconcile.redeemed()] == [("hold", "over", "held")]


def test_points_that_a_paid_order_took_without_ever_holding_them_are_named(order):
    plant("UPDATE orders_order SET hold_id = NULL WHERE id = %s", order.pk)
    assert {each.field for each in reconcile.redeemed()} == {"hold", "points_redeemed", "points_returned"}


def test_a_reversal_without_a_refund_and_a_refund_without_its_reversal_are_named(order):
    plant("UPDATE loyalty_purchaserefund SET reference = 'R0' WHERE fen = 5000")
    refund = order.refunds.get(state="done")
    assert {each.subject for each in reconcile.reversals()} == {"refund/R0", f"refund/{refund.number}"}


def test_an_order_given_to_another_member_earned_once(order):
    other = refunds.paid(member=holder(1))
    sql = "UPDATE loyalty_entry SET reference = reference || %s WHERE reference = %s"
    plant(sql, ":1", f"order:{other.number}:paid")
    assert list(reconcile.earnings()) == []
    doubled = """INSERT INTO loyalty_entry (id, account_id, kind, available, pending, held, debt, contra, contra_kind,
        source, reference, reason, available_after, version, available_at, created_at)
        SELECT hub_uuid7(), account_id, kind, available, pending, held, debt, contra, contra_kind, source,
            replace(reference, ':paid:1', ':paid'), reason, available_after, version + 100, available_at, created_at
        FROM loyalty_entry WHERE reference LIKE %s"""
    plant(doubled, "%:paid:1")
    assert [each.subject for each in reconcile.earnings()] == [f"order/{other.number}"]


def test_shipping_that_nobody_tells_wechat_is_named():
    shop = make.channel("mini-program")
    sent = parcels.paid(channel=shop)
    parcels.ship(sent)
    o.order(channel=shop)
    assert list(reconcile.uploads()) == []
    plant("UPDATE orders_payment SET provider = 'wechat_pay', app_id = %s", shop.app_id)
    payment = Payment.objects.get(order=sent)
    assert [each.subject for each in reconcile.uploads()] == [f"payment/{payment.pk}"]
    plant("UPDATE orders_order SET is_history = TRUE")
    assert list(reconcile.uploads()) == []


@pytest.mark.parametrize("name", NAMES)
def test_each_is_one_statement(order, name, django_assert_num_queries):
    with django_assert_num_queries(1):
        list(getattr(reconcile, name.rpartition(".")[2])())
