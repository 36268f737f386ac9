"""What an order costs can change until it is paid, where it goes until it is shipped; late words change nothing."""

from datetime import timedelta
from itertools import permutations

import pytest

from loyalty.models import Hold
from orders import queries, services
from orders.models import Line, Order, Recipient, Superseded
from orders.services.editing import edit
from sync.clock import Clock
from tests import make
from tests.loyalty.make_points import at_once, balance
from tests.orders import make_orders as o
from tests.orders import make_points as p

pytestmark = pytest.mark.django_db

ADDRESS = {"receiver": "韩梅梅", "phone": "+8613900139000", "street": "龙井路 1 号", "city": "杭州市"}
COUPON = {"kind": "coupon", "code": "", "name": "改价", "amount_fen": 900}


@pytest.fixture
def backend():
    return make.backend_client("website")


def refusal(answer) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def fresh(order: Order) -> Order:
    return queries.whole().get(pk=order.pk)


def test_prices_discounts_shipping_address_and_note_change_before_payment(backend):
    member = make.member()
    order = o.order(member=member, lines=2, fen=10_000)
    line = order.lines.first()
    answer = backend.patch(
        f"orders/{order.number}",
        {
            "items": [{"line_id": str(line.pk), "unit_price_fen": 4_000}],
            "shipping_fen": 800,
            "discounts": [COUPON],
            "address": ADDRESS,
            "buyer_note": "请放门口",
            "total_fen": 8_900,
        },
    )
    assert answer.status_code == 200
    shown = answer.json()
    assert (shown["items_fen"], shown["shipping_fen"], shown["discount_fen"], shown["total_fen"]) == (
        *(9_000, 800),
        *(900, 8_900),
    )
    assert [each["unit_price_fen"] for each in shown["lines"]] == [4_000, 5_000]
    assert (shown["discounts"], shown["buyer_note"], shown["version"]) == ([COUPON], "请放门口", 2)
    assert queries.as_recipient(order)["receiver"] == "韩梅梅"
    assert backend.get(f"orders/{order.number}").json() == shown
    assert answer["ETag"] == backend.get(f"orders/{order.number}")["ETag"]
    assert make.types_of(member) == ["order.placed", "order.updated"]
    assert "韩梅梅" not in str(make.events_of(member)[-1].data)


def test_the_same_again_changes_nothing(backend):
    order = o.order()
    asked = {"shipping_fen": 800, "address": ADDRESS, "buyer_note": "快", "items": [o.item(12_000)]}
    first = backend.patch(f"orders/{order.number}", asked)
    events = len(make.events_of(f"order/{order.number}"))
    again = backend.patch(f"orders/{order.number}", asked)
    assert first.json() == again.json()
    assert len(make.events_of(f"order/{order.number}")) == events


def test_the_wechat_client_edits_by_a_post(backend):
    order = o.order()
    answer = backend.post(f"orders/{order.number}", {"shipping_fen": 5}, {"X-HTTP-Method-Override": "PATCH"})
    assert (answer.status_code, answer.json()["total_fen"]) == (200, 12_905)


def test_a_whole_list_of_items_takes_the_place_of_the_lines_and_those_that_stay_keep_their_ids():
    order = o.order(
        items=[o.item(100, sku="A", external_line_id="1"), o.item(200, sku="B"), o.item(300, sku="C", name="c")]
    )
    first, second, third = (line.pk for line in order.lines.all())
    items = [o.item(50, 2, sku="N"), o.item(200, 3, sku="B"), o.item(90, sku="A", external_line_id="1")]
    edit(order=order.pk, changes={"items": items}, by=make.BACKEND)
    lines = list(Line.objects.filter(order=order))
    assert [(line.sku, line.quantity, line.unit_price_fen) for line in lines] == [
        ("N", 2, 50),
        ("B", 3, 200),
        ("A", 1, 90),
    ]
    assert [line.pk for line in lines][1:] == [second, first]
    assert third not in {line.pk for line in lines}
    assert fresh(order).total_fen == 790


