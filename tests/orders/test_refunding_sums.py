"""Any way of giving an order back in parts takes and returns the same in the end: fen, points, pieces."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loyalty import queries as points
from loyalty import services as loyalty
from loyalty.models import Entry, Purchase
from orders.models import Refund
from orders.services import room
from orders.shares import gone, shares, worth
from tests import make
from tests.orders import make_orders as o
from tests.orders import make_refunds as r

GIFT = 5_000


def cut(draw, whole: int, parts: int) -> list[int]:
    """A number in so many parts."""
    edges = sorted(draw(st.integers(0, whole)) for _edge in range(parts - 1))
    return [high - low for low, high in zip([0, *edges], [*edges, whole], strict=True)]


@st.composite
def orders(draw) -> dict:
    """Three lines with prices and pieces, shipping, a discount, points that pay a part."""
    items = [o.item(draw(st.integers(1, 2_000)), draw(st.integers(1, 4))) for _line in range(3)]
    shipping = draw(st.integers(0, 900))
    owed = sum(item["quantity"] * item["unit_price_fen"] for item in items) + shipping
    off = draw(st.integers(0, owed // 3))
    discounts = [{"kind": "coupon", "code": "", "name": "券", "amount_fen": off}] if off else []
    used = draw(st.integers(0, min(GIFT, owed - off)))
    return {"items": items, "shipping_fen": shipping, "discounts": discounts, "points": used}


@st.composite
def partitions(draw, order: dict) -> list[dict]:
    """All pieces and all money of a paid order in up to five parts, in any order, money shared anyhow."""
    count = draw(st.integers(1, 5))
    paid = shares(
        [(nth, item["quantity"] * item["unit_price_fen"]) for nth, item in enumerate(order["items"])],
        order["shipping_fen"],
        order["paid_fen"],
    )
    pieces = [cut(draw, item["quantity"], count) for item in order["items"]]
    fen = [cut(draw, paid.lines[nth], count) for nth in range(3)]
    shipping = cut(draw, paid.shipping_fen, count)
    parts = [
        {"goods": [(pieces[line][nth], fen[line][nth]) for line in range(3)], "shipping_fen": shipping[nth]}
        for nth in range(count)
    ]
    return draw(st.permutations([part for part in parts if any(map(any, part["goods"])) or part["shipping_fen"]]))


@pytest.mark.slow
@pytest.mark.django_db
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_partition_gives_everything_back_exactly(data):
    make_rule()
    buyer = make.member()
    loyalty.earn(member=buyer.pk, points=GIFT, reference="gift", by=make.STAFF)
    wanted = data.draw(orders())
    order = r.paid(member=buyer, points=wanted.pop("points"), **wanted)

    for part in data.draw(partitions(wanted | {"paid_fen": order.paid_fen})):
        goods = [each if any(each) else None for each in part["goods"]]
        r.refund(order, *goods, shipping_fen=part["shipping_fen"], done=bool(order.paid_fen))

    assert r.money(order) == (order.paid_fen, 0, 0, "full")
    assert all(line.refunded_quantity == line.quantity for line in r.lines(order))
    refunds = Refund.objects.filter(order=order)
    assert sum(refund.amount_fen for refund in refunds) == order.paid_fen
    assert sum(refund.points_reversed for refund in refunds) == order.points_earned
    assert sum(refund.points_returned for refund in refunds) == order.points_redeemed
    assert (points.as_points(buyer.pk)["available"], points.as_points(buyer.pk)["debt"]) == (GIFT, 0)
    for purchase in Purchase.objects.filter(order_number=order.number):
        assert (purchase.refunded_fen, purchase.reversed_points) == (purchase.paid_fen, purchase.points)
    assert sum(entry.contra for entry in Entry.objects.filter(account__member=buyer)) == -GIFT


@pytest.mark.slow
@pytest.mark.django_db
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_what_a_member_asks_for_piece_by_piece_is_all_that_was_paid(data):
    buyer = make.member_client()
    wanted = data.draw(orders())
    wanted.pop("points")
    order = r.paid(member=buyer.member, **wanted)
    singly = [line.pk for line in r.lines(order) for _piece in range(line.quantity)]
    worth_fen = []
    for line in data.draw(st.permutations(singly)):
        asked = {"items": [{"line_id": str(line), "quantity": 1}], "reason": ""}
        answer = buyer.post(f"me/orders/{order.number}/refunds", asked)
        assert answer.status_code == 201, answer.json()
        worth_fen.append(answer.json()["amount_fen"])
    assert sum(worth_fen) == order.paid_fen
    assert order.refunds.count() == len(singly)


@pytest.mark.slow
@pytest.mark.django_db
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_went_back_before_the_rest_is_all_there_is(data):
    wanted = data.draw(orders())
    wanted.pop("points")
    order = r.paid(member=make.member(), **wanted)
    parts = data.draw(partitions(wanted | {"paid_fen": order.paid_fen}))
    for part in parts[: data.draw(st.integers(0, max(0, len(parts) - 1)))]:
        goods = [each if any(each) else None for each in part["goods"]]
        r.refund(order, *goods, shipping_fen=part["shipping_fen"], done=True)
    order.refresh_from_db()
    if order.refund_status != "full" and order.paid_fen:
        rest = room.rest_of(order, [])
        goods = [rest.goods.get(line.pk) for line in r.lines(order)]
        r.refund(order, *goods, shipping_fen=rest.shipping_fen, done=True)
        assert r.money(order) == (order.paid_fen, 0, 0, "full")
        assert all(line.refunded_quantity == line.quantity for line in r.lines(order))
        assert room.rest_of(order, []) == room.Wanted({})


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=8), st.integers(0, 10**4), st.data())
def test_shares_are_all_of_it(lines, shipping_fen, data):
    paid_fen = data.draw(st.integers(0, sum(lines) + shipping_fen))
    found = shares(list(enumerate(lines)), shipping_fen, paid_fen)
    assert sum(found.lines.values()) + found.shipping_fen == paid_fen


@given(st.integers(0, 10**9), st.integers(1, 50), st.data())
def test_pieces_are_worth_their_share_together(share_fen, quantity, data):
    parts = cut(data.draw, quantity, data.draw(st.integers(1, 6)))
    befores = [sum(parts[:nth]) for nth in range(len(parts))]
    pairs = zip(befores, parts, strict=True)
    assert sum(worth(share_fen, quantity, before=before, more=more) for before, more in pairs) == share_fen
    assert gone(share_fen, quantity, quantity) == share_fen
    assert gone(share_fen, 1, 0) == 0


def make_rule() -> None:
    """The rule is there once, whatever the example."""
    if not o.EarnRule.objects.exists():
        o.earning()
