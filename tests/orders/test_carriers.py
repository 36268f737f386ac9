"""Carriers by whatever name, waybills as they may be written, and the calls that send parcels."""

import importlib

import pytest
from django.apps import apps

from orders.models import Carrier, Shipment
from orders.shipping import carriers, known
from sync.http import Problem
from tests import make
from tests.orders import make_orders as o
from tests.orders import make_parcels as p

pytestmark = pytest.mark.django_db
HOSTILE = [
    "SF1\n2", "SF\x07", "SF'; DROP TABLE orders_shipment;--", "<script>alert(1)</script>", "=HYPERLINK(1)", "+1", "-1",
    "@SUM(1)", "x" * 65, "x" * 1_000, "单号", "SF\u202e1", "１" * 65, "../../etc/passwd", "SF\u200b1", "a/b", "%00",
]  # fmt: skip


@pytest.fixture(autouse=True)
def the_known(db):
    p.carriers()


@pytest.fixture
def order():
    return p.paid(member=make.member(), items=[o.item(5_000, 2, external_line_id="a"), o.item(2_900)])


@pytest.fixture
def backend(order):
    return make.backend_client(order.channel)


def send(backend, order, **body):
    return backend.post(
        f"orders/{order.number}/shipments", {"carrier": "shunfeng", "tracking_number": "SF1000000001"} | body
    )


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("shunfeng", "shunfeng"),
        ("SF", "shunfeng"),
        ("sf", "shunfeng"),
        ("ＳＦ", "shunfeng"),
        ("顺丰速运", "shunfeng"),
        (" 顺丰 ", "shunfeng"),
        ("SF  express", "shunfeng"),
        ("ZTO", "zhongtong"),
        ("JTSD", "jtexpress"),
        ("J&T", "jtexpress"),
        ("Ems", "ems"),
        ("dbl", "debangkuaidi"),
        ("自提", "pickup"),
        ("Nobody's", None),
        ("", None),
    ],
)
def test_a_carrier_is_found_by_any_name_whatever_the_case(name, code):
    found = carriers.find(name)
    assert (found and found.code) == code


def test_no_two_carriers_share_a_name():
    names = {}
    for row in known.rows():
        for name in {row["code"], row["name"], row["name_en"], row.get("wechat_code", ""), *row["aliases"]} - {""}:
            assert names.setdefault(carriers.folded(name), row["code"]) == row["code"], name


def test_the_known_carriers_are_entered_once_and_can_be_taken_out_again(order):
    files = [name for name in dir(importlib.import_module("orders.migrations")) if name.endswith("_carriers")]
    files = files or ["0004_carriers"]
    migration = importlib.import_module(f"orders.migrations.{files[0]}")
    Carrier.objects.filter(code="shunfeng").update(name="顺丰（我们的）")
    migration.enter(apps, None)
    assert Carrier.objects.get(code="shunfeng").name == "顺丰（我们的）"
    p.ship(order)
    migration.remove(apps, None)
    assert list(Carrier.objects.values_list("code", flat=True)) == ["shunfeng"]
    migration.enter(apps, None)
    assert Carrier.objects.count() == len(list(known.rows())) >= 30


@pytest.mark.parametrize("number", HOSTILE)
def test_a_hostile_waybill_is_refused_and_changes_nothing(backend, order, number):
    before = make.snapshot()
    answer = send(backend, order, tracking_number=number)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert [each["field"] for each in answer.json()["errors"]] == ["tracking_number"]
    assert make.snapshot() == before


@pytest.mark.parametrize(
    ("written", "kept"),
    [(" SF 100 200 ", "SF100200"), ("ＳＦ１００", "SF100"), ("JDVA00-1-1-", "JDVA00-1-1-"), ("x_1", "x_1")],
)
def test_a_waybill_is_kept_in_one_spelling(written, kept):
    assert carriers.waybill(written) == kept


@pytest.mark.parametrize("carrier", ["", "x" * 41, "a\x07b", "a\u202eb", 1, None, ["SF"]])
def test_a_carrier_is_a_name(backend, order, carrier):
    assert send(backend, order, carrier=carrier).status_code == 400
    if isinstance(carrier, str):
        with pytest.raises(Problem):
            carriers.carrier_as_told(carrier)


