"""One posting: once, checked, in one round trip."""

from datetime import UTC, datetime, timedelta

import pytest

from loyalty.ledger import Moves, NotEnough, ReferenceConflict
from loyalty.models import Account, Entry
from sync import clock
from tests import make
from tests.loyalty.make_points import balance, drifted, post, posting, rule

pytestmark = pytest.mark.django_db


def test_a_first_posting_makes_the_account():
    member = make.member()

    posted = post(member, posting(100))

    entry = Entry.objects.get()
    assert posted.created
    assert posted.entry == entry
    assert (entry.available, entry.contra, entry.available_after, entry.version) == (100, -100, 100, 1)
    assert entry.available_at == entry.created_at
    assert balance(member) == (100, 0, 0, 0)
    assert Account.objects.get().version == posted.balance.version == 1


@pytest.mark.parametrize(
    ("kind", "owed"),
    [
        ("given", 0),
        ("given", 20),
        ("given", 60),
        ("pending", 0),
        ("pending", 20),
        ("pending, its day come", 0),
        ("pending, its day come", 20),
        ("spent", 0),
        ("held", 0),
        ("taken back", 0),
        ("taken back", 20),
        ("given back", 0),
        ("given back", 20),
        ("moved", 0),
        ("moved", 20),
    ],
)
def test_what_is_told_of_a_posting_is_what_is_stored(kind, owed):
    member, place = make.member(), make.channel()
    earned = post(member, posting(100, "earned")).entry.pk
    spent = post(member, posting(-30, "spent")).entry.pk
    if owed:
        post(member, posting(-70 - owed, "owed", kind="adjusted", owe=True))
    before, after = clock.now() - timedelta(days=1), clock.now() + timedelta(days=1)
    asked = {
        "given": posting(50, rule=rule(), channel=place, reason="why", expires_at=after),
        "pending": posting(50, moves=Moves(pending=50), available_at=after, valid_days=3),
        "pending, its day come": posting(50, moves=Moves(pending=50), available_at=before),
        "spent": posting(-40, channel=place),
        "held": posting(-40, moves=Moves(available=-40, held=40), kind="held", hold_seconds=60),
        "taken back": posting(-100, kind="reversed", reverses=earned, owe=True),
        "given back": posting(30, kind="reversed", reverses=spent),
        "moved": posting(5, kind="moved", moves=Moves(available=5 if not owed else 0, pending=1)),
    }[kind]

    posted = post(member, asked)

    entry, account = Entry.objects.get(reference=asked.reference), Account.objects.get()
    assert shown(posted.entry) == shown(entry)
    assert {name: getattr(account, name) for name in vars(posted.balance)} == vars(posted.balance)
    assert shown(post(member, asked).entry) == shown(entry)


def shown(entry: Entry) -> dict:
    """All its columns."""
    return {column.attname: getattr(entry, column.attname) for column in Entry._meta.concrete_fields}


def test_the_same_posting_again_finds_the_entry_and_the_balance_of_now():
    member = make.member()
    first = post(member, posting(100))
    post(member, posting(-30, "later"))
    before = make.snapshot()

    again = post(member, posting(100))

    assert not again.created
    assert again.entry == first.entry
    assert again.balance.available == 70
    assert make.snapshot() == before


@pytest.mark.parametrize(
    "other",
    [
        posting(99),
        posting(-100),
        posting(100, reason="another"),
        posting(100, expires_at=datetime(2030, 1, 1, tzinfo=UTC)),
        posting(100, available_at=datetime(2030, 1, 1, tzinfo=UTC)),
    ],
)
def test_something_else_under_the_same_reference_is_refused(other):
    member = make.member()
    post(member, posting(100))
    before = make.snapshot()

    with pytest.raises(ReferenceConflict):
        post(member, other)

    assert make.snapshot() == before


def test_a_reference_is_free_for_other_sources_and_members():
    member, other = make.member(), make.member()
    post(member, posting(100))

    assert post(other, posting(7)).created
    assert balance(member), balance(other) == ((100, 0, 0, 0), (7, 0, 0, 0))


def test_more_than_there_is_cannot_be_spent():
    member = make.member()
    post(member, posting(100))
    before = make.snapshot()

    with pytest.raises(NotEnough, match="100") as refused:
        post(member, posting(-101, "s"))

    assert refused.value.available == 100
    assert make.snapshot() == before


def test_nothing_can_be_spent_without_an_account():
    before = make.snapshot()  # of no member at all
    member = make.member()
    with pytest.raises(NotEnough):
        post(member, posting(-1))
    assert not Account.objects.exists()
    assert before["loyalty_account"] == make.snapshot()["loyalty_account"]


def test_points_that_come_later_are_pending():
    member, later = make.member(), clock.now() + timedelta(days=7)

    posted = post(member, posting(50, moves=Moves(pending=50), available_at=later))

    assert balance(member) == (0, 50, 0, 0)
    assert (posted.entry.points, posted.entry.available_after, posted.entry.available_at) == (50, 0, later)
    assert not post(member, posting(50, moves=Moves(pending=50), available_at=later)).created


def test_pending_points_whose_time_has_come_are_available_by_the_databases_clock():
    member, past = make.member(), clock.now() - timedelta(seconds=1)

    posted = post(member, posting(50, moves=Moves(pending=50), available_at=past))

    assert balance(member) == (50, 0, 0, 0)
    assert posted.entry.available_at == past


def test_what_is_owed_comes_out_of_pending_then_available_then_becomes_debt():
    member = make.member()
    post(member, posting(10, "a"))
    post(member, posting(5, "p", moves=Moves(pending=5)))

    taken = post(member, posting(-20, "r", kind="reversed", moves=Moves(pending=-20), owe=True))

    assert balance(member) == (0, 0, 0, 5)
    assert (taken.entry.pending, taken.entry.available, taken.entry.debt, taken.entry.points) == (-5, -10, 5, -20)
    assert drifted() == []


@pytest.mark.parametrize(("points", "left"), [(3, (0, 0, 0, 2)), (5, (0, 0, 0, 0)), (8, (3, 0, 0, 0))])
def test_what_comes_in_settles_the_debt_first(points, left):
    member = make.member()
    post(member, posting(-5, "r", kind="reversed", owe=True))

    entry = post(member, posting(points, "e")).entry

    assert balance(member) == left
    assert entry.points == points
    assert entry.available_after == left[0]
    assert not post(member, posting(points, "e")).created
    assert drifted() == []
