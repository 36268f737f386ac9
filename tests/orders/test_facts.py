"""What channels tell of their orders: the same acts as by the contract, in whatever order it is told."""

from datetime import timedelta

import pytest
from django.utils import timezone

from orders import services
from orders.models import Order, Payment, PaymentCase, Superseded
from sync import inbox
from sync.http import instant
from sync.models import InboxMessage
from tests import make
from tests.orders import make_facts as f
from tests.orders import make_orders as o

pytestmark = pytest.mark.django_db
BODIES = {
    "updated": {"shipping_fen": 100},
    "paid": f.money(),
    "cancelled": {},
    "shipped": {"carrier": "shunfeng", "tracking_number": "SF1"},
    "delivered": {},
    "completed": {},
}
ANY = list(BODIES)


def body(type: str, **named) -> dict:
    return BODIES[type] | named


@pytest.fixture
def order():
    return o.order(member=make.member(), external_id="W-1")


def now() -> Order:
    return Order.objects.get()


class TestWhichOrder:
    @pytest.mark.parametrize("type", ANY)
    def test_by_the_channel_s_number_or_by_the_hub_s(self, order, type):
        f.tell(f"order.{type}", body(type, external_id="W-1"))
        version = now().version
        f.tell(f"order.{type}", body(type, number=order.number))
        f.tell(f"order.{type}", body(type, number=order.number, external_id="W-1"))
        assert f.states() == [(type, "applied")] * 3
        assert now().version == version == 2

    @pytest.mark.parametrize("type", ANY)
    def test_one_must_be_named_and_both_must_agree(self, order, type):
        f.tell(f"order.{type}", body(type))
        f.tell(f"order.{type}", body(type, number=order.number, external_id="W-2"))
        assert f.states() == [(type, "invalid external_id:invalid"), (type, "not_found")]
        assert now().version == 1

    @pytest.mark.parametrize("type", ANY)
    def test_only_the_channel_s_own(self, order, type):
        make.channel("mini-program")
        f.tell(f"order.{type}", body(type, number=order.number), channel="mini-program")
        f.tell(f"order.{type}", body(type, external_id="W-1"), channel="mini-program")
        assert f.states() == [(type, "not_found"), (type, "parked")]
        assert now().version == 1

    @pytest.mark.parametrize("type", ANY)
    def test_nothing_is_told_of_the_future(self, order, type):
        f.tell(f"order.{type}", body(type, external_id="W-1"), at=timezone.now() + timedelta(minutes=6))
        assert f.states() == [(type, "invalid time:future")]
        f.tell(f"order.{type}", body(type, external_id="W-1"), at=timezone.now() + timedelta(minutes=4))
        assert f.states()[1] == (type, "applied")


class TestBeforeTheOrder:
    def test_what_is_told_of_an_order_not_placed_yet_waits_for_it(self):
        make.channel("website")
        f.tell("order.paid", f.money(external_id="W-1"))
        f.tell("order.delivered", {"external_id": "W-1"})
        assert set(InboxMessage.objects.values_list("state", "waits_for")) == {("parked", "order/website/W-1")}
        f.tell("order.placed", o.body(external_id="W-1"))
        assert f.states() == [("paid", "applied"), ("delivered", "applied"), ("placed", "applied")]
        assert (now().payment_status, now().fulfilment_status) == ("paid", "delivered")

    def test_an_order_that_is_posted_wakes_them_too(self):
        backend = make.backend_client()
        f.tell("order.paid", f.money(external_id="W-1"))
        f.tell("order.cancelled", {"external_id": "W-2"})
        assert backend.post("orders", o.body(external_id="W-1")).status_code == 201
        assert f.states() == [("paid", "waiting"), ("cancelled", "parked")]
        inbox.apply_due()
        assert now().payment_status == "paid"

    def test_another_channel_s_order_of_that_number_wakes_nobody(self):
        make.channel("website")
        f.tell("order.paid", f.money(external_id="W-1"))
        o.order(channel="mini-program", external_id="W-1")
        assert f.states() == [("paid", "parked")]

    def test_placing_again_wakes_nobody(self, order):
        f.tell("order.paid", f.money(external_id="W-2"))
        o.order(member=order.member, external_id="W-1")
        assert f.states() == [("paid", "parked")]


