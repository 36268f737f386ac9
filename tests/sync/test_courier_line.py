"""A long line of one subject: who stands behind others is left alone until its turn, and is not late for it."""

import threading
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.db.models.functions import Now

from sync.courier.claims import NOT_BEHIND
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


@pytest.mark.slow
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
    put_off = written() - before - 2 * len(made)  # claimed and done
    assert put_off < len(subjects)  # a claim may see a head that is just finished, not all that stand behind one


def test_what_was_put_off_for_a_head_that_is_gone_by_now_is_due_at_once():
    first, behind, other = (
        deliver(endpoint("http://127.0.0.1:9/hook", code), *["order.updated"] * 2) for code in "abc"
    )
    Delivery.objects.filter(pk__in=[each[0].pk for each in (first, other)]).update(
        state="delivered", finished_at=Now(), next_at=None
    )
    put_off = [each[1] for each in (first, behind, other)]
    late = Delivery.objects.filter(pk__in=[each.pk for each in put_off])
    late.update(next_at=Now() + timedelta(seconds=60))
    late.filter(pk=other[1].pk).update(lease=uuid4(), leased_until=Now() + timedelta(seconds=60))
    with connection.cursor() as cursor:
        cursor.execute(NOT_BEHIND, [[each.pk for each in put_off]])
    assert list(late.filter(next_at__lte=Now())) == [first[1]]  # not who stands behind one, nor who is under way


def courier_sessions() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'hub courier%'")
        return cursor.fetchone()[0]
