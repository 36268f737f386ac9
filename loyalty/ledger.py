"""The ledger: every change of a balance is one call of one prepared SQL function, in the act of its caller.

The functions' text is in `loyalty/migrations/0002_ledger.py`. `loyalty_post()` makes the account when it is missing,
locks it, knows a reference it has seen, checks the balance by the database's clock, draws on lots or makes one, writes
the entry and the account. The member is locked before (`members.services.lock`), so that a merge never takes an account
away between lock and posting.

Time acts by itself: holds run out, pending points become available, lots expire. Whoever touches an account on which
something is due settles that first, with its own entries and events, so no posting ever sees a balance of yesterday.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import Sum
from django.db.models.base import ModelState
from django.utils.translation import gettext_lazy as _

from loyalty.models import Account, EarnRule, Entry
from sync import prepared
from sync.events import RING, Recorded
from sync.ids import uuid7
from sync.models import Channel

ENTRY = [column.attname for column in Entry._meta.concrete_fields]
ISSUED, REDEEMED = "issued", "redeemed"  # contra sides
BALANCE = ["available", "pending", "held", "debt", "version"]


def _columns(entry: str, account: str) -> str:
    return ", ".join([*(f"({account}).{c}" for c in BALANCE), *(f"({entry}).{c}" for c in ENTRY)])


POST = """
SELECT outcome, is_due, known, o_account, o_available, o_pending, o_held, o_debt, o_version,
    p_available, p_pending, p_debt, p_available_at, p_expires_at, posted_at
FROM loyalty_post(
    %s::uuid, %s::uuid, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s::bigint, %s::uuid, %s::uuid,
    %s::timestamptz, %s::timestamptz, %s::integer, %s::integer, %s, %s::uuid, %s, %s, %s, %s, %s, %s, %s
)
"""
UNTOLD = [None] * 8
KNOWN = f"SELECT {', '.join(ENTRY)} FROM loyalty_entry WHERE id = %s"  # noqa: S608 - names of our own columns
CLOSE_HOLD = f"""
SELECT c.outcome, {_columns("c.captured", "c.after_capture")}, {_columns("c.released", "c.after_release")}
FROM loyalty_close_hold(%s::uuid, %s) AS c
"""  # noqa: S608 - names of our own columns
SETTLE = f"""
SELECT a.member_id, {_columns("s.entry", "s.account")}
FROM loyalty_account a, loyalty_settle(a.id) AS s WHERE a.member_id = %s
"""  # noqa: S608 - names of our own columns
SETTLE_DUE = f"""
SELECT s.settled, (s.account).member_id, {_columns("s.entry", "s.account")} FROM loyalty_settle_due(%s) AS s
"""  # noqa: S608 - names of our own columns
POST_MANY = """
SELECT * FROM loyalty_post_many(
    %s::uuid[], %s::uuid[], %s::bigint[], %s::text[],
    %s, %s, %s, %s, %s::bigint, %s::uuid, %s::timestamptz, %s::integer
)
"""
GIVEN_TODAY = """
WITH own AS (SELECT unnest(id || absorbed) AS id FROM loyalty_account WHERE member_id = %s)
SELECT coalesce(sum(-contra) FILTER (WHERE account_id IN (SELECT id FROM own)), 0)::bigint,
    coalesce(sum(-contra), 0)::bigint
FROM loyalty_entry WHERE source = %s AND created_at >= date_trunc('day', clock_timestamp(), 'Asia/Shanghai')
    AND source LIKE 'channel/%%' AND kind = 'earned' AND available_at IS NOT NULL  -- in the words of its index
