"""What is kept for a time only, and what is kept for good."""

from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now

from sync import idempotency, quotas, retention, tasks, tickets
from sync.models import Attempt, Batch, Delivery, Event, IdempotentAnswer, Quota, Settled, Stream, Ticket
from tests import make
from tests.sync import make_deliveries

pytestmark = pytest.mark.django_db


def age(table: str, column: str, days: int) -> None:
    """Make what is there older; the triggers that forbid it look away."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(f"UPDATE {table} SET {column} = {column} - interval '{days} days'")  # noqa: S608 - the test's own words
        cursor.execute("SET LOCAL session_replication_role = origin")


def test_events_go_after_ninety_days_with_all_that_was_sent_of_them_and_streams_keep_their_heads():
    made = make_deliveries.delivery(make_deliveries.endpoint(make.channel()))
    Attempt.objects.create(delivery=made, at=Now(), milliseconds=5, status=200)
    age("sync_event", "time", 89)
    assert retention.drop_events() == 0
    age("sync_event", "time", 2)
    kept = make_deliveries.event()
    assert retention.drop_events() == 1
    assert list(Event.objects.values_list("pk", flat=True)) == [kept.pk]
    assert not Delivery.objects.exists()
    assert not Attempt.objects.exists()
    assert Settled.objects.count() == 1
    assert Stream.objects.count() == 2


def test_however_many_there_are(monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 2)
    for _ in range(5):
        make_deliveries.event()
    age("sync_event", "time", 91)
    assert retention.drop_events() == 5


def test_of_the_relays_snapshots_the_last_is_always_kept():
    for _ in range(3):
        Batch.objects.create(seen="1:1:")
    age("sync_batch", "at", 2)
    last = Batch.objects.order_by("id").last()
    assert retention.drop_batches() == 2
    assert Batch.objects.get() == last


def test_one_task_forgets_it_all():
    IdempotentAnswer.objects.create(caller="c", key="k", request_digest=b"", created_at=Now() - idempotency.KEPT)
    tickets.issue(subject="member/1", session="s", channel=make.channel())
    Ticket.objects.update(expires_at=Now() - timedelta(hours=1))
    quotas.count("x", limit=1, every=60)
    Quota.objects.update(window=make.LONG_AGO)
    make_deliveries.event()
    age("sync_event", "time", 91)
    tasks.forget()
    for model in (IdempotentAnswer, Ticket, Quota, Event):
        assert not model.objects.exists(), model
