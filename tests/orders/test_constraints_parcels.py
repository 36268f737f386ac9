"""What the database refuses of parcels, of the goods' state, and of how orders are handled, whoever asks."""

from functools import partial

import pytest
from django.db import IntegrityError, InternalError, transaction
from django.db.utils import ProgrammingError

from orders.models import Intervention, Line, Order, OrderTerms, Shipment, ShipmentLine, ShippingUpload, Superseded
from tests import make
from tests.orders import make_orders as o
from tests.orders import make_refunds as refunds

pytestmark = pytest.mark.django_db
TIMES = {"shipped": {"shipped_at": make.NOON}, "delivered": {"delivered_at": make.NOON}}
TIMES |= {"completed": {"completed_at": make.NOON}}


def refused(what: str, change, error=IntegrityError):
    with pytest.raises(error, match=what), transaction.atomic():
        change()


@pytest.fixture
def order() -> Order:
    return refunds.paid(items=[o.item(100, 2)])


def parcel(order: Order, quantity: int = 1, **fields) -> Shipment:
    made = Shipment.objects.create(order=order, carrier="ZTO", shipped_at=make.NOON, **fields)
    ShipmentLine.objects.create(shipment=made, line=order.lines.get(), quantity=quantity)
    return made


def moved(order: Order, state: str) -> None:
    gone = {"shipped_at": None, "delivered_at": None, "completed_at": None}
    Order.objects.filter(pk=order.pk).update(fulfilment_status=state, **gone | TIMES.get(state, {}))


@pytest.mark.parametrize(
    ("constraint", "change"),
    [
        ("order_goods_times_follow_status", {"fulfilment_status": "shipped"}),
        ("order_goods_times_follow_status", {"fulfilment_status": "delivered"}),
        ("order_goods_times_follow_status", {"shipped_at": make.NOON}),
        ("order_goods_times_follow_status", {"delivered_at": make.NOON}),
        ("order_goods_times_follow_status", {"fulfilment_status": "partial", "shipped_at": make.NOON}),
        ("order_completed_at_follows_status", {"fulfilment_status": "completed"}),
        ("order_completed_at_follows_status", {"completed_at": make.NOON}),
    ],
)
def test_goods_whose_times_contradict_their_state(order, constraint, change):
    refused(constraint, lambda: Order.objects.filter(pk=order.pk).update(**change))


def test_a_closed_order_without_a_time():
    order = o.order()
    closed = partial(Order.objects.filter(pk=order.pk).update, payment_status="closed")
    refused("order_closed_at_follows_status", closed)


def test_more_sent_than_was_bought(order):
    refused("line_shipped_within", lambda: Line.objects.filter(order=order).update(shipped_quantity=3))


@pytest.mark.parametrize(
    ("held", "less"),
    [
        ("completed", "delivered"),
        ("completed", "none"),
        ("delivered", "shipped"),
        ("delivered", "none"),
        ("shipped", "partial"),
        ("shipped", "none"),
        ("partial", "none"),
    ],
)
def test_goods_only_move_forward(order, held, less):
    moved(order, held)
    refused("only moves forward", partial(moved, order, less))


def test_a_parcel_withdrawn_takes_the_goods_back_to_exactly_what_the_others_say(order):
    first, second = parcel(order), parcel(order)
    moved(order, "shipped")
    refused("only moves forward", partial(moved, order, "partial"))  # nothing was withdrawn
    Shipment.objects.filter(pk=second.pk).update(withdrawn_at=make.NOON)
    refused("only moves forward", partial(moved, order, "none"))
    moved(order, "partial")
    Shipment.objects.filter(pk=first.pk).update(withdrawn_at=make.NOON)
    moved(order, "none")


def test_goods_that_arrived_stay_though_their_parcel_is_withdrawn(order):
    made = parcel(order, 2)
    moved(order, "delivered")
    Shipment.objects.filter(pk=made.pk).update(withdrawn_at=make.NOON)
    refused("only moves forward", partial(moved, order, "none"))


def test_a_parcel_that_contradicts_itself(order):
    made = parcel(order)
    refused("shipment_delivered_at_follows_state", lambda: Shipment.objects.update(state="delivered"))
    twice = partial(ShipmentLine.objects.create, shipment=made, line=order.lines.get(), quantity=1)
    refused("shipment_line_once", twice)
    refused("shipment_line_holds_something", lambda: ShipmentLine.objects.update(quantity=0))


def test_two_parcels_behind_one_address(order):
    parcel(order, callback=b"digest")
    refused("callback", partial(parcel, order, callback=b"digest"))


def test_an_upload_twice_or_sent_at_no_time(order):
    payment = order.payments.get()
    ShippingUpload.objects.create(payment=payment)
    refused("payment_id", partial(ShippingUpload.objects.create, payment=payment))
    refused("upload_sent_at_follows_state", lambda: ShippingUpload.objects.update(state="sent"))


@pytest.mark.parametrize("minutes", [0, 23 * 60 + 1])
def test_terms_that_close_at_once_or_never(order, minutes):
    made = partial(OrderTerms.objects.create, channel=order.channel, close_after_minutes=minutes)
    refused("order_terms_close_within_a_day", made)


def test_one_late_fact_kept_twice(order):
    late = {"order": order, "type": "order.paid", "by": "channel/website", "reason": "later", "occurred_at": make.NOON}
    Superseded.objects.create(**late)
    refused("superseded_once", partial(Superseded.objects.create, **late))


def test_work_by_hand_stays_as_it_was_written(order):
    kept = Intervention.objects.create(order=order, kind="address", reason="客户改地址", by="staff/1")
    errors = (InternalError, ProgrammingError)
    rows = Intervention.objects.filter(pk=kept.pk)
    refused("pgtrigger", lambda: rows.update(reason="another"), errors)
    refused("pgtrigger", lambda: rows._raw_delete("default"), errors)
