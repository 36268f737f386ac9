"""What members read of their orders is what `queries.as_order` says, whatever state they are in; at any depth alike."""

import json
from datetime import timedelta
from itertools import product

import pytest
from django.db import connection
from django.utils import translation

from orders import queries, reading
from orders.models import Carrier, Line, Order, Refund, RefundLine, Shipment, ShipmentLine
from sync import prepared
from tests import make, plans
from tests.orders import make_orders as o
from tests.statements import sent

pytestmark = pytest.mark.django_db

HOSTILE = '龙井 "明前" \\ 😀🏮 \u2028\u2029 \t\n\r <b>&amp;</b> \x01\x7f %s %(x)s {} \\u0001 \\"'
TRACKING = [
    {"at": "2026-11-21T02:00:00.000Z", "text": f"{HOSTILE} {n}", "state": "in_transit", "place": "杭州"}
    for n in range(3)
]
NOTED = {"buyer_note": HOSTILE}


@pytest.fixture
def client():
    return make.member_client()


def parcel(order, quantity: int = 1, **fields) -> Shipment:
    known = {"carrier": "ZTO", "tracking_number": "7530", "shipped_at": make.NOON}
    made = Shipment.objects.create(order=order, **known | fields)
    for line in order.lines.order_by("-position"):
        ShipmentLine.objects.create(shipment=made, line=line, quantity=quantity)
    return made


def moved(order, **fields) -> None:
    Order.objects.filter(pk=order.pk).update(**fields)


def paid(client, **fields) -> Order:
    order = o.order(member=client.member, lines=2, **fields)
    o.pay(o.payment(order), transaction_id=order.number)
    return order


def nothing(client):
    """No order at all."""


def unpaid(client):
    o.order(member=client.member, lines=3)


def noted(client):
    o.order(member=client.member, **NOTED)


def hostile_words(client):
    lines = [o.item(name=HOSTILE, sku=HOSTILE[:60], external_line_id=HOSTILE[:60], image_url="/a?\u2028")]
    taken_off = [{"kind": "coupon", "code": HOSTILE, "name": HOSTILE, "amount_fen": 2}]
    taken_off += [{"amount_fen": 1, "name": "z", "kind": "", "code": ""}]
    o.order(member=client.member, items=lines, discounts=taken_off, external_id=HOSTILE[:60])


def closed(client):
    moved(o.order(member=client.member), payment_status="closed", closed_at=make.NOON)


def earned(client):
    o.earning()
    paid(client)


def free(client):
    o.order(member=client.member, fen=0)


def claimed(client):
    moved(o.order(contact={"phone": make.mobile(), "name": "客人"}, **NOTED), member=client.member, version=2)


def from_before(client):
    order = paid(client, placed_at=make.LONG_AGO)
    moved(order, is_history=True, fulfilment_status="completed", completed_at=make.LONG_AGO + timedelta(days=9))


def partly_shipped(client):
    order = paid(client)
    parcel(order)
    moved(order, fulfilment_status="partial")


def tracked(client):
    order = paid(client, **NOTED)
    known = Carrier.objects.update_or_create(code="zhongtong", defaults={"name": HOSTILE[:60]})[0]
    parcel(order, tracking=json.dumps(TRACKING), carried_by=known, state="in_transit")
    parcel(order)
    parcel(order, tracking=json.dumps(TRACKING * 50, ensure_ascii=False), carrier=HOSTILE[:40])
    parcel(order, tracking="")
    parcel(order, tracking=json.dumps(TRACKING), withdrawn_at=make.NOON)
    moved(order, fulfilment_status="shipped", shipped_at=make.NOON)
    noted(client)


def delivered(client):
    order = paid(client)
    parcel(order, tracking="[]", state="delivered", delivered_at=make.NOON)
    moved(order, fulfilment_status="delivered", delivered_at=make.NOON)


def refunding(client):
    moved(paid(client), open_refunds=1, refunding_fen=100)


def partly_refunded(client):
    order = paid(client)
    given = {"state": "done", "refunded_at": make.NOON, "amount_fen": 100, "asked_by": "channel/website"}
    refund, line = Refund.objects.create(order=order, **given), order.lines.first()
    RefundLine.objects.create(refund=refund, line=line, quantity=1, amount_fen=100)
    Line.objects.filter(pk=line.pk).update(refunded_quantity=1)
    moved(order, refund_status="partial", refunded_fen=100)


def refunded(client):
    moved(paid(client), refund_status="full", refunded_fen=12_900)


def redeemed(client):
    moved(paid(client), payment_status="paid")
    order = o.order(member=client.member)
    moved(order, points_redeemed=900, points_discount_fen=900, total_fen=12_000)


STATES = [nothing, unpaid, noted, hostile_words, closed, earned, free, claimed, from_before, partly_shipped, tracked]
STATES += [delivered, refunding, partly_refunded, refunded, redeemed]


@pytest.mark.parametrize("language", ["zh-hans", "en"])
@pytest.mark.parametrize("state", STATES)
def test_what_postgresql_writes_is_what_the_queries_say(client, state, language):
    state(client)
    expected = shown(client.member, language)
    spoken = {"Accept-Language": language}
    assert client.get("me/orders", headers=spoken).json()["results"] == expected
    for order in expected:
        assert client.get(f"me/orders/{order['number']}", headers=spoken).json() == order


