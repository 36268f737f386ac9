"""The ledger: every change of a balance is one call of one prepared SQL function, in the act of its caller.

`loyalty_post()` (its migration holds the text) makes the account when it is missing, locks it, knows a reference it
has seen, checks the balance by the database's clock, writes the entry and the account. The member is locked before
(`members.services.lock`), so that a merge never takes an account away between lock and posting.
"""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db import connection
from django.utils.translation import gettext_lazy as _
from psycopg.types.numeric import Int8

from loyalty.models import Account, EarnRule, Entry
from sync import events
from sync.ids import uuid7
from sync.models import Channel

ENTRY = [column.attname for column in Entry._meta.concrete_fields]
BALANCE = ["available", "pending", "held", "debt", "version"]

COLUMNS = ", ".join(["p.outcome", *(f"(p.account).{c}" for c in BALANCE), *(f"(p.entry).{c}" for c in ENTRY)])
POST = f"""
SELECT {COLUMNS}
FROM loyalty_post(
    %s::uuid, %s::uuid, %s::uuid, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s::bigint, %s::uuid, %s::uuid,
    %s::timestamptz, %s::timestamptz, %s
) AS p
"""  # noqa: S608 - names of our own columns
GIVEN_TODAY = """
WITH own AS (SELECT unnest(id || absorbed) AS id FROM loyalty_account WHERE member_id = %s)
SELECT coalesce(sum(-contra) FILTER (WHERE account_id IN (SELECT id FROM own)), 0)::bigint,
    coalesce(sum(-contra), 0)::bigint
FROM loyalty_entry WHERE source = %s AND kind = 'earned' AND available_at IS NOT NULL
    AND created_at >= date_trunc('day', clock_timestamp(), 'Asia/Shanghai')
"""


class NotEnough(Exception):
    """There are fewer points available than asked for; nothing was changed."""

    def __init__(self, available: int):
        super().__init__(_("%(available)s points are available") % {"available": available})
        self.available = available


class ReferenceConflict(Exception):
    """The reference already stands for another posting."""


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

    def columns(self) -> list[Int8]:
        """In one width, so that every posting is the same prepared statement."""
        return [Int8(self.available), Int8(self.pending), Int8(self.held), Int8(self.debt)]


@dataclass(frozen=True)
class Posting:
    """What is to be posted. `reference` names the fact once per source and account, absorbed accounts included.

    Pending points whose `available_at` has passed are available at once. `owe`: what is not in pending is taken from
    available, and what is not there either becomes debt; without it a short balance raises NotEnough. Whatever comes
    in settles debt first.
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
    owe: bool = False
    id: UUID = field(default_factory=uuid7)

    def parameters(self) -> list:
        """As `loyalty_post()` takes them, after the member and an id for a new account."""
        rule, channel = self.rule and Int8(self.rule.pk), self.channel and self.channel.pk
        what = [self.id, self.kind, *self.moves.columns(), self.contra_kind, self.source, self.reference, self.reason]
        return [*what, rule, self.reverses, channel, self.available_at, self.expires_at, self.owe]


@dataclass(frozen=True)
class Posted:
    """The entry, the balance now, and whether this call made the entry or found it."""

    entry: Entry
    balance: Balance
    created: bool


def post(member: UUID, posting: Posting) -> Posted:
    """Post once, in one round trip. The same posting again gives the entry that is there.

    Raises NotEnough, ReferenceConflict; then nothing was changed.
    """
    outcome, *values = events.hot(POST, [member, uuid7(), *posting.parameters()]).fetchone()
    balance = Balance(*values[: len(BALANCE)])
    if outcome == "short":
        raise NotEnough(balance.available)
    if outcome == "conflict":
        raise ReferenceConflict
    entry = Entry.from_db("default", ENTRY, values[len(BALANCE) :])
    if posting.channel and entry.channel_id == posting.channel.pk:
        entry.channel = posting.channel
    return Posted(entry, balance, created=outcome == "posted")


def known(member: UUID, source: str, reference: str) -> Entry | None:
    """The entry that the reference stands for, on the member's account or on one it absorbed."""
    account = Account.objects.filter(member=member).values_list("id", "absorbed").first()
    accounts = [account[0], *account[1]] if account else []
    found = Entry.objects.filter(account__in=accounts, source=source, reference=reference)
    return found.order_by("-id").first()


def given_today(member: UUID, source: str) -> tuple[int, int]:
    """The points that a source has given since midnight in Shanghai: to the member, and to all."""
    with connection.cursor() as cursor:
        cursor.execute(GIVEN_TODAY, [member, source])
        return cursor.fetchone()
