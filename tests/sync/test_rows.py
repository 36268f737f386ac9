"""Rows of prepared statements: instances as Django makes them, and rows as it writes them."""

from datetime import timedelta

import pytest
from django.db import IntegrityError
from django.utils import timezone

from orders.models import Line, Order, Recipient
from orders.services.placing import recipient_of
from sync import clock, prepared
from sync.clock import Clock
from sync.rows import Rows
from tests import make
from tests.orders import make_orders as o

pytestmark = pytest.mark.django_db
ORDERS, LINES, RECIPIENTS = Rows(Order), Rows(Line), Rows(Recipient)
ONE = f"SELECT {ORDERS.of('o')} FROM orders_order o WHERE o.id = %s"  # noqa: S608 - names of our own columns
ADDRESS = {"receiver": "王小明", "phone": "+8613800138000", "city": "杭州市"}


def an_order(**fields) -> Order:
    fields = {"items_fen": 100, "total_fen": 100, "placed_at": Clock(), "request_digest": b"\0\xff"} | fields
    return Order(channel=make.channel("website"), external_id="W-1", **fields)


def entered(order: Order) -> Order:
    prepared.run(*ORDERS.insert(order))
    return Order.objects.get(pk=order.pk)


def test_what_is_inserted_is_what_django_would_insert():
    order = an_order(discounts=[{"kind": "coupon", "name": "秋'茶\\节"}], buyer_note="放门口", is_by_phone=True)
    kept = entered(order)
    names = {field.attname for field in Order._meta.concrete_fields} - {"placed_at", "created_at", "updated_at"}
    assert {name: getattr(kept, name) for name in names} == {name: getattr(order, name) for name in names}
    assert kept.written_at == {}


def test_the_databases_clock_tells_the_time():
    before = clock.now()
    kept = entered(an_order(closes_at=Clock(after=timedelta(hours=1)), updated_at=Clock()))
    assert before <= kept.placed_at <= clock.now()
    assert timedelta(hours=1) - timedelta(minutes=1) < kept.closes_at - before < timedelta(hours=1, minutes=1)
    assert before <= kept.updated_at
    assert abs(kept.created_at - before) < timedelta(minutes=1)


def test_the_clock_is_an_expression_for_django_too():
    order = o.order()
    Order.objects.filter(pk=order.pk).update(closes_at=Clock(after=timedelta(hours=1)), updated_at=Clock())
    order.refresh_from_db()
    assert abs(order.closes_at - timezone.now() - timedelta(hours=1)) < timedelta(minutes=1)


def test_what_is_encrypted_is_sealed_and_found_again():
    order = entered(an_order())
    prepared.run(*RECIPIENTS.insert(recipient_of(order, ADDRESS, {})))
    kept = Recipient.objects.get(order=order)
    assert (kept.receiver, kept.phone, kept.contact) == ("王小明", "+8613800138000", None)
    with_django = recipient_of(o.order(), ADDRESS, {})
    with_django.save(force_insert=True)
    assert bytes(kept.phone_index) == bytes(with_django.phone_index)


def test_an_instance_of_a_row_is_the_one_that_django_finds():
    order = entered(an_order(buyer_note="放门口"))
    (found,) = ORDERS.found(ONE, [order.pk])
    assert found == order
    assert {name: getattr(found, name) for name in ORDERS.names} == {n: getattr(order, n) for n in ORDERS.names}
    assert found.buyer_note == "放门口"
    found.version = 2
    found.save(update_fields=["version"])
    assert Order.objects.get().version == 2


def test_a_constraint_refuses_as_it_does_with_django():
    order = entered(an_order())
    line = Line(order=order, position=1, sku="T", name="茶", quantity=0, unit_price_fen=1)
    with pytest.raises(IntegrityError, match="line_counts_something"):
        prepared.run(*LINES.insert(line))
