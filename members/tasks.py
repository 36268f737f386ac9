"""Work that the clock asks for."""

from celery import shared_task

from members import forgetting, freezing


@shared_task(acks_late=True, soft_time_limit=300)
def forget_expired(**_later):
    """Forget what can let nobody in any more."""
    forgetting.forget_expired()


@shared_task(acks_late=True, soft_time_limit=300)
def lift_freezes(**_later):
    """Lift the freezes that have run out."""
    freezing.lift_expired()
