"""An alert opens once, is told once, and resolves once."""

import threading

import pytest
from django.core import mail
from django.db import IntegrityError, connection

from sync import alerts
from sync.models import Alert, AlertRule, Measure, Notice
from tests import make
from tests.sync import make_deliveries
from tests.sync.sink import sink

pytestmark = pytest.mark.django_db


@pytest.fixture
def receiver():
    with sink() as running:
        yield running


@pytest.fixture
def rule(receiver):
    return AlertRule.objects.create(
        code="deliveries-failing",
        name="Deliveries failing",
        measure="deliveries.failing",
        window_seconds=60,
        threshold=0.5,
        minimum=3,
        emails=["ops@example.cn"],
        webhook_url=receiver.url,
    )


@pytest.fixture
def endpoint(rule):
    return make_deliveries.endpoint(make.channel())


def look():
    alerts.evaluate()
    alerts.tell()


def test_failing_deliveries_open_one_alert_that_is_told_once(endpoint, receiver):
    make_deliveries.attempts(endpoint, 500, None, 503, 200, 500)

    for _again in range(3):
        look()

    alert = Alert.objects.get()
    assert (alert.subject, alert.value, alert.resolved_at) == (f"endpoint/{endpoint.pk}", 0.8, None)
    assert alert.told_at
    assert [told["type"] for _headers, told in receiver.received] == ["alert.opened"]
    assert len(mail.outbox) == 1
    assert endpoint.url in mail.outbox[0].body


def test_it_resolves_once_when_deliveries_arrive_again(endpoint, receiver):
    make_deliveries.attempts(endpoint, 500, 500, 500, seconds_ago=20)
    look()
    make_deliveries.attempts(endpoint, *[200] * 4)

    for _again in range(3):
        look()

    assert Alert.objects.get().resolved_at
    assert [told["type"] for _headers, told in receiver.received] == ["alert.opened", "alert.resolved"]
    assert len(mail.outbox) == 2


def test_too_few_attempts_say_nothing(endpoint):
    make_deliveries.attempts(endpoint, 500, 500)
    look()
    assert not Alert.objects.exists()


def test_failures_outside_the_window_say_nothing(endpoint):
    make_deliveries.attempts(endpoint, 500, 500, 500, 500, seconds_ago=90)
    look()
    assert not Alert.objects.exists()


def test_silence_does_not_resolve_an_endpoint_that_still_fails(endpoint):
    make_deliveries.attempts(endpoint, 500, 500, 500)
    look()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE sync_attempt SET at = at - interval '5 minutes'")
        cursor.execute("UPDATE sync_endpoint SET failing_since = now() - interval '5 minutes'")
    look()
    assert Alert.objects.get().resolved_at is None


def test_an_endpoint_switched_off_resolves_its_alert(endpoint):
    make_deliveries.attempts(endpoint, 500, 500, 500)
    look()
    type(endpoint).objects.update(is_active=False)
    look()
    assert Alert.objects.get().resolved_at


def test_a_webhook_that_fails_is_tried_again_and_the_email_is_not(endpoint, receiver):
    receiver.answer = 500
    make_deliveries.attempts(endpoint, 500, 500, 500)
    look()
    receiver.answer = 200
    Notice.objects.filter(sent_at=None).update(next_at="2026-01-01T00:00:00Z")

    alerts.tell()

    first, second = (told["id"] for _headers, told in receiver.received)
    assert first == second
    assert len(mail.outbox) == 1
    assert not Notice.objects.filter(sent_at=None).exists()


def test_an_address_inside_is_refused(endpoint, rule, settings, receiver):
    settings.INTERNAL_NETWORKS = []
    make_deliveries.attempts(endpoint, 500, 500, 500)
    look()
    assert receiver.received == []
    assert Notice.objects.get(medium="webhook").error


def test_the_database_refuses_a_second_open_alert(rule):
    Alert.objects.create(rule=rule, subject="endpoint/1", value=1)
    with pytest.raises(IntegrityError, match="alert_open_once_per_subject"):
        Alert.objects.create(rule=rule, subject="endpoint/1", value=1)


def test_a_pushed_figure_beyond_its_threshold_opens_an_alert(rule):
    AlertRule.objects.create(code="queue", name="Queue", measure="queue.length", threshold=10, minimum=2)
    for value in (8, 16):
        alerts.measure("queue.length", value)

    look()

    assert (Measure.objects.get().value, Measure.objects.get().samples) == (12, 2)
    assert Alert.objects.get().value == 12


@pytest.mark.django_db(transaction=True)
def test_many_watchers_at_once_open_and_tell_one_alert(endpoint, receiver):
    make_deliveries.attempts(endpoint, 500, 500, 500)

    def watch():
        look()
        connection.close()

    threads = [threading.Thread(target=watch) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    look()
    assert Alert.objects.count() == 1
    assert [told["type"] for _headers, told in receiver.received] == ["alert.opened"]
