"""Refunds over the public contract: by the channel's backend, asked for by the member."""

import pytest

from orders import services
from orders.models import Refund
from orders.payments import refunding
from sync.http import instant
from sync.ids import uuid7
from tests import make
from tests.orders import make_orders as o
from tests.orders import make_refunds as r
from tests.statements import sent

pytestmark = pytest.mark.django_db


@pytest.fixture
def buyer():
    o.earning()
    return make.member_client(channel="website")


@pytest.fixture
def order(buyer):
    return r.paid(member=buyer.member, lines=3, fen=9_000, shipping_fen=600)


@pytest.fixture
def shop():
    return make.backend_client("website")


def said(order, *wanted, **fields) -> dict:
    """The body of POST refunds: one the channel did unless told otherwise."""
    items = [item | {"line_id": str(item["line_id"])} for item in r.items(order, *wanted)]
    done = r.executed()
    done["refunded_at"] = instant(done["refunded_at"])
    known = {"external_id": "AS-1", "items": items, "shipping_fen": 0, "reason": "七天无理由", "executed": done}
    return known | fields


def post(client, order, body):
    return client.post(f"orders/{order.number}/refunds", body)


def mine(client, order, *pieces: int, **fields):
    """The member asks for so many pieces of each line."""
    items = [
        {"line_id": str(line.pk), "quantity": each} for line, each in zip(r.lines(order), pieces, strict=False) if each
    ]
    return client.post(f"me/orders/{order.number}/refunds", {"items": items, "reason": "尺码不合"} | fields)


def test_a_channel_tells_of_a_refund_it_did(shop, order, buyer):
    asked = said(order, (1, 3_000), shipping_fen=600)
    answer = post(shop, order, asked)
    assert answer.status_code == 201, answer.json()
    told = answer.json()
    assert list(told) == [
        *("id", "external_id", "number", "state", "items", "shipping_fen", "amount_fen", "reason", "provider"),
        "refunded_at",
    ]
    assert told | {"id": "", "number": ""} == {
        "id": "",
        "external_id": "AS-1",
        "number": "",
        "state": "done",
        "items": asked["items"],
        "shipping_fen": 600,
        "amount_fen": 3_600,
        "reason": "七天无理由",
        "provider": "offline",
        "refunded_at": asked["executed"]["refunded_at"],
    }
    again = post(shop, order, asked)
    assert (again.status_code, again.json()) == (200, told)
    other = post(shop, order, asked | {"reason": "另"})
    assert (other.status_code, other.json()["code"]) == (409, "external_id_conflict")
    shown = buyer.get(f"me/orders/{order.number}").json()
    assert (shown["refunded_fen"], shown["refund_status"], shown["status"]) == (3_600, "partial", "partially_refunded")
    assert shown["lines"][0]["refunded_quantity"] == 1


def test_a_line_may_be_named_by_the_channel_s_own_number(shop, buyer):
    order = r.paid(member=buyer.member, items=[o.item(external_line_id="L-1")])
    items = [{"external_line_id": "L-1", "quantity": 1, "amount_fen": 12_900}]
    assert post(shop, order, said(order, items=items)).status_code == 201
    assert r.money(order) == (12_900, 0, 0, "full")


@pytest.mark.parametrize("provider", ["wechat_pay", "WeChat-Pay", "wechatpay"])
def test_a_channel_speaks_not_for_wechat_pay(shop, order, provider):
    body = said(order, (1, 3_000))
    body["executed"]["provider"] = provider
    answer = post(shop, order, body)
    assert answer.status_code in {400, 403}
    assert not Refund.objects.exists()


def test_what_the_hub_took_may_be_given_back_at_the_shop(shop, buyer, wechat):
    order = r.paid(member=buyer.member, merchant=wechat.merchant)
    answer = post(shop, order, said(order, (1, 12_900)))
    assert (answer.status_code, answer.json()["state"], answer.json()["provider"]) == (201, "done", "offline")
    assert not wechat.refunds.known


def test_the_hub_refunds_through_wechat_pay(shop, buyer, wechat):
    order = r.paid(member=buyer.member, merchant=wechat.merchant)
    for _turn in range(2):
        answer = post(shop, order, said(order, (1, 12_900), executed=None))
        told = answer.json()
        assert (told["state"], told["provider"], told["refunded_at"]) == ("processing", "wechat_pay", None)
    assert wechat.calls == [("POST", "/v3/refund/domestic/refunds")]
    assert buyer.get(f"me/orders/{order.number}").json()["status"] == "refunding"


