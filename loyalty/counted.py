"""What counts towards a tier, said once: purchases, and where growth counts bonuses too."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection

from loyalty.models import Programme

SPEND = """
SELECT account_id, 'order' AS kind, order_number AS number, channel_id, paid_at AS at, created_at AS received_at,
    paid_fen AS gained, refunded_fen AS lost FROM loyalty_purchase
"""
GROWTH = """
SELECT account_id, 'order' AS kind, order_number AS number, channel_id, paid_at AS at, created_at AS received_at,
    growth AS gained, lost_growth AS lost FROM loyalty_purchase
UNION ALL
SELECT account_id, kind, period, NULL::uuid, at, at, growth, 0::bigint FROM loyalty_bonus WHERE growth > 0
"""
COUNTED = {Programme.QualifyBy.SPEND: SPEND, Programme.QualifyBy.GROWTH: GROWTH}
SUMS = """
SELECT account_id, sum(gained - lost)::bigint FROM ({counted}) c
WHERE account_id = ANY(%s) AND at >= %s AND (%s::timestamptz IS NULL OR received_at <= %s) GROUP BY account_id
"""
LISTED = """
SELECT c.kind, c.number, s.code, s.name, c.at, c.gained, c.lost,
    count(*) OVER (), (sum(c.gained - c.lost) OVER ())::bigint
FROM ({counted}) c LEFT JOIN sync_channel s ON s.id = c.channel_id
WHERE c.account_id = %s AND c.at >= %s ORDER BY c.at DESC, c.number DESC LIMIT %s
"""


@dataclass(frozen=True)
class Item:
    """One purchase or bonus that counts, in fen or growth: what it gave, less what refunds took back."""

    kind: str
    number: str
    channel: str | None
    channel_name: str | None
    at: datetime
    gained: int
    lost: int

    @property
    def counted(self) -> int:
        return self.gained - self.lost


@dataclass(frozen=True)
class Listed:
    """The newest of what counts, and the sum of everything; both read at one moment, so that they add up."""

    items: list[Item]
    number: int
    total: int

    @property
    def rest_number(self) -> int:
        """How many are not listed."""
        return self.number - len(self.items)

    @property
    def rest(self) -> int:
        """What those count together."""
        return self.total - sum(item.counted for item in self.items)


def sums(accounts: Iterable[UUID], *, by: str, since: datetime, received_to: datetime | None = None) -> dict[UUID, int]:
    """What counts on each account since a time, in one statement; accounts on which nothing does are left out.

    `received_to`: leave out what the hub learnt of later, whenever it was paid.
    """
    with connection.cursor() as cursor:
        cursor.execute(SUMS.format(counted=COUNTED[by]), [list(accounts), since, received_to, received_to])
        return dict(cursor.fetchall())


def total(account: UUID, **since) -> int:
    """What counts on one account; `since` as in `sums`."""
    return sums([account], **since).get(account, 0)


def listed(account: UUID, *, by: str, since: datetime, most: int) -> Listed:
    """What counts on an account since a time, the newest first."""
    with connection.cursor() as cursor:
        cursor.execute(LISTED.format(counted=COUNTED[by]), [account, since, most])
        rows = cursor.fetchall()
    number, whole = rows[0][-2:] if rows else (0, 0)
    return Listed([Item(*row[:-2]) for row in rows], number, whole)
