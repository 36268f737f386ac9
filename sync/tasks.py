"""Work of the ground floor that the clock starts. Each may run twice, late, or be killed."""

from datetime import timedelta

from celery import shared_task
from django.db import DatabaseError
from django.utils import timezone

from sync import alerts, forwarding, idempotency, inbox, quarantine, quotas, retention, tickets


@shared_task(acks_late=True, soft_time_limit=60)
def apply_inbox(**_later):
    """Apply facts that could not be applied when they came; tell the alerts what waits, and what waits for a person."""
    quarantine.replay_by_the_clock()
    inbox.apply_due()
    alerts.measure("inbox.parked_seconds", inbox.parked_seconds())
    alerts.measure("inbox.quarantined", quarantine.fresh())


@shared_task(acks_late=True, soft_time_limit=120)
def forward_pushes(**_later):
    """Pass on what the hub does not handle itself."""
    forwarding.forward_due()


FORGETTING = (
    idempotency.drop_expired,
    tickets.drop_expired,
    lambda: quotas.drop_before(timezone.now() - timedelta(days=2)),
    retention.drop_batches,
    retention.drop_messages,
    retention.drop_events,
    retention.drop_replays,
    forwarding.drop_old,
    quarantine.drop_old,
)


@shared_task(acks_late=True, soft_time_limit=600)
def forget(**_later):
    """Drop what is kept for a time only. What fails holds up nothing else; raises it at the end."""
    failed = []
    for drop in FORGETTING:
        try:
            drop()
        except DatabaseError as error:
            failed.append(error)
    if failed:
        raise ExceptionGroup("Not all that is old was dropped", failed)
