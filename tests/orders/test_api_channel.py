"""What a channel's backend enters, reads and settles."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections, transaction

from orders.models import Disclosure, Order, PaymentCase
from sync.clock import Clock
from sync.http import instant
from tests import make
from tests.orders import make_orders as o
from tests.statements import sent

pytestmark = pytest.mark.django_db


@pytest.fixture
def backend():
    return make.backend_client("website")


def test_an_order_is_placed_and_read_back(backend):
    member = make.member()
    sent = o.body(
        member_id=str(member.pk),
        items=[o.item(5_000, 2, external_line_id="L1", image_url="https://shop.example/tea.png"), o.item(2_900)],
        shipping_fen=800,
        discounts=[{"kind": "coupon", "code": "TEA8", "name": "茶友券", "amount_fen": 700}],
        total_fen=13_000,
        buyer_note="请放门口",
        placed_at="2020-11-20T06:08:31.120Z",
    )
    answer = backend.post("orders", sent)
    assert answer.status_code == 201
    order = answer.json()
    assert (order["status"], order["payment_status"], order["version"]) == ("pending_payment", "unpaid", 1)
    assert (order["items_fen"], order["shipping_fen"], order["discount_fen"], order["total_fen"]) == (
        *(12_900, 800, 700),
        13_000,
    )
    assert (order["member_id"], order["channel"], order["external_id"]) == (
        *(str(member.pk), "website"),
        sent["external_id"],
    )
    assert order["discounts"] == sent["discounts"]
    assert (order["placed_at"], order["buyer_note"], order["shipments"]) == (sent["placed_at"], "请放门口", [])
    assert [line["sku"] for line in order["lines"]] == ["TEA-1", "TEA-1"]
    assert order["lines"][0] | {"id": ""} == sent["items"][0] | {"id": "", "refunded_quantity": 0}
    read = backend.get(f"orders/{order['number']}")
    assert read.json() == order
    assert read["ETag"].startswith('"')


def test_the_same_again_answers_200_with_the_same_order(backend):
    sent = o.body()
    first, second = backend.post("orders", sent), backend.post("orders", sent)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    changed = backend.post("orders", sent | {"shipping_fen": 1})
    assert (changed.status_code, changed.json()["code"]) == (409, "external_id_conflict")
    assert Order.objects.count() == 1


def test_amounts_must_agree(backend):
    answer = backend.post("orders", o.body(total_fen=1))
    assert (answer.status_code, answer.json()["code"]) == (400, "amount_mismatch")
    assert not Order.objects.exists()


WRONG = [
    {"external_id": ""},
    {"external_id": None},
    {"external_id": 7},
    {"external_id": "x" * 65},
    {"external_id": "a\u0000b"},
    {"items": []},
    {"items": None},
    {"items": {}},
    {"items": ["tea"]},
    {"items": [o.item(quantity=0)]},
    {"items": [o.item(quantity=1.5)]},
    {"items": [o.item(quantity="1")]},
    {"items": [o.item(quantity=True)]},
    {"items": [o.item(-1)]},
    {"items": [o.item(sku="")]},
    {"items": [o.item(name=None)]},
    {"items": [o.item(image_url="javascript:alert(1)")]},
    {"items": [o.item()] * 201},
    {"shipping_fen": -1},
    {"shipping_fen": 0.5},
    {"discounts": [{"kind": "coupon", "name": "券", "amount_fen": 0}]},
    {"discounts": [{"kind": "coupon", "name": "券", "amount_fen": -5}]},
    {"discounts": {}},
    {"points_to_redeem": 1},
    {"points_to_redeem": -1},
    {"history": 1},
    {"history": "false"},
    {"member_id": "me"},
    {"member_id": 7},
    {"identity": {"kind": "email", "value": "a@b.cn"}},
    {"identity": {"kind": "phone", "value": "12345"}},
    {"identity": {"kind": "wechat_openid", "value": "o1", "app_id": "wx-other"}},
    {"member_id": "0193a000-0000-7000-8000-000000000000", "identity": {"kind": "external", "value": "1"}},
    {"contact": {"phone": "12345"}},
    {"address": {"receiver": "李雷"}},
    {"placed_at": "yesterday"},
    {"placed_at": "2026-11-22T06:08:31"},
    {"placed_at": "2999-01-01T00:00:00Z"},
    {"total_fen": "12900"},
    {"buyer_note": "字" * 501},
]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: str(wrong)[:60])
def test_what_is_not_an_order_is_refused_by_name(backend, wrong):
    before = make.snapshot()
    answer = backend.post("orders", o.body() | wrong)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    if "\0" not in str(wrong.get("external_id")):  # a body with NUL is refused before it has fields
        assert any(error["field"].split(".")[0] in wrong for error in answer.json()["errors"])
    assert make.snapshot() == before


@pytest.mark.parametrize("missing", ["external_id", "items"])
def test_what_an_order_needs_must_be_there(backend, missing):
    sent = o.body()
    del sent[missing]
    answer = backend.post("orders", sent)
    assert [error["field"] for error in answer.json()["errors"]] == [missing]


def test_a_member_the_channel_does_not_see_is_not_found(backend):
    stranger = make.member(channel=make.channel("store", group="other"))
    for member_id in (stranger.pk, "0193a000-0000-7000-8000-000000000000"):
        answer = backend.post("orders", o.body(member_id=str(member_id)))
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert not Order.objects.exists()


def test_an_identity_finds_its_member(backend):
    member = make.member(phone="+8613800138000", openid="o-1", channel="website")
    make.identity(member, "external", "C-77", proof="asserted", verified_at=None)
    for identity in (
        {"kind": "phone", "value": "138 0013 8000"},
        {"kind": "wechat_openid", "value": "o-1", "app_id": "wx-website"},
        {"kind": "external", "value": "C-77"},
    ):
        assert backend.post("orders", o.body(identity=identity)).json()["member_id"] == str(member.pk)


def test_an_unknown_identity_makes_a_guest_who_can_be_reached(backend):
    order = backend.post("orders", o.body(identity={"kind": "phone", "value": "13800138000"})).json()
    assert order["member_id"] is None
    shown = backend.get(f"orders/{order['number']}/recipient").json()
    assert shown["phone"] == "+8613800138000"
    other = make.backend_client("mini-program").post("orders", o.body(identity={"kind": "external", "value": "1"}))
    assert other.json()["member_id"] is None


def test_a_channel_sees_its_own_orders_and_its_groups(backend):
    own, near = o.order(), o.order(channel="mini-program")
    far = o.order(channel=make.channel("store", group="other"))
    assert backend.get(f"orders/{near.number}").status_code == 200
    for path in (f"orders/{far.number}", f"orders/{far.number}/recipient", "orders/D0", "orders/%E8%8C%B6"):
        answer = backend.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    listed = backend.get("orders").json()["results"]
    assert [order["number"] for order in listed] == [own.number, near.number]


def test_the_list_is_read_from_the_oldest_change_on(backend):
    orders = [o.order(external_id=f"E{n}") for n in range(3)]
    first = backend.get("orders", limit=2).json()
    assert [order["external_id"] for order in first["results"]] == ["E0", "E1"]
    rest = backend.get(first["next"].replace("http://127.0.0.1:8000", "")).json()
    assert [order["external_id"] for order in rest["results"]] == ["E2"]
    assert [x["external_id"] for x in backend.get("orders", external_id="E1").json()["results"]] == ["E1"]
    newer = backend.get("orders", updated_after=orders[1].updated_at.isoformat()).json()["results"]
    assert [order["external_id"] for order in newer] == ["E2"]


@pytest.mark.parametrize("query", [{"updated_after": "now"}, {"limit": "0"}, {"cursor": "x"}, {"external_id": ""}])
def test_a_malformed_list_is_refused(backend, query):
    assert backend.get("orders", **query).json()["code"] == "invalid"


@pytest.mark.django_db(transaction=True)
def test_a_list_by_change_never_goes_past_an_order_that_is_still_being_changed(backend):
    slow, quick = o.order(), o.order()
    last = quick.updated_at.isoformat()
    changed, go_on = threading.Event(), threading.Event()

    def settle_slowly():
        with transaction.atomic():
            Order.objects.filter(pk=slow.pk).update(updated_at=Clock())
            changed.set()
            go_on.wait(60)
        connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(settle_slowly)
        assert changed.wait(60)
        Order.objects.filter(pk=quick.pk).update(updated_at=Clock())
        meanwhile = backend.get("orders", updated_after=last).json()["results"]
        go_on.set()
        done.result()
    assert meanwhile == []
    after = backend.get("orders", updated_after=last).json()["results"]
    assert [order["number"] for order in after] == [slow.number, quick.number]


@pytest.mark.parametrize(
    "more", [{"total_fen": None}, {"member_id": None, "identity": None}, {"address": None, "buyer_note": None}]
)
def test_what_is_left_out_and_what_is_empty_is_the_same_request(backend, more):
    sent = o.body()
    first, again = backend.post("orders", sent), backend.post("orders", sent | more)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()


@pytest.mark.parametrize("rows", [1, 3])
def test_a_list_costs_the_same_however_many(backend, django_assert_num_queries, rows):
    for _row in range(rows):
        o.order(lines=3)
    with django_assert_num_queries(3), sent() as statements:  # the key's last use, the group, the clock
        assert len(backend.get("orders").json()["results"]) == rows
    assert len(statements) == 5  # and, prepared, the key and the page


def test_a_recipient_is_shown_with_a_trace(backend):
    address = {"receiver": "韩梅梅", "phone": "13900139000", "street": "龙井路 1 号", "city": "杭州市"}
    number = backend.post("orders", o.body(address=address)).json()["number"]
    shown = backend.get(f"orders/{number}/recipient").json()
    assert shown == {
        "receiver": "韩梅梅",
        "phone": "+8613900139000",
        "province": "",
        "city": "杭州市",
        "district": "",
        "street": "龙井路 1 号",
        "postcode": "",
    }
    assert Disclosure.objects.get().actor == "channel/website"
    reader = make.backend_client("website", scopes=["orders:read"])
    assert reader.get(f"orders/{number}/recipient").json()["code"] == "scope_missing"
    assert Disclosure.objects.count() == 1


def payment(**fields):
    known = {"provider": "offline", "transaction_id": "R-1", "amount_fen": 12_900}
    return known | {"paid_at": instant(make.NOON)} | fields


def test_money_the_channel_took_pays_its_order_once(backend):
    order = o.order()
    first = backend.post(f"orders/{order.number}/payments", payment())
    again = backend.post(f"orders/{order.number}/payments", payment())
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert first.json()["order"]["payment_status"] == "paid"
    assert (first.json()["state"], first.json()["case"]) == ("paid", None)


def test_the_wrong_amount_becomes_a_case(backend):
    order = o.order()
    answer = backend.post(f"orders/{order.number}/payments", payment(amount_fen=1))
    assert (answer.status_code, answer.json()["case"]) == (201, "wrong_amount")
    assert answer.json()["order"]["payment_status"] == "unpaid"
    assert PaymentCase.objects.count() == 1


def test_a_transaction_counts_once(backend):
    first, second = o.order(), o.order()
    backend.post(f"orders/{first.number}/payments", payment())
    answer = backend.post(f"orders/{second.number}/payments", payment())
    assert (answer.status_code, answer.json()["code"]) == (409, "reference_conflict")


@pytest.mark.parametrize("provider", ["wechat_pay", "wechat-pay", "wechatpay"])
def test_nobody_but_wechat_says_that_wechat_was_paid(backend, provider):
    order = o.order()
    before = make.snapshot()
    answer = backend.post(f"orders/{order.number}/payments", payment(provider=provider))
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert make.snapshot() == before


def test_a_channel_settles_its_own_orders_only(backend):
    near, far = o.order(channel="mini-program"), o.order(channel=make.channel("store", group="other"))
    assert backend.post(f"orders/{near.number}/payments", payment()).json()["code"] == "forbidden"
    assert backend.post(f"orders/{far.number}/payments", payment()).json()["code"] == "not_found"


@pytest.mark.parametrize(
    "wrong",
    [
        {"provider": ""},
        {"provider": "Off Line"},
        {"provider": 1},
        {"transaction_id": ""},
        {"transaction_id": None},
        {"amount_fen": 0},
        {"amount_fen": "12900"},
        {"paid_at": None},
        {"paid_at": "2999-01-01T00:00:00Z"},
    ],
)
def test_what_is_no_payment_is_refused_by_name(backend, wrong):
    order = o.order()
    before = make.snapshot()
    answer = backend.post(f"orders/{order.number}/payments", payment(**wrong))
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, *wrong)
    assert make.snapshot() == before


CALLS = [
    ("get", "orders", "orders:read"),
    ("post", "orders", "orders:write"),
    ("get", "orders/D1", "orders:read"),
    ("get", "orders/D1/recipient", "orders:recipient"),
    ("post", "orders/D1/payments", "payments:write"),
]


@pytest.mark.parametrize(("method", "path", "scope"), CALLS)
def test_every_call_asks_for_its_scope_and_for_a_backend(method, path, scope):
    others = [each for each in make.Scope.values if each != scope]
    assert getattr(make.backend_client(scopes=others), method)(path).json()["code"] == "scope_missing"
    assert getattr(make.member_client(), method)(path).json()["code"] == "forbidden"
    assert getattr(make.client(), method)(path).status_code == 401


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k-1"}], ids=["plain", "with one key"])
def test_twenty_at_once_are_one_order(backend, headers):
    sent = o.body(member_id=str(make.member().pk))

    def post(_n):
        try:
            return backend.post("orders", sent, headers=headers)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(post, range(20)))
    done = [answer for answer in answers if answer.status_code in {200, 201}]
    assert Order.objects.count() == 1
    assert len({answer.json()["number"] for answer in done}) == 1
    assert {answer.status_code for answer in answers} <= ({200, 201} if not headers else {201, 409})
