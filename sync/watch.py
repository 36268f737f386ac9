"""The watch's tasks: beat calls them, each may run twice, late or not at all."""

from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from sync import alerts as alerting
from sync import health, reconcile

KEPT = timedelta(days=30)


@shared_task(ignore_result=True)
def alerts(**_later):
    """Judge every alert rule, then tell what changed and what could not be told before."""
    alerting.evaluate()
    alerting.tell()


@shared_task(ignore_result=True)
def reconciliations(**_later):
    """Run every reconciliation once."""
    reconcile.run_all()


@shared_task(ignore_result=True)
def heartbeat(**_later):
    """Say that beat, broker and worker live."""
    health.beat("worker")


@shared_task(acks_late=True, soft_time_limit=600)
def forget(**_later):
    """Drop what the watch keeps for a month only."""
    alerting.drop_before(timezone.now() - KEPT)
    reconcile.drop_before(timezone.now() - KEPT)
