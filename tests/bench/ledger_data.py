"""Accounts to post to, all known by a number, and whether they add up afterwards."""

from functools import cache
from uuid import UUID

from django.db import connection

from loyalty.reconcile import balances

START, EARLIER = 100_000_000, 4  # points of each earning before it begins, and how many each account has
MEMBER = "('00000000-0000-7000-8000-' || lpad((:n)::text, 12, '0'))::uuid"

FILL = """
INSERT INTO members_member (
    id, number, status, nickname, avatar_url, gender, phone_mask, phone_last4, frozen_scopes, version)
SELECT ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'B' || n,
    'active', '', '', 'unknown', '', '', '{}', 1
FROM generate_series(1, %(accounts)s) n;

INSERT INTO loyalty_account (id, member_id, available, pending, held, debt, absorbed, version)
SELECT hub_uuid7(), id, %(points)s * %(earlier)s, 0, 0, 0, '{}', %(earlier)s FROM members_member;

INSERT INTO loyalty_entry (
    id, account_id, kind, available, pending, held, debt, contra, contra_kind, source, reference, reason,
    available_after, version, available_at, created_at)
SELECT hub_uuid7(), id, 'earned', %(points)s, 0, 0, 0, -%(points)s, 'issued', 'hub', 'start' || n, '',
    %(points)s * n, n, now(), now()
FROM generate_series(1, %(earlier)s) n, loyalty_account;

INSERT INTO loyalty_lot (entry_id, account_id, origin, earned, remaining, held, is_pending, available_at, expires_at)
SELECT id, account_id, account_id, %(points)s, %(points)s, 0, FALSE, now(), NULL FROM loyalty_entry;
"""
LOTS = """
SELECT count(*) FROM loyalty_account a LEFT JOIN (
    SELECT account_id, sum(remaining) AS remaining, sum(held) AS held FROM loyalty_lot GROUP BY account_id
) l ON l.account_id = a.id
WHERE a.available + a.pending <> coalesce(l.remaining, 0) OR a.held <> coalesce(l.held, 0)
"""
DRAWS = """
SELECT count(*) FROM loyalty_lot l LEFT JOIN (
    SELECT lot_id, sum(remaining) AS remaining, sum(held) AS held FROM loyalty_draw GROUP BY lot_id
) d ON d.lot_id = l.entry_id
WHERE l.remaining <> l.earned + coalesce(d.remaining, 0) OR l.held <> coalesce(d.held, 0)
"""
RUNNING = """
SELECT count(*) FROM (
    SELECT available_after <> sum(available) OVER w OR version <> row_number() OVER w AS wrong
    FROM loyalty_entry WINDOW w AS (PARTITION BY account_id ORDER BY version)
) e WHERE wrong
"""


class DoesNotAddUp(Exception):
    """The postings of a bench left a ledger that is wrong: nothing it measured counts."""


@cache
def member(n: int) -> UUID:
    """The nth member, from 1."""
    return UUID(f"00000000-0000-7000-8000-{n:012d}")


def fill(accounts: int) -> None:
    """So many members with an account, each with points in a few lots that never expire."""
    execute(FILL, {"accounts": accounts, "points": START, "earlier": EARLIER})
    execute("VACUUM ANALYZE")


def check() -> None:
    """Raise DoesNotAddUp unless entries = accounts, lots = balances, draws = lots, and running balances run."""
    wrong = {"accounts": list(balances())[:3]}
    for name, sql in (("lots", LOTS), ("draws", DRAWS), ("running balances", RUNNING)):
        wrong[name] = execute(sql)[0][0]
    if any(wrong.values()):
        raise DoesNotAddUp(wrong)


def execute(sql: str, parameters=None) -> list[tuple]:
    """Raw SQL of the bench."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchall() if cursor.description else []
