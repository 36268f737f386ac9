"""Buyers hear of their order once per occasion: by WeChat, or by a text message where the terms say so."""

import pytest

from members.models import MemberNotice, NoticeConsent, NoticeTemplate
from orders import services
from orders.models import Order, OrderTerms
from orders.services.buyers_news import tell_buyer
from sync.act import act
from tests import make
from tests.orders import make_orders, make_uploads

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def order():
    member = make.member(channel="mini-program", openid="openid-of-ming", phone="+8613800138000")
    made = make_orders.order(member=member, channel="mini-program", address=make_uploads.ADDRESS)
    make_orders.pay(make_orders.payment(made))
    return made


@pytest.fixture
def by_sms(order):
    return OrderTerms.objects.create(channel=order.channel, falls_back_to_sms=True)


def told() -> list[tuple]:
    rows = MemberNotice.objects.order_by("id")
    return list(rows.values_list("occasion", "medium"))


def ship(order):
    by = make.BACKEND
    return services.ship(order=order.pk, carrier="顺丰", tracking_number="SF1001", by=by)


def test_shipped_and_delivered_are_told_by_text_message_where_the_terms_say_so(order, by_sms):
    ship(order)
    ship(order)
    services.deliver(order=order.pk, by=make.BACKEND)
    services.deliver(order=order.pk, by=make.BACKEND)
    assert told() == [("order_shipped", "sms"), ("order_delivered", "sms")]


def test_an_accepted_message_comes_first(order, by_sms):
    template = NoticeTemplate.objects.create(
        channel=order.channel, template_id="t", occasion="order_shipped", title="发货", fields={}
    )
    NoticeConsent.objects.create(member=order.member, template=template, left=1, last_result="accept")
    ship(order)
    assert told() == [("order_shipped", "wechat")]


def test_without_the_terms_there_is_no_text_message(order):
    ship(order)
    services.deliver(order=order.pk, by=make.BACKEND)
    assert told() == []


def test_a_refund_is_told_once(order, by_sms):
    refund = {"provider": "cash", "transaction_id": "R1", "refunded_at": make.NOON}
    for _time in range(2):
        line = order.lines.get()
        items = [{"line_id": line.pk, "quantity": 1, "amount_fen": order.total_fen}]
        services.refund(
            order=order.pk,
            channel=order.channel,
            external_id="R1",
            items=items,
            shipping_fen=0,
            reason="",
            executed=refund,
            by=make.BACKEND,
        )
    assert [occasion for occasion, _medium in told()] == ["order_refunded"]


@pytest.mark.parametrize("fields", [{"is_history": True}, {"member": None}])
def test_history_and_guests_are_not_told(order, by_sms, fields):
    Order.objects.filter(pk=order.pk).update(**fields)
    found = Order.objects.select_related("channel").get(pk=order.pk)
    act(tell_buyer)(found, "order_shipped", "shipment/1", {})
    assert told() == []
