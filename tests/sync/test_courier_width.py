"""How much an endpoint is asked at once: it widens by success, halves by strain, and is nobody else's matter."""

import socket
import threading
import time

import pytest

from sync.courier.schedule import Outcome
from sync.courier.width import LEAST, MOST, QUICK, START, STEP, Width
from sync.models import Attempt, Delivery
from tests import make
from tests.sync import make_deliveries
from tests.sync.patience import until
from tests.sync.receiver import SECRET, Answer, receiving
from tests.sync.test_courier import courier_running
from tests.sync.unruly import silent, unruly

WELL, BUSY = Outcome(200), Outcome(503)
SLOW = Outcome(200, milliseconds=QUICK)


def after(*outcomes: Outcome) -> float:
    width = Width()
    for each in outcomes:
        width.learn(each)
    return width.wide


def test_a_success_widens_by_a_step_up_to_the_most():
    assert after(*[WELL] * 8) == START + 8 * STEP
    assert after(*[WELL] * 10_000) == MOST


@pytest.mark.parametrize("strain", [Outcome(500), Outcome(429), Outcome(408), Outcome(None, "timeout")])
def test_strain_halves_down_to_the_least(strain):
    assert after(strain) == START / 2
    assert after(*[strain] * 50) == LEAST


@pytest.mark.parametrize("outcome", [Outcome(400), Outcome(404), Outcome(302)])
def test_what_says_nothing_of_strain_changes_nothing(outcome):
    assert after(outcome) == START


def test_who_is_gone_is_asked_by_the_least():
    assert after(WELL, Outcome(410)) == LEAST


def test_it_recovers_step_by_step():
    assert after(*[BUSY] * 9, *[WELL] * 16) == LEAST + 16 * STEP


@pytest.mark.parametrize(("busy", "room"), [(0, START), (START, 0), (START + 5, 0)])
def test_what_is_under_way_takes_room(busy, room):
    assert Width().room(busy) == room


@pytest.mark.parametrize(("held", "room"), [(0, 2 * START), (START, START), (START + 1, 0), (2 * START, 0)])
def test_for_who_is_quick_as_many_again_are_held_ready_a_width_at_a_time(held, room):
    width = Width()
    width.learn(WELL)
    assert width.room(held) == room


@pytest.mark.parametrize("outcome", [SLOW, BUSY, Outcome(404), Outcome(None, "timeout")])
def test_nothing_is_held_ready_for_who_is_slow_or_does_not_take_it(outcome):
    width = Width()
    for each in (WELL, outcome):
        width.learn(each)
    assert width.room(0) == int(width.wide)


def to(url: str, code: str):
    made = make_deliveries.endpoint(make.channel(code), url)
    made.secret = SECRET
    made.save()
    return made


@pytest.mark.django_db(transaction=True)
def test_an_endpoint_in_trouble_is_asked_by_few_at_once(settings):
    settings.COURIER_SCHEDULE = [600]
    told = threading.Event()
    first = [Answer(503)] * START
    with receiving(*first, then=Answer(told=told)) as backend:
        endpoint = to(backend.url, "website")
        for _turn in range(START + 10):
            make_deliveries.delivery(endpoint)
        with courier_running():
            until(lambda: Attempt.objects.count() == START and backend.open == LEAST)
            told.set()
            until(lambda: Delivery.objects.filter(state="delivered").count() == 10)
    assert max(backend.at_once[START:]) <= LEAST + 1  # ten successes widen by one


@pytest.mark.django_db(transaction=True)
def test_beside_a_dead_and_a_silent_endpoint_a_healthy_one_is_served_at_once(settings):
    settings.COURIER_SCHEDULE = [600]
    with unruly(silent) as dumb, receiving() as well:
        dead = to("http://127.0.0.1:9/hook", "app")
        quiet, healthy = to(dumb.url, "website"), to(well.url, "mini-program")
        for _turn in range(100):
            make_deliveries.delivery(dead)
            make_deliveries.delivery(quiet)
        with courier_running():
            until(lambda: Attempt.objects.filter(error="connect").count() == 100 and dumb.requests == START)
            began = time.monotonic()
            made = [make_deliveries.delivery(healthy) for _turn in range(20)]
            until(lambda: len(well.received) == 20)
            took = time.monotonic() - began
            dumb.over.set()
            until(lambda: Delivery.objects.filter(endpoint=healthy, state="delivered").count() == len(made))
    assert took < 10  # of the 15 s that one silent request takes


@pytest.mark.django_db(transaction=True)
def test_names_that_nobody_answers_for_hold_up_no_other(monkeypatch):
    answered, real = threading.Event(), socket.getaddrinfo

    def asked(host, *args, **kwargs):
        if host.endswith(".example"):
            answered.wait(60)
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return real(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", asked)
    with receiving() as well, courier_running():
        for turn in range(20):
            make_deliveries.delivery(to(f"http://slow-{turn}.example/hook", f"slow-{turn}"))
        until(lambda: Delivery.objects.filter(lease__isnull=False).count() == 20)
        healthy = make_deliveries.delivery(to(well.url.replace("127.0.0.1", "localhost"), "website"))
        until(lambda: Delivery.objects.get(pk=healthy.pk).state == "delivered", seconds=10)
        answered.set()
        until(lambda: Attempt.objects.filter(error="dns").count() == 20)
