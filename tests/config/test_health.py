"""/healthz says the process lives; /readyz says what it needs lives too, or what does not."""

import pytest
from django.db import connection
from django.test import Client, override_settings

from sync import health

pytestmark = pytest.mark.django_db


@pytest.fixture
def alive():
    for name in ("relay", "worker"):
        health.beat(name)


def test_healthz_needs_nothing():
    assert Client().get("/healthz").json() == {"status": "ok"}


def test_ready_when_everything_lives(alive):
    answer = Client().get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "down": {}})


def test_a_relay_that_is_silent_is_named(alive):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE sync_heartbeat SET at = now() - interval '2 minutes' WHERE name = 'relay'")
    answer = Client().get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["down"] == {"relay": "last sign of life 120 s ago"}


def test_processes_that_never_started_are_named():
    assert set(Client().get("/readyz").json()["down"]) == {"relay", "worker"}


@override_settings(REDIS_URL="redis://127.0.0.1:1/0")
def test_a_broker_that_is_gone_is_named(alive):
    answer = Client().get("/readyz")
    assert answer.status_code == 503
    assert set(answer.json()["down"]) == {"broker"}
