"""Work that the clock asks for."""

from celery import shared_task

from members import forgetting


@shared_task(acks_late=True, soft_time_limit=300)
def forget_expired(**_later):
    """Forget what can let nobody in any more."""
    forgetting.forget_expired()
