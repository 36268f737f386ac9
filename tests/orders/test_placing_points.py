"""Points at checkout: set aside when an order is placed, for as long as it may be paid, and never more than allowed."""

from collections import Counter
from datetime import timedelta

import pytest

from loyalty.models import Entry, Hold
from members import merging
from members import services as members
from orders import facts, services
from orders.models import Order, OrderTerms
from orders.services import redeeming
from orders.services.placing import Redeeming
from sync import clock
from sync.act import act
from tests import make
from tests.loyalty import make_holds
from tests.loyalty.make_points import at_once, balance, drifted, holder
from tests.orders import make_orders as o
from tests.orders import make_points as p
from tests.statements import ROUND_TRIPS, sent

pytestmark = pytest.mark.django_db


@pytest.fixture
def backend():
    return make.backend_client("website")


def refusal(answer) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def body(client, points: int = 300, **fields) -> dict:
    return o.body(member_id=str(client.member.pk), points_to_redeem=points, **fields)


def test_points_take_off_their_worth_and_are_held(backend):
    client = p.buyer(1_000)
    sent = body(client, total_fen=12_600)
    first, again = backend.post("orders", sent), backend.post("orders", sent)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    shown = first.json()
    assert (shown["points_redeemed"], shown["points_discount_fen"], shown["total_fen"]) == (300, 300, 12_600)
    assert (shown["status"], shown["version"]) == ("pending_payment", 1)
    assert balance(client.member) == (700, 0, 300, 0)
    assert make.types_of(client.member)[-2:] == ["order.placed", "points.held"]


def test_the_hold_is_the_hubs_and_lasts_until_the_order_closes_and_a_little_longer(backend):
    OrderTerms.objects.create(channel=backend.channel, close_after_minutes=90)
    client = p.buyer()
    order = p.order(client)
    hold = Hold.objects.get()
    assert order.hold_id in {None, hold.pk}
    assert timedelta(minutes=89) < Order.objects.get().closes_at - order.created_at <= timedelta(minutes=91)
    assert hold.expires_at - hold.created_at == timedelta(minutes=120)
    for path in ("capture", "release"):
        assert refusal(backend.post(f"points/holds/{hold.pk}/{path}")) == (404, "not_found")
    assert balance(client.member) == (700, 0, 300, 0)


def test_no_hold_lasts_longer_than_a_day():
    OrderTerms.objects.create(channel=make.channel(), close_after_minutes=23 * 60)
    p.order(p.buyer())
    hold = Hold.objects.get()
    assert hold.expires_at - hold.created_at == timedelta(hours=23.5)


def test_each_point_is_worth_what_the_programme_says(backend):
    p.programme(fen_per_point=5)
    shown = backend.post("orders", body(p.buyer(), 200)).json()
    assert (shown["points_redeemed"], shown["points_discount_fen"], shown["total_fen"]) == (200, 1_000, 11_900)


@pytest.mark.parametrize(
    ("terms", "fields", "most"),
    [
        ({}, {}, 12_900),
        ({}, {"shipping_fen": 100, "discounts": [{"kind": "coupon", "name": "券", "amount_fen": 1_000}]}, 12_000),
        ({"redeem_percent": 50}, {}, 6_450),
        ({"redeem_percent": 33, "fen_per_point": 10}, {}, 425),
        ({"redeem_percent": 0}, {}, 0),
    ],
)
def test_more_than_the_programme_allows_is_refused_and_names_the_most(backend, terms, fields, most):
    p.programme(**terms)
    client = p.buyer(100_000)
    before = make.snapshot()
    answer = backend.post("orders", body(client, most + 1, **fields))
    assert refusal(answer) == (400, "invalid")
    (error,) = answer.json()["errors"]
    assert error["field"] == "points_to_redeem"
    assert str(most) in error["detail"]
    assert make.snapshot() == before
    assert backend.post("orders", body(client, most, **fields)).status_code == 201


def test_terms_that_change_do_not_change_what_was_placed(backend):
    terms, client = p.programme(), p.buyer()
    sent = body(client, total_fen=12_600)
    first = backend.post("orders", sent)
    for changed in ({"redeem_percent": 1}, {"redeem_percent": 100, "fen_per_point": 7}):
        type(terms).objects.update(**changed)
        again = backend.post("orders", sent)
        assert (again.status_code, again.json()) == (200, first.json())
    assert refusal(backend.post("orders", sent | {"buyer_note": "快"})) == (400, "amount_mismatch")


