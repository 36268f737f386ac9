"""What carriers tell of parcels: replaced as a whole, back and forth, never older over newer, never in clear."""

import json
import random
import time
from datetime import timedelta

import pytest
from django.db import connection

from orders import queries, services
from orders.models import Order, OrderTerms, Shipment
from orders.shipping import following, kuaidi100
from sync import clock
from tests import make
from tests.members.test_notices import template
from tests.orders import courier as c
from tests.orders import make_orders as o
from tests.orders import make_parcels as p

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def outside(db, settings):
    p.carriers()
    with c.listening(settings) as courier:
        yield courier


@pytest.fixture
def order():
    return p.paid(member=make.member(), items=[o.item(5_000, 2)])


@pytest.fixture
def parcel(order):
    sent = p.ship(order, carrier="yuantong", number="YT1")
    following.follow_due()
    sent.refresh_from_db()
    return sent


def now(parcel: Shipment) -> tuple[str, str]:
    """The parcel's state and its order's."""
    parcel.refresh_from_db()
    return parcel.state, Order.objects.get(pk=parcel.order_id).fulfilment_status


def test_each_push_replaces_what_was_told_before(parcel):
    c.push(parcel, c.param(parcel, c.entry("09:00")))
    c.push(
        parcel, c.param(parcel, c.entry("14:08", "派件"), c.entry("08:30", context="改写", areaName="上海"), state="5")
    )
    (shown,) = queries.as_order(queries.whole().get())["shipments"]
    assert shown["state"] == "out_for_delivery"
    assert shown["events"] == [
        {
            "at": "2026-11-21T06:08:00.000Z",
            "text": "【杭州市】快件派件",
            "state": "out_for_delivery",
            "place": "浙江,杭州市",
        },
        {"at": "2026-11-21T00:30:00.000Z", "text": "改写", "state": "in_transit", "place": "上海"},
    ]
    told = make.events_of(parcel.order.member)[-1].data["shipments"][0]["events"]
    assert [each.keys() for each in told] == [{"at", "state", "place"}] * 2


def test_what_is_told_lies_encrypted(parcel):
    c.push(parcel, c.param(parcel, c.entry("09:00", context="张三 13800138000 已签收", areaName="杭州市")))
    with connection.cursor() as cursor:
        cursor.execute("SELECT row_to_json(s)::text FROM orders_shipment s UNION ALL SELECT data::text FROM sync_event")
        rows = "\n".join(row[0] for row in cursor.fetchall())
    assert "张三" not in rows
    assert "13800138000" not in rows


@pytest.mark.parametrize(
    ("number", "word"),
    [("0", "in_transit"), ("1", "collected"), ("2", "problem"), ("3", "delivered"), ("4", "returned"),
     ("5", "out_for_delivery"), ("6", "returning"), ("7", "in_transit"), ("8", "customs"), ("10", "customs"),
     ("11", "customs"), ("12", "customs"), ("13", "problem"), ("14", "refused"), ("301", "delivered"),
     ("501", "out_for_delivery"), ("99", None), ("", None), (None, None), ("３", None), ("x", None)],
)  # fmt: skip
def test_every_state_has_our_word(number, word):
    assert kuaidi100.state_of(number) == word


def test_states_go_back_and_forth(parcel):
    seen = []
    for hour, number in enumerate(["1", "0", "2", "0", "5", "2", "5", "99"], start=8):
        c.push(parcel, c.param(parcel, c.entry(f"{hour:02}:00"), state=number))
        seen.append(now(parcel)[0])
    assert seen[:5] == ["collected", "in_transit", "problem", "in_transit", "out_for_delivery"]
    assert seen[5:] == ["problem", "out_for_delivery", "in_transit"]


