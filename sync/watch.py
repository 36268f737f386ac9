"""The watch's tasks: beat calls them, each may run twice, late or not at all."""

from celery import shared_task

from sync import alerts as alerting
from sync import health, reconcile


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