"""


class NotEnough(Exception):
    """There are fewer points available than asked for; nothing was changed."""

    def __init__(self, available: int):
        super().__init__(_("%(available)s points are available") % {"available": available})
        self.available = available


class ReferenceConflict(Exception):
    """The reference already stands for another posting."""


class OverReversed(Exception):
    """A reversal of more points than are left of what it reverses."""


@dataclass(frozen=True)
class Balance:
    """An account as a posting left it."""

    available: int = 0
    pending: int = 0
    held: int = 0
    debt: int = 0
    version: int = 0


@dataclass(frozen=True)
class Moves:
    """What a posting adds to each component of a balance. What they do not balance is the contra side."""

    available: int = 0
    pending: int = 0
    held: int = 0
    debt: int = 0

    def __neg__(self) -> "Moves":
        return Moves(-self.available, -self.pending, -self.held, -self.debt)

    def columns(self) -> list[int]:
        """In the order of all functions of the ledger."""
        return [self.available, self.pending, self.held, self.debt]


@dataclass(frozen=True)
class Posting:
    """What is to be posted. `reference` names the fact once per source and account, absorbed accounts included.

    Giving makes a lot, which expires at `expires_at`, else after `valid_days`, else as the programme says; pending
    points whose `available_at` has passed are available at once. Taking draws on the earliest expiry first. `owe`: what
    is taken comes from the lot of the earning that `reverses` names, then from pending, then from available points, and
    what is not there either becomes debt; without it a short balance raises NotEnough. A reversal of a spending returns
    to the lots it drew on. Whatever comes in settles debt first. Kind `held` makes a hold of `hold_seconds`.
    """

    kind: str
    moves: Moves
    contra_kind: str
    source: str
    reference: str
    reason: str = ""
    rule: EarnRule | None = None
    reverses: UUID | None = None
    channel: Channel | None = None
    available_at: datetime | None = None
    expires_at: datetime | None = None
    valid_days: int | None = None
    hold_seconds: int | None = None
    owe: bool = False
    id: UUID = field(default_factory=uuid7)

    def parameters(self, fact: Recorded | None = None) -> list:
        """As `loyalty_post()` takes them, after the member."""
        rule, channel = self.rule and self.rule.pk, self.channel and self.channel.pk
        what = [self.id, self.kind, *self.moves.columns(), self.contra_kind, self.source, self.reference, self.reason]
        when = [self.available_at, self.expires_at, self.valid_days, self.hold_seconds]
        told = [*fact.columns(), self.channel and self.channel.code] if fact else UNTOLD
        return [*what, rule, self.reverses, channel, *when, self.owe, *told]


@dataclass(frozen=True)
class Posted:
    """The entry, the balance it left, whether this call made it, and whether something is due again at once."""

    entry: Entry
    balance: Balance
    created: bool = True
    is_due: bool = False


def post(member: UUID, posting: Posting, fact: Recorded | None = None) -> Posted | None:
    """Post once, in one round trip. The same again, in two, gives the entry that is there and the balance of now.

    A `fact` (`told.ahead`) is recorded with it; outside an act both are one by themselves. None when something is due
    on the account: `settle` it and post again. Raises NotEnough, ReferenceConflict, OverReversed; then nothing changed.
    """
    asked, is_act = (POST, [member, *posting.parameters(fact)]), bool(fact) and not connection.in_atomic_block
    (((outcome, is_due, known, account, *rest),),) = prepared.together(
        asked, commit=is_act, after=RING if is_act else ""
    )
    match outcome:
        case "due":
            return None
        case "short":
            raise NotEnough(rest[0])
        case "conflict":
            raise ReferenceConflict
        case "over":
            raise OverReversed
    balance, (available, pending, debt, *times) = Balance(*rest[: len(BALANCE)]), rest[len(BALANCE) :]
    if known:
        (row,) = prepared.run(KNOWN, [known])
        return Posted(_entry(row, posting.channel), balance, created=False)
    moves = Moves(available, pending, posting.moves.held, debt)
    entry = _new(posting, account, moves, balance, times)
    return Posted(entry, balance, is_due=bool(is_due))


@dataclass(frozen=True)
class Gift:
    """One of many postings that give: to whom, how many points, and the reference that names it."""

    member: UUID
    points: int
    reference: str
    id: UUID = field(default_factory=uuid7)


class Given(NamedTuple):
    """What became of the nth gift (from 1): posted, known, in conflict with another under its reference, or `single`:
    the account owes, is due or absorbed another, and `post` has to do it. The balance is told of what was posted."""

    nth: int
    outcome: str
    entry: UUID
    available: int | None
    pending: int | None
    held: int | None
    debt: int | None
    version: int | None
    expires_at: datetime | None
    created_at: datetime | None


def post_many(gifts: Sequence[Gift], like: Posting) -> list[Given]:
    """Give available points to thousands in one round trip; all share kind, source, reason and the rest of `like`.

    The members are locked. In no particular order. Nothing is changed for what is not `posted`.
    """
    columns = [[getattr(gift, name) for gift in gifts] for name in ("id", "member", "points", "reference")]
    rule, channel = like.rule and like.rule.pk, like.channel and like.channel.pk
    shared = [like.kind, like.contra_kind, like.source, like.reason, rule, channel, like.expires_at, like.valid_days]
    return [Given(*row) for row in prepared.run(POST_MANY, [*columns, *shared])]


def close_hold(hold: UUID, points: int) -> list[Posted] | None:
    """Capture so many points of a hold and release the rest; 0 releases all of it. The entries, in their order.

    None when something is due on the account: `settle` it and try again. No entry when the hold is closed,
    or holds less than that: then nothing was changed.
    """
    ((outcome, *values),) = prepared.run(CLOSE_HOLD, [hold, points])
    if outcome == "due":
        return None
    halves = values[: len(values) // 2], values[len(values) // 2 :]
    return [_posted(half) for half in halves if half[len(BALANCE)]]


def settle(member: UUID) -> list[Posted]:
    """Let time have its effect on a member's account: what became of holds, pending points and lots that were due."""
    return [_posted(values) for _member, *values in prepared.run(SETTLE, [member])]


