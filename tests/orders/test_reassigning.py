"""An order given to the member whose it is: what it earned moves by reversal, both are told, or nothing happens."""

import pytest

from loyalty import services as loyalty
from loyalty.models import Account, Purchase
from orders.models import Intervention, Order
from orders.services import handling, reassigning
from sync.act import Actor
from sync.ids import uuid7
from tests import make
from tests.orders import make_orders, make_staff_work

pytestmark = pytest.mark.django_db


def hand(order: Order, **fields) -> handling.Hand:
    known = {"id": uuid7(), "by": Actor("staff", "1"), "reason": "下错账号", "seen": order.version}
    return handling.Hand(**known | fields)


def points_of(member) -> tuple[int, int]:
    account = Account.objects.filter(member=member).first()
    return (account.available, account.debt) if account else (0, 0)


@pytest.fixture
def two():
    make_orders.earning()
    return make.member(phone=make.mobile()), make.member(phone=make.mobile())


@pytest.fixture
def order(two) -> Order:
    return make_staff_work.paid(make_orders.order(member=two[0]))


def test_what_it_earned_moves_by_reversal(two, order):
    wrong, right = two
    assert points_of(wrong) == (129, 0)
    reassigning.reassign(order=order.pk, to=right.pk, hand=hand(order))

    found = Order.objects.get(pk=order.pk)
    assert (found.member_id, found.points_earned, found.version) == (right.pk, 129, order.version + 1)
    assert (points_of(wrong), points_of(right)) == ((0, 0), (129, 0))
    assert make.types_of(wrong)[-2:] == ["order.updated", "points.reversed"]
    assert {"order.updated", "points.earned"} <= set(make.types_of(right))
    assert Purchase.objects.get(order_number=order.number).account.member_id == right.pk
    assert Intervention.objects.get().kind == "reassigned"


def test_there_and_back_again_is_as_it_was(two, order):
    wrong, right = two
    for to in (right, wrong, right, wrong):
        reassigning.reassign(order=order.pk, to=to.pk, hand=hand(Order.objects.get(pk=order.pk)))
    assert (points_of(wrong), points_of(right)) == ((129, 0), (0, 0))


def test_points_spent_already_are_owed(two, order):
    wrong, right = two
    loyalty.spend(member=wrong.pk, points=100, reference="till", by=Actor("system", "hub"))
    reassigning.reassign(order=order.pk, to=right.pk, hand=hand(order))
    assert (points_of(wrong), points_of(right)) == ((0, 100), (129, 0))


def test_the_same_request_again_changes_nothing(two, order):
    same = hand(order)
    reassigning.reassign(order=order.pk, to=two[1].pk, hand=same)
    before = make.snapshot()
    assert reassigning.reassign(order=order.pk, to=two[1].pk, hand=same) is None
    assert make.snapshot() == before


def test_a_guests_order_becomes_a_members(two):
    guest = make_staff_work.paid(make_orders.order())
    reassigning.reassign(order=guest.pk, to=two[1].pk, hand=hand(guest))
    assert points_of(two[1]) == (129, 0)
    assert "order.claimed" in make.types_of(two[1])


@pytest.mark.parametrize(
    "circumstances",
    [
        lambda order: make_staff_work.asked_back(order),
        lambda order: Order.objects.filter(pk=order.pk).update(points_redeemed=5),
        lambda order: order.cases.create(
            kind="paid_twice", transaction_id="1", amount_fen=1, paid_at=make.NOON, provider="wechat_pay"
        ),
    ],
    ids=["money asked back", "points of its member paid", "money unclear"],
)
def test_an_order_stays_where_money_or_points_are_unclear(two, order, circumstances):
    circumstances(order)
    before = make.snapshot()
    with pytest.raises(reassigning.NotMovable):
        reassigning.reassign(order=order.pk, to=two[1].pk, hand=hand(order))
    assert make.snapshot() == before


def test_an_order_stays_while_a_payment_is_under_way(two):
    unpaid = make_orders.order(member=two[0])
    make_orders.payment(unpaid)
    with pytest.raises(reassigning.NotMovable):
        reassigning.reassign(order=unpaid.pk, to=two[1].pk, hand=hand(unpaid))


def test_nobody_erased_or_frozen_is_given_an_order(two, order):
    for fields in ({"status": "erased"}, make.FROZEN):
        with pytest.raises(reassigning.NotMovable):
            reassigning.reassign(order=order.pk, to=make.member(**fields).pk, hand=hand(order))


def test_a_stale_page_and_an_empty_reason_change_nothing(two, order):
    before = make.snapshot()
    with pytest.raises(handling.Stale):
        reassigning.reassign(order=order.pk, to=two[1].pk, hand=hand(order, seen=order.version - 1))
    with pytest.raises(handling.NoReason):
        reassigning.reassign(order=order.pk, to=two[1].pk, hand=hand(order, reason=" "))
    assert make.snapshot() == before
