"""Orders taken over from before end as they ended: with their money and parcels, without any of their consequences."""

import pytest
from django.db import connection

from loyalty.models import Entry, Purchase
from orders import reconcile, tasks
from orders.admin.acts.refunding import RefundForm
from orders.models import Order, Payment, PaymentCase, Refund, Shipment, ShippingUpload
from orders.payments import closing
from sync.http import instant
from sync.models import Delivery, Event
from tests import make
from tests.orders import make_orders as o
from tests.sync import make_deliveries

pytestmark = pytest.mark.django_db
THEN = "2024-05-01T04:00:00.000Z"
LATER = "2024-05-03T04:00:00.000Z"
MONEY = {"provider": "alipay", "transaction_id": "A-1", "amount_fen": 12_900, "paid_at": THEN}
PARCEL = {"carrier": "顺丰速运", "tracking_number": "SF1", "shipped_at": THEN, "delivered_at": LATER}
BACK = {"provider": "alipay", "transaction_id": "B-1", "refunded_at": LATER}


@pytest.fixture
def backend():
    return make.backend_client("website")


def body(**fields) -> dict:
    return o.body(history=True, placed_at=THEN, **fields)


def back(amount_fen: int, quantity: int = 1, **fields) -> dict:
    items = [{"sku": "TEA-1", "quantity": quantity, "amount_fen": amount_fen}]
    return {"external_id": "R-1", "items": items, "reason": "不喜欢", "executed": BACK} | fields


def refusal(answer) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def whole(member) -> dict:
    return body(
        member_id=str(member.pk),
        payments=[MONEY],
        shipments=[PARCEL],
        refunds=[back(900, 0)],
        fulfilment_status="completed",
        completed_at=LATER,
        total_fen=12_900,
    )


def test_an_order_is_taken_over_as_it_ended(backend):
    o.earning()
    member = make.member()
    sent = whole(member)
    first, again = backend.post("orders", sent), backend.post("orders", sent)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    shown = first.json()
    assert [shown[name] for name in ("payment_status", "fulfilment_status", "refund_status", "status")] == [
        *("paid", "completed", "partial"),
        "partially_refunded",
    ]
    assert [shown[name] for name in ("total_fen", "paid_fen", "refunded_fen", "points_earned")] == [
        12_900,
        12_900,
        900,
        0,
    ]
    assert [shown[name] for name in ("placed_at", "paid_at", "completed_at", "version")] == [THEN, THEN, LATER, 1]
    (parcel,) = shown["shipments"]
    assert (parcel["carrier"], parcel["tracking_number"], parcel["state"]) == ("顺丰速运", "SF1", "delivered")
    assert parcel["lines"] == [{"line_id": shown["lines"][0]["id"], "quantity": 1}]
    refund = Refund.objects.get()
    assert (refund.state, refund.amount_fen, refund.provider, refund.reason) == ("done", 900, "alipay", "不喜欢")
    assert Payment.objects.get().transaction_id == "A-1"


def test_nothing_follows_from_it(backend):
    o.earning()
    backend.post("orders", whole(make.member()))
    order = Order.objects.get()
    assert order.is_history
    assert (order.closes_at, order.completes_at, order.hold_id) == (None, None, None)
    assert not Entry.objects.exists()
    assert not Purchase.objects.exists()
    assert not ShippingUpload.objects.exists()
    assert Shipment.objects.get().watch == "none"
    assert closing.close_due() == 0
    assert [list(each()) for each in (reconcile.earnings, reconcile.payments)] == [[], []]


def test_streams_and_feed_tell_it_and_no_webhook_does(backend):
    member, neighbour = make.member(), make.channel("mini-program")
    make_deliveries.endpoint(neighbour)
    backend.post("orders", whole(member))
    backend.post("orders", o.body(member_id=str(member.pk)))
    with connection.cursor() as cursor:
        cursor.execute("SELECT settled, delivered FROM sync_settle()")
        assert cursor.fetchone() == (2, 1)
    old, new = make.events_of(member)
    assert (old.type, old.data["history"], old.data["payment_status"]) == ("order.placed", True, "paid")
    assert "history" not in new.data
    assert Delivery.objects.get().event_id == new.pk
    fed = make.backend_client(neighbour).get("feed").json()["results"]
    assert [each["data"].get("history") for each in fed] == [True, None]


