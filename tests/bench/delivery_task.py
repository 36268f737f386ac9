"""What would be written first: one Celery task per event, with an HTTP client of its own and the ORM."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.bench.settings")
django.setup()

from datetime import UTC, datetime  # noqa: E402 - models come after the setup

import httpx  # noqa: E402
from django.db.models.functions import Now  # noqa: E402

from config.celery import app  # noqa: E402
from sync.courier.sending import signed  # noqa: E402
from sync.envelope import cloud_event  # noqa: E402
from sync.models import Attempt, Delivery  # noqa: E402

__all__ = ["app"]


@app.task(name="tests.bench.deliver", ignore_result=True)
def deliver(pk: int) -> None:
    """Post one delivery and note what came of it."""
    found = Delivery.objects.select_related("event", "endpoint").get(pk=pk)
    body, now = cloud_event(vars(found.event)), datetime.now(UTC)
    with httpx.Client(timeout=15, trust_env=False) as client:
        answer = client.post(
            found.endpoint.url, content=body, headers=signed(str(found.event_id), body, found.endpoint.secret, now)
        )
    Attempt.objects.create(delivery=found, at=now, milliseconds=1, status=answer.status_code)
    found.state, found.finished_at, found.next_at, found.attempts = "delivered", Now(), None, found.attempts + 1
    found.save(update_fields=["state", "finished_at", "next_at", "attempts"])