def shown(member, language: str) -> list[dict]:
    with translation.override(language):
        return [
            queries.as_order(order) for order in queries.whole().filter(member=member).order_by("-placed_at", "-id")
        ]


def test_all_states_on_one_page(client):
    for state in STATES:
        state(client)
    assert client.get("me/orders", limit=100).json()["results"] == shown(client.member, "zh-hans")


@pytest.mark.parametrize("payment", Order.PaymentStatus.values)
@pytest.mark.parametrize("refund", Order.RefundStatus.values)
@pytest.mark.parametrize("open_refunds", [0, 1])
def test_the_status_that_is_shown_and_its_filter_follow_the_rule(client, payment, refund, open_refunds):
    order = o.order(member=client.member, fen=0) if payment == "paid" else o.order(member=client.member)
    times = {"none": {}, "partial": {}, "shipped": {"shipped_at": make.NOON}, "delivered": {"delivered_at": make.NOON}}
    states = {"payment_status": payment, "refund_status": refund, "open_refunds": open_refunds}
    states |= {"closed_at": make.NOON} if payment == "closed" else {}
    for fulfilment in Order.FulfilmentStatus.values:
        moved(order, fulfilment_status=fulfilment, **states, **times.get(fulfilment, {"completed_at": make.NOON}))
        expected = shown(client.member, "zh-hans")
        assert client.get("me/orders").json()["results"] == expected
        assert client.get("me/orders", status=expected[0]["status"]).json()["results"] == expected


def test_the_tag_of_an_order_is_that_of_the_channels(client):
    tracked(client)
    backend = make.backend_client("mini-program")
    for order in shown(client.member, "zh-hans"):
        mine, theirs = client.get(f"me/orders/{order['number']}"), backend.get(f"orders/{order['number']}")
        assert (mine["ETag"], mine.json()) == (theirs["ETag"], theirs.json())


@pytest.mark.parametrize("rows", [1, 3])
def test_an_order_and_a_page_are_one_statement_each(client, rows):
    for _row in range(rows):
        tracked(client)
    number = client.get("me/orders").json()["results"][0]["number"]
    with sent() as page:
        assert len(client.get("me/orders").json()["results"]) == 2 * rows
    with sent() as order:
        assert client.get(f"me/orders/{number}").json()["number"] == number
    assert (len(page), len(order)) == (2, 2)  # the session, and what was asked for


MANY = """
INSERT INTO orders_order (id, number, channel_id, external_id, member_id, request_digest, payment_status,
    fulfilment_status, refund_status, items_fen, shipping_fen, discounts, discount_fen, points_redeemed,
    points_discount_fen, total_fen, paid_fen, refunded_fen, points_earned, is_history, placed_at, written_at, version)
SELECT hub_uuid7(), 'X' || n, channel_id, 'X' || n,
    CASE WHEN n %% 10 = 0 THEN member_id ELSE hub_uuid7() END, '', 'unpaid', 'none',
    'none', 1, 0, '[]', 0, 0, 0, 1, 0, 0, 0, FALSE, placed_at - n * interval '1 minute', '{}', 1
FROM orders_order, generate_series(1, 6000) n WHERE id = %s
"""
LINES = """
INSERT INTO orders_line (id, order_id, position, external_line_id, sku, name, quantity, unit_price_fen, image_url,
    refunded_quantity)
SELECT hub_uuid7(), id, 1, '', 'T', '茶', 1, 1, '', 0 FROM orders_order WHERE number LIKE 'X%'
"""


@pytest.fixture
def many(client) -> Order:
    """A member's newest order, of six hundred among six thousand."""
    order = o.order(member=client.member)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")  # no history of them, and no buyers
        cursor.execute(MANY, [order.pk])
        cursor.execute(LINES)
        cursor.execute("SET LOCAL session_replication_role = origin")
        plans.uncounted(cursor)
        cursor.execute("ANALYZE orders_order, orders_line")
    return order


@pytest.mark.parametrize("falling", [True, False])
def test_a_page_reads_as_little_at_any_depth(many, falling):
    for mode, depth in product(("force_custom_plan", "force_generic_plan"), (0, 300, 570)):
        at = Order.objects.filter(member=many.member_id).order_by("-placed_at")[depth]
        nodes = list(plan(mode, reading.statement({"member": many.member_id}, 21, (at.placed_at, at.pk), falling)))
        (scan,) = [node for node in nodes if node.get("Relation Name") == "orders_order"]
        assert scan["Index Name"] == "order_of_member" or not depth  # at the end of a list others do as well
        assert scan["Actual Rows"] + scan.get("Rows Removed by Filter", 0) <= 21
        read_whole = {node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan"}
        assert read_whole <= {"sync_channel", "orders_carrier", "orders_shipment", "orders_shipmentline"}  # few or none


def plan(mode: str, page: tuple[str, dict]):
    """What PostgreSQL does for a page, node by node."""
    text, names = prepared._numbered(page[0])
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL plan_cache_mode = {mode}")
        cursor.execute(f"PREPARE deep AS {text.decode()}")
        values = ", ".join(["%s"] * len(names))
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE deep ({values})", [page[1][name] for name in names])
        waiting = [cursor.fetchone()[0][0]["Plan"]]
        cursor.execute("DEALLOCATE deep")
    while waiting:
        node = waiting.pop()
        waiting += node.get("Plans", [])
        yield node
