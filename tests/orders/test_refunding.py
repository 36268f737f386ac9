"""Money that goes back: never more than was paid, never more pieces than were bought, each refund once."""

import pytest
from django.db import IntegrityError, transaction

from loyalty import queries as points
from loyalty import services as loyalty
from loyalty.models import Programme
from members.models import MemberNotice, NoticeConsent, NoticeTemplate
from orders import services
from orders.models import Order, PaymentCase, Refund
from tests import make
from tests.orders import make_orders as o
from tests.orders import make_refunds as r

pytestmark = pytest.mark.django_db


@pytest.fixture
def buyer():
    o.earning()
    return make.member(channel="website", openid="o-buyer")


@pytest.fixture
def merchant(rsa_pair, merchant_pair):
    return o.merchant(merchant_pair, rsa_pair[1])


def balance(member) -> tuple[int, int]:
    known = points.as_points(member.pk)
    return known["available"], known["debt"]


def refused(error: type[Exception], act, **given) -> None:
    before = make.snapshot()
    with pytest.raises(error):
        act(**given)
    assert make.snapshot() == before


def test_a_refund_by_line_has_all_its_effects_when_it_is_done(buyer):
    order = r.paid(member=buyer, lines=3, fen=9_000)
    assert balance(buyer) == (90, 0)

    refund = r.refund(order, (1, 3_000), done=True, reason="破损")

    assert (refund.state, refund.amount_fen, refund.provider, refund.refunded_at) == (
        "done",
        3_000,
        "offline",
        make.NOON,
    )
    assert refund.points_reversed == 30
    assert r.money(order) == (3_000, 0, 0, "partial")
    assert [line.refunded_quantity for line in r.lines(order)] == [1, 0, 0]
    assert balance(buyer) == (60, 0)
    told = ["order.placed", "order.paid", "points.earned", "order.refunded", "points.reversed"]
    assert make.types_of(buyer) == told
    assert make.events_of(buyer)[3].data["refunded_fen"] == 3_000
    assert make.events_of(buyer)[3].data["status"] == "partially_refunded"


def test_the_last_part_makes_it_whole(buyer):
    order = r.paid(member=buyer, lines=2, fen=9_999, shipping_fen=800)
    r.refund(order, (1, 4_999), done=True)
    r.refund(order, None, (1, 5_000), shipping_fen=800, done=True)
    assert r.money(order) == (10_799, 0, 0, "full")
    assert balance(buyer) == (0, 0)


def test_the_same_refund_again_changes_nothing(buyer):
    order = r.paid(member=buyer)
    asked = {"order": order.pk, "items": r.items(order, (1, 100)), "external_id": "R-1", "channel": order.channel}
    asked |= {"executed": r.executed(), "by": r.CHANNEL}
    first, is_new = services.refund(**asked)
    before = make.snapshot()
    assert services.refund(**asked) == (first, False)
    assert (is_new, make.snapshot()) == (True, before)
    for other in ({"reason": "另"}, {"executed": None}, {"items": r.items(order, (1, 101))}, {"shipping_fen": 1}):
        refused(services.RefundConflict, services.refund, **asked | other)


def test_another_order_under_the_same_number_is_refused(buyer):
    order, other = r.paid(member=buyer), r.paid(member=buyer)
    r.refund(order, (1, 100), external_id="R-1", done=True)
    given = {"items": r.items(other, (1, 100)), "external_id": "R-1", "channel": other.channel}
    refused(services.RefundConflict, services.refund, order=other.pk, by=r.CHANNEL, executed=r.executed(), **given)


def test_one_number_of_the_provider_is_one_refund(buyer):
    order, other = r.paid(member=buyer), r.paid(member=buyer)
    done = r.executed()
    r.refund(order, (1, 100), executed=done)
    for again in (order, other):
        given = {"items": r.items(again, (0, 100)), "external_id": "R-9", "channel": again.channel, "executed": done}
        refused(services.TransactionKnown, services.refund, order=again.pk, by=r.CHANNEL, **given)