class TestMoney:
    def test_it_settles_as_when_it_is_posted(self, order):
        f.tell("order.paid", f.money(external_id="W-1"))
        payment = Payment.objects.get()
        assert (payment.provider, payment.transaction_id, payment.amount_fen) == ("offline", "T1", 12_900)
        assert make.types_of(order.member) == ["order.placed", "order.paid"]

    def test_posted_and_pushed_it_is_one_payment(self, order):
        assert make.backend_client().post(f"orders/{order.number}/payments", f.money()).status_code == 201
        before = now().version
        f.tell("order.paid", f.money(external_id="W-1"))
        assert (Payment.objects.count(), now().version) == (1, before)

    @pytest.mark.parametrize("provider", ["wechat_pay", "wechat-pay", "wechatpay"])
    def test_what_the_hub_verifies_itself_no_channel_tells(self, order, provider):
        f.tell("order.paid", f.money(external_id="W-1", provider=provider))
        assert (f.states(), now().payment_status) == ([("paid", "forbidden")], "unpaid")

    def test_a_wrong_amount_is_a_case(self, order):
        f.tell("order.paid", f.money(1, external_id="W-1"))
        assert (f.states(), PaymentCase.objects.get().kind) == ([("paid", "applied")], "wrong_amount")

    def test_the_number_of_other_money_is_refused(self, order):
        o.order(external_id="W-2")
        f.tell("order.paid", f.money(external_id="W-1"))
        f.tell("order.paid", f.money(external_id="W-2"))
        assert f.states() == [("paid", "applied"), ("paid", "reference_conflict")]

    def test_after_closing_it_opens_the_order_again(self, order):
        f.tell("order.cancelled", {"external_id": "W-1"})
        f.tell("order.paid", f.money(external_id="W-1"))
        assert now().payment_status == "paid"
        assert PaymentCase.objects.get().action == "reopen"


class TestClosing:
    def test_it_closes_and_says_who_said_so(self, order):
        f.tell("order.cancelled", {"external_id": "W-1"})
        assert now().payment_status == "closed"
        assert make.events_of(order.member)[-1].actor == "channel/website"

    def test_what_is_paid_stays_paid_and_the_fact_is_kept_once(self, order):
        services.take_payment(number=order.number, channel=order.channel, by=make.BACKEND, **paid_before())
        before = now().version
        for _time in range(2):
            f.tell("order.cancelled", {"external_id": "W-1"})
        late = Superseded.objects.get()
        assert (late.order, late.type, late.reason, late.by) == (order, "order.cancelled", "paid", "channel/website")
        assert (late.occurred_at, now().payment_status, now().version) == (make.NOON, "paid", before)

    def test_what_is_open_at_the_provider_is_closed_there_first(self, wechat, order):
        client = make.member_client(order.member)
        payment = client.post(f"me/orders/{order.number}/payments", {"method": "wechat_native"}).json()["payment_id"]
        f.tell("order.cancelled", {"external_id": "W-1"})
        assert wechat.trades[Payment.objects.get(pk=payment).pk.hex]["trade_state"] == "CLOSED"
        assert (now().payment_status, f.states()) == ("closed", [("cancelled", "applied")])

    def test_money_that_is_there_is_taken_and_the_fact_kept_as_late(self, wechat, order):
        client = make.member_client(order.member)
        payment = client.post(f"me/orders/{order.number}/payments", {"method": "wechat_native"}).json()["payment_id"]
        wechat.pay(Payment.objects.get(pk=payment).pk.hex)
        f.tell("order.cancelled", {"external_id": "W-1"})
        assert (now().payment_status, Superseded.objects.get().reason) == ("paid", "paid")

    def test_while_the_provider_is_away_it_waits(self, wechat, order):
        client = make.member_client(order.member)
        client.post(f"me/orders/{order.number}/payments", {"method": "wechat_native"})
        wechat.failing = 500
        f.tell("order.cancelled", {"external_id": "W-1"})
        assert (now().payment_status, f.states()) == ("unpaid", [("cancelled", "wechat_unavailable")])
        wechat.failing = None
        InboxMessage.objects.update(next_at=make.NOON)
        inbox.apply_due()
        assert now().payment_status == "closed"


def paid_before() -> dict:
    return {"provider": "offline", "transaction_id": "T1", "amount_fen": 12_900, "paid_at": make.NOON}


