"""What a client of Django does when it posts: each of these once per call, to an account by chance."""

import random

from django.db import transaction

from loyalty import ledger, told
from loyalty.ledger import ISSUED, REDEEMED, Gift, Moves, Posted, Posting
from loyalty.models import Account, Draw, Entry, Lot
from loyalty.services import settling
from sync.act import SYSTEM, act
from sync.ids import uuid7
from tests.bench.ledger_data import member

ACCOUNTS = 20_000  # set by the bench
BATCH = 3_000


def somebody() -> int:
    """The number of an account."""
    return int(random.random() * ACCOUNTS) + 1


def reference() -> str:
    """One that nobody has used."""
    return f"{random.getrandbits(128):032x}"


def earning(points: int = 1) -> Posting:
    """Points given under a reference of their own."""
    return Posting("earned", Moves(available=points), ISSUED, "bench", reference())


def spending(points: int = 1) -> Posting:
    """Points taken under a reference of their own."""
    return Posting("spent", Moves(available=-points), REDEEMED, "bench", reference())


def post(_client: int, account: int | None = None) -> int:
    """One earning, in autocommit."""
    ledger.post(member(account or somebody()), earning())
    return 1


def post_hot(client: int) -> int:
    """One earning on the account of all."""
    return post(client, 1)


def mix(_client: int) -> int:
    """An earning, then a spending of as many points."""
    ledger.post(member(somebody()), earning())
    ledger.post(member(somebody()), spending())
    return 2


def event(_client: int, account: int | None = None) -> int:
    """One earning with its event and its bell: as `post`, outside any act."""
    who, posting = member(account or somebody()), earning()
    ledger.post(who, posting, told.ahead(who, posting, SYSTEM))
    return 1


def event_hot(client: int) -> int:
    """The same on the account of all."""
    return event(client, 1)


@act
def earn_and_tell(account: int) -> Posted:
    """One earning and its event in an act, as all of the product's postings are."""
    return settling.post(member(account), earning(), SYSTEM, ahead=True)


def act_of_one(_client: int) -> int:
    """The same as an act of its own, which waits a second time for its end."""
    earn_and_tell(somebody())
    return 1


def many(_client: int) -> int:
    """Thousands of earnings in one call, on as many accounts as chance finds."""
    gifts = [Gift(member(somebody()), 1, reference()) for _ in range(BATCH)]
    ledger.post_many(gifts, earning())
    return BATCH


def many_hot(_client: int) -> int:
    """As many on one account."""
    ledger.post_many([Gift(member(1), 1, reference()) for _ in range(BATCH)], earning())
    return BATCH


def orm(_client: int, account: int | None = None) -> int:
    """One earning as a team would first write it: account locked, reference looked up, entry, lot, balance."""
    _orm_earn(member(account or somebody()), 1, reference())
    return 1


def orm_hot(client: int) -> int:
    """The same on the account of all."""
    return orm(client, 1)


def orm_mix(_client: int) -> int:
    """An earning and a spending through the ORM: lots drawn, draws kept."""
    _orm_earn(member(somebody()), 1, reference())
    _orm_spend(member(somebody()), 1, reference())
    return 2


@transaction.atomic
def _orm_earn(who, points: int, reference: str) -> Entry:
    account = _orm_account(who, reference)
    entry = _orm_enter(account, "earned", points, ISSUED, reference)
    Lot.objects.create(
        entry=entry,
        account=account,
        origin=account.pk,
        earned=points,
        remaining=points,
        available_at=entry.available_at,
    )
    return entry


@transaction.atomic
def _orm_spend(who, points: int, reference: str) -> Entry:
    account = _orm_account(who, reference)
    if account.available < points:
        raise ledger.NotEnough(account.available)
    entry, left = _orm_enter(account, "spent", -points, REDEEMED, reference), points
    for lot in account.lots.filter(remaining__gt=0, is_pending=False).order_by("expires_at", "entry_id").iterator(10):
        part = min(lot.remaining, left)
        lot.remaining, left = lot.remaining - part, left - part
        lot.save(update_fields=["remaining"])
        Draw.objects.create(entry=entry, lot=lot, remaining=-part)
        if not left:
            break
    return entry


def _orm_account(who, reference: str) -> Account:
    account = Account.objects.select_for_update(no_key=True).get(member_id=who)
    if account.entries.filter(source="bench", reference=reference).exists():
        raise ledger.ReferenceConflict
    return account


def _orm_enter(account: Account, kind: str, points: int, contra_kind: str, reference: str) -> Entry:
    account.available += points
    account.version += 1
    account.save(update_fields=["available", "version"])
    return Entry.objects.create(
        id=uuid7(),
        account=account,
        kind=kind,
        available=points,
        contra=-points,
        contra_kind=contra_kind,
        source="bench",
        reference=reference,
        available_after=account.available,
        version=account.version,
    )
