"""发货信息: lost answers are asked about before anything is repeated; the one correction is used on purpose."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from orders.models import Order, Payment, ShippingUpload
from orders.shipping import telling, uploading
from orders.shipping.uploading import NotCorrectable, NotRefused
from sync.models import Measure
from tests import make
from tests.orders import make_orders
from tests.orders.make_uploads import (
    ASK,
    UPLOAD,
    answering,
    held,
    later,
    paid_order,
    refusal,
    run,
    sent,
    ship,
    upload,
    want,
)

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_lost_answer_is_asked_about_and_what_arrived_is_not_sent_again(paid, outside):
    ship(paid)
    answering(outside, UPLOAD, (502, "bad gateway"))
    answering(outside, ASK, held(("SF1001", "SF")))
    run()
    assert (upload().state, upload().problem) == ("unclear", "answer_lost")
    assert sent(outside, ASK) == []  # not before a while
    later()
    run()
    assert sent(outside, ASK) == [{"transaction_id": paid.payments.get().transaction_id}]
    assert (upload().state, upload().is_complete, len(sent(outside))) == ("sent", True, 1)


def test_a_lost_answer_to_what_never_arrived_is_sent_again_after_asking(paid, outside):
    ship(paid)
    answering(outside, UPLOAD, (502, "bad gateway"), {"errcode": 0})
    answering(outside, ASK, held(finished=False, state=1))
    run()
    later()
    assert upload().state == "waiting"
    later()
    run()
    assert (upload().state, len(sent(outside)), len(sent(outside, ASK))) == ("sent", 2, 1)


def test_while_wechat_does_not_say_nothing_is_sent(paid, outside):
    ship(paid)
    answering(outside, UPLOAD, (502, "bad gateway"))
    answering(outside, ASK, (500, "no"), refusal(-1), {"errcode": 0, "order": "?"})
    run()
    for _time in range(3):
        later()
        assert upload().state == "unclear"
    assert (len(sent(outside)), len(sent(outside, ASK))) == (1, 3)


def test_a_process_that_died_while_sending_leaves_something_to_ask_about(paid, outside):
    ship(paid)
    telling.prepared(telling._claimed())
    assert upload().state == "sending"
    answering(outside, ASK, held(("SF1001", "SF")))
    assert telling.tell_due() == 0  # its lease holds
    later()
    assert (upload().state, sent(outside), len(sent(outside, ASK))) == ("sent", [], 1)


def test_who_comes_back_after_the_lease_ran_out_changes_nothing(paid, outside):
    ship(paid)
    call = telling.prepared(telling._claimed())
    answering(outside, ASK, held(("SF1001", "SF")))
    later()
    run()
    before = make.snapshot()
    telling._refused(call.upload, 10060014)
    before.pop("sync_measure")
    assert {**make.snapshot(), "sync_measure": 0} == {**before, "sync_measure": 0}


def test_no_connection_is_simply_tried_again(paid, settings, outside):
    url, settings.WECHAT_API_URL = settings.WECHAT_API_URL, "http://127.0.0.1:9"
    ship(paid)
    run()
    assert (upload().state, upload().sent_at) == ("waiting", None)
    settings.WECHAT_API_URL = url
    later()
    run()
    assert (upload().state, len(sent(outside)), sent(outside, ASK)) == ("sent", 1, [])


@pytest.mark.parametrize("code", [45009, 45011])
def test_busy_and_surely_not_done_is_sent_again(paid, outside, code):
    ship(paid)
    answering(outside, UPLOAD, refusal(code), {"errcode": 0})
    run()
    assert upload().state == "waiting"
    later()
    run()
    assert (upload().state, sent(outside, ASK)) == ("sent", [])


@pytest.mark.parametrize("code", [-1, 10060012, 10060019])
def test_wechats_own_failure_is_asked_about_first(paid, outside, code):
    ship(paid)
    answering(outside, UPLOAD, refusal(code))
    answering(outside, ASK, held(("SF1001", "SF")))
    run()
    assert upload().state == "unclear"
    later()
    run()
    assert (upload().state, len(sent(outside))) == ("sent", 1)


def test_a_payment_wechat_does_not_know_yet_is_told_a_little_later(paid, outside):
    with transaction.atomic():
        Order.objects.filter(pk=paid.pk).update(paid_at=timezone.now())
        Payment.objects.update(paid_at=timezone.now())
    ship(paid)
    answering(outside, UPLOAD, refusal(10060001), {"errcode": 0})
    run()
    assert upload().state == "waiting"
    later()
    run()
    assert upload().state == "sent"


@pytest.mark.parametrize("code", [10060001, 10060014, 10060031, 48001])
def test_what_wechat_refuses_waits_for_a_person_and_is_measured(paid, outside, code):
    ship(paid)
    answering(outside, UPLOAD, refusal(code), {"errcode": 0})
    run()
    assert (upload().state, upload().problem, upload().next_at) == ("failed", f"wechat {code}", None)
    assert Measure.objects.get(name=telling.REFUSED).value == 1
    want(paid)
    run()
    assert len(sent(outside)) == 1  # the same again helps nobody
    uploading.resend(upload=upload().pk, by=make.STAFF)
    run()
    assert (upload().state, len(sent(outside))) == ("sent", 2)
    with pytest.raises(NotRefused):
        uploading.resend(upload=upload().pk, by=make.STAFF)


def test_a_refused_waybill_is_told_anew_once_it_is_put_right(paid, outside):
    shipment = ship(paid)
    answering(outside, UPLOAD, refusal(10060026), {"errcode": 0})
    run()
    shipment.tracking_number = "SF1002"
    shipment.save()
    want(paid)
    run()
    assert [body["shipping_list"][0]["tracking_no"] for body in sent(outside)] == ["SF1001", "SF1002"]
    assert (upload().state, upload().is_corrected) == ("sent", False)


def test_told_by_somebody_at_wechats_own_page_it_is_left_alone(paid, outside):
    ship(paid)
    answering(outside, UPLOAD, refusal(10060002))
    answering(outside, ASK, held(("JD77", "JD")))
    run()
    later()
    run()
    assert (upload().state, upload().is_complete, len(sent(outside))) == ("sent", True, 1)
    assert upload().problem == "differs"


@pytest.mark.parametrize("lacks", ["carrier", "receiver", "payer", "app"])
def test_what_lacks_something_is_not_sent_and_says_what(paid, outside, lacks):
    if lacks == "receiver":
        paid.recipient.delete()
    if lacks == "payer":
        paid.payments.update(payer=None)
    if lacks == "app":
        type(paid.channel).objects.filter(pk=paid.channel.pk).update(app_id="wx-another")
    ship(paid, carrier="nobody" if lacks == "carrier" else "shunfeng")
    run()
    assert (upload().state, upload().problem, sent(outside)) == ("failed", f"lacks {lacks}", [])


def test_the_payer_of_a_code_is_who_the_member_is_in_that_app(outside, carriers):
    member = make.member(channel="mini-program", openid="openid-of-lan")
    order = paid_order(payer=None, method="wechat_native")
    Order.objects.filter(pk=order.pk).update(member=member)
    ship(order)
    run()
    assert sent(outside)[0]["payer"] == {"openid": "openid-of-lan"}


def corrected(order, outside):
    """An order that was told wholly, with another waybill now."""
    shipment = ship(order)
    run()
    shipment.tracking_number = "SF2002"
    shipment.save()
    want(order)
    run()
    return shipment


def test_a_changed_waybill_waits_for_a_person_to_use_the_correction(paid, outside):
    shipment = corrected(paid, outside)
    assert (len(sent(outside)), upload().state, upload().problem) == (1, "sent", "differs")
    uploading.correct(upload=upload().pk, by=make.STAFF)
    run()
    assert [body["shipping_list"][0]["tracking_no"] for body in sent(outside)] == ["SF1001", "SF2002"]
    assert (upload().is_corrected, upload().wants_correction, upload().problem) == (True, False, "")
    shipment.tracking_number = "SF3003"
    shipment.save()
    want(paid)
    run()
    assert upload().problem == "differs"
    before = make.snapshot()
    with pytest.raises(NotCorrectable):
        uploading.correct(upload=upload().pk, by=make.STAFF)
    assert (make.snapshot(), len(sent(outside))) == (before, 2)


def test_nothing_is_corrected_that_is_right(paid, outside):
    ship(paid)
    run()
    with pytest.raises(NotCorrectable):
        uploading.correct(upload=upload().pk, by=make.STAFF)


@pytest.mark.parametrize("arrived", [True, False])
def test_a_correction_whose_answer_is_lost_is_asked_about(paid, outside, arrived):
    corrected(paid, outside)
    answering(outside, UPLOAD, (502, "?"), {"errcode": 0})
    answering(outside, ASK, held(("SF2002", "SF"), times=2) if arrived else held(("SF1001", "SF")))
    uploading.correct(upload=upload().pk, by=make.STAFF)
    run()
    assert upload().state == "unclear"
    later()
    run()
    later()
    run()
    assert (upload().state, upload().is_corrected) == ("sent", True)
    assert len(sent(outside)) == (2 if arrived else 3)


def test_a_refused_correction_leaves_what_was_told(paid, outside):
    corrected(paid, outside)
    answering(outside, UPLOAD, refusal(10060003))
    uploading.correct(upload=upload().pk, by=make.STAFF)
    run()
    assert (upload().state, upload().is_corrected, upload().problem) == ("sent", True, "wechat 10060003")


def test_settled_money_is_noted_once_and_ends_corrections(paid, outside):
    corrected(paid, outside)
    payment = paid.payments.get()
    payment.merchant = make_orders.Merchant.objects.create(
        mchid=make_orders.MCHID, name="商户", api_key="k", private_key="k", serial="1"
    )
    payment.save(update_fields=["merchant"])
    known = {"transaction_id": payment.transaction_id, "mchid": make_orders.MCHID, "app_id": "wx-mini-program"}
    assert uploading.settled(**known, at=make.NOON)
    assert uploading.settled(**known, at=make.NOON + timedelta(days=1))
    assert upload().settled_at == make.NOON
    assert not uploading.settled(**known | {"mchid": "1"}, at=make.NOON)
    assert not uploading.settled(**known | {"app_id": "wx-another"}, at=make.NOON)
    with pytest.raises(NotCorrectable):
        uploading.correct(upload=upload().pk, by=make.STAFF)


def test_the_age_of_the_oldest_unsent_is_measured_until_it_is_sent(paid, outside):
    ship(paid)
    answering(outside, UPLOAD, refusal(45009), {"errcode": 0})
    ShippingUpload.objects.update(wanted_at=timezone.now() - timedelta(minutes=90))
    telling.tell_due()
    assert Measure.objects.get(name=telling.UNSENT).value == pytest.approx(90, abs=1)
    Measure.objects.all().delete()
    later()
    run()
    Measure.objects.all().delete()
    telling.tell_due()
    assert Measure.objects.get(name=telling.UNSENT).value == 0


def test_erased_nothing_of_the_parcels_stays_and_nothing_more_is_told(paid, outside):
    ship(paid)
    uploading.forget([paid.payments.get().pk])
    run()
    assert (upload().state, upload().body, upload().problem, sent(outside)) == ("failed", None, "erased", [])