def test_signed_for_and_then_sent_back_keeps_the_order_from_completing(parcel):
    c.push(parcel, c.param(parcel, c.entry("14:08", "签收"), c.entry("09:00"), state="3"))
    order = Order.objects.get()
    assert (order.fulfilment_status, order.completes_at - order.delivered_at) == ("delivered", timedelta(days=7))
    assert make.types_of(order.member)[-2:] == ["order.tracking_updated", "order.delivered"]
    for number, word in (("6", "returning"), ("4", "returned")):
        c.push(parcel, c.param(parcel, c.entry("18:00", "退回"), c.entry("14:08", "签收"), state=number))
        assert now(parcel) == (word, "delivered")
        assert Order.objects.get().completes_at is None
    c.push(parcel, c.param(parcel, c.entry("20:00", "签收"), state="3"))
    assert Order.objects.get().completes_at is not None


@pytest.mark.parametrize("number", ["4", "6", "14"])
def test_what_came_back_did_not_arrive(parcel, number):
    c.push(parcel, c.param(parcel, c.entry("14:08", "退回"), state=number))
    assert now(parcel)[1] == "shipped"
    assert Order.objects.get().completes_at is None


def test_an_order_arrives_with_the_last_of_its_parcels(order):
    OrderTerms.objects.create(channel=order.channel, complete_after_days=1)
    first, second = p.ship(order, 1, number="SF1"), p.ship(order, 1, number="SF2")
    p.track(second, ("10:00", "delivered"))
    assert now(first)[1] == "shipped"
    p.track(first, ("09:00", "delivered"))
    order = Order.objects.get()
    assert (order.fulfilment_status, f"{order.delivered_at:%H:%M}") == ("delivered", "10:00")
    assert order.completes_at - order.delivered_at == timedelta(days=1)


def test_a_parcel_that_arrived_before_the_rest_was_sent_waits_for_it(order):
    p.track(p.ship(order, 1, number="SF1"), ("09:00", "delivered"))
    assert Order.objects.get().fulfilment_status == "partial"
    p.ship(order, carrier="virtual", number="")
    assert Order.objects.get().fulfilment_status == "delivered"


def test_pushes_in_any_order_end_alike(parcel):
    lists = [[c.entry(f"{hour:02}:00") for hour in range(8 + n, 7, -1)] for n in range(6)]
    pushes = [c.param(parcel, *entries, state=str(n % 3)) for n, entries in enumerate(lists)]
    ended = set()
    for seed in range(6):
        Shipment.objects.filter(pk=parcel.pk).update(state="shipped", tracking=None, told_at=None)
        for n in random.Random(seed).sample(range(6), 6):
            told, last = kuaidi100.entries(pushes[n]["lastResult"], now=clock.now()), pushes[n]["lastResult"]
            services.track(shipment=parcel.pk, told=told, state=kuaidi100.state_of(last["state"]), by=p.PROVIDER)
        parcel.refresh_from_db()
        ended.add((parcel.state, parcel.tracking))
    assert len(ended) == 1
    assert len(json.loads(ended.pop()[1])) == 6


def test_a_list_in_any_order_is_kept_newest_first(parcel):
    entries = [c.entry(f"{hour:02}:00") for hour in range(8, 20)]
    random.Random(1).shuffle(entries)
    c.push(parcel, c.param(parcel, *entries))
    parcel.refresh_from_db()
    times = [each["at"] for each in json.loads(parcel.tracking)]
    assert times == sorted(times, reverse=True)
    assert len(times) == 12


def test_a_thousand_entries_are_bounded_in_number_size_and_time(parcel):
    many = [c.entry(f"{n // 60 % 24:02}:{n % 60:02}", context=f"{n}" + "长" * 40) for n in range(1_000)]
    many[-1] |= {"context": "长" * 500, "areaName": "远" * 200}
    began = time.monotonic()
    answer = c.push(parcel, c.param(parcel, *many))
    assert (answer.status_code, time.monotonic() - began < 5) == (200, True)
    (shown,) = queries.as_order(queries.whole().get())["shipments"]
    assert len(shown["events"]) == 100
    assert (len(shown["events"][0]["text"]), len(shown["events"][0]["place"])) == (300, 80)
    assert shown["events"][0]["at"] == "2026-11-21T08:39:00.000Z"
    again = c.push(parcel, c.param(parcel, *many * 20))
    assert again.status_code == 413


