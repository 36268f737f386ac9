"""Manual work beside other work on the same order at the same moment: one outcome, and the sums agree."""

from collections import Counter

import pytest

from loyalty.models import Account
from orders import reconcile, services
from orders.models import Intervention, Order, Refund, Shipment
from orders.services import handling, reassigning, refunding, shipping_files
from sync.act import Actor
from sync.ids import uuid7
from tests import make
from tests.config import make_staff
from tests.loyalty.make_points import at_once, drifted
from tests.orders import make_orders as o
from tests.orders import make_staff_work
from tests.orders.test_orders_at_once import give_back, raised, take

pytestmark = pytest.mark.django_db(transaction=True)
turns = pytest.mark.parametrize("turn", range(4))


@pytest.fixture
def two():
    o.earning()
    return make.member(phone=make.mobile()), make.member(phone=make.mobile())


@pytest.fixture
def order(two) -> Order:
    return o.order(member=two[0])


def hand(order: Order, **fields) -> handling.Hand:
    known = {"id": uuid7(), "by": Actor("staff", "1"), "reason": "顾客来电", "seen": order.version}
    return handling.Hand(**known | fields)


def points_of(member) -> int:
    account = Account.objects.filter(member=member).first()
    return account.available - account.debt if account else 0


def agree(order: Order) -> Order:
    """The order as it ended, after all that is added up agreed."""
    assert [*reconcile.payments(), *reconcile.earnings(), *drifted()] == []
    order.refresh_from_db()
    return order


@turns
def test_paid_while_it_is_given_to_another_earns_once_for_whose_it_is(two, order, turn):
    work = [
        lambda: reassigning.reassign(order=order.pk, to=two[1].pk, hand=hand(order)),
        lambda: take(order),
    ]
    found = at_once(2, lambda n: work[(n + turn) % 2]())
    assert set(raised(found)) <= {handling.Stale}
    end = agree(order)
    owner = two[1] if Intervention.objects.exists() else two[0]
    other = two[0] if owner == two[1] else two[1]
    assert (end.member_id, end.payment_status, end.points_earned) == (owner.pk, "paid", 129)
    assert (points_of(owner), points_of(other)) == (129, 0)


@turns
def test_given_back_while_it_is_given_to_another_leaves_nothing_earned(two, order, turn):
    take(order)
    order.refresh_from_db()
    work = [
        lambda: reassigning.reassign(order=order.pk, to=two[1].pk, hand=hand(order)),
        lambda: give_back(order, f"R{turn}", 12_900),
    ]
    found = at_once(2, lambda n: work[(n + turn) % 2]())
    assert set(raised(found)) <= {handling.Stale, reassigning.NotMovable}
    end = agree(order)
    assert (end.refund_status, end.refunded_fen) == ("full", 12_900)
    assert end.member_id == two[1 if Intervention.objects.exists() else 0].pk
    assert [points_of(member) for member in two] == [0, 0]


@turns
def test_two_runners_ship_each_line_of_a_file_once(two, turn):
    make_staff_work.carrier()
    packer = make_staff.person("administrator", [make.channel()])
    by = Actor("staff", str(packer.pk))
    orders = [make_staff_work.paid(o.order(member=two[0])) for _turn in range(6)]
    lines = [f"{order.number},顺丰,SF{n}," for n, order in enumerate(orders)]
    content = "\n".join(["订单号,快递公司,运单号,商品", *lines]).encode()
    known = {"among": Order.objects.all(), "channels": ["website"], "by": by}
    file = shipping_files.bring(name="p.csv", content=content, **known)
    shipping_files.run(file=file.pk, reason="一号仓", by=by)
    assert raised(at_once(3, lambda _n: shipping_files.run_due())) == Counter()
    shipping_files.run_due()
    file.refresh_from_db()
    assert file.state == "done"
    assert set(file.rows.values_list("state", flat=True)) == {"shipped"}
    assert (Shipment.objects.count(), Intervention.objects.count()) == (6, 6)
    assert {agree(order).fulfilment_status for order in orders} == {"shipped"}


@turns
def test_of_two_who_decide_on_a_request_one_is_heard(order, turn):
    take(order)
    order.refresh_from_db()
    wanted = [{"line_id": order.lines.get().pk, "quantity": 1}]
    asked = services.request_refund(order=order.pk, items=wanted, reason="", by=make.STAFF)
    order.refresh_from_db()
    executed = {"provider": "offline", "transaction_id": f"B{turn}", "refunded_at": make.NOON}
    decide = [
        lambda: refunding.approve_refund(refund=asked.pk, by=make.STAFF, executed=executed),
        lambda: refunding.decline_refund(refund=asked.pk, by=make.STAFF),
    ]

    def by_hand(n: int):
        do = decide[(n + turn) % 2]
        return handling.by_hand(order=order.pk, kind=Intervention.Kind.DECIDED, hand=hand(order), do=do)

    found = at_once(2, by_hand)
    assert raised(found) == Counter([handling.Stale])
    end = agree(order)
    given = Refund.objects.get().state == "done"
    assert (end.refunded_fen, end.open_refunds) == (12_900 if given else 0, 0)
    assert (end.refund_status, Intervention.objects.count()) == ("full" if given else "none", 1)