@pytest.mark.parametrize(
    "items",
    [
        [{"external_line_id": "9", "unit_price_fen": 1}],
        [{"unit_price_fen": 1}],
        [{"line_id": "0193a000-0000-7000-8000-000000000000", "unit_price_fen": 1}],
        [o.item(1) | {"line_id": "0193a000-0000-7000-8000-000000000000"}],
        [{"external_line_id": "1", "unit_price_fen": 1}, {"external_line_id": "1", "quantity": 2}],
    ],
)
def test_a_line_that_is_not_there_cannot_change(backend, items):
    order = o.order(items=[o.item(external_line_id="1"), o.item()])
    before = make.snapshot()
    answer = backend.patch(f"orders/{order.number}", {"items": items})
    assert refusal(answer) == (400, "invalid")
    assert [error["field"] for error in answer.json()["errors"]] == ["items"]
    assert make.snapshot() == before


@pytest.mark.parametrize("asked", [{"total_fen": 1}, {"discounts": [COUPON | {"amount_fen": 12_901}]}])
def test_amounts_that_do_not_agree_change_nothing(backend, asked):
    order = o.order()
    before = make.snapshot()
    answer = backend.patch(f"orders/{order.number}", {"shipping_fen": 0} | asked)
    assert refusal(answer) == (400, "amount_mismatch")
    assert make.snapshot() == before


@pytest.mark.parametrize(
    "wrong",
    [
        {"items": []},
        {"items": [{"quantity": 0}]},
        {"shipping_fen": -1},
        {"discounts": [COUPON | {"amount_fen": 0}]},
        {"address": {"receiver": "李雷"}},
        {"address": None},
        {"buyer_note": "字" * 501},
    ],
)
def test_what_is_no_edit_is_refused_by_name(backend, wrong):
    order = o.order()
    answer = backend.patch(f"orders/{order.number}", wrong)
    assert refusal(answer) == (400, "invalid")
    assert answer.json()["errors"][0]["field"].split(".")[0] in wrong


def test_an_order_that_changed_since_it_was_read_is_not_overwritten(backend):
    order = o.order()
    tag = backend.get(f"orders/{order.number}")["ETag"]
    assert backend.patch(f"orders/{order.number}", {"shipping_fen": 1}, {"If-Match": tag}).status_code == 200
    before = make.snapshot()
    stale = backend.patch(f"orders/{order.number}", {"shipping_fen": 2}, {"If-Match": tag})
    assert refusal(stale) == (412, "version_conflict")
    assert stale.json()["current"] == backend.get(f"orders/{order.number}").json()
    after = make.snapshot()
    assert {name for name in after if after[name] != before[name]} <= {"sync_quota"}


@pytest.mark.parametrize("asked", [{"shipping_fen": 1}, {"items": [o.item(1)]}, {"discounts": [COUPON]}])
def test_what_is_paid_or_closed_costs_what_it_cost(backend, asked):
    paid, closed = p.paid(o.order()), o.order()
    services.close(order=closed.pk, by=make.BACKEND)
    for order in (paid, closed):
        before = make.snapshot()
        assert refusal(backend.patch(f"orders/{order.number}", asked)) == (409, "order_state")
        assert make.snapshot() == before


def test_after_payment_the_address_changes_until_all_is_shipped_and_the_note_at_any_time(backend):
    order = p.paid(o.order())
    assert backend.patch(f"orders/{order.number}", {"address": ADDRESS}).status_code == 200
    Order.objects.filter(pk=order.pk).update(fulfilment_status="shipped", shipped_at=Clock())
    other = ADDRESS | {"street": "灵隐路 2 号"}
    assert refusal(backend.patch(f"orders/{order.number}", {"address": other})) == (409, "order_state")
    assert queries.as_recipient(order)["street"] == "龙井路 1 号"
    assert backend.patch(f"orders/{order.number}", {"buyer_note": "晚上送"}).json()["buyer_note"] == "晚上送"


def test_a_guests_contact_stays_when_the_address_changes():
    order = o.order(contact={"phone": "+8613800138000", "name": "李雷"}, address=ADDRESS)
    before = Recipient.objects.get()
    edit(order=order.pk, changes={"address": ADDRESS | {"phone": "+8613700137000"}}, by=make.BACKEND)
    after = Recipient.objects.get()
    assert (after.pk, after.contact, bytes(after.phone_index)) == (
        *(before.pk, before.contact),
        bytes(before.phone_index),
    )
    assert after.phone == "+8613700137000"


