"""What a member takes along of their orders, what keeps them from leaving, and what is gone when they left."""

import pytest

from members import services as members
from members.models import Member
from members.records import StillOpen
from orders import leaving
from orders.models import Intervention, Order, PaymentCase, Refund, Shipment
from orders.records import Orders
from sync.act import SYSTEM, act
from sync.clock import Clock
from tests import make
from tests.orders import make_orders as o
from tests.orders import make_points as p

pytestmark = pytest.mark.django_db


@act
def erased(member: Member) -> dict:
    members.lock(member.pk)
    return Orders().erase(member.pk)


def over(order: Order) -> Order:
    Order.objects.filter(pk=order.pk).update(fulfilment_status="completed", completed_at=Clock())
    return order


@pytest.fixture
def order():
    """Paid, sent, partly refunded, over."""
    made = over(p.paid(o.order(member=make.member(), buyer_note="请放门口")))
    tracking = '[{"at": "2026-11-20T00:00:00.000Z", "text": "李雷已签收", "state": "delivered", "place": "杭州"}]'
    Shipment.objects.create(order=made, carrier="SF", tracking_number="SF1", tracking=tracking, shipped_at=Clock())
    back = {"amount_fen": 100, "state": "done", "refunded_at": Clock(), "asked_by": "channel/website"}
    Refund.objects.create(order=made, channel=made.channel, external_id="R-1", reason="不喜欢", **back)
    Intervention.objects.create(order=made, kind="waybill", reason="李雷来电", by="staff/1")
    return made


def test_a_copy_holds_parcels_payments_and_refunds(order, django_assert_num_queries):
    over(p.paid(o.order(member=order.member), "R-2"))
    with django_assert_num_queries(6):  # orders, lines, parcels, what is in them, payments, refunds
        _newer, copy = leaving.copies(order.member_id)
    assert [each["text"] for each in copy["shipments"][0]["events"]] == ["李雷已签收"]
    assert [(each["state"], each["reason"], each["amount_fen"]) for each in copy["refunds"]] == [
        ("done", "不喜欢", 100)
    ]
    assert [each["amount_fen"] for each in copy["payments"]] == [12_900]


def test_what_people_wrote_and_where_it_went_goes_and_the_books_stay(order):
    version = Order.objects.get(pk=order.pk).version
    counts = erased(order.member)
    assert counts["gone"] | {"receivers_answers": 0, "payers": 0} == {
        **dict.fromkeys(["recipients", "payers", "shipping_uploads", "receivers_answers"], 0),
        **dict.fromkeys(["buyer_notes", "tracking", "refund_reasons", "staff_reasons"], 1),
    }
    assert counts["kept"] == {"orders": 1, "payments": 1, "refunds": 1}
    after = Order.objects.get(pk=order.pk)
    assert (after.buyer_note, after.version) == (None, version + 1)
    parcel, refund, done = Shipment.objects.get(), Refund.objects.get(), Intervention.objects.get()
    assert (parcel.tracking, parcel.callback, parcel.watch, parcel.tracking_number) == (None, None, "over", "SF1")
    assert (refund.reason, refund.amount_fen, refund.state) == (None, 100, "done")
    assert (done.reason, done.kind, done.by) == ("", "waybill", "staff/1")
    assert make.types_of(order.member)[-1] == "order.updated"


def test_messages_are_known_by_the_numbers_of_orders_payments_refunds_and_parcels(order):
    words = Orders().known_as(order.member_id)
    parcel, refund = Shipment.objects.get(), Refund.objects.get()
    everywhere = {word for whose, word in words if not whose}
    assert everywhere >= {order.number, "R-1", "SF1", str(parcel.pk), refund.number, refund.pk.hex}
    assert {("channels/website", order.external_id), ("channels/website", "R-1")} <= words
    assert "" not in {word for _whose, word in words}


@pytest.mark.parametrize("state", ["requested", "processing"])
def test_who_waits_for_money_stays_until_it_came(state):
    member = make.member()
    order = over(p.paid(o.order(member=member)))
    known = {"provider": "wechat_pay", "transaction_id": "T-2", "amount_fen": 1, "paid_at": make.NOON}
    done = {"action": "refund", "resolved_at": Clock()}
    case = PaymentCase.objects.create(kind="paid_twice", order=order, **known, **done)
    Refund.objects.create(case=case, state=state, amount_fen=1, asked_by=str(SYSTEM))
    before = make.snapshot()
    with pytest.raises(StillOpen) as refused:
        erased(member)
    assert refused.value.reasons == ["payment_case"]
    assert make.snapshot() == before


def test_an_order_from_before_keeps_nobody():
    member = make.member()
    order = p.paid(o.order(member=member))
    assert leaving.blocks(member.pk) == ["order"]
    Order.objects.filter(pk=order.pk).update(is_history=True)
    assert leaving.blocks(member.pk) == []


def test_figures_tell_what_was_paid_and_what_went_back():
    order = p.paid(o.order(member=make.member()))
    Order.objects.filter(pk=order.pk).update(refunded_fen=100, refund_status="partial")
    assert [how for _what, how in Orders().figures(order.member_id)][:3] == ["1", "¥129.00", "¥1.00"]


@pytest.mark.parametrize("rows", [1, 3])
def test_leaving_costs_the_same_however_many_orders(rows, django_assert_num_queries):
    member = make.member()
    for n in range(rows):
        over(p.paid(o.order(member=member), f"R-{n}"))
    with django_assert_num_queries(24):
        erased(member)