@pytest.mark.parametrize(
    ("wanted", "more"),
    [
        ([(1, 12_901)], {}),
        ([(2, 100)], {}),
        ([(1, 12_900)], {"shipping_fen": 1}),
        ([(0, 12_000)], {"shipping_fen": 900}),
    ],
)
def test_no_more_than_was_paid_or_bought(buyer, wanted, more):
    order = r.paid(member=buyer)
    given = {"items": r.items(order, *wanted), "external_id": "R-1", "channel": order.channel, "executed": r.executed()}
    refused(services.OverRefunded, services.refund, order=order.pk, by=r.CHANNEL, **given | more)


def test_a_line_of_another_order_or_the_same_twice_is_refused(buyer):
    order, other = r.paid(member=buyer), r.paid(member=buyer)
    for wanted in (r.items(other, (1, 1)), r.items(order, (1, 1)) * 2):
        given = {"items": wanted, "external_id": "R-1", "channel": order.channel}
        refused(services.UnknownLine, services.refund, order=order.pk, by=r.CHANNEL, **given)


def test_what_was_not_paid_is_not_refunded(buyer):
    unpaid, closed = o.order(member=buyer), o.order(member=buyer)
    Order.objects.filter(pk=closed.pk).update(payment_status="closed", closed_at=make.NOON)
    for order in (unpaid, closed):
        given = {"order": order.pk, "by": r.CHANNEL}
        refused(services.NotRefundable, services.refund, items=r.items(order, (1, 1)), channel=order.channel, **given)
        asked = [{"line_id": r.lines(order)[0].pk, "quantity": 1}]
        refused(services.NotRefundable, services.request_refund, items=asked, reason="", **given)


def test_money_for_goods_that_stay_moves_no_pieces(buyer):
    order = r.paid(member=buyer)
    r.refund(order, (0, 500), done=True)
    assert r.money(order) == (500, 0, 0, "partial")
    assert [line.refunded_quantity for line in r.lines(order)] == [0]


def test_money_that_the_hub_took_may_come_back_in_cash_at_the_shop(buyer, merchant):
    order = r.paid(member=buyer, merchant=merchant)
    given = {"items": r.items(order, (1, 12_900)), "external_id": "R-1", "channel": order.channel}
    refund, _is_new = services.refund(order=order.pk, by=r.CHANNEL, executed=r.executed(), **given)
    assert (refund.state, refund.provider) == ("done", "offline")
    assert r.money(order) == (12_900, 0, 0, "full")
    assert balance(buyer) == (0, 0)


def test_what_the_hub_took_it_gives_back_itself(buyer, merchant):
    order = r.paid(member=buyer, merchant=merchant)
    given = {"items": r.items(order, (1, 12_900)), "external_id": "R-1", "channel": order.channel}
    told = r.executed(provider="wechat_pay")
    refused(services.RefundedByHub, services.refund, order=order.pk, by=r.CHANNEL, executed=told, **given)

    refund, _is_new = services.refund(order=order.pk, by=r.CHANNEL, **given)

    assert (refund.state, refund.merchant, refund.provider) == ("processing", merchant, "wechat_pay")
    assert r.money(order) == (0, 12_900, 1, "none")
    assert balance(buyer) == (129, 0)
    assert make.events_of(buyer)[-1].type == "order.refund_requested"
    assert make.events_of(buyer)[-1].data["status"] == "refunding"
    r.told(refund)
    assert r.money(order) == (12_900, 0, 0, "full")
    assert balance(buyer) == (0, 0)


def test_what_is_under_way_is_reserved(buyer, merchant):
    order = r.paid(member=buyer, merchant=merchant, lines=2, fen=1_000)
    r.refund(order, (1, 600))
    for wanted in ([None, (1, 401)], [(1, 100)]):
        given = {"items": r.items(order, *wanted), "external_id": "R-x", "channel": order.channel}
        refused(services.OverRefunded, services.refund, order=order.pk, by=r.CHANNEL, **given)
    r.refund(order, None, (1, 400))
    assert r.money(order) == (0, 1_000, 2, "none")


def test_what_failed_is_free_again(buyer, merchant):
    order = r.paid(member=buyer, merchant=merchant)
    refund = r.refund(order, (1, 12_900))
    r.told(refund, "failed", problem="CLOSED")
    refund.refresh_from_db()
    assert (refund.state, refund.problem) == ("failed", "CLOSED")
    assert r.money(order) == (0, 0, 0, "none")
    assert make.types_of(buyer)[-1] == "order.updated"
    assert r.told(r.refund(order, (1, 12_900))).state == "done"