def test_without_wechat_pay_the_refund_is_kept_all_the_same(shop, buyer, wechat):
    order = r.paid(member=buyer.member, merchant=wechat.merchant)
    wechat.failing = 500
    answer = post(shop, order, said(order, (1, 12_900), executed=None))
    assert (answer.status_code, answer.json()["state"]) == (201, "processing")


def test_a_repeated_key_is_answered_as_before(shop, buyer, wechat):
    order = r.paid(member=buyer.member, merchant=wechat.merchant)
    body, key = said(order, (1, 12_900), executed=None), {"Idempotency-Key": "k"}
    path = f"orders/{order.number}/refunds"
    first, again = shop.post(path, body, key), shop.post(path, body, key)
    assert (first.json(), again["Idempotency-Replayed"], again.status_code) == (again.json(), "true", 201)
    assert len(wechat.calls) == 1


def test_what_was_paid_otherwise_waits_for_whoever_pays_it_back(shop, order):
    answer = post(shop, order, said(order, (1, 3_000), executed=None))
    assert (answer.status_code, answer.json()["state"], answer.json()["provider"]) == (201, "requested", "offline")
    refund = Refund.objects.get()
    with pytest.raises(services.NotRefundable):
        services.approve_refund(refund=refund.pk, by=make.STAFF)
    done = services.approve_refund(refund=refund.pk, by=make.STAFF, executed=r.executed(provider="alipay"))
    assert (done.state, done.provider, r.money(order)) == ("done", "alipay", (3_000, 0, 0, "partial"))
    assert services.approve_refund(refund=refund.pk, by=make.STAFF) == done


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"items": [], "shipping_fen": 0}, 400, "invalid"),
        ({"external_id": ""}, 400, "invalid"),
        ({"shipping_fen": -1}, 400, "invalid"),
        ({"shipping_fen": 601}, 409, "order_state"),
        ({"executed": {"provider": "offline"}}, 400, "invalid"),
        ({"executed": "yes"}, 400, "invalid"),
        ({"items": "all"}, 400, "invalid"),
        ({"reason": 5}, 400, "invalid"),
    ],
)
def test_what_is_malformed_is_refused(shop, order, change, status, code):
    answer = post(shop, order, said(order, (1, 3_000)) | change)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not Refund.objects.exists()


@pytest.mark.parametrize(
    "item",
    [
        *({"quantity": 4}, {"quantity": -1}, {"quantity": True}, {"amount_fen": 9_601}, {"amount_fen": 1.5}),
        *({"quantity": 0, "amount_fen": 0}, {"line_id": None}, {"line_id": "x"}, {"line_id": str(uuid7())}),
    ],
)
def test_no_item_is_believed(shop, order, item):
    body = said(order, (1, 3_000))
    body["items"][0] |= item
    assert post(shop, order, body).status_code in {400, 409}
    assert not Refund.objects.exists()


def test_a_channel_refunds_only_its_own_orders(order):
    body = said(order, (1, 3_000))
    assert post(make.backend_client("mini-program"), order, body).json()["code"] == "forbidden"
    elsewhere = make.channel("elsewhere", group="another brand")
    assert post(make.backend_client(elsewhere), order, body).json()["code"] == "not_found"
    assert post(make.backend_client("website", scopes=["orders:write"]), order, body).json()["code"] == "scope_missing"


def test_an_unpaid_order_is_not_refunded(shop, buyer):
    order = o.order(member=buyer.member)
    for answer in (post(shop, order, said(order, (1, 1))), mine(buyer, order, 1)):
        assert (answer.status_code, answer.json()["code"]) == (409, "order_state")


def test_a_member_asks_and_the_hub_knows_what_it_is_worth(buyer, order):
    answer = mine(buyer, order, 1, amount_fen=99_999)
    assert answer.status_code == 201, answer.json()
    told = answer.json()
    assert (told["state"], told["amount_fen"], told["reason"], told["external_id"]) == (
        *("requested", 3_000, "尺码不合", ""),
    )
    assert make.types_of(buyer.member)[-1] == "order.refund_requested"
    assert buyer.get(f"me/orders/{order.number}").json()["status"] == "refunding"
    again = mine(buyer, order, 1)
    assert (again.status_code, again.json()["code"]) == (409, "order_state")
    assert mine(buyer, order, 0, 1).status_code == 201


