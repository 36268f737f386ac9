"""Work of this floor that the clock starts. Each may run twice, late, or be killed."""

from celery import shared_task

from orders.payments import asking
from orders.services import casing


@shared_task(acks_late=True, soft_time_limit=120)
def ask_about_payments(**_later):
    """Hear of payments whose notification was lost."""
    asking.ask_due()


@shared_task(acks_late=True, soft_time_limit=60)
def watch_payment_cases(**_later):
    """Tell the alerts how much money waits for a person."""
    casing.watch()