def test_a_channel_edits_its_own_orders_only(backend):
    near, far = o.order(channel="mini-program"), o.order(channel=make.channel("store", group="other"))
    assert refusal(backend.patch(f"orders/{near.number}", {"shipping_fen": 1})) == (403, "forbidden")
    assert refusal(backend.patch(f"orders/{far.number}", {"shipping_fen": 1})) == (404, "not_found")


def test_points_stay_set_aside_and_what_they_take_off_is_reckoned_anew(backend):
    client = p.buyer(1_000)
    order = p.order(client, 300, fen=1_000)
    lowered = backend.patch(f"orders/{order.number}", {"items": [o.item(200)], "shipping_fen": 50})
    assert [lowered.json()[name] for name in ("points_redeemed", "points_discount_fen", "total_fen")] == [250, 250, 0]
    assert lowered.json()["payment_status"] == "paid"
    assert balance(client.member) == (750, 0, 0, 0)


def test_a_price_that_rises_again_finds_all_the_points_again(backend):
    p.programme(redeem_percent=50)
    client = p.buyer(1_000)
    order = p.order(client, 300, fen=1_000)
    for fen, points in ((200, 100), (5_000, 300)):
        shown = backend.patch(f"orders/{order.number}", {"items": [o.item(fen)]}).json()
        assert (shown["points_redeemed"], shown["total_fen"]) == (points, fen - points)
        assert balance(client.member) == (700, 0, 300, 0)
    assert Hold.objects.get().state == "held"


def test_a_lower_price_takes_fewer_points_and_gives_the_rest_back_when_it_is_paid(backend):
    p.programme(redeem_percent=50)
    client = p.buyer(1_000)
    order = p.order(client, 300, fen=1_000)
    backend.patch(f"orders/{order.number}", {"items": [o.item(200)]})
    p.paid(fresh(order))
    assert balance(client.member) == (900, 0, 0, 0)


def test_an_open_payment_of_another_amount_is_closed_at_the_provider_first(backend, wechat):
    order = o.order()
    payment = o.payment(order, merchant=wechat.merchant)
    wechat.trades[payment.pk.hex] = {"trade_state": "NOTPAY"} | outside_words(payment)
    answer = backend.patch(f"orders/{order.number}", {"shipping_fen": 100})
    assert (answer.status_code, answer.json()["total_fen"]) == (200, 13_000)
    payment.refresh_from_db()
    assert payment.state == "closed"


def outside_words(payment) -> dict:
    amount = {"total": payment.amount_fen, "currency": "CNY"}
    return {"appid": payment.app_id, "mchid": "1900000001", "out_trade_no": payment.pk.hex, "amount": amount}


@pytest.mark.parametrize("is_told", [True, False], ids=["there", "on its way"])
def test_money_that_is_there_or_on_its_way_wins_over_an_edit(backend, wechat, is_told):
    order = o.order()
    payment = o.payment(order, merchant=wechat.merchant)
    wechat.trades[payment.pk.hex] = {"trade_state": "USERPAYING"} | outside_words(payment)
    if is_told:
        wechat.pay(payment.pk.hex)
    answer = backend.patch(f"orders/{order.number}", {"shipping_fen": 100})
    assert refusal(answer) == (409, "payment_in_progress")
    after = fresh(order)
    assert (after.total_fen, after.payment_status) == (12_900, "paid" if is_told else "unpaid")


def test_a_provider_that_says_nothing_leaves_the_order_as_it_is(backend, wechat):
    order = o.order()
    o.payment(order, merchant=wechat.merchant)
    wechat.failing = 500
    answer = backend.patch(f"orders/{order.number}", {"shipping_fen": 100})
    assert refusal(answer) == (503, "wechat_unavailable")
    assert fresh(order).total_fen == 12_900


def test_an_edit_that_changes_no_amount_leaves_an_open_payment_alone(backend):
    order = o.order()
    payment = o.payment(order)
    assert backend.patch(f"orders/{order.number}", {"address": ADDRESS, "total_fen": 12_900}).status_code == 200
    payment.refresh_from_db()
    assert payment.state == "open"


