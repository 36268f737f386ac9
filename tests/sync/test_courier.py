"""The courier: signed, in order per endpoint and member, again when it fails, never into our own network."""

import asyncio
import socket
import threading
import time
from contextlib import contextmanager
from datetime import timedelta
from itertools import repeat
from uuid import uuid4

import pytest
from django.db import close_old_connections, connection
from django.db.models.functions import Now

from sync.courier import sending
from sync.courier.width import MOST, START
from sync.courier.work import Courier, serve
from sync.models import Attempt, Delivery, Endpoint, Heartbeat
from tests import make
from tests.sync import make_deliveries
from tests.sync.patience import until
from tests.sync.receiver import SECRET, Answer, receiving

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def courier_running():
    """A courier in a thread of its own."""
    started, holder = threading.Event(), {}

    async def run():
        holder["courier"], holder["loop"] = Courier(), asyncio.get_running_loop()
        started.set()
        await holder["courier"].run()

    thread = threading.Thread(target=lambda: serve(run()))
    thread.start()
    started.wait()
    try:
        yield holder["courier"]
    finally:
        holder["loop"].call_soon_threadsafe(holder["courier"].stop)
        thread.join(timeout=30)
        assert not thread.is_alive()
        close_old_connections()


@pytest.fixture(autouse=True)
def quick(settings):
    settings.COURIER_SCHEDULE = [0.05] * 7


@pytest.fixture
def courier():
    with courier_running() as running:
        yield running


def endpoint(url: str, code: str = "website") -> Endpoint:
    made = make_deliveries.endpoint(make.channel(code), url)
    made.secret = SECRET
    made.save()
    return made


def deliver(to: Endpoint, *types: str, subject: str = "", **fields) -> list[Delivery]:
    """Deliveries of one subject, in this order, and the doorbell."""
    subject = subject or f"member/{uuid4()}"
    made = [make_deliveries.delivery(to, make_deliveries.event(subject, type), **fields) for type in types]
    with connection.cursor() as cursor:
        cursor.execute("NOTIFY courier")
    return made


def states(of: list[Delivery]) -> list[str]:
    return [Delivery.objects.get(pk=each.pk).state for each in of]


def test_a_delivery_is_signed_as_standard_webhooks_and_the_official_library_verifies_it(courier):
    began = int(time.time())
    with receiving() as backend:
        (made,) = deliver(endpoint(backend.url), "order.paid")
        until(lambda: states([made]) == ["delivered"])
    (event,), (headers,) = backend.received, backend.headers
    assert headers["webhook-id"] == event["id"] == str(made.event_id)
    assert began <= int(headers["webhook-timestamp"]) <= time.time()
    assert headers["Content-Type"] == "application/json"
    assert event["type"] == "order.paid"
    assert event["sequence"] == "1"
    tried = Attempt.objects.get()
    assert (tried.status, tried.error) == (200, "")


def test_a_failure_is_tried_again_with_the_same_id_and_a_new_timestamp(courier):
    with receiving(500, Answer(503, {"Retry-After": "0"}), 302) as backend:
        (made,) = deliver(endpoint(backend.url), "order.paid")
        until(lambda: states([made]) == ["delivered"])
    assert {headers["webhook-id"] for headers in backend.headers} == {str(made.event_id)}
    assert list(Attempt.objects.order_by("id").values_list("status", "error")) == [
        (500, "status"),
        (503, "status"),
        (302, "redirect"),
        (200, ""),
    ]
    made.refresh_from_db()
    assert (made.attempts, made.lease) == (4, None)


def test_a_redirect_is_not_followed(courier):
    with receiving() as elsewhere, receiving(then=Answer(307, {"Location": elsewhere.url})) as backend:
        (made,) = deliver(endpoint(backend.url), "order.paid")
        until(lambda: states([made]) == ["dead"])
    assert len(backend.received) == 8
    assert elsewhere.received == []


def test_the_next_of_a_member_waits_until_the_head_is_delivered(courier):
    with receiving(500, 500) as backend:
        made = deliver(endpoint(backend.url), "order.placed", "order.paid", "order.shipped")
        until(lambda: states(made) == ["delivered"] * 3)
    assert backend.types == ["order.placed"] * 3 + ["order.paid", "order.shipped"]


