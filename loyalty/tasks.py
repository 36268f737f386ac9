"""Work on points that the clock starts. Each may run twice, late, or be killed."""

from celery import shared_task

from loyalty.services import bonuses, expiring, running_files, settling, tiering
from sync.alone import alone


@shared_task(acks_late=True, soft_time_limit=3000)
def judge_tiers(**_later):
    """Review tiers whose time or grace is over."""
    tiering.judge_due()


@shared_task(acks_late=True, soft_time_limit=3000)
def run_adjustment_files(**_later):
    """Go on with every adjustment file that was let run."""
    running_files.run_due()


@shared_task(acks_late=True, soft_time_limit=300)
def give_bonuses(**_later):
    """Give what just registered or signed in is due."""
    for kind in (bonuses.Kind.REGISTRATION, bonuses.Kind.SIGN_IN):
        bonuses.sweep(kind)


@shared_task(acks_late=True, soft_time_limit=3000)
def give_bonuses_again(**_later):
    """Give what a quick sweep missed, and what birthdays of today are due."""
    for kind in bonuses.CANDIDATES:
        bonuses.sweep(kind, back=bonuses.LONG_AGO)


@shared_task(acks_late=True, soft_time_limit=3000)
def tell_of_expiry(**_later):
    """Tell members whose points expire soon."""
    expiring.tell_due()


@shared_task(acks_late=True, soft_time_limit=3000)
def settle_points(**_later):
    """Let time have its effect: holds that ran out, pending points whose day came, lots that expired.

    A night on which much expires takes longer than the next turn: one worker is enough, the others have other work.
    """
    with alone("settle points") as first:
        if first:
            settling.settle_due()