@pytest.mark.parametrize(
    ("told", "states"),
    [
        ({}, ("closed", "none", "none")),
        ({"payment_status": "closed", "closed_at": LATER}, ("closed", "none", "none")),
        ({"payment_status": "paid"}, ("paid", "none", "none")),
        ({"paid_at": LATER}, ("paid", "none", "none")),
        ({"payments": [MONEY]}, ("paid", "none", "none")),
        ({"fulfilment_status": "completed"}, ("paid", "completed", "none")),
        ({"fulfilment_status": "delivered", "delivered_at": LATER}, ("paid", "delivered", "none")),
        ({"shipments": [PARCEL]}, ("paid", "delivered", "none")),
        ({"shipments": [{"carrier": "SF", "tracking_number": "1"}]}, ("paid", "shipped", "none")),
        ({"refunds": [back(12_900)]}, ("paid", "none", "full")),
        ({"refunds": [back(12_900)], "refund_status": "full"}, ("paid", "none", "full")),
        ({"items": [o.item(0)]}, ("paid", "none", "none")),
    ],
)
def test_what_is_not_said_follows_from_what_is(backend, told, states):
    answer = backend.post("orders", body() | told)
    assert answer.status_code == 201, answer.json()
    assert tuple(answer.json()[name] for name in ("payment_status", "fulfilment_status", "refund_status")) == states


def test_parcels_and_refunds_name_lines_by_the_channels_numbers(backend):
    items = [o.item(100, 2, external_line_id="1"), o.item(50, 3, external_line_id="2")]
    parcels = [PARCEL | {"items": [{"external_line_id": "2", "quantity": 2}]}]
    gone = {"external_line_id": "1", "quantity": 1, "amount_fen": 100}
    refunds = [back(0) | {"items": [gone]}]
    shown = backend.post("orders", body(items=items, shipments=parcels, refunds=refunds)).json()
    assert (shown["fulfilment_status"], shown["refunded_fen"]) == ("partial", 100)
    assert [line["refunded_quantity"] for line in shown["lines"]] == [1, 0]
    assert shown["shipments"][0]["lines"] == [{"line_id": shown["lines"][1]["id"], "quantity": 2}]


