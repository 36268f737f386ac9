"""Work that the clock asks for."""

from celery import shared_task

from members import erasing, exporting, forgetting, freezing, merging, notice_sending, privacy


@shared_task(acks_late=True, soft_time_limit=300)
def forget_expired(**_later):
    """Forget what can let nobody in any more."""
    forgetting.forget_expired()
    exporting.drop_expired()
    notice_sending.drop_old()
    erasing.end_audiences()
    merging.forget_sealed()


@shared_task(acks_late=True, soft_time_limit=300)
def make_exports(**_later):
    """Make the copies that people asked for."""
    exporting.make_due()


@shared_task(acks_late=True, soft_time_limit=600)
def erase_due(**_later):
    """Carry out the erasures that are due, and count what is overdue."""
    erasing.erase_due()
    privacy.watch()


@shared_task(acks_late=True, soft_time_limit=300)
def lift_freezes(**_later):
    """Lift the freezes that have run out."""
    freezing.lift_expired()


@shared_task(acks_late=True, soft_time_limit=300)
def send_notices(**_later):
    """Send the subscribe messages that are due."""
    notice_sending.send_due()