def test_or_dead(courier):
    with receiving(400, 400, 400) as backend:
        made = deliver(endpoint(backend.url), "order.placed", "order.paid")
        until(lambda: states(made) == ["dead", "delivered"])
    assert backend.types == ["order.placed"] * 3 + ["order.paid"]


def test_other_members_flow_meanwhile(courier, settings):
    settings.COURIER_SCHEDULE = [60]
    with receiving(500) as backend:
        to = endpoint(backend.url)
        stuck = deliver(to, "order.placed", "order.paid")
        until(lambda: Attempt.objects.count() == 1)
        free = deliver(to, "order.placed", "order.paid")
        until(lambda: states(free) == ["delivered"] * 2)
    assert states(stuck) == ["waiting", "waiting"]


def test_a_slow_endpoint_holds_up_no_other(courier):
    told = threading.Event()
    with receiving(then=Answer(told=told)) as slow, receiving() as quick:
        behind, ahead = endpoint(slow.url), endpoint(quick.url, "mini-program")
        for _ in range(100):
            deliver(behind, "order.placed")
        made = [deliver(ahead, "order.placed")[0] for _ in range(20)]
        until(lambda: states(made) == ["delivered"] * 20)
        assert not Delivery.objects.filter(endpoint=behind, state="delivered").exists()
        until(lambda: slow.most_at_once == START)
        told.set()
        until(lambda: not Delivery.objects.filter(state="waiting").exists())
        assert START <= slow.most_at_once <= MOST


def test_a_long_queue_behind_a_dead_head_is_put_off_with_it(courier, settings):
    settings.COURIER_SCHEDULE = [60]
    with receiving(500) as backend:
        deliver(endpoint(backend.url), "order.placed", *["order.updated"] * 20)
        until(lambda: Attempt.objects.count() == 1)
        until(lambda: not Delivery.objects.filter(next_at__lte=Now() + timedelta(seconds=30)).exists())


def test_gone_disables_the_endpoint(courier):
    with receiving(410) as backend:
        to = endpoint(backend.url)
        made = deliver(to, "order.placed", "order.paid")
        until(lambda: not Endpoint.objects.get().is_active)
    assert Endpoint.objects.get().disabled_reason == "410 Gone"
    assert states(made) == ["dead", "waiting"]
    assert backend.types == ["order.placed"]


def test_nothing_but_failure_for_120_hours_disables_it_and_one_success_clears_that(courier):
    seen = threading.Event()
    with receiving(500, Answer(told=seen), then=500) as backend:
        to = endpoint(backend.url)
        deliver(to, "order.placed")
        until(lambda: Endpoint.objects.get().failing_since)
        seen.set()
        until(lambda: Endpoint.objects.get().failing_since is None)
        assert Endpoint.objects.get().last_success_at
        long_ago = "UPDATE sync_endpoint SET failing_since = now() - interval '121 hours'"
        with connection.cursor() as cursor:
            cursor.execute(long_ago)
        deliver(to, "order.paid")
        until(lambda: not Endpoint.objects.get().is_active)
    assert Endpoint.objects.get().disabled_reason == "120 h"


@pytest.mark.parametrize("off", ["endpoint", "channel"])
def test_what_is_off_is_sent_nothing_until_it_is_on_again(courier, off):
    with receiving() as backend:
        to = endpoint(backend.url)
        switched = {"endpoint": Endpoint, "channel": type(to.channel)}[off].objects
        switched.update(is_active=False)
        made = deliver(to, "order.paid")
        deliver(endpoint(f"{backend.url}/other", "mini-program"), "order.placed")
        until(lambda: backend.types == ["order.placed"])
        switched.update(is_active=True)
        until(lambda: states(made) == ["delivered"])


def test_an_answer_without_end_is_read_no_further_than_need_be(courier):
    with receiving(then=Answer(body=repeat(b"x" * 1_000, 1_000_000))) as backend:
        (made,) = deliver(endpoint(backend.url), "order.paid")
        until(lambda: states([made]) == ["delivered"])
    assert len(Attempt.objects.get().response) == 20_000


