"""The live socket: every event once and in order, whatever happens to hints, sockets and sessions."""

import time

import pytest
import redis
from django.conf import settings as django_settings
from django.db import close_old_connections

from members import sessions
from sync import envelope
from sync.models import Acknowledged, Event, Ticket
from tests import make
from tests.sync.live import live_running, session, ticket_for
from tests.sync.patience import until
from tests.sync.test_relay import happen, relay_running

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def live():
    with live_running() as running:
        yield running
    close_old_connections()


@pytest.fixture
def relay():
    with relay_running() as running:
        yield running


def subject(of) -> str:
    return f"member/{of.member_id}"


class TestGreeting:
    def test_it_says_who_the_member_is_and_where_the_stream_stands(self, live):
        mine = session()
        happen(subject(mine), "order.placed", "order.paid")
        with live.open(mine) as client:
            assert client.frame() == {"kind": "hello", "member_id": str(mine.member_id), "head": 2}
            assert client.is_quiet()

    def test_without_after_it_begins_now(self, live, relay):
        mine = session()
        happen(subject(mine), "order.placed")
        with live.open(mine) as client:
            client.next("hello")
            happen(subject(mine), "order.paid")
            assert client.sequences(1) == [2]

    def test_with_after_it_begins_with_what_was_missed(self, live):
        mine = session()
        happen(subject(mine), *["order.updated"] * 250)
        with live.open(mine, after=3) as client:
            assert client.next("hello")["head"] == 250
            assert client.sequences(247) == list(range(4, 251))

    @pytest.mark.parametrize("after", ["9", "-1", "x", "", "1" * 40, "１"])
    def test_a_position_that_is_none_means_reading_anew(self, live, relay, after):
        mine = session()
        happen(subject(mine), "order.placed")
        with live.open(mine, after=after) as client:
            client.next("hello")
            assert client.frame() == {"kind": "resync", "head": 1}
            happen(subject(mine), "order.paid")
            assert client.sequences(1) == [2]

    def test_a_position_older_than_what_is_kept_means_reading_anew(self, live):
        mine = session()
        happen(subject(mine), *["order.updated"] * 5)
        Event.objects.filter(sequence__lte=3).delete()
        with live.open(mine, after=2) as client:
            client.next("hello")
            assert client.frame() == {"kind": "resync", "head": 5}
        with live.open(mine, after=3) as client:
            client.next("hello")
            assert client.sequences(2) == [4, 5]

    def test_a_head_advanced_after_a_restore_means_reading_anew(self, live):
        mine = session()
        happen(subject(mine), "order.placed")
        with live.open(mine, after=1) as client:
            client.next("hello")
            with_connection("UPDATE sync_stream SET head = 1000001")
            assert client.next("resync")["head"] == 1000001
            happen(subject(mine), "order.paid")
            assert client.sequences(1) == [1000002]


def with_connection(sql: str) -> None:
    from django.db import connection  # noqa: PLC0415

    with connection.cursor() as cursor:
        cursor.execute(sql)
