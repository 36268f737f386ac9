"""Two people at one order at the same moment: money adds up, one of two refunds, one truth on both channels."""

from collections import Counter
from itertools import count

import pytest
from django.test import Client

from orders import reconcile, services
from orders.models import Order, Payment, PaymentCase, Refund
from orders.payments import closing
from orders.services import finishing
from sync import inbox
from sync.models import InboxMessage
from tests import make
from tests.loyalty.make_points import at_once, drifted
from tests.orders import any_order
from tests.orders import make_orders as o

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
turns = pytest.mark.parametrize("turn", range(4))
WEBSITE, MINI = "website", "mini-program"
_money = count(1)


@pytest.fixture
def member():
    o.earning()
    make.channel(MINI)
    found = make.member(openid="o-website")
    make.identity(found, "wechat_openid", "o-mini", channel=make.channel(MINI))
    return found


@pytest.fixture
def order(member):
    return o.order(member=member)


def raised(found: list) -> Counter:
    """The kinds of exceptions among results."""
    return Counter(type(each) for each in found if isinstance(each, Exception))


def take(order: Order, transaction_id: str = "", fen: int = 12_900):
    """The channel took money for it."""
    name = transaction_id or f"T{next(_money)}"
    paid = {"provider": "offline", "transaction_id": name, "amount_fen": fen, "paid_at": make.NOON}
    return services.take_payment(number=order.number, channel=order.channel, by=make.BACKEND, **paid)


def give_back(order: Order, name: str, fen: int) -> tuple[Refund, bool]:
    items = [{"line_id": order.lines.get().pk, "quantity": 1, "amount_fen": fen}]
    executed = {"provider": "offline", "transaction_id": name, "refunded_at": make.NOON}
    known = {"channel": order.channel, "external_id": name, "by": make.BACKEND}
    return services.refund(order=order.pk, items=items, executed=executed, **known)


def opened(order: Order, channel: str = WEBSITE) -> Payment:
    client = make.member_client(order.member, channel)
    answer = client.post(f"me/orders/{order.number}/payments", {"method": "wechat_native"})
    return Payment.objects.get(pk=answer.json()["payment_id"])


def agreed(order: Order) -> dict:
    """The order as everybody reads it: one representation, sums that hold, books that agree."""
    path = f"orders/{order.number}"
    read = [make.backend_client(code).get(path).json() for code in (WEBSITE, MINI)]
    read += [make.member_client(order.member, code).get(f"me/{path}").json() for code in (WEBSITE, MINI)]
    assert read[0] == read[1] == read[2] == read[3]
    paid = Payment.objects.filter(order=order, state="paid")
    back = Refund.objects.filter(order=order, state="done")
    assert read[0]["paid_fen"] == sum(each.amount_fen for each in paid)
    assert read[0]["refunded_fen"] == sum(each.amount_fen for each in back) <= read[0]["paid_fen"]
    assert [*reconcile.payments(), *reconcile.earnings(), *drifted()] == []
    last = [event for event in make.events_of(order.member) if event.type.startswith("order.")][-1]
    assert last.data["version"] == read[0]["version"]
    return read[0]


class TestClosingAndPaying:
    @turns
    def test_money_that_the_channel_took_stands_whoever_was_first(self, order, turn):
        work = [lambda: take(order), lambda: closing.cancel(order=order.pk, by=make.STAFF)]
        found = at_once(2, lambda n: work[(n + turn) % 2]())
        assert raised(found) in (Counter(), Counter([services.WrongState]))
        end = agreed(order)
        assert (end["payment_status"], end["points_earned"]) == ("paid", 129)
        assert make.types_of(order.member).count("order.paid") == 1

    @turns
    def test_a_member_who_cancels_and_pays_at_once_leaves_nothing_open(self, order, wechat, turn):
        cancelling, paying = make.member_client(order.member), make.member_client(order.member, MINI)
        work = [
            lambda: cancelling.post(f"me/orders/{order.number}/cancel"),
            lambda: paying.post(f"me/orders/{order.number}/payments", {"method": "wechat_native"}),
        ]
        answers = at_once(2, lambda n: work[n]())
        assert {answer.status_code for answer in answers} <= {200, 201, 409}
        end = agreed(order)
        live = Payment.objects.filter(order=order, state__in=["opening", "open"])
        if end["payment_status"] == "closed":
            assert not live.exists()
            assert {trade["trade_state"] for trade in wechat.trades.values()} <= {"CLOSED"}
        else:
            assert live.count() <= 1

    @turns
    def test_money_that_wechat_pay_has_is_never_closed_away(self, order, wechat, turn):
        payment = opened(order)
        body, headers = wechat.notification(wechat.pay(payment.pk.hex))
        path = f"/callbacks/wechat-pay/{o.MCHID}"
        Order.objects.update(closes_at=make.NOON)
        work = [
            lambda: Client().post(path, body, content_type="application/json", headers=headers).status_code,
            lambda: closing.cancel(order=order.pk, by=make.STAFF),
            closing.close_due,
            lambda: Client().post(path, body, content_type="application/json", headers=headers).status_code,
        ]
        found = at_once(4, lambda n: work[(n + turn) % 4]())
        assert set(raised(found)) <= {services.WrongState}
        end = agreed(order)
        assert (end["payment_status"], end["points_earned"], PaymentCase.objects.count()) == ("paid", 129, 0)
        assert "order.cancelled" not in make.types_of(order.member)

    def test_many_that_close_one_order_close_it_once(self, order):
        Order.objects.update(closes_at=make.NOON)
        acts = [lambda: closing.cancel(order=order.pk, by=make.STAFF), closing.close_due]
        found = at_once(10, lambda n: acts[n % 2]())
        assert raised(found) == Counter()
        assert agreed(order)["payment_status"] == "closed"
        assert make.types_of(order.member).count("order.cancelled") == 1


