"""Work of this floor that the clock starts. Each may run twice, late, or be killed."""

from celery import shared_task

from orders.payments import asking, billing, certificates, closing, refunding
from orders.services import casing, finishing, shipping_files
from orders.shipping import following, telling
from sync import clock


@shared_task(acks_late=True, soft_time_limit=120)
def ask_about_payments(**_later):
    """Hear of payments whose notification was lost."""
    asking.ask_due()


@shared_task(acks_late=True, soft_time_limit=300)
def tell_shipping(**_later):
    """Tell WeChat what was shipped, and ask about what it may have heard."""
    telling.tell_due()


@shared_task(acks_late=True, soft_time_limit=60)
def watch_payment_cases(**_later):
    """Tell the alerts how much money waits for a person."""
    casing.watch()


@shared_task(acks_late=True, soft_time_limit=120)
def close_unpaid(**_later):
    """Close orders that nobody paid in time."""
    closing.close_due()


@shared_task(acks_late=True, soft_time_limit=600)
def complete_arrived(**_later):
    """Complete orders whose goods arrived, and nobody complained."""
    finishing.complete_due()


@shared_task(acks_late=True, soft_time_limit=120)
def refresh_certificates(**_later):
    """Know the certificates that WeChat Pay will sign with before it does."""
    certificates.refresh_all()


@shared_task(acks_late=True, soft_time_limit=300)
def carry_out_refunds(**_later):
    """Have decided refunds paid back, and hear of those whose notification was lost."""
    refunding.ask_due()


@shared_task(acks_late=True, soft_time_limit=3_000)
def run_shipping_files(**_later):
    """Go on with every shipping file that was let run."""
    shipping_files.run_due()


@shared_task(acks_late=True, soft_time_limit=1_800)
def fetch_bills(**_later):
    """Have WeChat Pay's bill of the day before, once it is there."""
    billing.fetch_due(clock.now())


@shared_task(acks_late=True, soft_time_limit=240)
def follow_parcels(**_later):
    """Have parcels followed that nobody follows yet."""
    following.follow_due()


@shared_task(acks_late=True, soft_time_limit=240)
def ask_about_parcels(**_later):
    """Hear of parcels nobody has told of for a day."""
    following.ask_due()