@pytest.mark.parametrize("last", ["done", "failed"])
def test_late_words_change_nothing(buyer, merchant, last):
    refund = r.refund(r.paid(member=buyer, merchant=merchant), (1, 12_900))
    r.told(refund, "processing", problem="ABNORMAL")
    r.told(refund, last, problem="CLOSED" if last == "failed" else "")
    before = make.snapshot()
    for state in ("processing", last):
        r.told(refund, state, problem="ABNORMAL")
    assert make.snapshot() == before
    r.told(refund, "failed" if last == "done" else "done", problem="CLOSED")
    refund.refresh_from_db()
    assert (refund.state, refund.problem.split()[0]) == (last, "contradicted")


def test_a_guest_s_refund_moves_no_points():
    o.earning()
    order = r.paid(contact={"phone": "+8613800138000", "name": "客"})
    refund = r.refund(order, (1, 12_900), done=True)
    assert (refund.points_reversed, r.money(order)) == (0, (12_900, 0, 0, "full"))
    assert make.types_of(f"order/{order.number}") == ["order.placed", "order.paid", "order.refunded"]


def test_points_that_paid_come_back_in_proportion_and_whole_at_the_end(buyer):
    loyalty.earn(member=buyer.pk, points=1_000, reference="gift", by=make.STAFF)
    order = r.paid(member=buyer, points=1_000, lines=3, fen=4_000)
    assert (order.total_fen, balance(buyer)) == (3_000, (30, 0))
    returned = [r.refund(order, *wanted, done=True).points_returned for wanted in ([(1, 1_000)], [None, (1, 1_000)])]
    returned.append(r.refund(order, None, None, (1, 1_000), done=True).points_returned)
    assert returned == [333, 333, 334]
    assert balance(buyer) == (1_000, 0)
    assert points.as_points(buyer.pk)["held"] == 0


def test_what_points_alone_paid_comes_back_by_goods(buyer):
    loyalty.earn(member=buyer.pk, points=1_000, reference="gift", by=make.STAFF)
    order = r.paid(member=buyer, points=1_000, lines=2, fen=1_000)
    assert (order.payment_status, order.total_fen, balance(buyer)) == ("paid", 0, (0, 0))
    first = r.refund(order, (1, 0))
    assert (first.state, first.points_returned, r.money(order)) == ("done", 500, (0, 0, 0, "partial"))
    r.refund(order, None, (1, 0))
    assert (balance(buyer), r.money(order)) == ((1_000, 0), (0, 0, 0, "full"))


def deducting(fen_per_point: int = 1) -> None:
    Programme.objects.update_or_create(id=1, defaults={"refund_policy": "deduct", "fen_per_point": fen_per_point})


def test_what_is_kept_for_spent_points_is_known_before_the_money_moves(buyer, merchant):
    deducting()
    order = r.paid(member=buyer, merchant=merchant)
    loyalty.spend(member=buyer.pk, points=100, reference="s", by=make.STAFF)
    refund = r.refund(order, (1, 12_900))
    assert (refund.deducted_fen, balance(buyer)) == (100, (29, 0))

    loyalty.spend(member=buyer.pk, points=29, reference="s2", by=make.STAFF)  # meanwhile
    refund = r.told(refund)

    assert (refund.deducted_fen, refund.points_reversed) == (100, 129)
    assert balance(buyer) == (0, 29)  # what was not kept is owed
    assert r.money(order) == (12_900, 0, 0, "full")


def test_what_was_kept_for_points_that_are_there_again_is_given_in_points(buyer, merchant):
    deducting()
    order = r.paid(member=buyer, merchant=merchant)
    loyalty.spend(member=buyer.pk, points=129, reference="s", by=make.STAFF)
    refund = r.refund(order, (1, 12_900))
    loyalty.earn(member=buyer.pk, points=200, reference="g", by=make.STAFF)
    assert r.told(refund).deducted_fen == 129
    assert balance(buyer) == (200, 0)


