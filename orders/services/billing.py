"""Bills of providers: expected for each merchant and day, kept once, whole or not at all."""

from collections.abc import Iterable
from datetime import date, timedelta
from itertools import islice
from uuid import UUID

from django.db.models import F

from orders.models import Bill, BillLine, Merchant
from sync.act import act
from sync.clock import Clock

BATCH = 2_000
AGAIN = timedelta(hours=1)
PATIENCE = 72  # tries: three days, after which a day without a bill had no trades
State = Bill.State


def expect(days: Iterable[date]) -> None:
    """Have a bill of these days for every merchant."""
    wanted = [Bill(merchant=merchant, billed_on=day) for merchant in Merchant.objects.all() for day in days]
    Bill.objects.bulk_create(wanted, ignore_conflicts=True)


@act
def keep_bill(*, bill: UUID, lines: Iterable[dict], digest: str) -> Bill:
    """Keep a bill with its lines, once; a kept one stays. `lines` has `totals` once it was read to its end."""
    found = Bill.objects.select_for_update(no_key=True).get(pk=bill)
    if found.state == State.KEPT:
        return found
    rows = (BillLine(bill=found, **line) for line in lines)
    while batch := list(islice(rows, BATCH)):
        BillLine.objects.bulk_create(batch)
    for name, value in vars(lines.totals).items():
        setattr(found, name, value)
    found.state, found.digest, found.problem, found.next_at, found.kept_at = State.KEPT, digest, "", None, Clock()
    found.tries += 1
    found.save()
    return found


@act
def postpone_bill(*, bill: UUID, problem: str, is_absent: bool = False, is_wrong: bool = False) -> None:
    """Not now: ask for it again in an hour. What was absent for three days has no trades."""
    found = Bill.objects.select_for_update(no_key=True).get(pk=bill)
    if found.state == State.KEPT:
        return
    is_over = is_absent and found.tries + 1 >= PATIENCE
    state = State.ABSENT if is_over else State.WRONG if is_wrong else State.WAITING
    Bill.objects.filter(pk=bill).update(
        tries=F("tries") + 1, problem=problem[:200], state=state, next_at=None if is_over else Clock() + AGAIN
    )
