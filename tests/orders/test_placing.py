"""An order is entered once, with amounts that agree, and told."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections

from orders import queries, reading, services
from orders.models import Line, Order, Recipient
from orders.services import placing
from sync.models import Audience, Event
from tests import make
from tests.orders import make_orders as o

pytestmark = pytest.mark.django_db


def place(**fields):
    channel = make.channel()
    known = {"channel": channel, "external_id": "W-1", "items": [o.item()], "by": make.BACKEND}
    return services.place(**known | fields)


def test_a_members_order_is_told_on_the_members_stream():
    member = make.member()
    order, is_new = place(member=member.pk, buyer_note="请放门口")
    assert is_new
    assert make.types_of(member) == ["order.placed"]
    event = Event.objects.get()
    assert event.data["number"] == order.number
    assert event.data["version"] == 1
    assert event.data["status_label"] == reading.as_event(order)["status_label"]
    assert "buyer_note" not in event.data
    assert (event.actor, event.source) == ("channel/website", "/channels/website")


def test_a_guests_order_has_a_stream_of_its_own_that_the_channel_sees():
    order, _is_new = place(contact={"phone": "+8613800138000", "name": "李雷"})
    subject = f"order/{order.number}"
    assert make.types_of(subject) == ["order.placed"]
    assert list(Audience.objects.values_list("subject", "channel__code")) == [(subject, "website")]


def test_the_same_again_is_the_same_order():
    first, _is_new = place()
    before = make.snapshot()
    again, is_new = place()
    assert (again.pk, is_new) == (first.pk, False)
    assert make.snapshot() == before


def test_the_same_number_for_something_else_is_refused():
    place()
    before = make.snapshot()
    with pytest.raises(services.ExternalIdConflict):
        place(items=[o.item(1)])
    assert make.snapshot() == before


def test_another_channel_may_use_the_same_number():
    assert place()[0].pk != place(channel=make.channel("mini-program"))[0].pk


@pytest.mark.parametrize("wrong", [{"total_fen": 1}, {"discounts": [{"kind": "coupon", "amount_fen": 12_901}]}])
def test_amounts_that_do_not_agree_enter_nothing(wrong):
    make.channel()
    before = make.snapshot()
    with pytest.raises(services.AmountMismatch):
        place(**wrong)
    assert make.snapshot() == before


def test_nothing_to_pay_is_paid_at_once_and_earns_nothing():
    member = make.member()
    order, _is_new = place(member=member.pk, items=[o.item(0)])
    assert (order.payment_status, order.paid_fen, order.points_earned, order.version) == ("paid", 0, 0, 1)
    assert order.paid_at is not None
    assert make.types_of(member) == ["order.placed", "order.paid"]


def test_an_absorbed_members_order_belongs_to_the_survivor():
    survivor = make.member()
    absorbed = make.member(status="merged", merged_into=survivor)
    assert place(member=absorbed.pk)[0].member_id == survivor.pk
    assert make.types_of(survivor) == ["order.placed"]


def test_a_number_that_is_taken_is_drawn_again():
    taken, _is_new = place()
    unlucky = Order(channel=taken.channel, external_id="W-2", number=taken.number, request_digest=b"")
    unlucky.items_fen, unlucky.total_fen, unlucky.placed_at = 1, 1, make.NOON
    entered, is_new = placing.enter(unlucky)
    assert is_new
    assert entered.number != taken.number


def test_the_recipient_lies_apart_and_encrypted():
    address = {"receiver": "韩梅梅", "phone": "+8613900139000", "province": "浙江省", "city": "杭州市"}
    order, _is_new = place(address=address | {"street": "龙井路 1 号"}, contact={"phone": "+8613800138000", "name": ""})
    shown = queries.as_recipient(order)
    assert (shown["receiver"], shown["phone"], shown["city"]) == ("韩梅梅", "+8613900139000", "杭州市")
    kept = str(Recipient.objects.values("receiver", "phone", "address", "contact").get())
    assert "13900139000" not in kept
    assert "龙井路" not in kept
    assert "13900139000" not in str(Event.objects.values())


@pytest.mark.django_db(transaction=True)
def test_twenty_at_once_are_one_order():
    member = make.member()
    make.channel()

    def enter(_n):
        try:
            return place(member=member.pk)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(20) as pool:
        results = list(pool.map(enter, range(20)))
    assert len({order.pk for order, _is_new in results}) == Order.objects.count() == Line.objects.count() == 1
    assert sum(is_new for _order, is_new in results) == 1
    assert make.types_of(member) == ["order.placed"]
