"""Which lots time and staff take from: as if somebody had looked at every moment, however late they do."""

from datetime import UTC, datetime, timedelta

import pytest

from loyalty import services
from loyalty.ledger import Moves
from loyalty.models import Account, Entry
from sync.act import SYSTEM
from tests import make
from tests.loyalty import audit, clock
from tests.loyalty.make_points import balance, post, posting

pytestmark = pytest.mark.django_db
NOON = datetime(2030, 6, 1, 4, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _noon():
    with clock.simulated():
        clock.stand(NOON)
        yield


def book(member, points: int, reference: str, **dates) -> Entry:
    place = make.channel()
    asked = {"member": member.pk, "channel": place, "kind": "earn", "points": points, "reference": reference}
    return services.book(**asked, by=make.BACKEND, **dates).entry


def hold(member, points: int, lasts: timedelta):
    place, asked = make.channel(), {"reference": "held", "by": make.BACKEND, "is_present": True}
    return services.hold(member=member.pk, channel=place, points=points, expires_in=lasts, **asked)[0]


@pytest.mark.parametrize("looks", [[5], [1, 2, 3, 4, 5], [3, 5]])
def test_what_is_due_is_settled_in_the_order_it_fell_due_however_late_somebody_looks(looks):
    member = make.member()
    book(member, 50, "kept")
    hold(member, 50, 3 * HOUR)
    spent = book(member, 30, "earned")
    services.spend(member=member.pk, points=30, reference="s", by=SYSTEM)
    services.reverse(entry=spent.pk, by=make.BACKEND)
    assert balance(member) == (0, 0, 50, 30)
    book(member, 90, "short", available_at=NOON + HOUR, expires_at=NOON + 2 * HOUR)

    for hours in looks:
        clock.stand(NOON + hours * HOUR)
        services.settle(member.pk)

    # After one hour 30 of 90 settled the debt, after two the other 60 expired, after three the hold gave back 50.
    assert balance(member) == (50, 0, 0, 0)
    last = [(entry.kind, entry.available, entry.debt) for entry in Entry.objects.order_by("-version")[:3]]
    assert last == [("released", 50, 0), ("expired", -60, 0), ("released", 60, -30)]
    audit.hold_true(audit.read(member))


@pytest.mark.parametrize("decide", [services.turn_down, services.let_through])
def test_points_that_expired_while_they_waited_for_staff_do_not_wait_any_more(decide):
    make.channel("website", earn_per_entry=100)
    member = make.member()
    book(member, 60, "kept")
    lot = book(member, 120, "waits", expires_at=NOON + HOUR).pk
    assert balance(member) == (60, 120, 0, 0)
    clock.stand(NOON + 2 * HOUR)
    before = make.snapshot()

    with pytest.raises(services.NotWaiting):
        decide(lot=lot, by=make.STAFF)

    assert make.snapshot() == before
    services.settle(member.pk)
    assert balance(member) == (60, 0, 0, 0)


def test_pending_points_that_never_expire_are_still_to_come_after_a_night_that_ended_others():
    member, later = make.member(), NOON + 48 * HOUR
    post(member, posting(5, "ends", expires_at=NOON + 2 * HOUR))
    post(member, posting(7, "comes", moves=Moves(pending=7), available_at=later))

    clock.stand(NOON + 3 * HOUR)
    services.settle_due()
    assert (balance(member), Account.objects.get().due_at) == ((0, 7, 0, 0), later)

    clock.stand(later)
    services.settle_due()
    assert balance(member) == (7, 0, 0, 0)
