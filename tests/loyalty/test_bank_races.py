"""Many at one account while time takes its share: each point goes one way, each hold ends one way."""

from collections import Counter
from datetime import timedelta

import pytest

from loyalty import services
from loyalty.models import Entry, Hold
from sync import clock as databases
from sync.act import SYSTEM, act
from tests import make
from tests.loyalty import audit, bank, clock
from tests.loyalty.make_holds import hold
from tests.loyalty.make_points import at_once, balance, drifted, holder

pytestmark = pytest.mark.django_db(transaction=True)
SOON = timedelta(milliseconds=200)


def kinds_of(found: list) -> Counter:
    return Counter(type(each).__name__ for each in found if isinstance(each, Exception))


def test_fifty_spend_from_lots_of_which_half_expire_meanwhile():
    member, place = make.member(), make.channel()
    goes = databases.now() + SOON
    for n in range(10):
        asked = {"reference": f"e{n}", "expires_at": goes if n % 2 else None, "by": make.BACKEND}
        services.book(member=member.pk, channel=place, kind="earn", points=10, **asked)

    def work(n: int):
        if n % 5 == 0:
            return services.settle_due()
        if n % 5 == 1:
            return hold(member, 10, f"h{n}").points
        return services.spend(member=member.pk, points=10, reference=f"s{n}", by=make.BACKEND).contra

    found = at_once(50, work)

    assert set(kinds_of(found)) <= {"NotEnough"}
    services.settle(member.pk)
    seen = audit.read(member)
    audit.hold_true(seen)
    taken = [entry for entry in seen.entries if entry["kind"] in {"spent", "held"}]
    expired = sum(entry["contra"] for entry in seen.entries if entry["kind"] == "expired")
    assert len(taken) == sum(each == 10 for n, each in enumerate(found) if n % 5)
    assert 10 * len(taken) + expired == 100
    ends = {lot["entry_id"]: lot["expires_at"] for lot in seen.lots}
    posted = {entry["id"]: entry["created_at"] for entry in taken}
    drawn = [draw for draw in seen.draws if draw["entry_id"] in posted]
    assert all((ends[draw["lot_id"]] or "9999") > posted[draw["entry_id"]] for draw in drawn), "spent after its end"


@pytest.mark.parametrize("round", range(3))
def test_twenty_capture_release_and_see_off_one_hold_and_it_ends_one_way(round):
    member = holder(100)
    held = hold(member, 60)
    with clock.simulated():
        ahead = held.expires_at - databases.now() - round * SOON / 4

        def work(n: int):
            clock.run_ahead(ahead)
            if n % 3 == 0:
                return services.settle_due() and None
            if n % 3 == 1:
                return services.capture(hold=held.pk, points=20 + n, by=make.BACKEND)
            return services.release(hold=held.pk, by=make.BACKEND)

        found = at_once(20, work)
        clock.run_ahead(timedelta(hours=2))
        services.settle(member.pk)

    ended = Hold.objects.get()
    done = [(each.state, each.captured) for each in found if isinstance(each, Hold)]
    assert set(done) <= {(ended.state, ended.captured)}
    assert len(done) == {"captured": 1, "released": 6, "expired": 0}[ended.state]
    assert set(kinds_of(found)) == ({"HoldExpired"} if ended.state == "expired" else {"HoldClosed"})
    assert balance(member) == (100 - ended.captured, 0, 0, 0)
    kinds = Counter(Entry.objects.filter(follows=held.pk).values_list("kind", flat=True))
    assert kinds == ({"spent": 1, "released": 1} if ended.captured else {"released": 1})
    audit.hold_true(audit.read(member))


def test_opposite_transfers_surface_no_deadlock():
    one, other = holder(100), holder(100)

    def work(n: int):
        giver, taker = (one, other) if n % 2 else (other, one)
        sides = {"giver": giver.pk, "taker": taker.pk, "reference": f"t{n}"}
        bank.transfer(points=3, gives_first=n % 3 == 0, **sides)

    assert at_once(20, work) == [None] * 20

    assert (balance(one), balance(other)) == ((100, 0, 0, 0), (100, 0, 0, 0))
    for member in (one, other):
        audit.hold_true(audit.read(member))
    assert drifted() == []


def test_who_locks_one_member_after_the_other_sees_no_deadlock_either():
    one, other = holder(100), holder(100)

    @act
    def careless(giver, taker, reference: str):
        services.spend(member=giver.pk, points=5, reference=reference, by=SYSTEM)
        services.earn(member=taker.pk, points=5, reference=reference, by=SYSTEM)

    for n in range(2):
        pairs = [(one, other, f"a{n}"), (other, one, f"b{n}")]
        assert at_once(2, lambda k, pairs=pairs: careless(*pairs[k])) == [None, None]

    assert (balance(one), balance(other)) == ((100, 0, 0, 0), (100, 0, 0, 0))
