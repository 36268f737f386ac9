"""The chain under fire: relays, couriers and Valkey are killed and stopped while facts are written.

Nothing is lost, repeated at a socket, or turned round.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from functools import partial
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.db import close_old_connections, connection

from sync.models import Delivery, Event, Heartbeat, Settled
from sync.services import admit
from tests import make
from tests.engines import ROOT
from tests.sync.live import live_running, session
from tests.sync.patience import until, within
from tests.sync.receiver import receiving
from tests.sync.test_courier import endpoint
from tests.sync.test_relay import happen, relay_running
from tests.sync.valkey import valkey_in

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


class Process:
    """`manage.py relay` or `courier` on the test's database, with the test's Redis."""

    def __init__(self, name: str, redis_url: str):
        url = urlsplit(os.environ["DATABASE_URL"])
        database = urlunsplit(url._replace(path=f"/{connection.settings_dict['NAME']}"))
        environment = os.environ | {"DATABASE_URL": database, "REDIS_URL": redis_url}
        self.child = subprocess.Popen([sys.executable, "manage.py", name], cwd=ROOT, env=environment)

    def pause(self) -> None:
        self.child.send_signal(signal.SIGSTOP)

    def end(self, number: int = signal.SIGKILL) -> int:
        self.child.send_signal(signal.SIGCONT)
        self.child.send_signal(number)
        return self.child.wait(timeout=60)


@contextmanager
def process(name: str, redis_url: str):
    """A process that has said that it lives."""
    Heartbeat.objects.filter(name=name).delete()
    started = Process(name, redis_url)
    try:
        until(lambda: Heartbeat.objects.filter(name=name).exists(), 60)
        yield started
    finally:
        if started.child.poll() is None:
            started.end()


@pytest.fixture
def valkey(tmp_path, settings):
    with valkey_in(tmp_path) as running:
        settings.REDIS_URL = running.url
        yield running


@pytest.mark.parametrize("name", ["relay", "courier"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_process_that_is_asked_to_ends_at_once_and_well(valkey, name, number):
    def ending() -> float:
        with process(name, valkey.url) as running:
            began = time.monotonic()
            assert running.end(number) == 0
            return time.monotonic() - began

    assert within(3, ending)


def test_a_relay_that_is_stopped_holds_up_nobody(valkey):
    with process("relay", valkey.url) as stopped:
        stopped.pause()
        happen("member/1", "order.placed")
        with relay_running():
            until(lambda: Settled.objects.count() == 1)


def test_a_second_relay_has_taken_over_three_seconds_after_a_kill_at_the_latest(valkey):
    def longest_wait() -> float:
        writer = threading.Thread(target=write, args=("member/1", 100))
        with process("relay", valkey.url) as leader, relay_running():
            settled = Settled.objects.count()
            writer.start()
            until(lambda: Settled.objects.count() > settled + 20)
            leader.end(signal.SIGKILL)
            writer.join()
            until(lambda: Settled.objects.count() == Event.objects.count() == settled + 200)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT max(extract(epoch FROM s.at - e.time))::float8 FROM sync_event e"
                " JOIN (SELECT * FROM sync_settled ORDER BY position DESC LIMIT 200) s ON s.event_id = e.id"
            )
            return cursor.fetchone()[0]

    assert within(3, longest_wait)


def test_a_courier_that_is_killed_in_the_middle_leaves_nothing_undelivered(valkey):
    admit("member/1", make.channel("website"))
    with receiving() as backend, process("relay", valkey.url):
        endpoint(backend.url)
        for turn in range(3):
            threading.Thread(target=write, args=("member/1", 20)).start()
            release_leases()
            with process("courier", valkey.url):
                until(partial(has_more_than, backend, turn * 10))
        until(lambda: Event.objects.count() == 120)
        with process("courier", valkey.url):
            release_leases()
            until(lambda: Delivery.objects.filter(state="delivered").count() == 120, 60)
    told = [int(event["sequence"]) for event in backend.received]
    assert sorted(set(told)) == list(range(1, 121))
    first_time = list(dict.fromkeys(told))
    assert first_time == sorted(first_time)


def test_relays_and_valkey_are_killed_under_load_and_every_socket_hears_everything_once(valkey):
    members = [session() for _ in range(4)]
    with live_running() as live:
        clients = [live.open(mine) for mine in members]
        for client in clients:
            client.next("hello")
        writers = [threading.Thread(target=write, args=(f"member/{mine.member_id}", 200)) for mine in members * 2]
        for writer in writers:
            writer.start()
        while any(writer.is_alive() for writer in writers):
            with process("relay", valkey.url), process("relay", valkey.url) as other:
                other.pause()
                valkey.stop()
                time.sleep(0.3)
                valkey.start()
        with process("relay", valkey.url):
            for client in clients:
                assert client.sequences(800, timeout=60) == list(range(1, 801))
                assert client.is_quiet()
            until(lambda: Settled.objects.count() == Event.objects.count() == 3200)
        for client in clients:
            client.drop()
    for mine in members:
        mine_in_order = Event.objects.filter(subject=f"member/{mine.member_id}").order_by("settled__position")
        assert list(mine_in_order.values_list("sequence", flat=True)) == list(range(1, 801))


def write(subject: str, acts: int) -> None:
    """So many acts of two facts each, from a thread of its own."""
    for _ in range(acts):
        happen(subject, "order.updated", "points.earned")
        time.sleep(0.005)
    close_old_connections()
    connection.close()


def has_more_than(backend, count: int) -> bool:
    return len(backend.received) > count


def release_leases() -> None:
    """As the minute would that a lease lasts."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE sync_delivery SET next_at = now() WHERE state = 'waiting'")