class TestGoods:
    def test_they_move_without_money_and_without_parcels(self, order):
        f.tell("order.delivered", {"external_id": "W-1"})
        assert (now().fulfilment_status, now().delivered_at, now().payment_status) == ("delivered", make.NOON, "unpaid")
        f.tell("order.completed", {"external_id": "W-1"}, at=make.NOON + timedelta(hours=1))
        assert (now().fulfilment_status, now().completed_at) == ("completed", make.NOON + timedelta(hours=1))

    def test_arrival_after_completion_came_too_late(self, order):
        f.tell("order.completed", {"external_id": "W-1"})
        before = now().version
        f.tell("order.delivered", {"external_id": "W-1"})
        assert (now().version, Superseded.objects.get().reason) == (before, "completed")

    def test_a_closed_order_s_goods_move_on(self, order):
        f.tell("order.cancelled", {"external_id": "W-1"})
        f.tell("order.delivered", {"external_id": "W-1"})
        assert (now().payment_status, now().fulfilment_status) == ("closed", "delivered")


class TestEditing:
    def test_it_changes_what_it_names(self, order):
        f.tell("order.updated", {"external_id": "W-1", "shipping_fen": 500, "buyer_note": "请放门口"})
        assert (now().shipping_fen, now().total_fen, now().buyer_note) == (500, 13_400, "请放门口")

    def test_the_newest_word_stands_whenever_it_comes(self, order):
        hour = timedelta(hours=1)
        f.tell("order.updated", {"external_id": "W-1", "shipping_fen": 500}, at=make.NOON + hour)
        f.tell("order.updated", {"external_id": "W-1", "shipping_fen": 300}, at=make.NOON)
        assert (now().shipping_fen, Superseded.objects.get().type) == (500, "order.updated")

    def test_what_it_costs_does_not_change_after_it_was_paid(self, order):
        f.tell("order.paid", f.money(external_id="W-1"))
        before = now().version
        f.tell("order.updated", {"external_id": "W-1", "shipping_fen": 500})
        assert (now().shipping_fen, now().version, Superseded.objects.get().reason) == (0, before, "paid")

    def test_money_that_came_before_the_price_it_pays_settles_the_order(self, order):
        f.tell("order.paid", f.money(13_400, external_id="W-1"))
        assert PaymentCase.objects.get().kind == "wrong_amount"
        f.tell("order.updated", {"external_id": "W-1", "shipping_fen": 500})
        assert (now().payment_status, now().paid_fen) == ("paid", 13_400)

    def test_amounts_that_do_not_add_up_are_refused(self, order):
        whole = {"items": [o.item()], "shipping_fen": 0, "discounts": [], "total_fen": 1}
        f.tell("order.updated", {"external_id": "W-1"} | whole)
        assert (f.states(), now().version) == ([("updated", "amount_mismatch")], 1)

    def test_a_payment_of_the_old_amount_is_closed_at_its_provider_first(self, wechat, order):
        client = make.member_client(order.member)
        client.post(f"me/orders/{order.number}/payments", {"method": "wechat_native"})
        f.tell("order.updated", {"external_id": "W-1", "shipping_fen": 500})
        assert (now().total_fen, Payment.objects.get().state) == (13_400, "closed")


class TestParcels:
    def parcel(self, **fields) -> dict:
        return {"external_id": "W-1", "carrier": "shunfeng", "tracking_number": "SF1"} | fields

    def test_they_go_out_as_when_they_are_posted(self, order):
        f.tell("order.shipped", self.parcel())
        parcel = order.shipments.get()
        assert (parcel.tracking_number, parcel.shipped_at) == ("SF1", make.NOON)
        assert (now().fulfilment_status, now().payment_status) == ("shipped", "unpaid")
        assert make.types_of(order.member) == ["order.placed", "order.shipped"]

    def test_the_same_parcel_again_is_that_parcel(self, order):
        f.tell("order.shipped", self.parcel())
        before = now().version
        f.tell("order.shipped", self.parcel(), at=make.NOON + timedelta(hours=1))
        assert (order.shipments.count(), now().version) == (1, before)

    def test_more_than_is_left_came_too_late(self, order):
        f.tell("order.shipped", self.parcel())
        before = now().version
        f.tell("order.shipped", self.parcel(tracking_number="SF2"))
        assert (order.shipments.count(), now().version, Superseded.objects.get().reason) == (1, before, "shipped")

    def test_a_parcel_told_after_its_arrival_does_not_lower_the_state(self, order):
        f.tell("order.delivered", {"external_id": "W-1"})
        f.tell("order.shipped", self.parcel())
        assert (now().fulfilment_status, order.shipments.count()) == ("delivered", 1)

    def test_a_line_of_no_order_is_refused(self, order):
        items = [{"external_line_id": "no", "quantity": 1}]
        f.tell("order.shipped", self.parcel(items=items))
        assert f.states() == [("shipped", "invalid items:invalid")]