def test_discounts_are_shared_and_the_rest_takes_what_is_left(buyer):
    discount = {"kind": "coupon", "code": "", "name": "券", "amount_fen": 100}
    order = r.paid(member=buyer.member, items=[o.item(333, 3), o.item(1)], discounts=[discount], shipping_fen=10)
    worth = [mine(buyer, order, *pieces).json()["amount_fen"] for pieces in ((1,), (1,), (1, 1))]
    assert sum(worth) == order.total_fen  # the shipping comes along with the last: nothing was shipped
    assert worth[0] in {299, 300}


def test_shipping_stays_once_something_was_shipped(buyer, order):
    named = {"carrier": "shunfeng", "tracking_number": "SF1", "by": r.CHANNEL}
    services.ship(order=order.pk, items=None, **named)
    assert mine(buyer, order, 1, 1, 1).json()["amount_fen"] == 9_000


def test_the_channel_approves_by_refunding_the_same_goods(shop, buyer, wechat):
    order = r.paid(member=buyer.member, merchant=wechat.merchant, lines=2, fen=10_000)
    asked = mine(buyer, order, 1).json()
    approved = post(shop, order, said(order, (1, 4_500), executed=None)).json()
    assert (approved["id"], approved["state"], approved["amount_fen"]) == (asked["id"], "processing", 4_500)
    assert r.money(order) == (0, 4_500, 1, "none")
    assert make.types_of(buyer.member).count("order.refund_requested") == 1
    assert post(shop, order, said(order, (1, 4_500), executed=None)).status_code == 200


def test_a_refund_that_was_done_makes_way_for_itself(shop, buyer, order):
    mine(buyer, order, 1), mine(buyer, order, 0, 1), mine(buyer, order, 0, 0, 1)
    post(shop, order, said(order, (1, 3_000), (1, 3_000)))
    assert sorted(Refund.objects.values_list("state", "problem")) == [
        ("done", ""),
        ("failed", "superseded"),
        ("failed", "superseded"),
        ("requested", ""),
    ]
    assert r.money(order) == (6_000, 0, 1, "partial")
    post(shop, order, said(order, (0, 3_000), external_id="AS-2"))
    assert r.money(order) == (9_000, 0, 0, "partial")  # no money is left for the last


def test_staff_decide(buyer, wechat):
    order = r.paid(member=buyer.member, merchant=wechat.merchant, lines=2, fen=10_000)
    no, yes = (Refund.objects.get(pk=mine(buyer, order, *pieces).json()["id"]) for pieces in ((1,), (0, 1)))
    declined = services.decline_refund(refund=no.pk, by=make.STAFF)
    assert (declined.state, declined.problem, declined.decided_by) == ("failed", "declined", str(make.STAFF))
    assert services.decline_refund(refund=no.pk, by=make.STAFF).state == "failed"
    with pytest.raises(services.NotRefundable):
        services.approve_refund(refund=no.pk, by=make.STAFF)
    services.approve_refund(refund=yes.pk, by=make.STAFF, amounts={r.lines(order)[1].pk: 4_000})
    assert refunding.carry_out(yes.pk).amount_fen == 4_000
    with pytest.raises(services.NotRefundable):
        services.decline_refund(refund=yes.pk, by=make.STAFF)
    assert r.money(order) == (0, 4_000, 1, "none")


@pytest.mark.parametrize("items", [[], [{"line_id": "x", "quantity": 1}], [{"quantity": 1}], "all", None])
def test_a_member_names_lines_and_pieces(buyer, order, items):
    answer = buyer.post(f"me/orders/{order.number}/refunds", {"items": items, "reason": ""})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")


def test_nobody_asks_for_another_s_order(order):
    stranger = make.member_client(channel="website")
    assert mine(stranger, order, 1).json()["code"] == "not_found"
    assert not Refund.objects.exists()


def test_the_reason_lies_encrypted(buyer, order):
    mine(buyer, order, 1)
    assert "尺码".encode() not in bytes(Refund.objects.values_list("reason", flat=True).get())


@pytest.mark.parametrize("lines", [1, 3])
def test_a_refund_costs_the_same_however_many_lines(shop, buyer, lines):
    for turn in range(2):  # what a key's first use keeps for those after it is there by then
        order = r.paid(member=buyer.member, lines=lines, fen=9_000)
        body = said(order, *[(1, 9_000 // lines)] * lines, external_id=f"AS-{turn}")
        with sent() as statements:
            assert post(shop, order, body).status_code == 201
    assert len(statements) == 55
