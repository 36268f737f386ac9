"""Points that all expire on the same night, on as many accounts as wanted, and what must be true after it."""

from django.db import connection

from tests.bench.ledger_data import DoesNotAddUp, check, execute

LOTS_EACH, POINTS = 4, 100
FILL = """
SET session_replication_role = replica;  -- it adds up by itself, and is checked at the end

INSERT INTO members_member (
    id, number, status, nickname, avatar_url, gender, phone_mask, phone_last4, frozen_scopes, version)
SELECT hub_uuid7(), 'B' || n, 'active', '', '', 'unknown', '', '', '{}', 1 FROM generate_series(1, %(accounts)s) n;

INSERT INTO loyalty_account (
    id, member_id, available, pending, held, debt, absorbed, version, due_at)
SELECT hub_uuid7(), id, %(points)s * %(each)s, 0, 0, 0, '{}', %(each)s, date_trunc('day', now()) FROM members_member;

INSERT INTO loyalty_entry (
    id, account_id, kind, available, pending, held, debt, contra, contra_kind, source, reference, reason,
    available_after, version, available_at, expires_at, created_at)
SELECT hub_uuid7(), id, 'earned', %(points)s, 0, 0, 0, -%(points)s, 'issued', 'hub', 'start' || n, '',
    %(points)s * n, n, now() - interval '1 year', date_trunc('day', now()), now() - interval '1 year'
FROM generate_series(1, %(each)s) n, loyalty_account;

INSERT INTO loyalty_lot (entry_id, account_id, origin, earned, remaining, held, is_pending, available_at, expires_at)
SELECT id, account_id, account_id, %(points)s, %(points)s, 0, FALSE, available_at, expires_at FROM loyalty_entry;

SET session_replication_role = origin;
"""
LEFT = "SELECT count(*) FROM loyalty_account WHERE due_at <= now()"
WRONG = """
SELECT (SELECT count(*) FROM loyalty_account WHERE available <> 0 OR version <> %(each)s + 1 OR due_at IS NOT NULL),
    (SELECT count(*) FROM loyalty_lot WHERE remaining <> 0),
    (SELECT count(*) FROM loyalty_draw) - %(accounts)s * %(each)s,
    (SELECT count(*) FROM sync_event) - %(accounts)s,
    (SELECT count(DISTINCT subject) FROM sync_event
     WHERE type = 'points.expired' AND sequence = 1 AND (data -> 'entry' ->> 'points')::bigint = -%(points)s * %(each)s
        AND (data -> 'balance' ->> 'available')::bigint = 0) - %(accounts)s
"""


def fill(lots: int) -> int:
    """So many lots that expired at midnight, four on an account; returns how many accounts."""
    accounts = lots // LOTS_EACH
    execute(FILL, {"accounts": accounts, "points": POINTS, "each": LOTS_EACH})
    for table in ("members_member", "loyalty_account", "loyalty_entry", "loyalty_lot"):
        execute(f"ANALYZE {table}")
    return accounts


def left() -> int:
    """How many accounts are still due."""
    return execute(LEFT)[0][0]


def check_expired(accounts: int) -> None:
    """Raise DoesNotAddUp unless all is gone, each account has one more entry and one event, and the ledger adds up."""
    wrong = execute(WRONG, {"accounts": accounts, "each": LOTS_EACH, "points": POINTS})[0]
    if any(wrong):
        raise DoesNotAddUp(dict(zip(("accounts", "lots", "draws", "events", "told"), wrong, strict=True)))
    check()


def database_url(url: str) -> str:
    """The URL of the database at hand, which in tests is not the one of the environment."""
    before, _, query = url.partition("?")
    return f"{before.rpartition('/')[0]}/{connection.settings_dict['NAME']}?{query}"
