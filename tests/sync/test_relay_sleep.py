"""A relay sleeps until the bell: writers ring for who sleeps, for nobody else, and nothing falls between."""

from contextlib import ExitStack
from itertools import cycle

import pytest
from django.db import close_old_connections

from sync import events, postgres
from sync.models import Settled
from sync.relay import Relay
from tests.sync.patience import until
from tests.sync.test_relay import happen, placed, relay_running

pytestmark = pytest.mark.django_db(transaction=True)


def asleep() -> list[tuple]:
    """The locks of the relays that are rung for."""
    with postgres.connect("test") as connection:
        return connection.execute(
            "SELECT mode FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE l.locktype = 'advisory'"
            " AND l.granted AND a.datname = current_database() AND a.application_name = 'hub relay'"
            " AND l.mode = 'ShareLock'"
        ).fetchall()


@pytest.mark.parametrize("relays", [1, 2])
def test_no_bell_is_missed_by_relays_that_fall_asleep_and_wake_all_the_while(monkeypatch, relays):
    monkeypatch.setattr("sync.relay.SWEEP", 600.0)  # nothing but the bell finds what is missed
    monkeypatch.setattr("sync.relay.BUSY", 1)  # awake and asleep at every turn
    with ExitStack() as running:
        for _relay in range(relays):
            running.enter_context(relay_running())
        for written in range(1, 201):
            happen("member/1", "order.placed")
            until(lambda count=written: Settled.objects.count() == count)


def test_what_is_committed_after_a_relays_look_and_before_its_sleep_is_seen_without_a_bell(monkeypatch):
    monkeypatch.setattr("sync.relay.SWEEP", 600.0)
    looked, look = [], Relay.settle

    def look_and_commit(relay, connection):
        looked.append(look(relay, connection))
        if len(looked) == 1:
            happen("member/1", "order.placed")
            close_old_connections()
        return looked[-1]

    monkeypatch.setattr(Relay, "settle", look_and_commit)
    with relay_running():
        until(lambda: placed() == ["order.placed"])
    assert looked[:2] == [0, 1]


def test_a_relay_with_nothing_to_do_has_itself_rung_for_and_one_that_is_busy_has_not(monkeypatch):
    with relay_running():
        assert until(asleep)
        with monkeypatch.context() as busy:
            busy.setattr(Relay, "settle", lambda *_: 1)
            happen("member/1", "order.placed")
            until(lambda: not asleep())
        assert until(asleep)
    assert placed() == ["order.placed"]
    until(lambda: not asleep())


def test_two_relays_that_take_turns_under_load_are_not_rung_for(monkeypatch):
    with relay_running(), relay_running():
        until(lambda: len(asleep()) == 2)
        with monkeypatch.context() as busy:
            turns = cycle([1, None])
            busy.setattr(Relay, "settle", lambda *_: next(turns))
            happen("member/1", "order.placed")
            until(lambda: not asleep())
        until(lambda: len(asleep()) == 2)
    assert placed() == ["order.placed"]


def test_events_that_come_one_by_one_are_all_rung_for(monkeypatch):
    looks, look = [], Relay.settle
    monkeypatch.setattr(Relay, "settle", lambda *asked: looks.append(look(*asked)) or looks[-1])
    monkeypatch.setattr(Relay, "_stay_awake", lambda *_: pytest.fail("One event is no load"))
    with relay_running():
        for count in range(1, 6):
            happen("member/1", "order.placed")
            until(lambda wanted=count: sum(looks) == wanted and looks[-1] == 0)


def test_a_relay_that_finds_another_one_at_it_looks_again_however_sleepy(monkeypatch):
    monkeypatch.setattr("sync.relay.SWEEP", 600.0)
    looked, look = [], Relay.settle

    def look_too_late(relay, connection):
        looked.append(look(relay, connection) if len(looked) != 1 else None)
        if looked[-1] is None:
            happen("member/1", "order.placed")  # asleep by now: it is rung for, and that bell is lost
            close_old_connections()
            until(lambda: list(connection.notifies(timeout=0.01)))
        return looked[-1]

    monkeypatch.setattr(Relay, "settle", look_too_late)
    with relay_running():
        until(lambda: placed() == ["order.placed"])
    assert looked[:3] == [0, None, 1]


def test_a_relay_that_lost_its_connection_is_rung_for_on_its_next_one(monkeypatch):
    monkeypatch.setattr("sync.relay.SWEEP", 600.0)
    with relay_running():
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