def test_of_money_that_has_moved_nothing_is_kept(buyer):
    deducting()
    order = r.paid(member=buyer)
    loyalty.spend(member=buyer.pk, points=129, reference="s", by=make.STAFF)
    assert r.refund(order, (1, 12_900), done=True).deducted_fen == 0
    assert balance(buyer) == (0, 129)


def test_a_refund_that_is_kept_whole_needs_nobody(buyer, merchant):
    deducting(fen_per_point=100)
    order = r.paid(member=buyer, merchant=merchant)
    loyalty.spend(member=buyer.pk, points=129, reference="s", by=make.STAFF)
    refund = r.refund(order, (1, 12_900))
    assert (refund.state, refund.deducted_fen, balance(buyer)) == ("done", 12_900, (0, 0))


def test_the_buyer_is_told(buyer):
    named = {"channel": make.channel("website"), "template_id": "t", "occasion": "order_refunded", "title": "退款"}
    NoticeConsent.objects.create(member=buyer, template=NoticeTemplate.objects.create(**named), left=1)
    order = r.paid(member=buyer)
    r.refund(order, (1, 12_900), done=True)
    values = MemberNotice.objects.get().values
    assert values == {"number": order.number, "amount": "¥129.00", "at": "2026年11月22日 12:00"} | {"at": values["at"]}


def case(merchant, **fields) -> PaymentCase:
    known = {"kind": "unknown_order", "provider": "wechat_pay", "transaction_id": "4299", "amount_fen": 700}
    return PaymentCase.objects.create(paid_at=make.NOON, merchant=merchant, out_trade_no="ab" * 16, **known | fields)


def test_a_case_is_given_back_once(merchant):
    kept = case(merchant)
    first = services.refund_case(case=kept.pk, by=make.STAFF)
    assert (first.state, first.amount_fen, first.order) == ("processing", 700, None)
    assert services.refund_case(case=kept.pk, by=make.STAFF) == first
    r.told(first, "failed", problem="CLOSED")
    second = services.refund_case(case=kept.pk, by=make.STAFF)
    assert second != first
    r.told(second)
    kept.refresh_from_db()
    assert (kept.action, services.refund_case(case=kept.pk, by=make.STAFF)) == ("refund", second)
    assert Refund.objects.exclude(state="failed").count() == 1


def test_a_case_the_hub_did_not_take_is_not_its_to_give_back():
    refused(services.NotOurs, services.refund_case, case=case(None, provider="offline").pk, by=make.STAFF)


def test_what_a_channel_took_twice_it_gives_back_itself(buyer):
    order = r.paid(member=buyer)
    again = {"provider": "offline", "transaction_id": "T-again", "amount_fen": 12_900, "paid_at": make.NOON}
    kept, _is_new = services.take_payment(number=order.number, channel=order.channel, by=r.CHANNEL, **again)
    before = make.types_of(buyer)

    refund = r.refund(order, (0, 12_900), done=True)

    kept.refresh_from_db()
    assert (refund.case, refund.state, kept.action) == (kept, "done", "refund")
    assert (r.money(order), make.types_of(buyer)) == ((0, 0, 0, "none"), before)
    assert r.refund(order, (0, 12_900), done=True).case is None  # the second time it is the order's own
    assert r.money(order) == (12_900, 0, 0, "full")


def test_a_wrong_amount_goes_back_although_the_order_is_unpaid(buyer):
    order = o.order(member=buyer)
    wrong = {"provider": "offline", "transaction_id": "T-wrong", "amount_fen": 100, "paid_at": make.NOON}
    services.take_payment(number=order.number, channel=order.channel, by=r.CHANNEL, **wrong)
    assert r.refund(order, (1, 100), done=True).case == PaymentCase.objects.get(action="refund")
    assert r.money(order) == (0, 0, 0, "none")


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"refunding_fen": 12_901}, "order_refunded_within_paid"),
        ({"refunded_fen": 12_901, "refund_status": "partial"}, "order_refunded_within_paid"),
        ({"refunded_fen": 12_900, "refund_status": "partial"}, "order_refunded_in_full"),
    ],
)
def test_the_database_holds_the_sums(buyer, change, name):
    order = r.paid(member=buyer)
    with pytest.raises(IntegrityError, match=name), transaction.atomic():
        Order.objects.filter(pk=order.pk).update(**change)