class TestPayingAndPaying:
    def test_one_notification_ten_times_settles_once(self, order, wechat):
        payment = o.payment(order, merchant=wechat.merchant)
        found = at_once(10, lambda _n: o.pay(payment))
        assert {each.state for each in found} == {"paid"}
        end = agreed(order)
        assert (end["paid_fen"], end["points_earned"], PaymentCase.objects.count()) == (12_900, 129, 0)
        assert make.types_of(order.member).count("order.paid") == 1

    def test_money_taken_twice_settles_once_and_is_kept_once(self, order):
        kept = [kept for kept, _is_new in at_once(2, lambda n: take(order, f"twice-{n}"))]
        assert Counter(type(each) for each in kept) == {Payment: 1, PaymentCase: 1}
        assert PaymentCase.objects.get().kind == "paid_twice"
        assert agreed(order)["paid_fen"] == 12_900

    def test_one_transaction_told_ten_times_is_one_payment(self, order):
        found = at_once(10, lambda _n: take(order, "once"))
        assert {kept.pk for kept, _is_new in found} == {Payment.objects.get().pk}
        assert sum(is_new for _kept, is_new in found) == 1
        agreed(order)

    @turns
    def test_opened_on_both_channels_at_once_only_one_can_be_paid(self, order, wechat, turn):
        clients = [make.member_client(order.member, code) for code in (WEBSITE, MINI)]
        path = f"me/orders/{order.number}/payments"
        answers = at_once(2, lambda n: clients[n].post(path, {"method": "wechat_jsapi"}))
        assert 201 in {answer.status_code for answer in answers}
        assert {answer.json().get("code") for answer in answers} <= {None, "payment_in_progress"}
        payment = Payment.objects.get(state="open")
        open_there = [number for number, trade in wechat.trades.items() if trade["trade_state"] == "NOTPAY"]
        assert open_there == [payment.pk.hex]
        o.pay(payment)
        assert agreed(order)["payment_status"] == "paid"


class TestGivingBack:
    @turns
    def test_of_two_refunds_that_are_too_much_together_one_is_done(self, order, turn):
        take(order)
        found = at_once(2, lambda n: give_back(order, f"R{turn}{n}", 8_000))
        assert raised(found) == Counter([services.OverRefunded])
        end = agreed(order)
        assert (end["refunded_fen"], end["lines"][0]["refunded_quantity"]) == (8_000, 1)

    def test_one_refund_told_ten_times_is_done_once(self, order):
        take(order)
        found = at_once(10, lambda _n: give_back(order, "R1", 12_900))
        assert raised(found) == Counter()
        assert sum(is_new for _refund, is_new in found) == 1
        end = agreed(order)
        assert (end["refunded_fen"], end["refund_status"]) == (12_900, "full")

    @turns
    def test_goods_that_leave_while_their_money_goes_back(self, order, turn):
        take(order)
        ship = {"carrier": "shunfeng", "tracking_number": "SF1", "by": make.BACKEND}
        work = [lambda: services.ship(order=order.pk, **ship), lambda: give_back(order, f"S{turn}", 12_900)]
        found = at_once(2, lambda n: work[(n + turn) % 2]())
        assert set(raised(found)) <= {services.WrongState}
        end = agreed(order)
        assert end["refund_status"] == "full"
        assert end["fulfilment_status"] == ("shipped" if end["shipments"] else "none")
        order.refresh_from_db()
        assert sum(line.shipped_quantity for line in order.lines.all()) == len(end["shipments"])


class TestEnding:
    def test_carrier_buyer_and_clock_complete_once(self, order):
        take(order)
        services.ship(order=order.pk, carrier="shunfeng", tracking_number="SF1", by=make.BACKEND)
        Order.objects.update(completes_at=make.NOON)
        acts = [
            lambda: services.deliver(order=order.pk, by=make.BACKEND, is_fact=True),
            lambda: services.complete(order=order.pk, by=make.BACKEND),
            finishing.complete_due,
        ]
        found = at_once(9, lambda n: acts[n % 3]())
        assert set(raised(found)) <= {services.WrongState}
        assert agreed(order)["fulfilment_status"] == "completed"
        assert make.types_of(order.member).count("order.completed") == 1
        assert make.types_of(order.member).count("order.delivered") <= 1


class TestTelling:
    @pytest.mark.parametrize("turn", range(3))
    def test_facts_told_at_the_same_moment_end_as_if_told_in_turn(self, member, turn):
        end = any_order.told(any_order.STEPS)
        InboxMessage.objects.all().delete()
        story = any_order.Story()
        steps = [*any_order.FACTS, *list(any_order.FACTS)[turn::3]]
        assert raised(at_once(len(steps), lambda n: story.tell(steps[n]))) == Counter()
        for _look in range(4):  # what missed its waking, or was put off, looks again
            InboxMessage.objects.update(next_at=make.NOON)
            inbox.apply_due()
        for step in any_order.TRACKED:
            story.tell(step)
        story.finish()
        assert any_order.story_free(story.state(), story.name) == end


@pytest.mark.parametrize("turn", range(8))
def test_one_number_told_of_two_orders_at_once_is_money_for_one(member, turn):
    orders = [o.order(member=make.member(), fen=fen) for fen in (12_900, 100)]
    found = at_once(2, lambda number: take(orders[number], "T-same"))
    assert raised(found) == {services.TransactionKnown: 1}
    assert Payment.objects.count() + PaymentCase.objects.count() == 1
