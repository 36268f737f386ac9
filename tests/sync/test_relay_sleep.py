"""A relay sleeps until the bell: writers ring for who sleeps, for nobody else, and nothing falls between."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from django.db import close_old_connections

from sync import events, postgres
from sync.models import Event, Settled
from sync.relay import Relay
from tests.sync.patience import until
from tests.sync.test_relay import happen, placed, relay_running

pytestmark = pytest.mark.django_db(transaction=True)
NEVER = 600.0  # seconds: nothing but the bell finds what is missed


def asleep() -> list[tuple]:
    """The locks of the relays that are rung for."""
    with postgres.connect("test") as connection:
        return connection.execute(
            "SELECT mode FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE l.locktype = 'advisory'"
            " AND l.granted AND a.datname = current_database() AND a.application_name = 'hub relay'"
            " AND l.mode = 'ShareLock'"
        ).fetchall()


class Watched(Relay):
    """Keeps what each look gave, and whether it was rung for by then."""

    def __init__(self, **options):
        super().__init__(**options)
        self.looks = []

    def settle(self, connection):
        settled = super().settle(connection)
        self.looks.append((settled, self.is_asleep))
        return settled


class Overtaken(Watched):
    """Somebody commits between its first look and its sleep."""

    def settle(self, connection):
        settled = super().settle(connection)
        if len(self.looks) == 1:
            happen("member/1", "order.placed")
            close_old_connections()
        return settled


@pytest.mark.slow
@pytest.mark.parametrize("relays", [1, 2])
def test_no_bell_is_missed_by_relays_that_fall_asleep_and_wake_all_the_while(relays):
    with ExitStack() as running:
        for _relay in range(relays):
            running.enter_context(relay_running(sweep=NEVER, busy=1))  # awake and asleep at every turn
        for written in range(1, 201):
            happen("member/1", "order.placed")
            until(lambda count=written: Settled.objects.count() == count)


def test_what_is_committed_after_a_relays_look_and_before_its_sleep_is_seen_without_a_bell():
    with relay_running(Overtaken, sweep=NEVER) as relay:
        until(lambda: placed() == ["order.placed"])
    assert relay.looks[:2] == [(0, False), (1, True)]


def test_a_relay_under_load_has_nobody_ring_and_sleeps_again_after_it():
    loaded = threading.Event()

    def write(number):
        while not loaded.is_set():
            happen(f"member/{number}", "order.placed")
        close_old_connections()

    with relay_running(), ThreadPoolExecutor(4) as writers:
        until(asleep)
        try:
            done = [writers.submit(write, number) for number in range(4)]
            until(lambda: not asleep())
        finally:
            loaded.set()
        for each in done:
            each.result()
        until(asleep)
    assert len(placed()) == Event.objects.count()
    until(lambda: not asleep())


def test_relays_that_find_another_one_at_it_have_nobody_ring_and_look_again_without_a_bell():
    with relay_running(sweep=NEVER), relay_running(sweep=NEVER):
        until(lambda: len(asleep()) == 2)
        with postgres.connect("test") as other:
            other.execute("SELECT pg_advisory_lock(hashtextextended('sync_settle', 0))")
            happen("member/1", "order.placed")
            until(lambda: not asleep())  # both have heard the bell, and found nothing they could do
            assert placed() == []
        until(lambda: placed() == ["order.placed"])
        until(lambda: len(asleep()) == 2)


def test_events_that_come_one_by_one_are_all_rung_for():
    with relay_running(Watched) as relay:
        for count in range(1, 6):
            happen("member/1", "order.placed")
            until(lambda wanted=count: sum(n for n, _asleep in relay.looks) == wanted and relay.looks[-1] == (0, True))
    first = next(n for n, (_settled, is_asleep) in enumerate(relay.looks) if is_asleep)
    assert all(is_asleep for _settled, is_asleep in relay.looks[first:])


def test_a_relay_that_lost_its_connection_is_rung_for_on_its_next_one():
    with relay_running(sweep=NEVER):
        until(asleep)
        with postgres.connect("test") as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid, 30000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name = 'hub relay'"
            )
        until(asleep)
        happen("member/1", "order.placed")
        until(lambda: placed() == ["order.placed"])


def test_a_relay_is_kept_from_its_work_by_nobody_who_holds_the_lock_of_its_sleep():
    with postgres.connect("test") as holder:
        holder.execute(f"SELECT pg_advisory_lock({events.ASLEEP})")
        with relay_running():
            for count in range(1, 4):
                happen("member/1", "order.placed")
                until(lambda wanted=count: len(placed()) == wanted, seconds=5)
            assert asleep() == []
            holder.execute("SELECT pg_advisory_unlock_all()")
            until(asleep)


def test_any_number_of_relays_sleep_at_a_time():
    with relay_running(), relay_running():
        until(lambda: asleep() == [("ShareLock",)] * 2)