@pytest.mark.parametrize(
    ("told", "code"),
    [
        ({"payments": [MONEY | {"amount_fen": 12_800}]}, "amount_mismatch"),
        ({"refunds": [back(12_901)]}, "amount_mismatch"),
        ({"total_fen": 1}, "amount_mismatch"),
        ({"payment_status": "unpaid"}, "invalid"),
        ({"payment_status": "closed", "payments": [MONEY]}, "invalid"),
        ({"payment_status": "closed", "fulfilment_status": "shipped"}, "invalid"),
        ({"fulfilment_status": "none", "shipments": [PARCEL]}, "invalid"),
        ({"fulfilment_status": "partial"}, "invalid"),
        ({"refund_status": "full"}, "invalid"),
        ({"refunds": [back(1, 2)]}, "invalid"),
        ({"shipments": [PARCEL | {"items": [{"sku": "TEA-1", "quantity": 2}]}]}, "invalid"),
        ({"shipments": [PARCEL | {"items": [{"sku": "TEA-9", "quantity": 1}]}]}, "invalid"),
        ({"shipments": [PARCEL | {"items": [{"quantity": 1}]}]}, "invalid"),
        ({"shipments": [PARCEL | {"tracking_number": "<b>"}]}, "invalid"),
        ({"payments": [MONEY, MONEY]}, "invalid"),
        ({"payments": [MONEY | {"paid_at": "2999-01-01T00:00:00Z"}]}, "invalid"),
        ({"refunds": [back(1) | {"executed": None}]}, "invalid"),
        ({"points_to_redeem": 5}, "invalid"),
        ({"history": False, "payments": [MONEY]}, "invalid"),
        ({"history": False, "payment_status": "paid"}, "invalid"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_what_cannot_have_been_is_refused(backend, told, code):
    before = make.snapshot()
    answer = backend.post("orders", body() | told)
    assert refusal(answer) == (400, code)
    assert make.snapshot() == before


def by_wechat(provider: str = "wechat_pay") -> dict:
    """What WeChat Pay moved before the hub was there."""
    paid = MONEY | {"provider": provider, "transaction_id": "4200001"}
    return {"payments": [paid], "refunds": [back(900, 0, executed=BACK | {"provider": provider})]}


@pytest.mark.parametrize("inline", ["payments", "refunds"])
@pytest.mark.parametrize("provider", ["wechatpay", "wechat-pay", "wechat__pay"])
def test_wechat_pay_s_money_of_before_is_told_by_its_own_name_alone(backend, inline, provider):
    told = {inline: by_wechat(provider)[inline]}
    assert refusal(backend.post("orders", body(**told))) == (403, "forbidden")
    assert not Order.objects.exists()


def test_what_wechat_pay_moved_before_the_hub_neither_asks_about_bills_uploads_nor_gives_back(backend, wechat):
    shown = backend.post("orders", body(member_id=str(make.member().pk), **by_wechat())).json()
    assert (shown["status"], shown["paid_fen"], shown["refunded_fen"]) == ("partially_refunded", 12_900, 900)
    payment = Payment.objects.get()
    assert (payment.provider, payment.transaction_id, payment.merchant, payment.app_id) == (
        "wechat_pay", "4200001", None, "",
    )  # fmt: skip
    line = {"line_id": shown["lines"][0]["id"], "quantity": 1, "amount_fen": 12_000}
    asked = {"external_id": "R-9", "items": [line], "shipping_fen": 0, "reason": "", "executed": None}
    assert backend.post(f"orders/{shown['number']}/refunds", asked).json()["state"] == "requested"
    for sweep in (tasks.carry_out_refunds, tasks.ask_about_payments, tasks.tell_shipping):
        sweep()
    assert (wechat.calls, ShippingUpload.objects.count()) == ([], 0)
    assert [list(each()) for each in (reconcile.payments, reconcile.refunds, reconcile.lines)] == [[], [], []]
    assert not RefundForm(order=Order.objects.get()).is_by_hub  # staff say under which number they paid it back


def test_what_wechat_pay_moved_before_counts_once(backend, wechat):
    assert backend.post("orders", body(**by_wechat())).status_code == 201
    assert refusal(backend.post("orders", body(**by_wechat()))) == (409, "reference_conflict")
    payment = o.payment(o.order(member=make.member()), merchant=wechat.merchant)
    kept = o.pay(payment, fen=payment.amount_fen, transaction_id="4200001")
    assert (type(kept), kept.kind) == (PaymentCase, "paid_twice")


def test_only_an_order_from_before_names_wechat_pay(backend):
    shown = backend.post("orders", body(payments=[MONEY])).json()
    executed = BACK | {"provider": "wechat_pay", "transaction_id": "B-9"}
    line = {"line_id": shown["lines"][0]["id"], "quantity": 1, "amount_fen": 12_900}
    asked = {"external_id": "R-9", "items": [line], "shipping_fen": 0, "reason": "", "executed": executed}
    assert refusal(backend.post(f"orders/{shown['number']}/refunds", asked)) == (403, "forbidden")
    paid = {**MONEY, "provider": "wechat_pay"}
    assert refusal(backend.post(f"orders/{o.order().number}/payments", paid)) == (403, "forbidden")


def test_money_counts_once(backend):
    assert backend.post("orders", body(payments=[MONEY])).status_code == 201
    before = make.snapshot()
    assert refusal(backend.post("orders", body(payments=[MONEY]))) == (409, "reference_conflict")
    assert make.snapshot() == before
    again = backend.post("orders", body(refunds=[back(1)]))
    assert again.status_code == 201
    assert refusal(backend.post("orders", body(refunds=[back(1)]))) == (409, "reference_conflict")


def test_the_same_number_for_something_else_is_refused(backend):
    sent = body(payments=[MONEY])
    backend.post("orders", sent)
    assert refusal(backend.post("orders", sent | {"shipments": [PARCEL]})) == (409, "external_id_conflict")
    assert refusal(backend.post("orders", sent | {"history": False, "payments": []})) == (409, "external_id_conflict")


def test_a_guests_history_is_the_guests(backend):
    shown = backend.post("orders", body(payments=[MONEY], contact={"phone": "13800138000", "name": "李雷"})).json()
    assert shown["member_id"] is None
    assert make.types_of(f"order/{shown['number']}") == ["order.placed"]
    assert Event.objects.get().data["history"] is True


def test_a_refund_that_comes_later_is_a_refund_like_any_other(backend):
    member = make.member()
    shown = backend.post("orders", body(member_id=str(member.pk), payments=[MONEY])).json()
    line = {"line_id": shown["lines"][0]["id"], "quantity": 1, "amount_fen": 12_900}
    executed = BACK | {"refunded_at": instant(make.NOON)}
    asked = {"external_id": "R-9", "items": [line], "shipping_fen": 0, "reason": "", "executed": executed}
    assert backend.post(f"orders/{shown['number']}/refunds", asked).status_code == 201
    assert Order.objects.get().refund_status == "full"
    assert not Entry.objects.exists()
