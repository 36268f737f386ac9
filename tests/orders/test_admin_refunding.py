"""Money back by staff: amounts follow the chosen pieces, all that is left is one click, a request is told with its why;
money that does not fit offers what can be done with it."""

import pytest

from orders import services
from orders.models import Intervention, Order, Refund
from orders.services import room
from tests import make
from tests.config import make_staff
from tests.orders import make_orders as o
from tests.orders import make_refunds as r
from tests.orders import make_staff_work
from tests.orders.make_pages import do, page, refusals, said, work
from tests.statements import sent

pytestmark = pytest.mark.django_db
OFFLINE = {"transaction_id": "转账-1", "refunded_at": "2026-11-21T10:00"}


@pytest.fixture
def boss():
    return make_staff.signed_in("administrator", [make.channel()])


@pytest.fixture
def paid() -> Order:
    """Two pieces each of two articles, a discount, shipping: 26 yuan paid for 28 asked."""
    items = [o.item(1_000, 2), o.item(300, 2)]
    off = [{"kind": "coupon", "code": "", "name": "券", "amount_fen": 200}]
    return r.paid(member=make.member(), items=items, discounts=off, shipping_fen=200)


def pieces(order: Order, *counts: int) -> dict:
    return {f"line-{line.pk}": count for line, count in zip(r.lines(order), counts, strict=True)}


def fen(order: Order, *amounts: str) -> dict:
    return {f"line-{line.pk}-fen": amount for line, amount in zip(r.lines(order), amounts, strict=True)}


def filled(browser, order: Order, **given) -> dict:
    return do(browser, order, "refund", is_sure=False, fill="1", **given).json()


def test_an_amount_left_empty_is_what_was_paid_for_these_pieces(boss, paid):
    worth = room.worth_of(paid, [{"line_id": r.lines(paid)[0].pk, "quantity": 1}])
    answer = do(boss, paid, "refund", **pieces(paid, 1, 0), **fen(paid, "", ""), shipping="", **OFFLINE)
    assert answer.status_code == 302, refusals(answer)
    assert r.money(paid) == (worth.amount_fen, 0, 0, "partial")
    assert 0 < worth.amount_fen < 1_000


def test_an_amount_that_was_typed_stays(boss, paid):
    answer = do(boss, paid, "refund", **pieces(paid, 1, 1), **fen(paid, "5", "0"), shipping="", **OFFLINE)
    assert answer.status_code == 302, refusals(answer)
    assert Refund.objects.get().amount_fen == 500


def test_what_the_pieces_come_to_is_told_while_they_are_typed_and_nothing_happens(boss, paid):
    before = make.snapshot()
    first, second = r.lines(paid)
    told = filled(boss, paid, **pieces(paid, 2, 0))
    assert told == {f"line-{first.pk}-fen": "18.57", f"line-{second.pk}-fen": "", "shipping": "0.00"}
    assert filled(boss, paid, **pieces(paid, 2, 2))["shipping"] == "1.86"
    assert filled(boss, paid, **pieces(paid, 9, "x"))[f"line-{first.pk}-fen"] == ""
    assert make.snapshot() == before


@pytest.mark.parametrize("role", ["operator", "auditor"])
def test_who_may_not_give_money_back_is_told_nothing(paid, role):
    looker = make_staff.signed_in(role, [make.channel()])
    assert do(looker, paid, "refund", is_sure=False, fill="1", **pieces(paid, 1, 0)).status_code == 403


def test_all_that_is_left_is_one_click(boss, paid):
    r.refund(paid, (1, 900), None, done=True)
    paid.refresh_from_db()
    shown = boss.get(f"{work(paid, 'refund')}?all=1")
    assert "全部可退 ¥17.00" in said(shown)
    form = shown.context["form"]
    given = {name: form[name].value() for name in form.fields if name.startswith("line-") or name == "shipping"}
    assert filled(boss, paid, all="1", **pieces(paid, 0, 0)) == given
    answer = do(boss, paid, "refund", **given, **OFFLINE)
    assert answer.status_code == 302, refusals(answer)
    assert r.money(paid) == (2_600, 0, 0, "full")
    assert [line.refunded_quantity for line in r.lines(paid)] == [2, 2]


