"""Parcels: sent once, never beyond what was ordered, corrected, taken back."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

import pytest
from django.db import IntegrityError, connections, transaction
from django.utils import timezone

from orders import queries, services
from orders.models import Line, Order, OrderTerms, Shipment
from sync.http import Problem
from tests import make
from tests.orders import make_orders as o
from tests.orders import make_parcels as p
from tests.orders import make_refunds as r

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def carriers(db):
    p.carriers()


@pytest.fixture
def order():
    """Two of one line, one of another; paid."""
    return p.paid(member=make.member(), items=[o.item(5_000, 2, external_line_id="a"), o.item(2_900)])


def shown(order: Order) -> dict:
    return queries.as_order(queries.whole().get(pk=order.pk))


def state(order: Order) -> tuple[str, bool, bool]:
    order.refresh_from_db()
    return order.fulfilment_status, order.shipped_at is not None, order.completes_at is not None


def test_a_parcel_with_nothing_named_holds_all_that_is_left(order):
    parcel = p.ship(order)
    seen = shown(order)
    assert (seen["status"], seen["fulfilment_status"]) == ("shipped", "shipped")
    assert [line["quantity"] for line in seen["shipments"][0]["lines"]] == [2, 1]
    assert seen["shipments"][0] | {"lines": []} == {
        "id": str(parcel.pk),
        "carrier": "shunfeng",
        "carrier_name": "顺丰速运",
        "tracking_number": "SF1000000001",
        "state": "shipped",
        "lines": [],
        "events": [],
    }
    assert make.types_of(order.member)[-1] == "order.shipped"
    assert make.events_of(order.member)[-1].data["version"] == seen["version"]


def test_an_order_goes_out_in_several_parcels_and_each_is_told(order):
    p.ship(order, 1)
    assert state(order) == ("partial", False, False)
    p.ship(order, 1, number="SF2")
    p.ship(order, 0, 1, number="SF3")
    assert state(order) == ("shipped", True, False)
    assert make.types_of(order.member)[-3:] == ["order.shipped"] * 3
    assert list(order.lines.values_list("shipped_quantity", flat=True)) == [2, 1]


def test_the_same_parcel_again_is_that_parcel(order):
    first = p.ship(order, 1)
    before = make.snapshot()
    for name in ("shunfeng", "SF", "顺丰速运", "顺丰"):
        parcel, is_new = services.ship(
            order=order.pk, carrier=name, tracking_number=" ｓｆ1000000001", items=p.items(order, 1), by=p.by()
        )
        assert (parcel.pk, is_new) == (first.pk, False)
    assert p.ship(order).pk == first.pk  # the same waybill, nothing named
    assert make.snapshot() == before


def test_no_line_is_sent_beyond_its_quantity(order):
    p.ship(order, 2)
    before = make.snapshot()
    with pytest.raises(services.WrongState):
        p.ship(order, 1, 1, number="SF2")
    with pytest.raises(services.WrongState):
        p.ship(order, 3, number="SF2")
    assert make.snapshot() == before
    with pytest.raises(IntegrityError, match="line_shipped_within"), transaction.atomic():
        Line.objects.filter(order=order).update(shipped_quantity=3)
    p.ship(order, number="SF2")
    with pytest.raises(services.WrongState):
        p.ship(order, number="SF3")


def test_lines_are_named_by_the_channels_own_number_too(order):
    parcel = p.ship(order, items=[{"external_line_id": "a", "quantity": 1}])
    assert parcel.lines.get().line.external_line_id == "a"
    for wrong in ({"external_line_id": "b"}, {"line_id": make.member().pk}, {"external_line_id": ""}):
        with pytest.raises(Problem):
            p.ship(order, number="SF2", items=[wrong | {"quantity": 1}])


@pytest.mark.parametrize("reason", ["unpaid", "closed", "refunded", "delivered", "completed"])
def test_what_is_not_waiting_to_be_shipped_is_shipped_by_facts_only(reason):
    changes = {
        "unpaid": {},
        "closed": {"payment_status": "closed", "closed_at": timezone.now()},
        "refunded": {"refund_status": "full"},
        "delivered": {"fulfilment_status": "delivered", "delivered_at": timezone.now()},
        "completed": {"fulfilment_status": "completed", "completed_at": timezone.now()},
    }
    order = o.order(member=make.member()) if reason in {"unpaid", "closed"} else p.paid(member=make.member())
    Order.objects.filter(pk=order.pk).update(**changes[reason])
    before = make.snapshot()
    with pytest.raises(services.WrongState):
        p.ship(order)
    assert make.snapshot() == before
    p.ship(order, is_fact=True)
    order.refresh_from_db()
    assert order.fulfilment_status == (reason if reason in {"delivered", "completed"} else "shipped")
    assert order.shipments.count() == 1


def test_what_was_paid_back_need_not_be_sent(order):
    order.lines.filter(external_line_id="a").update(refunded_quantity=1)
    parcel = p.ship(order)
    assert sorted(parcel.lines.values_list("quantity", flat=True)) == [1, 1]
    assert state(order)[0] == "shipped"


@pytest.mark.parametrize("is_shipped_first", [True, False])
def test_what_is_left_may_be_paid_back_instead_of_sent(order, is_shipped_first):
    refund = partial(r.refund, order, None, (1, 2_900), done=True)
    for step in [partial(p.ship, order, 2), refund] if is_shipped_first else [refund, partial(p.ship, order, 2)]:
        step()
    assert state(order)[0] == "shipped"
    p.track(Shipment.objects.get(), ("10:00", "delivered"))
    assert state(order)[0] == "delivered"


def test_what_was_sent_had_arrived_when_the_rest_was_paid_back(order):
    p.track(p.ship(order, 2), ("10:00", "delivered"))
    assert state(order)[0] == "partial"
    r.refund(order, None, (1, 2_900), done=True)
    assert state(order) == ("delivered", True, True)
    assert make.types_of(order.member).count("order.delivered") == 1


def test_virtual_goods_arrive_at_once(order):
    p.ship(order, 2)
    parcel = p.ship(order, carrier="virtual", number="")
    assert (parcel.state, parcel.watch) == ("delivered", "none")
    assert state(order)[0] == "shipped"  # the other parcel is on its way
    other = p.paid(member=make.member())
    p.ship(other, carrier="无需物流", number="")
    assert state(other) == ("delivered", True, True)
    assert make.types_of(other.member)[-2:] == ["order.shipped", "order.delivered"]


@pytest.mark.parametrize("carrier", ["pickup", "自提", "local", "shansong"])
def test_what_is_collected_or_brought_needs_no_waybill_and_completes_by_itself(order, carrier):
    OrderTerms.objects.create(channel=order.channel, complete_shipped_after_days=3)
    parcel = p.ship(order, carrier=carrier, number="")
    order.refresh_from_db()
    assert (parcel.watch, order.fulfilment_status) == ("none", "shipped")
    assert order.completes_at == order.shipped_at + timedelta(days=3)
    assert p.ship(order, carrier=carrier, number="").pk == parcel.pk


def test_a_courier_has_a_waybill(order):
    for carrier in ("shunfeng", "Nobody's Courier"):
        with pytest.raises(Problem):
            p.ship(order, carrier=carrier, number="  ")


def test_a_wrong_waybill_is_corrected_and_its_journey_forgotten(order):
    parcel = p.ship(order)
    p.track(parcel, ("08:00", "in_transit"))
    services.correct_shipment(shipment=parcel.pk, carrier="ZTO", tracking_number="ZT1", by=p.by())
    parcel.refresh_from_db()
    assert (parcel.carrier, parcel.carried_by_id, parcel.tracking_number) == ("ZTO", "zhongtong", "ZT1")
    assert (parcel.state, parcel.tracking, parcel.told_at, parcel.watch) == ("shipped", None, None, "wanted")
    assert make.types_of(order.member)[-1] == "order.updated"
    before = make.snapshot()
    services.correct_shipment(shipment=parcel.pk, carrier="zto", tracking_number="ZT1", by=p.by())
    assert make.snapshot()["orders_order"] != before["orders_order"]  # a channel sees its own spelling
    before = make.snapshot()
    services.correct_shipment(shipment=parcel.pk, tracking_number="ZT1", items=p.items(order, 2, 1), by=p.by())
    assert make.snapshot() == before


def test_a_parcels_contents_are_corrected_both_ways(order):
    parcel = p.ship(order)
    services.correct_shipment(shipment=parcel.pk, items=p.items(order, 1), by=p.by())
    assert state(order) == ("partial", False, False)
    assert [len(each["lines"]) for each in shown(order)["shipments"]] == [1]
    services.correct_shipment(shipment=parcel.pk, items=p.items(order, 2, 1), by=p.by())
    assert state(order)[0] == "shipped"
    assert make.types_of(order.member)[-3:] == ["order.shipped", "order.updated", "order.shipped"]
    with pytest.raises(services.WrongState):
        services.correct_shipment(shipment=parcel.pk, items=p.items(order, 3, 1), by=p.by())


def test_a_parcel_taken_back_is_not_shown_and_its_goods_wait_again(order):
    first, second = p.ship(order, 2), p.ship(order, number="SF2")
    services.withdraw_shipment(shipment=second.pk, by=p.by())
    assert state(order) == ("partial", False, False)
    services.withdraw_shipment(shipment=first.pk, by=p.by())
    assert state(order) == ("none", False, False)
    assert (shown(order)["shipments"], shown(order)["status"]) == ([], "paid")
    assert make.types_of(order.member)[-2:] == ["order.updated"] * 2
    with pytest.raises(Shipment.DoesNotExist):
        services.withdraw_shipment(shipment=first.pk, by=p.by())
    assert p.ship(order).pk != first.pk


def test_what_has_arrived_is_neither_corrected_nor_taken_back(order):
    parcel = p.ship(order, 1)
    p.track(parcel, ("08:00", "delivered"))
    before = make.snapshot()
    with pytest.raises(services.WrongState):
        services.correct_shipment(shipment=parcel.pk, tracking_number="SF9", by=p.by())
    with pytest.raises(services.WrongState):
        services.withdraw_shipment(shipment=parcel.pk, by=p.by())
    assert make.snapshot() == before


@pytest.mark.django_db(transaction=True)
def test_parcels_sent_at_once_share_what_there_is():
    p.carriers()
    order = p.paid(member=make.member(), items=[o.item(1_000, 5)])

    def send(n: int) -> bool:
        try:
            p.ship(order, 1, number=f"SF{n}")
        except services.WrongState:
            return False
        finally:
            connections.close_all()
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(send, range(12))) == 5
    assert state(order)[0] == "shipped"
    assert order.lines.get().shipped_quantity == 5
