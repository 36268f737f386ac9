"""Closing: once, never what is paid, and never before the provider has said that no money will come."""

from datetime import timedelta

import pytest
from django.db.models import F

from orders import services, tasks
from orders.models import Intervention, Order, Payment
from orders.payments import closing
from sync.act import SYSTEM
from tests import make
from tests.orders import make_orders as o

pytestmark = pytest.mark.django_db


@pytest.fixture
def order():
    return o.order(member=make.member())


def older(**by) -> None:
    """So much time passes for every order and payment."""
    Order.objects.update(closes_at=F("closes_at") - timedelta(**by), created_at=F("created_at") - timedelta(**by))


def opened(order: Order) -> Payment:
    """A payment that the member opened at WeChat Pay."""
    client = make.member_client(order.member)
    answer = client.post(f"me/orders/{order.number}/payments", {"method": "wechat_native"})
    return Payment.objects.get(pk=answer.json()["payment_id"])


class TestTheAct:
    def test_an_unpaid_order_closes_and_tells(self, order):
        closed = services.close(order=order.pk, by=make.STAFF)
        assert (closed.payment_status, closed.version, closed.closes_at) == ("closed", order.version + 1, None)
        assert make.types_of(order.member) == ["order.placed", "order.cancelled"]
        assert make.events_of(order.member)[-1].data["status"] == "cancelled"

    def test_closing_twice_changes_nothing_the_second_time(self, order):
        services.close(order=order.pk, by=make.STAFF, reason="客户要求")
        before = make.snapshot()
        services.close(order=order.pk, by=SYSTEM)
        assert make.snapshot() == before

    def test_a_paid_order_is_not_closed(self, order):
        o.pay(o.payment(order))
        before = make.snapshot()
        with pytest.raises(services.WrongState):
            services.close(order=order.pk, by=make.STAFF)
        assert make.snapshot() == before

    def test_an_order_with_an_open_payment_is_not_closed(self, order):
        payment = o.payment(order)
        before = make.snapshot()
        with pytest.raises(services.Occupied) as refused:
            services.close(order=order.pk, by=make.STAFF)
        assert (refused.value.payment, make.snapshot()) == (payment, before)

    def test_what_staff_say_for_it_is_kept(self, order):
        services.close(order=order.pk, by=make.STAFF, reason="客户要求")
        kept = Intervention.objects.get()
        assert (kept.order, kept.kind, kept.reason, kept.by) == (order, "closed", "客户要求", "staff/1")

    def test_a_guest_order_tells_on_its_own_stream(self):
        guest = o.order()
        services.close(order=guest.pk, by=SYSTEM)
        assert make.types_of(f"order/{guest.number}") == ["order.placed", "order.cancelled"]


class TestTheProviderIsAskedFirst:
    def test_what_is_open_there_is_closed_there(self, wechat, order):
        payment = opened(order)
        closing.cancel(order=order.pk, by=make.STAFF)
        payment.refresh_from_db()
        assert (payment.state, wechat.trades[payment.pk.hex]["trade_state"]) == ("closed", "CLOSED")
        assert Order.objects.get().payment_status == "closed"

    def test_money_that_is_there_is_taken_instead(self, wechat, order):
        wechat.pay(opened(order).pk.hex)
        with pytest.raises(services.WrongState):
            closing.cancel(order=order.pk, by=make.STAFF)
        assert Order.objects.get().payment_status == "paid"

    def test_money_on_its_way_keeps_it_open(self, wechat, order):
        wechat.trades[opened(order).pk.hex]["trade_state"] = "USERPAYING"
        before = make.snapshot()
        with pytest.raises(services.InProgress):
            closing.cancel(order=order.pk, by=make.STAFF)
        assert make.snapshot() == before

    def test_paid_between_the_question_and_the_closing(self, wechat, order):
        wechat.trades[opened(order).pk.hex]["paid_at_last"] = True
        with pytest.raises(services.InProgress):
            closing.cancel(order=order.pk, by=make.STAFF)
        assert Order.objects.get().payment_status == "unpaid"

    def test_a_provider_that_does_not_answer_keeps_it_open(self, wechat, order):
        opened(order)
        wechat.failing = 500
        before = make.snapshot()
        with pytest.raises(closing.wechat_pay.Unavailable):
            closing.cancel(order=order.pk, by=make.STAFF)
        assert make.snapshot() == before


