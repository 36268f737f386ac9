"""Manual work on orders: by permission, with a reason, its effect shown before, once, and never on a stale page."""

import pytest

from orders.models import Disclosure, Intervention, Order, Recipient, Refund, Shipment
from sync.ids import uuid7
from tests import make
from tests.config import make_staff
from tests.orders import make_orders, make_staff_work
from tests.orders.make_pages import do, page, refusals, said, work

pytestmark = pytest.mark.django_db


@pytest.fixture
def order() -> Order:
    make_orders.earning()
    return make_orders.order(member=make.member(phone=make.mobile()), lines=2)


@pytest.fixture
def paid(order) -> Order:
    return make_staff_work.paid(order)


@pytest.fixture
def boss():
    return make_staff.signed_in("administrator", [make.channel()])


def everything(order: Order, quantity: int = 1) -> dict:
    return {f"line-{line.pk}": quantity for line in order.lines.all()}


def kinds(order: Order) -> list[str]:
    return list(order.interventions.order_by("at").values_list("kind", flat=True))


def test_a_parcel_is_shipped_once_with_its_reason(boss, paid):
    given = {"carrier": "顺丰", "tracking_number": "SF123", "id": uuid7(), **everything(paid)}
    make_staff_work.carrier()
    first = do(boss, paid, "ship", **given)
    again = do(boss, paid, "ship", **given)

    assert (first.status_code, first["Location"]) == (302, page(paid))
    assert "顺丰速运" in said(boss.get(page(paid)))
    assert again.status_code in {200, 302}
    assert Shipment.objects.get().tracking_number == "SF123"
    kept = Intervention.objects.get()
    assert (kept.kind, kept.reason, kept.order_id) == ("shipped", "顾客来电", paid.pk)
    assert kept.by.startswith("staff/")


def test_the_effect_is_shown_before_anything_happens(boss, paid):
    before = make.snapshot()
    shown = do(boss, paid, "ship", is_sure=False, carrier="顺丰", tracking_number="SF123", **everything(paid))
    assert shown.context["foreseen"]
    assert make.snapshot() == before


def test_without_a_reason_nothing_happens(boss, paid):
    before = make.snapshot()
    answer = do(boss, paid, "ship", carrier="顺丰", tracking_number="SF123", reason=" ", **everything(paid))
    assert answer.status_code == 200
    assert make.snapshot() == before


def test_an_order_that_changed_meanwhile_is_not_touched(boss, paid):
    before = make.snapshot()
    answer = do(boss, paid, "ship", seen=paid.version - 1, carrier="顺丰", tracking_number="1", **everything(paid))
    assert any("订单已有变化" in each or "changed meanwhile" in each for each in refusals(answer))
    assert make.snapshot() == before


@pytest.mark.parametrize("name", ["ship", "pay", "address", "refund", "reassign", "cancel"])
def test_who_may_not_finds_no_button_and_no_page(order, name):
    looker = make_staff.signed_in("operator", [make.channel()])
    assert work(order, name) not in said(looker.get(page(order)))
    assert looker.get(work(order, name)).status_code == 403
    assert do(looker, order, name).status_code == 403


def test_staff_of_another_channel_find_no_order_to_work_on(order):
    stranger = make_staff.signed_in("administrator", [make.channel("mini-program")])
    make.channel("third")
    assert stranger.get(work(order, "cancel")).status_code == 404
    assert do(stranger, order, "cancel").status_code == 404
    assert Order.objects.get(pk=order.pk).payment_status == "unpaid"


def test_a_parcel_of_another_order_is_nobodys_here(boss, paid):
    other = make_staff_work.shipped(make_staff_work.paid(make_orders.order()), "SF999")
    assert boss.get(work(paid, "withdraw", other)).status_code == 404


def test_money_taken_outside_pays_an_order_once(boss, order):
    given = {"transaction_id": "收据-1", "paid_at": "2026-11-20T10:00", "id": uuid7()}
    answer = do(boss, order, "pay", **given)
    do(boss, order, "pay", **given)
    found = Order.objects.get(pk=order.pk)
    assert answer.status_code == 302, refusals(answer)
    assert (found.payment_status, found.paid_fen, kinds(found)) == ("paid", order.total_fen, ["paid"])
    assert found.points_earned == 129


def test_a_paid_order_is_not_paid_again(boss, paid):
    before = make.snapshot()
    answer = do(boss, paid, "pay", transaction_id="收据-2", paid_at="2026-11-20T10:00")
    assert refusals(answer)
    assert make.snapshot() == before


def test_an_unpaid_order_is_closed(boss, order):
    assert do(boss, order, "cancel").status_code == 302
    found = Order.objects.get(pk=order.pk)
    assert (found.payment_status, kinds(found)) == ("closed", ["closed"])
    assert "order.cancelled" in make.types_of(order.member)