def test_a_late_price_takes_the_money_that_came_for_it(backend):
    o.earning()
    member = make.member()
    order = o.order(member=member)
    money = {"provider": "offline", "transaction_id": "R-1", "amount_fen": 9_900, "paid_at": make.NOON}
    services.take_payment(number=order.number, channel=backend.channel, by=make.BACKEND, **money)
    assert fresh(order).payment_status == "unpaid"
    changes = {"items": [o.item(9_900)]}
    edit(order=order.pk, changes=changes, occurred_at=make.NOON - timedelta(minutes=1), by=make.BACKEND)
    settled = fresh(order)
    assert (settled.payment_status, settled.paid_fen, settled.points_earned) == ("paid", 9_900, 99)
    assert order.cases.get().resolved_at is not None
    assert make.types_of(member)[1:4] == ["order.updated", "order.paid", "points.earned"]


FACTS = [
    (1, {"shipping_fen": 100}),
    (2, {"items": [o.item(5_000, 2)], "buyer_note": "一"}),
    (3, {"shipping_fen": 300, "address": ADDRESS}),
    (4, {"discounts": [COUPON], "buyer_note": "二", "address": ADDRESS | {"street": "灵隐路 2 号"}}),
]


@pytest.mark.parametrize("turn", list(permutations(range(4)))[::5])
def test_facts_end_the_same_in_whatever_order_they_come(turn):
    order = o.order()
    for n in (*turn, *turn):
        minutes, changes = FACTS[n]
        at = make.NOON + timedelta(minutes=minutes)
        edit(order=order.pk, changes=changes, occurred_at=at, by=make.BACKEND)
    shown = queries.as_order(fresh(order))
    assert (shown["total_fen"], shown["shipping_fen"], shown["buyer_note"]) == (9_400, 300, "二")
    assert queries.as_recipient(order)["street"] == "灵隐路 2 号"


def test_a_fact_that_is_too_late_is_kept_and_told_to_nobody():
    order = p.paid(o.order())
    version = fresh(order).version
    for _again in range(2):
        edit(order=order.pk, changes={"shipping_fen": 1}, occurred_at=make.NOON, by=make.BACKEND)
    assert fresh(order).version == version
    assert list(Superseded.objects.values_list("type", "reason")) == [("order.updated", "paid")]


def test_an_address_written_before_the_goods_left_is_where_they_went():
    order = p.paid(o.order())
    Order.objects.filter(pk=order.pk).update(fulfilment_status="shipped", shipped_at=make.NOON)
    for minutes, street in ((-1, "龙井路 1 号"), (1, "灵隐路 2 号")):
        at = make.NOON + timedelta(minutes=minutes)
        edit(order=order.pk, changes={"address": ADDRESS | {"street": street}}, occurred_at=at, by=make.BACKEND)
    assert queries.as_recipient(order)["street"] == "龙井路 1 号"
    assert Superseded.objects.get().reason == "shipped"


def test_goods_that_were_sent_are_not_edited_away(backend):
    order = o.order(items=[o.item(100, 2)])
    Line.objects.filter(order=order).update(shipped_quantity=1)
    line = str(order.lines.get().pk)
    fewer = backend.patch(f"orders/{order.number}", {"items": [{"line_id": line, "quantity": 1}]})
    assert refusal(fewer) == (409, "order_state")
    cheaper = backend.patch(f"orders/{order.number}", {"items": [{"line_id": line, "unit_price_fen": 50}]})
    assert cheaper.json()["total_fen"] == 100


@pytest.mark.django_db(transaction=True)
def test_an_order_edited_and_paid_at_once_is_paid_what_it_costs_or_has_a_case():
    order = o.order()
    asked = [
        lambda: edit(order=order.pk, changes={"shipping_fen": 100}, by=make.BACKEND),
        lambda: p.paid(order),
    ]
    at_once(2, lambda n: asked[n]())
    after = fresh(order)
    if after.payment_status == "paid":
        assert after.paid_fen == after.total_fen == 12_900
    else:
        assert (after.total_fen, order.cases.get().kind) == (13_000, "wrong_amount")