@pytest.mark.slow
def test_an_answer_that_comes_too_late_is_a_failure(courier, monkeypatch):
    monkeypatch.setattr(sending, "TIMEOUT", 2)
    never = threading.Event()
    with receiving(Answer(told=never), then=200) as backend:
        (made,) = deliver(endpoint(backend.url), "order.paid")
        until(lambda: states([made]) == ["delivered"])
    assert list(Attempt.objects.order_by("id").values_list("status", "error")) == [(None, "timeout"), (200, "")]


def test_a_backend_that_is_not_there_is_a_failure(courier):
    with socket.socket() as held:  # nobody listens at this port, and nobody else gets it
        held.bind(("127.0.0.1", 0))
        (made,) = deliver(endpoint(f"http://127.0.0.1:{held.getsockname()[1]}/hook"), "order.paid")
        until(lambda: states([made]) == ["dead"])
    assert set(Attempt.objects.values_list("status", "error")) == {(None, "connect")}


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "0x7f000001", "[::ffff:127.0.0.1]", "2130706433"])
def test_our_own_network_is_refused_on_the_address_that_is_connected_to(courier, settings, host):
    settings.INTERNAL_NETWORKS = []
    with receiving() as backend:
        (made,) = deliver(endpoint(f"http://{host}:{backend.server_port}/hook"), "order.paid")
        until(lambda: states([made]) == ["dead"])
    assert backend.received == []
    assert set(Attempt.objects.values_list("status", "error")) == {(None, "address")}


class TestLeases:
    def test_two_couriers_send_each_delivery_once(self):
        with receiving() as backend, courier_running(), courier_running():
            to = endpoint(backend.url)
            for _ in range(50):
                deliver(to, "order.placed", "order.paid")
            until(lambda: Delivery.objects.filter(state="delivered").count() == 100)
        assert len(backend.received) == len({event["id"] for event in backend.received}) == 100

    def test_who_is_killed_in_the_middle_is_followed_by_another(self, courier):
        with receiving() as backend:
            to = endpoint(backend.url)
            (made,) = deliver(to, "order.paid", lease=uuid4(), leased_until=Now(), next_at=Now())
            until(lambda: states([made]) == ["delivered"])
        assert len(backend.received) == 1

    def test_what_comes_behind_a_head_in_flight_does_not_wait_for_its_lease(self, courier):
        soon, subject = Now() + timedelta(seconds=60), f"member/{uuid4()}"
        with receiving() as backend:
            to = endpoint(backend.url)
            (head,) = deliver(to, "order.placed", subject=subject, lease=uuid4(), leased_until=soon, next_at=soon)
            (behind,) = deliver(to, "order.paid", subject=subject)
            until(lambda: Delivery.objects.get(pk=behind.pk).next_at > behind.created_at + timedelta(seconds=0.5))
            done = {"state": "delivered", "finished_at": Now(), "next_at": None, "lease": None, "leased_until": None}
            Delivery.objects.filter(pk=head.pk).update(**done)  # by a statement that did not see what came behind
            until(lambda: states([behind]) == ["delivered"])

    def test_who_comes_too_late_changes_nothing(self, courier):
        told = threading.Event()
        with receiving(Answer(500, told=told)) as backend:
            (made,) = deliver(endpoint(backend.url), "order.paid")
            until(lambda: backend.received)
            Delivery.objects.update(lease=uuid4())
            told.set()
            until(lambda: Attempt.objects.exists())
        made.refresh_from_db()
        assert (made.state, made.attempts) == ("waiting", 0)

    def test_what_is_in_flight_at_the_end_is_written(self):
        with receiving(Answer(wait=0.5)) as backend:
            with courier_running():
                (made,) = deliver(endpoint(backend.url), "order.paid")
                until(lambda: backend.received)
            assert states([made]) == ["delivered"]


@pytest.mark.slow
def test_it_goes_on_when_postgresql_ends_its_connections(courier):
    with receiving() as backend:
        to = endpoint(backend.url)
        until(lambda: Heartbeat.objects.filter(name="courier").exists())
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name LIKE 'hub courier%'"
            )
        (made,) = deliver(to, "order.paid")
        until(lambda: states([made]) == ["delivered"])