def test_a_waybill_is_corrected_and_a_parcel_withdrawn(boss, paid):
    parcel = make_staff_work.shipped(paid, "SF1")
    paid.refresh_from_db()
    assert do(boss, paid, "waybill", of=parcel, carrier="顺丰", tracking_number="SF2").status_code == 302
    parcel.refresh_from_db()
    assert parcel.tracking_number == "SF2"
    paid.refresh_from_db()
    assert do(boss, paid, "withdraw", of=parcel).status_code == 302
    paid.refresh_from_db()
    assert (paid.fulfilment_status, kinds(paid)) == ("none", ["waybill", "withdrawn"])


def test_an_address_is_changed_until_it_is_shipped(boss, paid):
    address = {"receiver": "林小溪", "phone": "13800138000", "street": "文三路 1 号", "province": "浙江省"}
    answer = do(boss, paid, "address", **address)
    assert answer.status_code == 302, refusals(answer)
    assert Recipient.objects.get(order=paid).receiver == "林小溪"
    assert "13800138000" not in said(boss.get(page(paid)))
    make_staff_work.shipped(paid)
    paid.refresh_from_db()
    assert refusals(do(boss, paid, "address", **address))


def test_money_is_given_back_by_hand(boss, paid):
    line = paid.lines.first()
    given = {f"line-{line.pk}": 1, f"line-{line.pk}-fen": "64.50", "shipping": "0"}
    answer = do(boss, paid, "refund", transaction_id="转账-1", refunded_at="2026-11-21T10:00", **given)
    assert answer.status_code == 302, refusals(answer)
    found = Refund.objects.get()
    paid.refresh_from_db()
    assert (found.state, found.amount_fen, paid.refunded_fen, kinds(paid)) == ("done", 6_450, 6_450, ["refunded"])


def test_more_than_was_paid_never_goes_back(boss, paid):
    line, before = paid.lines.first(), make.snapshot()
    given = {f"line-{line.pk}": 1, f"line-{line.pk}-fen": "9999", "shipping": "0"}
    answer = do(boss, paid, "refund", transaction_id="转账-1", refunded_at="2026-11-21T10:00", **given)
    assert refusals(answer)
    assert make.snapshot() == before


def test_a_request_is_declined_with_a_reason(boss, paid):
    refund = make_staff_work.asked_back(paid)
    assert str(refund.number) in said(boss.get(page(paid)))
    assert do(boss, paid, "decline", of=refund, reason="已签收超过七天").status_code == 302
    refund.refresh_from_db()
    paid.refresh_from_db()
    assert (refund.state, paid.open_refunds, kinds(paid)) == ("failed", 0, ["decided"])


def test_a_request_is_approved_for_less(boss, paid):
    refund = make_staff_work.asked_back(paid, fen=1_000)
    line = paid.lines.first()
    given = {f"line-{line.pk}": 0, f"line-{line.pk}-fen": "8.00", "shipping": "0"}
    answer = do(boss, paid, "approve", of=refund, transaction_id="转账-2", refunded_at="2026-11-21T10:00", **given)
    assert answer.status_code == 302, refusals(answer)
    refund.refresh_from_db()
    assert (refund.state, refund.amount_fen) == ("done", 800)


def test_money_that_does_not_fit_is_decided(boss, paid):
    money = {"transaction_id": "42", "amount_fen": 100, "paid_at": make.NOON, "provider": "offline"}
    case = paid.cases.create(kind="paid_twice", proposed="none", **money)
    assert do(boss, paid, "decide", of=case, action="none", reason="渠道已退").status_code == 302
    case.refresh_from_db()
    assert (case.action, kinds(paid)) == ("none", ["case"])


def test_a_recipient_is_shown_for_a_reason_and_that_is_kept(order):
    Recipient.objects.create(order=order, receiver="林小溪", phone="+8613712345678")
    support = make_staff.signed_in("support", [make.channel()])
    path = page(order).replace("change/", "recipient/")
    assert "13712345678" not in said(support.get(path))
    assert "13712345678" not in said(support.post(path, {"reason": ""}))
    assert "13712345678" in said(support.post(path, {"reason": "快递联系不上"}))
    kept = Disclosure.objects.get()
    assert (kept.what, kept.reason) == ("recipient", "快递联系不上")
    assert make_staff.signed_in("finance", [make.channel()]).get(path).status_code == 403


def test_what_a_provider_sent_is_read_by_few_and_that_is_kept(order):
    message = make_staff_work.message(make_orders.payment(order), {"openid": "o-secret"})
    path = page(order).replace("change/", f"messages/{message.pk}/")
    support, finance = (make_staff.signed_in(role, [make.channel()]) for role in ("support", "finance"))
    assert path not in said(support.get(page(order)))
    assert support.post(path, {"reason": "看看"}).status_code == 403
    assert path in said(finance.get(page(order)))
    assert "o-secret" in said(finance.post(path, {"reason": "对账"}))
    assert Disclosure.objects.get().what == "message"


def test_changes_are_told_in_the_words_of_states(boss, paid):
    told = [each for change in boss.get(page(paid)).context["changes"] for each in change["what"]]
    assert [str(each["new"]) for each in told if each["old"] not in {None, ""} and str(each["new"]) == "paid"] == []
    assert str(Order.PaymentStatus.PAID.label) in {str(each["new"]) for each in told}
