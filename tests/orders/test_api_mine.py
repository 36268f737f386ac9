"""What a member sees of their orders."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from members.models import Session
from orders import queries, reading, rules
from orders.api.shown import LineOut, OrderOut
from orders.models import Order
from sync.http import instant
from sync.models import Event
from tests import make
from tests.orders import make_orders as o
from tests.statements import ROUND_TRIPS, sent

pytestmark = pytest.mark.django_db


@pytest.fixture
def client():
    return make.member_client()


def numbers(answer) -> list[str]:
    assert answer.status_code == 200, answer.json()
    return [order["number"] for order in answer.json()["results"]]


def test_orders_of_every_channel_newest_first(client):
    first = o.order(member=client.member)
    second = o.order(member=client.member, channel="mini-program")
    o.order(member=make.member())
    o.order()
    assert numbers(client.get("me/orders")) == [second.number, first.number]


def test_both_channels_read_the_same(client):
    order = o.order(member=client.member)
    o.pay(o.payment(order))
    other = make.member_client(client.member, "mini-program")
    backend = make.backend_client("mini-program")
    mine = client.get(f"me/orders/{order.number}")
    assert mine.json() == other.get(f"me/orders/{order.number}").json() == backend.get(f"orders/{order.number}").json()
    assert mine["ETag"] == other.get(f"me/orders/{order.number}")["ETag"]
    assert mine.json()["version"] == 2


def test_an_order_has_exactly_the_documented_fields(client):
    shown = queries.as_order(o.order(member=client.member))
    assert list(shown) == list(OrderOut().fields)
    assert list(shown["lines"][0]) == list(LineOut().fields)
    assert set(reading.as_event(Order.objects.get())) == set(shown) - {"buyer_note"}


def test_labels_follow_the_reader_and_events_do_not(client):
    english = {"Accept-Language": "en"}
    backend = make.backend_client("website")
    placed = backend.post("orders", o.body(member_id=str(client.member.pk)), headers=english).json()
    assert placed["status_label"] == "Awaiting payment"
    assert client.get(f"me/orders/{placed['number']}").json()["status_label"] == "待付款"
    assert Event.objects.get().data["status_label"] == "待付款"


def test_anothers_order_is_not_found(client):
    other = o.order(member=make.member())
    for number in (other.number, "D0", "x" * 300):
        for answer in (
            client.get(f"me/orders/{number}"),
            client.post(f"me/orders/{number}/payments", {"method": "wechat_native"}),
        ):
            assert answer.status_code in {403, 404}
            assert answer.json()["code"] in {"not_found", "forbidden"}


def test_filters(client):
    early = o.order(member=client.member, placed_at=make.NOON)
    late = o.order(member=client.member, channel="mini-program")
    o.pay(o.payment(early))
    for query, expected in (
        ({"status": "paid"}, [early]),
        ({"status": "pending_payment"}, [late]),
        ({"status": "refunding"}, []),
        ({"channel": "mini-program"}, [late]),
        ({"channel": "nowhere"}, []),
        ({"placed_after": instant(make.NOON)}, [late]),
        ({"placed_before": instant(make.NOON + timedelta(milliseconds=1))}, [early]),
        ({"placed_before": instant(make.NOON)}, []),
    ):
        assert numbers(client.get("me/orders", **query)) == [order.number for order in expected], query


@pytest.mark.parametrize("payment", Order.PaymentStatus.values)
@pytest.mark.parametrize("refund", Order.RefundStatus.values)
@pytest.mark.parametrize("open_refunds", [0, 1])
def test_the_filter_and_the_rule_mean_the_same(payment, refund, open_refunds):
    order = o.order(fen=0) if payment == "paid" else o.order()
    times = {"none": {}, "partial": {}, "shipped": {"shipped_at": make.NOON}, "delivered": {"delivered_at": make.NOON}}
    states = {"payment_status": payment, "refund_status": refund, "open_refunds": open_refunds}
    states |= {"closed_at": make.NOON} if payment == "closed" else {}
    for fulfilment in Order.FulfilmentStatus.values:
        at = times.get(fulfilment, {"completed_at": make.NOON})
        Order.objects.filter(pk=order.pk).update(fulfilment_status=fulfilment, **states, **at)
        named = rules.status(payment, fulfilment, refund, is_refunding=open_refunds > 0)
        found = [s for s in rules.Status if queries.with_status(Order.objects.all(), s).exists()]
        assert found == [named]


@pytest.mark.parametrize(
    "query",
    [
        {"status": "lost"},
        {"placed_after": "today"},
        {"placed_before": "2026-11-22"},
        {"limit": "101"},
        {"limit": "x"},
        {"cursor": "bm9wZQ"},
        {"channel": ""},
    ],
)
def test_a_malformed_list_is_refused(client, query):
    answer = client.get("me/orders", **query)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, *query)


@pytest.mark.parametrize("rows", [1, 3])
def test_my_orders_cost_one_round_trip_however_many(client, rows):
    for _row in range(rows):
        o.order(member=client.member, lines=3)
    client.get("me/orders")
    client.get("me/orders", limit=20)
    with sent() as statements:
        assert len(client.get("me/orders").json()["results"]) == rows
    with sent(ROUND_TRIPS) as waits:
        assert len(client.get("me/orders", limit=20).json()["results"]) == rows
        assert len(client.get("me/orders").json()["results"]) == rows
    assert (len(statements), len(waits)) == (2, 2 + 1)  # a page that is described comes after the session


@pytest.mark.parametrize("state", ["unknown", "revoked"])
def test_nobody_is_shown_a_page_that_came_with_a_bad_token(client, state):
    o.order(member=client.member)
    if state == "revoked":
        Session.objects.update(revoked_at=timezone.now())
    token = "hub_at_" + "x" * 43 if state == "unknown" else client.session.tokens.access
    answer = Client(headers={"Authorization": f"Bearer {token}"}).get("/api/v1/me/orders")
    assert (answer.status_code, "results" in answer.json()) == (401, False)


def test_pages_go_forth_and_back(client):
    placed = [o.order(member=client.member).number for _n in range(5)][::-1]
    first = client.get("me/orders", limit=2).json()
    second = client.get(first["next"].removeprefix("http://127.0.0.1:8000")).json()
    back = client.get(second["previous"].removeprefix("http://127.0.0.1:8000")).json()
    shown = [order["number"] for page in (first, second, back) for order in page["results"]]
    assert shown == placed[:4] + placed[:2]


@pytest.mark.parametrize(("method", "path"), [("get", "me/orders"), ("get", "me/orders/D1")])
def test_only_members_have_orders(method, path):
    assert getattr(make.backend_client(), method)(path).json()["code"] == "forbidden"
    assert getattr(make.client(), method)(path).status_code == 401
