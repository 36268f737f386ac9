"""A long line of one subject: who stands behind others is left alone until its turn, and is not late for it."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now

from sync.courier.width import MOST, START
from sync.models import Delivery
from tests.sync.patience import until
from tests.sync.receiver import Answer, receiving
from tests.sync.test_courier import (  # noqa: F401 - fixtures among them
    courier,
    courier_running,
    deliver,
    endpoint,
    quick,
    states,
)

pytestmark = pytest.mark.django_db(transaction=True)


def test_only_the_next_looks_again_and_each_is_made_due_by_the_one_before_it(courier):  # noqa: F811
    answered = threading.Event()
    with receiving(Answer(told=answered)) as backend:
        made = deliver(endpoint(backend.url), *["order.updated"] * 6)
        soon = Delivery.objects.filter(next_at__lte=Now() + timedelta(seconds=30))
        until(lambda: backend.received and list(soon.values_list("pk", flat=True)) == [made[1].pk])
        answered.set()
        until(lambda: states(made) == ["delivered"] * 6, seconds=15)
    assert [int(event["sequence"]) for event in backend.received] == list(range(1, 7))


def test_what_is_due_when_its_turn_comes_keeps_its_place():
    def written() -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_stat_force_next_flush()")
            cursor.execute("SELECT pg_stat_get_tuples_updated('sync_delivery'::regclass)")
            return cursor.fetchone()[0]

    with receiving() as backend:
        to, subjects = endpoint(backend.url), [f"member/{number}" for number in range(2 * MOST + START)]
        made = [
            each
            for _round in range(3)
            for subject in subjects
            for each in deliver(to, "points.earned", subject=subject)
        ]
        before = written()
        with courier_running():
            until(lambda: set(states(made)) == {"delivered"})
    until(lambda: not courier_sessions())
    put_off = written() - before - 2 * len(made) - 2 * len(subjects)  # claimed and done; the next one's turn
    assert put_off < START  # a claim may see a head that is just finished, not all that stand behind one


def courier_sessions() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'hub courier%'")
        return cursor.fetchone()[0]
