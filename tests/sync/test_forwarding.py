"""What is passed on to a channel: signed, on the courier's schedule, never into our own network, and forgotten."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError

from sync import clock, forwarding
from sync.models import Endpoint, ForwardedPush
from tests import make
from tests.sync.receiver import SECRET, Answer, receiving

pytestmark = pytest.mark.django_db(transaction=True)

AT = datetime(2026, 11, 22, tzinfo=UTC)


def forward(url, message_id="1", **fields):
    place = make.channel("mini-program")
    Endpoint.objects.get_or_create(channel=place, url=url, defaults={"secret": SECRET} | fields)
    return forwarding.forward(place, "wechat/wx-mini-program", message_id, "wechat.push", {"MsgType": "text"}, AT)


def push() -> ForwardedPush:
    return ForwardedPush.objects.get()


@pytest.fixture(autouse=True)
def loopback(settings):
    settings.INTERNAL_NETWORKS = ["127.0.0.1/32"]
    settings.COURIER_SCHEDULE = [5, 300]


def answered(*answers):
    return receiving(*answers[:-1], then=answers[-1])


def test_it_arrives_signed_and_is_forgotten():
    with answered(Answer()) as backend:
        assert forward(backend.url) == 1
        assert forwarding.forward_due() == 1
        assert forwarding.forward_due() == 0
    (event,) = backend.received  # verified by the official library
    assert (event["id"], event["type"], event["data"]) == (str(push().pk), "wechat.push", {"MsgType": "text"})
    assert (push().state, push().body, push().status) == ("delivered", None, 200)


def test_a_failure_waits_its_time_and_the_id_stays():
    with answered(Answer(500), Answer()) as backend:
        forward(backend.url)
        assert forwarding.forward_due() == 0
        assert 3 < (push().next_at - clock.now()).total_seconds() < 7
        assert forwarding.forward_due() == 0
        ForwardedPush.objects.update(next_at=clock.now())
        assert forwarding.forward_due() == 1
    assert len({headers["webhook-id"] for headers in backend.headers}) == 1


@pytest.mark.parametrize("status", [500, 410])
def test_in_the_end_it_is_dead(status):
    with answered(Answer(status)) as backend:
        forward(backend.url)
        for _time in range(1 if status == 410 else 3):
            forwarding.forward_due()
            ForwardedPush.objects.filter(state="waiting").update(next_at=clock.now())
    assert (push().state, push().next_at) == ("dead", None)


def test_redirects_are_not_followed():
    with answered(Answer()) as there, answered(Answer(302, {"Location": there.url})) as backend:
        forward(backend.url)
        forwarding.forward_due()
        assert (there.received, push().error) == ([], "redirect")


def test_an_address_in_our_own_network_is_not_called(settings):
    settings.INTERNAL_NETWORKS = []
    with answered(Answer()) as backend:
        forward(backend.url)
        forwarding.forward_due()
        assert (backend.received, push().error) == ([], "address")


def test_only_endpoints_that_take_the_type_get_it():
    assert forward("https://one.example", types=["order.paid"]) == 0
    assert forward("https://two.example", types=["wechat.push"]) == 1


def test_who_fails_does_not_hold_up_others():
    with answered(Answer(500)) as bad, answered(Answer()) as good:
        forward(bad.url, "1")
        forward(good.url, "2")
        forward(good.url, "3")
        forwarding.forward_due()
        assert (len(bad.received), len(good.received)) == (1, 2)


def test_the_database_refuses_an_end_without_a_time():
    forward("https://two.example")
    with pytest.raises(IntegrityError, match="forwarded_push_finished_follows_state"):
        ForwardedPush.objects.update(state="dead")


def test_a_worker_that_died_leaves_it_to_the_next():
    with answered(Answer()) as backend:
        forward(backend.url)
        forwarding._claimed([])
        assert forwarding.forward_due() == 0
        ForwardedPush.objects.update(next_at=clock.now() - timedelta(seconds=1))
        assert forwarding.forward_due() == 1