def test_fewer_points_than_asked_for_say_how_many_there_are(backend):
    client = p.buyer(299)
    before = make.snapshot()
    answer = backend.post("orders", body(client))
    assert refusal(answer) == (409, "points_insufficient")
    assert answer.json()["available"] == 299
    assert make.snapshot() == before


def test_points_need_their_member_to_be_there(backend):
    member, elsewhere = holder(1_000), p.buyer(channel="mini-program")
    for client in (make.Caller({}, channel=backend.channel, member=member), elsewhere):
        before = make.snapshot()
        assert refusal(backend.post("orders", body(client))) == (403, "member_proof_required")
        assert make.snapshot() == before
    assert backend.post("orders", body(elsewhere, 0)).status_code == 201


def test_a_code_shows_that_the_member_is_there(backend):
    client = p.buyer(channel="mini-program")
    sent = body(client) | {"proof": {"kind": "member_code", "value": client.post("me/codes").json()["code"]}}
    first, again = backend.post("orders", sent), backend.post("orders", sent)
    assert (first.status_code, again.status_code) == (201, 200)
    with_another = sent | {"proof": {"kind": "member_code", "value": client.post("me/codes").json()["code"]}}
    assert backend.post("orders", with_another).json() == first.json()
    assert Order.objects.count() == Hold.objects.count() == 1


@pytest.mark.parametrize("is_signed_in", [False, True])
def test_the_code_of_somebody_else_is_worse_than_none(backend, is_signed_in):
    client = p.buyer(channel="website" if is_signed_in else "mini-program")
    other = make.member_client(channel="mini-program")
    for code in (other.post("me/codes").json()["code"], "123456"):
        answer = backend.post("orders", body(client) | {"proof": {"kind": "member_code", "value": code}})
        assert refusal(answer) == (403, "member_proof_required")
    assert not Order.objects.exists()


def test_a_frozen_member_uses_no_points(backend):
    client = p.buyer(status="frozen", frozen_scopes=["points"])
    assert refusal(backend.post("orders", body(client))) == (403, "member_frozen")
    assert not Order.objects.exists()


@pytest.mark.parametrize("whose", [{}, {"identity": {"kind": "phone", "value": "13800138000"}}, {"member_id": None}])
def test_a_guest_has_no_points(backend, whose):
    before = make.snapshot()
    answer = backend.post("orders", o.body(points_to_redeem=1) | whose)
    assert refusal(answer) == (400, "invalid")
    assert [error["field"] for error in answer.json()["errors"]] == ["points_to_redeem"]
    assert {**make.snapshot(), "sync_quota": ""} == {**before, "sync_quota": ""}


def test_points_that_pay_for_all_are_spent_at_once(backend):
    client = p.buyer(12_900)
    sent = body(client, 12_900, total_fen=0)
    first, again = backend.post("orders", sent), backend.post("orders", sent)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    shown = first.json()
    assert (shown["status"], shown["paid_fen"], shown["points_earned"]) == ("paid", 0, 0)
    assert balance(client.member) == (0, 0, 0, 0)
    told = ["order.placed", "points.held", "order.paid", "points.spent"]
    assert make.types_of(client.member)[-4:] == told
    assert Order.objects.get().closes_at is None
    assert drifted() == []


def test_paying_spends_what_was_held():
    client = p.buyer()
    order = p.paid(p.order(client))
    assert (order.payment_status, order.paid_fen) == ("paid", 12_600)
    assert balance(client.member) == (700, 0, 0, 0)
    assert redeeming.spent_for(order).points == -300
    assert drifted() == []


def run_out(order) -> None:
    make_holds.run_out(Hold.objects.get(pk=order.hold_id))


