"""Money that does not fit its order: what is proposed, decided, done by itself, and done once."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections

from orders import services
from orders.models import Order, OrderTerms, Payment, PaymentCase, Refund
from orders.services import casing
from sync.act import SYSTEM, Actor, act
from sync.models import Measure
from tests import make
from tests.loyalty.make_points import balance, drifted
from tests.orders import make_orders as o
from tests.orders import make_points as p

pytestmark = pytest.mark.django_db


@pytest.fixture
def member():
    o.earning()
    return make.member()


@pytest.fixture
def merchant(merchant_pair, rsa_pair):
    return o.merchant(merchant_pair, rsa_pair[1])


def closed(member, merchant, by=SYSTEM, **fields) -> Payment:
    """A payment whose order closed in the meantime."""
    payment = o.payment(o.order(member=member, **fields), merchant=merchant, state="closed")
    services.close(order=payment.order_id, by=by)
    return payment


def by_itself(payment) -> None:
    OrderTerms.objects.create(channel=payment.order.channel, misfits="automatic")


def decide(case, action):
    return services.decide_case(case=case.pk, action=action, by=make.STAFF)


def refuses(error, case, action):
    before = make.snapshot()
    with pytest.raises(error):
        decide(case, action)
    assert make.snapshot() == before


def now(order) -> tuple:
    return Order.objects.values_list("payment_status", "paid_fen", "points_earned", "version").get(pk=order.pk)


def test_a_case_remembers_whence_the_money_came(member, merchant):
    payment = closed(member, merchant)
    case = o.pay(payment)
    assert (case.kind, case.proposed, case.action) == ("after_close", "reopen", "")
    assert (case.payment, case.merchant, case.channel) == (payment, merchant, payment.channel)
    assert case.out_trade_no == payment.pk.hex


def test_a_closed_order_is_reopened_by_the_money_that_came_late(member, merchant):
    payment = closed(member, merchant)
    case = decide(o.pay(payment), "reopen")
    assert (case.action, case.resolved_by) == ("reopen", "staff/1")
    assert case.resolved_at is not None
    assert now(payment.order) == ("paid", 12_900, 129, 3)
    payment.refresh_from_db()
    assert (payment.state, payment.transaction_id, payment.paid_at) == ("paid", "4200001", make.NOON)
    assert make.types_of(member) == ["order.placed", "order.cancelled", "order.paid", "points.earned"]
    before = make.snapshot()
    assert o.pay(payment) == payment
    assert decide(case, "reopen") == case
    assert make.snapshot() == before


def test_what_is_decided_stays(member, merchant):
    case = decide(o.pay(closed(member, merchant)), "reopen")
    for other in ("refund", "none"):
        refuses(services.CaseClosed, case, other)


def test_left_as_it_is_nothing_changes_but_the_case(member, merchant):
    payment = closed(member, merchant)
    before = now(payment.order)
    assert decide(o.pay(payment), "none").resolved_at is not None
    assert now(payment.order) == before


def test_an_order_that_somebody_cancelled_is_not_proposed_to_reopen(member, merchant):
    payment = closed(member, merchant, by=Actor("member", str(member.pk), "website"))
    assert o.pay(payment).proposed == "refund"


def test_nor_is_one_that_used_points(member, merchant):
    payment = closed(member, merchant)
    Order.objects.update(points_redeemed=100)
    assert o.pay(payment).proposed == "refund"


def test_by_the_terms_it_reopens_by_itself(member, merchant):
    payment = closed(member, merchant)
    by_itself(payment)
    case = o.pay(payment)
    assert (case.action, case.resolved_by) == ("reopen", "provider/wechat_pay")
    assert now(payment.order)[0] == "paid"


def test_the_wrong_amount_pays_no_order(member, merchant):
    case = o.pay(o.payment(o.order(member=member), merchant=merchant), fen=12_899)
    assert (case.kind, case.proposed) == ("wrong_amount", "refund")
    refuses(services.NotPossible, case, "reopen")


def test_a_paid_order_is_not_paid_again(member, merchant):
    order = o.order(member=member)
    o.pay(o.payment(order, merchant=merchant))
    case = o.pay(o.payment(order, merchant=merchant), transaction_id="4200002")
    assert (case.kind, case.proposed) == ("paid_twice", "refund")
    refuses(services.NotPossible, case, "reopen")


def test_money_of_no_order_waits_for_a_person_whatever_the_terms(merchant):
    OrderTerms.objects.create(channel=make.channel(), misfits="automatic")
    case = o.pay(make.uuid7())
    assert (case.kind, case.action) == ("unknown_order", "")
    refuses(services.NotPossible, case, "reopen")


def test_an_order_paid_otherwise_is_no_longer_proposed_to_reopen(member, merchant):
    order = o.order(member=member)
    case = o.pay(o.payment(order, merchant=merchant, state="closed"))
    assert case.proposed == "reopen"
    o.pay(o.payment(order, merchant=merchant), transaction_id="4200002")
    case.refresh_from_db()
    assert case.proposed == "refund"


def test_an_unpaid_order_is_paid_by_money_for_a_closed_payment(member, merchant):
    payment = o.payment(o.order(member=member), merchant=merchant, state="closed")
    decide(o.pay(payment), "reopen")
    assert now(payment.order)[:2] == ("paid", 12_900)


def take(order, **fields):
    known = {"number": order.number, "channel": order.channel, "provider": "offline", "transaction_id": "R-1"}
    known |= {"amount_fen": order.total_fen, "paid_at": make.NOON, "by": make.BACKEND}
    return services.take_payment(**known | fields)


def test_what_the_channel_took_after_closing_reopens_and_is_kept(member):
    order = o.order(member=member)
    services.close(order=order.pk, by=SYSTEM)
    payment, is_new = take(order)
    assert (payment.state, is_new) == ("paid", True)
    case = PaymentCase.objects.get()
    assert (case.kind, case.action, case.resolved_by) == ("after_close", "reopen", "channel/website")
    before = make.snapshot()
    assert take(order) == (payment, False)
    assert make.snapshot() == before


def test_with_points_used_it_waits_for_a_person(member):
    order = o.order(member=member)
    services.close(order=order.pk, by=SYSTEM)
    Order.objects.update(points_redeemed=1)
    case, _is_new = take(order)
    assert (case.proposed, case.action, now(order)[0]) == ("none", "", "closed")
    assert now(decide(case, "reopen").order)[0] == "paid"


def test_the_hub_does_not_give_back_what_a_channel_took(member):
    case, _is_new = take(o.order(member=member), amount_fen=1)
    assert case.proposed == "none"
    refuses(services.NotPossible, case, "refund")


@act
def repriced(order, fen):
    """As an edit does: the order costs so much from now on."""
    Order.objects.filter(pk=order.pk).update(items_fen=fen, total_fen=fen)
    changed = casing.lock_order(order.pk)
    return services.settle_if_it_fits(changed, make.BACKEND)


def test_money_that_fits_after_an_edit_settles_the_order(member, merchant):
    payment = o.payment(o.order(member=member), merchant=merchant)
    case = o.pay(payment, fen=12_000)
    assert not repriced(payment.order, 12_500)
    assert repriced(payment.order, 12_000)
    assert now(payment.order)[:3] == ("paid", 12_000, 120)
    case.refresh_from_db()
    assert (case.action, case.payment.state, case.payment.amount_fen) == ("reopen", "paid", 12_000)
    assert not repriced(Order.objects.get(), 12_000)


def test_another_currency_fits_nothing(member, merchant):
    payment = o.payment(o.order(member=member), merchant=merchant)
    case = o.pay(payment, currency="USD")
    assert (case.kind, case.proposed, case.amount_fen) == ("wrong_amount", "none", 0)
    for action in ("reopen", "refund"):
        refuses(services.NotPossible, case, action)


def test_open_cases_are_measured(member, merchant):
    o.pay(closed(member, merchant))
    decide(o.pay(o.payment(o.order(), merchant=merchant), fen=1, transaction_id="2"), "none")
    assert casing.watch() == 1
    assert Measure.objects.get(name="payment_cases.open").value == 1


@pytest.mark.django_db(transaction=True)
def test_decided_by_many_at_once_it_is_done_once(member, merchant):
    payment = closed(member, merchant)
    case = o.pay(payment)

    def once(action):
        try:
            return decide(case, action).action
        except services.CaseClosed:
            return None
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        said = set(pool.map(once, ["reopen", "none"] * 8)) - {None}
    assert said == {PaymentCase.objects.get().action}
    assert Payment.objects.filter(state="paid").count() == (said == {"reopen"})


def test_money_is_given_back_once(member, merchant):
    case = decide(o.pay(closed(member, merchant)), "refund")
    refund = Refund.objects.get()
    assert (refund.case, refund.amount_fen, refund.state) == (case, 12_900, "processing")
    before = make.snapshot()
    assert decide(case, "refund") == case
    assert make.snapshot() == before
    refuses(services.CaseClosed, case, "reopen")
    Refund.objects.update(state="failed")
    decide(case, "refund")
    assert list(Refund.objects.values_list("state", flat=True).order_by("id")) == ["failed", "processing"]


@pytest.mark.parametrize("misfit", ["wrong amount", "paid twice", "after close with points"])
def test_by_the_terms_money_goes_back_by_itself(member, merchant, misfit):
    payment = o.payment(o.order(member=member), merchant=merchant)
    by_itself(payment)
    if misfit == "paid twice":
        o.pay(payment)
    if misfit == "after close with points":
        payment = closed(member, merchant)
        Order.objects.update(points_redeemed=1)
    case = o.pay(payment, fen=1 if misfit == "wrong amount" else 12_900, transaction_id="2")
    assert (case.action, case.resolved_by) == ("refund", "provider/wechat_pay")
    assert Refund.objects.get().case == case
    assert o.pay(payment, fen=case.amount_fen, transaction_id="2") == case
    assert Refund.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_refunded_by_many_at_once_it_is_one_refund(member, merchant):
    case = o.pay(closed(member, merchant))

    def once(_n):
        try:
            return decide(case, "refund").action
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(once, range(16))) == {"refund"}
    assert Refund.objects.count() == 1


@pytest.mark.parametrize(("gone", "left", "owed"), [(0, 700, 0), (900, 0, 200)])
def test_a_reopened_order_takes_its_points_and_owes_what_is_gone(merchant, gone, left, owed):
    client = p.buyer(1_000)
    order = p.order(client)
    payment = o.payment(order, merchant=merchant, state="closed")
    services.close(order=order.pk, by=SYSTEM)
    if gone:
        p.paid(p.order(client, gone, fen=5_000), "R-elsewhere")
    case = o.pay(payment, fen=order.total_fen)
    assert (case.kind, case.proposed) == ("after_close", "refund")
    decide(case, "reopen")
    assert now(order)[:2] == ("paid", 12_600)
    assert balance(client.member) == (left, 0, 0, owed)
    told = make.types_of(client.member)
    assert told[-2:] == ["order.paid", "points.spent"]
    assert drifted() == []