class TestTheClock:
    def test_an_order_that_nobody_paid_in_time_closes(self, order):
        tasks.close_unpaid()
        assert Order.objects.get().payment_status == "unpaid"
        older(minutes=61)
        tasks.close_unpaid()
        assert Order.objects.get().payment_status == "closed"
        assert make.events_of(order.member)[-1].actor == "system/hub"
        assert closing.close_due() == 0

    def test_money_of_a_lost_notification_is_found_in_time(self, wechat, order):
        wechat.pay(opened(order).pk.hex)
        older(minutes=61)
        tasks.close_unpaid()
        assert Order.objects.get().payment_status == "paid"
        assert closing.close_due() == 0

    def test_without_the_provider_s_word_it_is_tried_again_less_and_less(self, wechat, order):
        opened(order)
        wechat.failing = 500
        older(minutes=60, seconds=1)
        tried = []
        for _turn in range(24):
            tried.append(closing.close_due())
            older(seconds=30)
        assert Order.objects.get().payment_status == "unpaid"
        assert tried[0] == 1
        assert 4 <= sum(tried) <= 7
        assert sum(tried[:8]) > sum(tried[8:])
        wechat.failing = None
        older(minutes=15)
        assert closing.close_due() == 1
        assert Order.objects.get().payment_status == "closed"

    def test_goods_that_are_out_already_change_nothing_about_the_money(self, order):
        older(minutes=61)
        Order.objects.update(fulfilment_status="partial")
        tasks.close_unpaid()
        assert (Order.objects.get().payment_status, Order.objects.get().fulfilment_status) == ("closed", "partial")

    def test_one_that_is_claimed_is_not_claimed_again(self, order):
        older(minutes=61)
        version = Order.objects.get().version
        with closing.connection.cursor() as cursor:
            cursor.execute(closing.CLAIM, [20])
            assert cursor.rowcount == 1
        assert closing.close_due() == 0
        assert Order.objects.get().version == version


class TestTheContract:
    def test_a_channel_cancels_its_own_order_as_often_as_it_likes(self, order):
        backend = make.backend_client()
        first = backend.post(f"orders/{order.number}/cancel")
        again = backend.post(f"orders/{order.number}/cancel")
        assert (first.status_code, first.json()["status"], first.json()["version"]) == (200, "cancelled", 2)
        assert (again.status_code, again.json()) == (200, first.json())

    def test_a_paid_order_is_refused(self, order):
        o.pay(o.payment(order))
        answer = make.backend_client().post(f"orders/{order.number}/cancel")
        assert (answer.status_code, answer.json()["code"]) == (409, "order_state")

    def test_a_sister_channel_sees_but_does_not_cancel(self, order):
        answer = make.backend_client("mini-program").post(f"orders/{order.number}/cancel")
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")

    def test_others_do_not_see_it(self, order):
        make.channel("shop", group="other")
        assert make.backend_client("shop").post(f"orders/{order.number}/cancel").status_code == 404
        stranger = make.member_client()
        assert stranger.post(f"me/orders/{order.number}/cancel").status_code == 404

    def test_a_member_cancels_on_any_channel(self, order):
        client = make.member_client(order.member, "mini-program")
        answer = client.post(f"me/orders/{order.number}/cancel")
        assert (answer.status_code, answer.json()["payment_status"]) == (200, "closed")
        assert make.events_of(order.member)[-1].source == "/channels/mini-program"
        assert client.post(f"me/orders/{order.number}/cancel").json() == answer.json()

    def test_money_on_its_way_and_a_silent_provider_have_their_codes(self, wechat, order):
        client = make.member_client(order.member)
        wechat.trades[opened(order).pk.hex]["trade_state"] = "USERPAYING"
        answer = client.post(f"me/orders/{order.number}/cancel")
        assert (answer.status_code, answer.json()["code"]) == (409, "payment_in_progress")
        wechat.failing = 500
        answer = client.post(f"me/orders/{order.number}/cancel")
        assert (answer.status_code, answer.json()["code"]) == (503, "wechat_unavailable")
        assert answer.headers["Retry-After"]

    def test_a_key_without_the_scope_is_refused(self, order):
        answer = make.backend_client(scopes=["orders:read"]).post(f"orders/{order.number}/cancel")
        assert answer.json()["code"] == "scope_missing"