@pytest.mark.parametrize(("left", "after"), [(1_000, (700, 0, 0, 0)), (100, (0, 0, 0, 200)), (0, (0, 0, 0, 300))])
def test_money_that_comes_after_the_hold_takes_the_points_all_the_same_and_what_is_missing_is_owed(left, after):
    client = p.buyer(1_000)
    order = Order.objects.get(pk=p.order(client).pk)
    run_out(order)
    if left < 1_000:
        from_elsewhere(client, 1_000 - left)
    paid = p.paid(order)
    assert paid.payment_status == "paid"
    assert balance(client.member) == after
    assert redeeming.spent_for(paid).points == -300
    before = make.snapshot()
    act(redeeming.capture)(paid, make.BACKEND)
    assert make.snapshot() == before
    assert drifted() == []


def from_elsewhere(client, points: int) -> None:
    p.paid(p.order(client, points, fen=5_000), "R-elsewhere")


def test_what_is_released_is_available_and_stays_so_however_often():
    client = p.buyer()
    order = Order.objects.get(pk=p.order(client).pk)
    act(redeeming.release)(order, make.BACKEND)
    assert balance(client.member) == (1_000, 0, 0, 0)
    before = make.snapshot()
    act(redeeming.release)(order, make.BACKEND)
    assert make.snapshot() == before


def test_a_hold_that_ran_out_is_released_by_itself():
    client = p.buyer()
    order = Order.objects.get(pk=p.order(client).pk)
    run_out(order)
    act(redeeming.release)(order, make.BACKEND)
    assert balance(client.member) == (1_000, 0, 0, 0)
    assert redeeming.spent_for(order) is None
    assert make.types_of(client.member).count("points.released") == 1


def test_an_unpaid_order_closes_at_its_channels_time():
    order = o.order(placed_at=make.NOON)
    in_an_hour = clock.now() + timedelta(minutes=60)
    assert abs(Order.objects.get(pk=order.pk).closes_at - in_an_hour) < timedelta(minutes=1)


@pytest.mark.parametrize("points", [0, 300])
def test_placing_asks_the_database_a_known_number_of_times(points):
    client = p.buyer()
    items, redeem = [o.item(), o.item()], Redeeming(points)
    known = {"channel": client.channel, "member": client.member.pk, "by": make.BACKEND, "redeeming": redeem}
    with sent() as statements:
        services.place(external_id="W-8", items=items, **known)
    with sent(ROUND_TRIPS) as waits:
        services.place(external_id="W-9", items=items, **known)
    assert (len(statements), len(waits)) == ((16, 15) if points else (10, 9))


@pytest.mark.django_db(transaction=True)
def test_of_many_orders_at_once_only_as_many_as_there_are_points_for_are_placed():
    client = p.buyer(1_000)

    found = at_once(10, lambda n: p.order(client, 300, external_id=f"P{n}"))

    refused = [each for each in found if isinstance(each, Exception)]
    assert Counter(type(each).__name__ for each in refused) == {"NotEnough": 7}
    assert Order.objects.count() == Hold.objects.count() == 3
    assert balance(client.member) == (100, 0, 900, 0)
    assert drifted() == []


@pytest.mark.django_db(transaction=True)
def test_the_same_order_at_once_holds_its_points_once(backend):
    client = p.buyer(1_000)
    sent = body(client)

    found = at_once(12, lambda _n: backend.post("orders", sent))

    assert Counter(each.status_code for each in found) == {201: 1, 200: 11}
    assert balance(client.member) == (700, 0, 300, 0)
    assert Entry.objects.filter(kind="held").count() == 1


@act
def merged(source, target) -> None:
    source, target = members.lock(source.pk, target.pk)
    merging.merge(source, target, why="同一人", by=make.STAFF)


@pytest.mark.parametrize("is_paid", [True, False])
def test_an_order_that_moved_with_its_member_still_finds_its_points(is_paid):
    client, survivor = p.buyer(1_000), holder(50)
    order = Order.objects.get(pk=p.order(client).pk)
    merged(client.member, survivor)
    if is_paid:
        p.paid(Order.objects.get(pk=order.pk))
    else:
        services.close(order=order.pk, by=make.BACKEND)
    assert balance(survivor) == (750 if is_paid else 1_050, 0, 0, 0)
    assert drifted() == []


def test_a_pushed_order_takes_points_as_a_posted_one_does(backend):
    client = p.buyer()
    sent = body(client)
    pushed = facts.placed(backend.channel, sent, make.NOON, make.BACKEND)
    assert backend.post("orders", sent).json()["number"] == pushed.number
    assert balance(client.member) == (700, 0, 300, 0)