class TestMoneyBack:
    def refund(self, fen: int = 2_900, **fields) -> dict:
        items = [{"external_line_id": "L1", "quantity": 0, "amount_fen": fen}]
        done = {"provider": "offline", "transaction_id": "B1", "refunded_at": "2026-01-01T00:00:00Z"}
        return {"items": items, "shipping_fen": 0, "reason": "", "executed": done} | fields

    @pytest.fixture
    def order(self):
        items = [o.item(external_line_id="L1")]
        return o.order(member=make.member(), external_id="W-1", items=items)

    def test_what_the_channel_gave_back_counts(self, order):
        f.tell("order.paid", f.money(external_id="W-1"))
        f.tell("order.refunded", self.refund(number=order.number, external_id="R-1"))
        assert (now().refunded_fen, now().refund_status) == (2_900, "partial")
        assert order.refunds.get().external_id == "R-1"

    @pytest.mark.parametrize(
        ("named", "refund"),
        [
            ({"external_id": "W-1"}, "B1"),
            ({"external_id": "W-1", "refund_external_id": "R-1"}, "R-1"),
            ({"external_id": "R-1", "order_external_id": "W-1"}, "R-1"),
        ],
    )
    def test_the_order_may_be_named_by_the_channel_s_number(self, order, named, refund):
        f.tell("order.paid", f.money(external_id="W-1"))
        for _time in range(2):
            f.tell("order.refunded", self.refund(**named))
        assert (now().refunded_fen, order.refunds.get().external_id) == (2_900, refund)

    def test_told_before_the_money_it_waits_for_that(self, order):
        f.tell("order.refunded", self.refund(external_id="W-1"))
        assert f.states() == [("refunded", "parked")]
        f.tell("order.paid", f.money(external_id="W-1"))
        assert f.states() == [("refunded", "applied"), ("paid", "applied")]
        assert (now().refunded_fen, make.types_of(order.member)) == (
            2_900,
            ["order.placed", "order.paid", "order.refunded"],
        )

    def test_told_before_the_order_it_waits_twice(self):
        make.channel("website")
        f.tell("order.refunded", self.refund(external_id="W-1"))
        f.tell("order.paid", f.money(external_id="W-1"))
        f.tell("order.placed", o.body(external_id="W-1", items=[o.item(external_line_id="L1")]))
        assert {state for _type, state in f.states()} == {"applied"}
        assert now().refunded_fen == 2_900

    def test_what_is_never_paid_says_so_in_the_end(self, order):
        f.tell("order.refunded", self.refund(external_id="W-1"))
        InboxMessage.objects.update(received_at=make.LONG_AGO, next_at=make.LONG_AGO)
        inbox.apply_due()
        assert f.states() == [("refunded", "order_state")]

    def test_more_than_was_paid_is_refused(self, order):
        f.tell("order.paid", f.money(external_id="W-1"))
        f.tell("order.refunded", self.refund(13_000, external_id="W-1"))
        assert f.states()[1] == ("refunded", "order_state")
        assert now().refunded_fen == 0

    def test_what_the_hub_took_itself_no_channel_gives_back(self, order, wechat):
        o.pay(o.payment(order, merchant=wechat.merchant))
        executed = {"provider": "wechat_pay", "transaction_id": "B1", "refunded_at": "2026-01-01T00:00:00Z"}
        f.tell("order.refunded", self.refund(external_id="W-1", executed=executed))
        assert f.states() == [("refunded", "forbidden")]

    def test_order_and_refund_must_be_named(self, order):
        f.tell("order.refunded", self.refund(number=order.number, executed=None))
        assert f.states() == [("refunded", "invalid external_id:invalid")]


class TestMoneyThatDidNotFit:
    WRONG = {"items": [{"external_line_id": "1", "quantity": 1, "amount_fen": 100}], "order_external_id": "W-1"}

    @pytest.mark.parametrize("is_told_first", [True, False], ids=["refund first", "money first"])
    def test_it_goes_back_although_the_order_was_never_paid(self, order, is_told_first):
        order.lines.update(external_line_id="1")
        executed = {"provider": "offline", "transaction_id": "B-1", "refunded_at": instant(make.NOON)}
        told = [
            ("order.refunded", self.WRONG | {"external_id": "R-1", "executed": executed}),
            ("order.paid", f.money(100, external_id="W-1")),
        ]
        for type, data in told if is_told_first else reversed(told):
            f.tell(type, data)
        inbox.apply_due()
        assert {state for _type, state in f.states()} == {"applied"}
        case = PaymentCase.objects.get()
        assert (case.action, case.refunds.get().state, now().payment_status) == ("refund", "done", "unpaid")
