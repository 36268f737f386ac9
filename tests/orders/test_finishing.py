"""Arrival and completion: by the channel, the buyer, or the clock; in their order, once."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from orders import services, tasks
from orders.models import Order, OrderTerms
from orders.services import finishing
from tests import make
from tests.orders import make_orders as o

pytestmark = pytest.mark.django_db


@pytest.fixture
def shipped():
    """A paid order of which everything was shipped."""
    order = o.order(member=make.member())
    o.pay(o.payment(order))
    Order.objects.update(fulfilment_status="shipped", shipped_at=make.NOON)
    order.refresh_from_db()
    return order


@pytest.fixture
def backend():
    return make.backend_client()


class TestTheActs:
    def test_arrival_is_told_and_starts_the_wait_for_a_word(self, shipped):
        OrderTerms.objects.create(channel=shipped.channel, complete_after_days=3)
        found = services.deliver(order=shipped.pk, at=make.NOON, by=make.BACKEND)
        assert (found.fulfilment_status, found.delivered_at) == ("delivered", make.NOON)
        assert found.completes_at == make.NOON + timedelta(days=3)
        assert make.types_of(shipped.member)[-1] == "order.delivered"
        assert found.version == shipped.version + 1

    def test_completion_is_told(self, shipped):
        found = services.complete(order=shipped.pk, at=make.NOON, by=make.BACKEND)
        assert (found.fulfilment_status, found.completed_at, found.completes_at) == ("completed", make.NOON, None)
        assert make.types_of(shipped.member)[-1] == "order.completed"
        assert make.events_of(shipped.member)[-1].data["status"] == "completed"

    @pytest.mark.parametrize("move", [services.deliver, services.complete])
    def test_again_changes_nothing(self, shipped, move):
        move(order=shipped.pk, by=make.BACKEND)
        before = make.snapshot()
        move(order=shipped.pk, by=make.STAFF)
        assert make.snapshot() == before

    def test_what_was_delivered_before_it_was_completed_may_be_told_again(self, shipped):
        services.deliver(order=shipped.pk, by=make.BACKEND)
        services.complete(order=shipped.pk, by=make.BACKEND)
        before = make.snapshot()
        assert services.deliver(order=shipped.pk, by=make.BACKEND).fulfilment_status == "completed"
        assert make.snapshot() == before

    def test_arrival_after_completion_is_refused(self, shipped):
        services.complete(order=shipped.pk, by=make.BACKEND)
        before = make.snapshot()
        with pytest.raises(services.WrongState):
            services.deliver(order=shipped.pk, by=make.BACKEND)
        assert make.snapshot() == before

    @pytest.mark.parametrize("move", [services.deliver, services.complete])
    @pytest.mark.parametrize("goods", ["none", "partial"])
    def test_what_is_not_on_its_way_is_refused_but_as_a_fact(self, move, goods):
        order = o.order()
        o.pay(o.payment(order))
        Order.objects.update(fulfilment_status=goods)
        before = make.snapshot()
        with pytest.raises(services.WrongState):
            move(order=order.pk, by=make.BACKEND)
        assert make.snapshot() == before
        assert move(order=order.pk, by=make.BACKEND, is_fact=True).fulfilment_status in {"delivered", "completed"}

    @pytest.mark.parametrize("move", [services.deliver, services.complete])
    def test_what_is_not_paid_is_refused_but_as_a_fact(self, move):
        order = o.order()
        Order.objects.update(fulfilment_status="shipped", shipped_at=make.NOON)
        with pytest.raises(services.WrongState):
            move(order=order.pk, by=make.BACKEND)
        assert move(order=order.pk, by=make.BACKEND, is_fact=True).payment_status == "unpaid"

    def test_the_earliest_fact_says_when_it_was_completed(self, shipped):
        hour = timedelta(hours=1)
        services.complete(order=shipped.pk, at=make.NOON, by=make.BACKEND)
        services.complete(order=shipped.pk, at=make.NOON + hour, by=make.BACKEND, is_fact=True)
        assert Order.objects.get().completed_at == make.NOON
        services.complete(order=shipped.pk, at=make.NOON - hour, by=make.BACKEND, is_fact=True)
        found = Order.objects.get()
        assert (found.completed_at, make.types_of(shipped.member)[-1]) == (make.NOON - hour, "order.updated")
        services.complete(order=shipped.pk, at=make.NOON - 2 * hour, by=make.BACKEND)
        assert Order.objects.get().version == found.version


class TestTheClock:
    def test_an_order_completes_by_itself_when_its_time_has_come(self, shipped):
        Order.objects.update(completes_at=Now() + timedelta(hours=1))
        tasks.complete_arrived()
        assert Order.objects.get().fulfilment_status == "shipped"
        Order.objects.update(completes_at=Now())
        tasks.complete_arrived()
        assert Order.objects.get().fulfilment_status == "completed"
        assert make.events_of(shipped.member)[-1].actor == "system/hub"
        assert finishing.complete_due() == 0

    def test_while_a_refund_is_open_it_waits(self, shipped):
        Order.objects.update(completes_at=Now(), open_refunds=1)
        assert (finishing.complete_due(), finishing.complete_due()) == (1, 0)
        assert Order.objects.get().fulfilment_status == "shipped"
        Order.objects.update(completes_at=Now(), open_refunds=0)
        assert finishing.complete_due() == 1
        assert Order.objects.get().fulfilment_status == "completed"

    def test_what_was_given_back_in_full_is_left_alone(self, shipped):
        Order.objects.update(completes_at=Now(), refund_status="full", refunded_fen=12_900)
        version = Order.objects.get().version
        assert (finishing.complete_due(), finishing.complete_due()) == (1, 0)
        found = Order.objects.get()
        assert (found.fulfilment_status, found.version, found.completes_at) == ("shipped", version, None)

    @pytest.mark.parametrize("rows", [1, 3])
    def test_looking_for_them_is_one_question(self, rows, django_assert_num_queries):
        for _n in range(rows):
            o.order()
        with django_assert_num_queries(1):
            assert finishing.complete_due() == 0


class TestTheContract:
    def test_a_channel_tells_both_as_often_as_it_likes(self, shipped, backend):
        for word, status in (("delivered", "delivered"), ("completed", "completed")):
            first = backend.post(f"orders/{shipped.number}/{word}")
            again = backend.post(f"orders/{shipped.number}/{word}")
            assert (first.status_code, first.json()["status"]) == (200, status)
            assert (again.status_code, again.json()) == (200, first.json())

    def test_the_buyer_s_receipt_completes(self, shipped):
        client = make.member_client(shipped.member, "mini-program")
        answer = client.post(f"me/orders/{shipped.number}/receipt")
        assert (answer.status_code, answer.json()["status"]) == (200, "completed")
        assert client.post(f"me/orders/{shipped.number}/receipt").json() == answer.json()
        assert make.events_of(shipped.member)[-1].source == "/channels/mini-program"

    @pytest.mark.parametrize("word", ["delivered", "completed"])
    def test_an_illegal_move_is_refused(self, backend, word):
        order = o.order(member=make.member())
        answer = backend.post(f"orders/{order.number}/{word}")
        assert (answer.status_code, answer.json()["code"]) == (409, "order_state")
        mine = make.member_client(order.member).post(f"me/orders/{order.number}/receipt")
        assert (mine.status_code, mine.json()["code"]) == (409, "order_state")

    @pytest.mark.parametrize("word", ["delivered", "completed"])
    def test_only_its_own_channel_tells(self, shipped, word):
        make.channel("shop", group="other")
        path = f"orders/{shipped.number}/{word}"
        assert make.backend_client("mini-program").post(path).json()["code"] == "forbidden"
        assert make.backend_client("shop").post(path).status_code == 404
        assert make.backend_client(scopes=["orders:read"]).post(path).json()["code"] == "scope_missing"
        assert make.member_client().post(f"me/orders/{shipped.number}/receipt").status_code == 404