def test_a_parcel_is_sent_by_post_once(backend, order):
    items = [{"line_id": str(order.lines.first().pk), "quantity": 2}]
    answer = send(backend, order, items=items)
    assert answer.status_code == 201
    assert answer.json()["lines"] == items
    assert answer.json()["carrier_name"] == "顺丰速运"
    again = send(backend, order, items=items)
    assert (again.status_code, again.json()) == (200, answer.json())
    seen = backend.get(f"orders/{order.number}").json()
    assert (seen["status"], seen["shipments"]) == ("partially_shipped", [answer.json()])


def test_an_unknown_carrier_is_accepted_as_it_is_named_and_not_followed(backend, order):
    told = send(backend, order, carrier="Nobody's Courier").json()
    assert (told["carrier"], told["carrier_name"]) == ("Nobody's Courier", "Nobody's Courier")
    assert Shipment.objects.get().watch == "none"
    named = send(backend, order, carrier="ZTO", tracking_number="ZT1", items=[])
    assert named.status_code == 400


def test_refusals_by_post(backend, order):
    unpaid = o.order(member=order.member)
    for number, body, expected in [
        (unpaid.number, {}, (409, "order_state")),
        (order.number, {"items": [{"external_line_id": "a", "quantity": 3}]}, (409, "order_state")),
        (order.number, {"items": [{"external_line_id": "b", "quantity": 1}]}, (400, "invalid")),
        (order.number, {"items": [{"quantity": 1}]}, (400, "invalid")),
        (order.number, {"items": [{"external_line_id": "a", "quantity": 0}]}, (400, "invalid")),
        (order.number, {"items": [{"external_line_id": "a", "quantity": "１"}]}, (400, "invalid")),
        (order.number, {"tracking_number": ""}, (400, "invalid")),
        ("D2026112200000000", {}, (404, "not_found")),
    ]:
        body = {"carrier": "shunfeng", "tracking_number": "SF1"} | body
        answer = backend.post(f"orders/{number}/shipments", body)
        assert (answer.status_code, answer.json()["code"]) == expected, body
    assert not Shipment.objects.exists()


def test_a_channel_ships_only_its_own_orders_and_only_with_the_scope(order):
    assert send(make.backend_client("mini-program"), order).status_code == 403
    assert send(make.backend_client(make.channel("elsewhere", group="other")), order).status_code == 404
    assert send(make.backend_client(scopes=["orders:read"]), order).json()["code"] == "scope_missing"


def test_a_parcel_is_corrected_and_taken_back_over_http(backend, order):
    sent = send(backend, order).json()
    path = f"orders/{order.number}/shipments/{sent['id']}"
    corrected = backend.patch(path, {"carrier": "YTO", "tracking_number": "YT1"})
    assert corrected.status_code == 200
    assert corrected.json()["shipments"] == [
        sent | {"carrier": "YTO", "carrier_name": "圆通速递", "tracking_number": "YT1"}
    ]
    overridden = backend.post(path, {"tracking_number": "YT2"}, headers={"X-HTTP-Method-Override": "PATCH"})
    assert overridden.json()["shipments"][0]["tracking_number"] == "YT2"
    assert backend.patch(path, {"tracking_number": "<b>"}).status_code == 400
    assert backend.patch(path, {"tracking_number": ""}).status_code == 400
    gone = backend.delete(path)
    assert (gone.status_code, gone.json()["shipments"], gone.json()["status"]) == (200, [], "paid")
    assert backend.delete(path).status_code == backend.patch(path, {}).status_code == 404


def test_a_parcel_that_arrived_stays(backend, order):
    parcel = p.ship(order)
    p.track(parcel, ("08:00", "delivered"))
    path = f"orders/{order.number}/shipments/{parcel.pk}"
    for answer in (backend.delete(path), backend.patch(path, {"tracking_number": "SF9"})):
        assert (answer.status_code, answer.json()["code"]) == (409, "order_state")
