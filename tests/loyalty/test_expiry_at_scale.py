"""A night on which much expires: killed in the middle, begun again, nothing lost and nothing twice."""

import pytest

from loyalty import services
from sync.models import Event
from tests.bench.expiring import Run
from tests.bench.expiry_data import LOTS_EACH, check_expired, fill, left
from tests.loyalty.make_points import drifted

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow, pytest.mark.timeout(600)]

LOTS, BATCH = 20_000, 1_000


def test_a_night_that_is_killed_in_the_middle_is_finished_by_the_next_run():
    accounts = fill(LOTS)

    rest = Run().kill_when(lambda still: still < accounts)

    assert 0 < rest < accounts
    assert rest % BATCH == 0  # whole batches only: each is one transaction
    assert Event.objects.count() == accounts - rest
    settled, _seconds, _peak = Run().end()
    assert settled == rest
    assert left() == 0
    check_expired(accounts)
    assert drifted() == []


def test_two_runs_beside_each_other_share_the_night():
    accounts = fill(LOTS // 4)

    runs = Run(), Run()

    assert sum(run.end()[0] for run in runs) == accounts == LOTS // 4 // LOTS_EACH
    assert services.settle_due() == 0
    check_expired(accounts)