@pytest.mark.parametrize(
    "odd",
    [
        {"ftime": "gestern", "time": ""},
        {"ftime": None, "time": None},
        {"ftime": "2099-01-01 00:00:00", "time": ""},
        {"ftime": "2026-13-45 99:99:99"},
        {"ftime": 20261121},
    ],
)
def test_an_entry_without_a_time_is_left_out(parcel, odd):
    c.push(parcel, c.param(parcel, c.entry("14:08") | odd, c.entry("09:00"), "not an entry", None))
    parcel.refresh_from_db()
    assert [each["at"] for each in json.loads(parcel.tracking)] == ["2026-11-21T01:00:00.000Z"]


@pytest.mark.parametrize("data", [None, [], {}, "x", [1, 2], [[]]])
def test_a_push_without_entries_changes_nothing(parcel, data):
    told = c.param(parcel)
    told["lastResult"]["data"] = data
    assert c.push(parcel, told).status_code == 200
    parcel.refresh_from_db()
    assert (parcel.state, parcel.tracking) == ("shipped", None)


def test_texts_are_kept_without_what_does_not_print(parcel):
    hostile = "<script>alert(1)</script>\u202e\x07\n=HYPERLINK(1)"
    c.push(parcel, c.param(parcel, c.entry("14:08", context=hostile, areaName={"a": 1}, location=None)))
    (shown,) = queries.as_order(queries.whole().get())["shipments"]
    assert shown["events"][0]["text"] == "<script>alert(1)</script>   =HYPERLINK(1)"
    assert shown["events"][0]["place"] == "{'a': 1}"


def test_what_comes_late_changes_nothing(parcel):
    p.track(parcel, ("10:00", "delivered"), ("08:00", "in_transit"))
    before = make.snapshot()
    assert not p.track(parcel, ("09:00", "in_transit"), ("08:00", "in_transit"))
    assert not p.track(parcel, ("10:00", "in_transit"))
    assert not p.track(parcel, ("10:00", "delivered"), ("08:00", "in_transit"))
    assert not p.track(parcel)
    assert make.snapshot() == before


def test_nothing_is_told_of_a_parcel_taken_back(parcel):
    services.withdraw_shipment(shipment=parcel.pk, by=p.by())
    with pytest.raises(Shipment.DoesNotExist):
        p.track(parcel, ("10:00", "delivered"))


def test_a_member_is_told_that_parcels_leave_and_that_all_arrived():
    template()
    template(occasion="order_delivered", fields={"number": "character_string1", "at": "time2"})
    ming = make.member_client(make.member(channel="mini-program", openid="openid-of-ming"), "mini-program")
    for occasion in ("order_shipped", "order_shipped", "order_delivered"):
        ming.post("me/notices", {"template_id": f"template-{occasion}", "result": "accept"})
    order = p.paid(member=ming.member, items=[o.item(5_000, 2)])
    parcels = [p.ship(order, 1, number="SF1"), p.ship(order, 1, number="SF2")]
    for parcel in parcels:
        p.track(parcel, ("10:00", "delivered"))
    told = ming.member.notices.order_by("pk").values_list("template__occasion", "values")
    assert [occasion for occasion, _values in told] == ["order_shipped", "order_shipped", "order_delivered"]
    assert (told[0][1]["number"], told[0][1]["carrier"]) == (order.number, "顺丰速运")
    assert told[2][1] == {"number": order.number, "at": "2026年11月21日 18:00"}


@pytest.mark.parametrize("parcels", [1, 3])
def test_a_page_of_orders_costs_the_same_however_many_parcels(parcels, django_assert_num_queries):
    order = p.paid(member=make.member(), items=[o.item(1_000, 5)])
    for n in range(parcels):
        p.track(p.ship(order, 1, number=f"SF{n}"), ("10:00", "in_transit"))
    with django_assert_num_queries(4):
        (shown,) = [queries.as_order(each) for each in queries.whole()]
    assert len(shown["shipments"]) == parcels