def settle_due(accounts: int) -> tuple[int, list[tuple[UUID, Posted]]]:
    """The same for so many accounts, the longest due first: how many were settled, and each entry with its member."""
    rows = prepared.run(SETTLE_DUE, [accounts])
    made = [(member, _posted(values)) for _account, member, *values in rows if values[len(BALANCE)]]
    return len({row[0] for row in rows}), made


def _posted(values: list) -> Posted:
    return Posted(_entry(values[len(BALANCE) :]), Balance(*values[: len(BALANCE)]))


def _new(posting: Posting, account: UUID, moves: Moves, left: Balance, times: list[datetime | None]) -> Entry:
    """The entry that a posting made: what was asked for, with what the database decided."""
    contra = moves.debt - moves.available - moves.pending - moves.held
    rule, channel = posting.rule and posting.rule.pk, posting.channel and posting.channel.pk
    values = [posting.id, account, posting.kind, *moves.columns(), contra, posting.contra_kind]
    values += [posting.source, posting.reference, posting.reason, rule, posting.reverses, None, channel]
    return _entry([*values, left.available, left.version, *times], posting.channel)


def _entry(values: Sequence, channel: Channel | None = None) -> Entry:
    """A row as the model's instance: what Entry.from_db makes, in a fifth of its time; `channel` if it is its own."""
    entry = Entry.__new__(Entry)
    entry.__dict__.update(zip(ENTRY, values, strict=True), _state=ModelState())
    entry._state.db, entry._state.adding = "default", False
    if channel and entry.channel_id == channel.pk:
        entry.channel = channel
    return entry


def known(member: UUID, source: str, reference: str) -> Entry | None:
    """The entry that the reference stands for, on the member's account or on one it absorbed."""
    account = Account.objects.filter(member=member).values_list("id", "absorbed").first()
    accounts = [account[0], *account[1]] if account else []
    found = Entry.objects.filter(account__in=accounts, source=source, reference=reference)
    return found.order_by("-id").first()


def left_of(entry: Entry) -> int:
    """What would undo all that reversals have left of an earning (negative) or a spending; 0 when they left nothing."""
    return entry.contra + (entry.reversals.aggregate(sum=Sum("contra"))["sum"] or 0) if entry.contra else 0


def alone(what: str) -> None:
    """Wait until no other act is at `what`; from now on none is until this one is over."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [what])


def given_today(member: UUID, source: str) -> tuple[int, int]:
    """The points that a channel's backend has given since midnight in Shanghai: to the member, and to all."""
    with connection.cursor() as cursor:
        cursor.execute(GIVEN_TODAY, [member, source])
        return cursor.fetchone()
