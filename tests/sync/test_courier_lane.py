"""What a courier holds ready for an endpoint: sent as places come free, given back when they do not."""

import threading
from time import monotonic
from uuid import uuid4

import pytest
from django.db.models.functions import Now

from sync.courier.lane import FRESH, Claimed, Lane
from sync.courier.width import START
from sync.models import Attempt, Delivery, Endpoint
from tests.sync import make_deliveries
from tests.sync.patience import until
from tests.sync.receiver import Answer, receiving
from tests.sync.test_courier import courier_running, endpoint

TRIED = 8


def claimed(seconds_ago: float) -> Claimed:
    return Claimed({"delivery": 1}, uuid4(), monotonic() - seconds_ago)


def test_what_waited_too_long_for_a_place_waits_no_more():
    lane, late, fresh = Lane(), claimed(FRESH + 1), claimed(0)
    lane.ready += [late, fresh]
    assert lane.take_stale() == [late]
    assert list(lane.ready) == [fresh]


def test_a_place_is_free_for_what_is_ready_until_the_endpoint_bears_no_more():
    lane = Lane()
    assert not lane.has_place
    lane.ready.append(claimed(0))
    for flying, free, narrow in ((START - 1, True, False), (START, False, False), (START + 1, False, True)):
        lane.flying = flying
        assert (lane.has_place, lane.is_narrow) == (free, narrow)


@pytest.fixture
def held_up():
    """An endpoint that answers eight quickly, and no more until it is told to; a hundred deliveries to it."""
    told = threading.Event()
    with receiving(*[200] * TRIED, then=Answer(told=told)) as backend:
        to = endpoint(backend.url)
        for _turn in range(100):
            make_deliveries.delivery(to)
        yield backend, told
        told.set()


def leased() -> int:
    return Delivery.objects.filter(lease__isnull=False, state="waiting").count()


@pytest.mark.django_db(transaction=True)
def test_as_many_again_are_claimed_while_the_first_are_under_way_and_all_arrive_once(held_up):
    backend, told = held_up
    with courier_running():
        until(lambda: Attempt.objects.count() == TRIED and leased() > backend.open > START)
        assert leased() <= 2 * (START + 1)
        told.set()
        until(lambda: Delivery.objects.filter(state="delivered").count() == 100)
    assert len({event["id"] for event in backend.received}) == 100 == len(backend.received)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_who_stops_gives_back_what_was_not_sent(held_up):
    backend, _told = held_up
    with courier_running():
        until(lambda: Attempt.objects.count() == TRIED and leased() > backend.open > START)
    waiting = Delivery.objects.filter(state="waiting")
    assert leased() == backend.open  # what is under way may have arrived: it is sent again when its lease ends
    assert waiting.filter(lease=None, leased_until=None, next_at__lte=Now()).count() == waiting.count() - backend.open


@pytest.mark.django_db(transaction=True)
def test_what_is_ready_for_an_endpoint_that_is_gone_waits_for_a_new_one():
    with receiving(*[200] * TRIED, then=410) as backend:
        to = endpoint(backend.url)
        for _turn in range(100):
            make_deliveries.delivery(to)
        with courier_running():
            until(lambda: not Endpoint.objects.get(pk=to.pk).is_active and not leased())
    sent = Delivery.objects.exclude(state="waiting").count()
    assert sent == Attempt.objects.count() <= TRIED + START + 2  # those that were under way with the first 410
    assert Delivery.objects.filter(state="waiting", lease=None).count() == 100 - sent
