"""发货信息: what WeChat is told of parcels, once per payment."""

import re
from threading import Thread

import pytest
from django.db import IntegrityError, connection, transaction

from orders.models import Order, OrderTerms, ShippingUpload
from orders.shipping import contents, telling, uploading
from sync.act import SYSTEM
from tests import make
from tests.orders import make_orders, make_uploads
from tests.orders.make_uploads import (
    paid_order,
    run,
    sent,
    ship,
    upload,
    want,
)

pytestmark = pytest.mark.django_db(transaction=True)


def test_one_parcel_is_told_as_wechat_documents_it(paid, outside):
    ship(paid)
    run()
    (body,) = sent(outside)
    payment = paid.payments.get()
    assert body.pop("order_key") == {"order_number_type": 2, "transaction_id": payment.transaction_id}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+08:00", body.pop("upload_time"))
    assert body == {
        "logistics_type": 1,
        "delivery_mode": 1,
        "shipping_list": [
            {
                "tracking_no": "SF1001",
                "express_company": "SF",
                "item_desc": "明前龙井×1",
                "contact": {"receiver_contact": "138****8000"},
            }
        ],
        "payer": {"openid": "openid-of-ming"},
    }
    told = upload()
    assert (told.state, told.is_complete, told.is_corrected, told.next_at) == ("sent", True, False, None)
    assert told.sent_at
    assert told.problem == ""


def test_wanted_again_and_again_it_is_told_once(paid, outside):
    ship(paid)
    run()
    for _time in range(3):
        want(paid)
        run()
    assert len(sent(outside)) == 1
    assert upload().problem == ""


@pytest.mark.parametrize("times", [6])
def test_many_workers_at_once_send_one(paid, outside, times):
    ship(paid)

    def work():
        telling.tell_due()
        connection.close()

    threads = [Thread(target=work) for _time in range(times)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(sent(outside)) == 1
    assert upload().state == "sent"


def test_parcels_of_a_split_shipping_add_up_without_the_correction(outside, carriers):
    order = paid_order(lines=3)
    first, second, third = order.lines.all()
    ship(order, "SF1", lines=[first], is_all=False)
    run()
    assert not upload().is_complete
    ship(order, "ZT2", "zhongtong", lines=[second], is_all=False)
    run()
    ship(order, "SF3", lines=[third])
    run()
    bodies = sent(outside)
    assert [[each["tracking_no"] for each in body["shipping_list"]] for body in bodies] == [["SF1"], ["ZT2"], ["SF3"]]
    assert [body["delivery_mode"] for body in bodies] == [2, 2, 2]
    assert [body["is_all_delivered"] for body in bodies] == [False, False, True]
    assert (upload().is_complete, upload().is_corrected) == (True, False)


def test_parcels_shipped_together_are_one_split_upload(outside, carriers):
    order = paid_order(lines=2)
    first, second = order.lines.all()
    ship(order, "SF1", lines=[first], is_all=False)
    ship(order, "SF2", lines=[second])
    run()
    (body,) = sent(outside)
    assert (len(body["shipping_list"]), body["delivery_mode"], body["is_all_delivered"]) == (2, 2, True)


def test_of_many_parcels_fifteen_are_told_and_then_all_is_delivered(outside, carriers):
    order = paid_order(lines=16)
    *some, last = order.lines.all()
    for n, line in enumerate(some):
        ship(order, f"SF{n}", lines=[line], is_all=False)
    run()
    ship(order, "SF15", lines=[last])
    run()
    first, second = sent(outside)
    assert (len(first["shipping_list"]), first["is_all_delivered"]) == (15, False)
    assert ([each["tracking_no"] for each in second["shipping_list"]], second["is_all_delivered"]) == (["SF14"], True)
    assert upload().is_complete


@pytest.mark.parametrize(("carrier", "logistics"), [("local", 2), ("virtual", 3), ("pickup", 4)])
def test_what_no_courier_carries_is_told_as_a_whole(outside, carriers, carrier, logistics):
    order = paid_order(lines=2)
    first, second = order.lines.all()
    ship(order, "", carrier, lines=[first], is_all=False)
    run()
    assert sent(outside) == []
    ship(order, "", carrier, lines=[second])
    run()
    (body,) = sent(outside)
    assert (body["logistics_type"], body["delivery_mode"]) == (logistics, 1)
    assert body["shipping_list"] == [{"item_desc": "明前龙井×1; 明前龙井×1"}]


def test_a_long_list_of_goods_is_cut_to_what_wechat_takes():
    text = contents.shortened(["一款名字很长很长的茶叶礼盒×1"] * 20)
    assert (len(text), text[-1]) == (120, "…")


@pytest.mark.parametrize("why", ["website", "off", "history", "offline", "unpaid", "closed"])
def test_what_wechat_need_not_hear_is_not_wanted(outside, carriers, why):
    if why == "off":
        OrderTerms.objects.create(channel=make.channel("mini-program"), uploads_shipping=False)
    order = paid_order("website" if why == "website" else "mini-program")
    changed = {"history": {"is_history": True}}.get(why, {})
    if why == "offline":
        order.payments.update(app_id="")
    if why in {"unpaid", "closed"}:
        order = make_orders.order(channel="mini-program", address=make_uploads.ADDRESS)
        changed = {"payment_status": "closed", "closed_at": make.NOON} if why == "closed" else {}
    Order.objects.filter(pk=order.pk).update(**changed)
    ship(order)
    run()
    assert not ShippingUpload.objects.exists()
    assert sent(outside) == []


def test_placed_on_the_website_and_paid_in_the_mini_program_it_is_told(outside, carriers):
    order = paid_order("website", channel=make.channel("mini-program"), app_id="wx-mini-program")
    ship(order)
    run()
    assert len(sent(outside)) == 1


def test_paid_back_in_full_nothing_is_told(paid, outside):
    Order.objects.filter(pk=paid.pk).update(refund_status="full", refunded_fen=paid.paid_fen)
    ship(paid)
    run()
    assert sent(outside) == []


def test_wanting_costs_few_statements_and_one_where_wechat_does_not_care(paid, django_assert_num_queries):
    website = paid_order("website")
    with transaction.atomic(), django_assert_num_queries(3):  # the payment, the row, its turn; the terms are prepared
        uploading.want.__wrapped__(paid, SYSTEM)
    with transaction.atomic(), django_assert_num_queries(1):
        uploading.want.__wrapped__(website, SYSTEM)


def test_the_database_refuses_a_call_without_an_end(paid):
    with pytest.raises(IntegrityError, match="upload_under_way_has_an_end"):
        ShippingUpload.objects.create(payment=paid.payments.get(), state="unclear", next_at=None)
