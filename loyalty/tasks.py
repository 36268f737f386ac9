"""Work on points that the clock starts. Each may run twice, late, or be killed."""

from celery import shared_task

from loyalty.services import tiering


@shared_task(acks_late=True, soft_time_limit=3000)
def judge_tiers(**_later):
    """Review tiers whose time or grace is over."""
    tiering.judge_due()