def test_all_that_is_left_takes_the_members_request_along(boss, paid):
    asked = services.request_refund(
        order=paid.pk, items=[{"line_id": r.lines(paid)[0].pk, "quantity": 1}], reason="", by=make.STAFF
    )
    paid.refresh_from_db()
    given = filled(boss, paid, all="1")
    shown = do(boss, paid, "refund", is_sure=False, **given, **OFFLINE)
    assert any(asked.number in each for each in shown.context["foreseen"])
    assert do(boss, paid, "refund", **given, **OFFLINE).status_code == 302
    asked.refresh_from_db()
    assert (asked.state, r.money(paid)) == ("failed", (2_600, 0, 0, "full"))


def test_what_is_with_the_provider_already_is_not_left(boss, wechat):
    order = r.paid(member=make.member(), items=[o.item(1_000, 2)], merchant=wechat.merchant)
    r.refund(order, (1, 1_000))
    form = boss.get(f"{work(order, 'refund')}?all=1").context["form"]
    assert (form.rest.amount_fen, form.fields[f"line-{r.lines(order)[0].pk}"].max_value) == (1_000, 1)


@pytest.mark.parametrize("rows", [1, 3])
def test_filling_in_costs_the_same_however_many_articles(boss, rows):
    order = r.paid(member=make.member(), lines=rows)
    filled(boss, order, **pieces(order, *[1] * rows))
    with sent() as statements:
        filled(boss, order, **pieces(order, *[1] * rows))
    assert len(statements) == 22


def test_a_request_is_approved_for_the_goods_it_names_and_says_why(boss, paid):
    asked = services.request_refund(
        order=paid.pk,
        items=[{"line_id": r.lines(paid)[0].pk, "quantity": 2}],
        reason="破损, 电话 13712345678",
        by=make.STAFF,
    )
    paid.refresh_from_db()
    shown = said(boss.get(work(paid, "approve", asked)))
    assert "破损" in shown
    assert "13712345678" not in shown
    line = r.lines(paid)[0]
    answer = do(boss, paid, "approve", of=asked, **{f"line-{line.pk}": 1, f"line-{line.pk}-fen": ""}, **OFFLINE)
    assert answer.status_code == 302, refusals(answer)
    line.refresh_from_db()
    assert (line.refunded_quantity, r.money(paid)[0]) == (2, asked.amount_fen)


def test_a_case_offers_only_what_can_be_done_with_its_money(boss, paid):
    money = {"transaction_id": "42", "amount_fen": 100, "paid_at": make.NOON, "provider": "offline"}
    case = paid.cases.create(kind="paid_twice", proposed="none", **money)
    shown = boss.get(work(paid, "decide", case))
    assert [value for value, _label in shown.context["form"].fields["action"].choices] == ["none"]
    assert "不可选“退回”" in said(shown)
    assert "不可选“用于该订单”" in said(shown) or len(shown.context["form"].refusals) == 2
    before = make.snapshot()
    for action in ("refund", "reopen"):
        assert refusals(do(boss, paid, "decide", of=case, action=action))
    assert make.snapshot() == before


def test_money_for_just_what_a_closed_order_costs_can_be_taken_for_it(boss):
    order = o.order(member=make.member())
    Order.objects.filter(pk=order.pk).update(payment_status="closed", closed_at=make.NOON)
    order.refresh_from_db()
    money = {"transaction_id": "42", "amount_fen": order.total_fen, "paid_at": make.NOON, "provider": "offline"}
    case = order.cases.create(kind="after_close", proposed="reopen", **money)
    form = boss.get(work(order, "decide", case)).context["form"]
    assert [value for value, _label in form.fields["action"].choices] == ["reopen", "none"]
    assert form["action"].value() == "reopen"


def test_what_is_decided_already_leads_back(boss, paid):
    asked = make_staff_work.asked_back(paid)
    assert do(boss, paid, "decline", of=asked).status_code == 302
    answer = boss.get(work(paid, "approve", asked))
    assert (answer.status_code, answer["Location"]) == (302, page(paid))
    assert Intervention.objects.count() == 1
