"""What must agree: every balance with its entries, its lots and its holds; every lot with the journal of draws.

Each is one statement, so that no posting falls between the two sides of a comparison.
"""

from collections.abc import Iterator

from django.db import connection

from loyalty.ledger import BALANCE
from sync.reconcile import Mismatch

COMPONENTS = BALANCE[:-1]
LIMIT = 10_000  # so many wrong rows are one catastrophe, not a list

DRIFTED = f"""
SELECT a.id, {", ".join(f"coalesce(s.{c}, 0), a.{c}" for c in COMPONENTS)}
FROM loyalty_account a
LEFT JOIN (
    SELECT account_id, {", ".join(f"sum({c})::bigint AS {c}" for c in COMPONENTS)}
    FROM loyalty_entry GROUP BY account_id
) s ON s.account_id = a.id
WHERE ({", ".join(f"a.{c}" for c in COMPONENTS)})
    IS DISTINCT FROM ({", ".join(f"coalesce(s.{c}, 0)" for c in COMPONENTS)})
ORDER BY a.id LIMIT {LIMIT}
"""  # noqa: S608 - names of our own columns
LOTS = f"""
SELECT a.id, a.available + a.pending, coalesce(s.remaining, 0), a.pending, coalesce(s.pending, 0)
FROM loyalty_account a
LEFT JOIN (
    SELECT account_id, sum(remaining)::bigint AS remaining,
        (sum(remaining) FILTER (WHERE is_pending))::bigint AS pending
    FROM loyalty_lot WHERE remaining > 0 GROUP BY account_id
) s ON s.account_id = a.id
WHERE (a.available + a.pending, a.pending) IS DISTINCT FROM (coalesce(s.remaining, 0), coalesce(s.pending, 0))
ORDER BY a.id LIMIT {LIMIT}
"""  # noqa: S608 - a number of our own
HOLDS = f"""
SELECT a.id, a.held, coalesce(h.points, 0), a.held, coalesce(l.held, 0)
FROM loyalty_account a
LEFT JOIN (
    SELECT account_id, sum(points)::bigint AS points FROM loyalty_hold WHERE state = 'held' GROUP BY account_id
) h ON h.account_id = a.id
LEFT JOIN (
    SELECT account_id, sum(held)::bigint AS held FROM loyalty_lot WHERE held > 0 GROUP BY account_id
) l ON l.account_id = a.id
WHERE (a.held, a.held) IS DISTINCT FROM (coalesce(h.points, 0), coalesce(l.held, 0))
ORDER BY a.id LIMIT {LIMIT}
"""  # noqa: S608 - a number of our own
JOURNAL = f"""
SELECT l.entry_id, l.earned + coalesce(d.remaining, 0), l.remaining, coalesce(d.held, 0), l.held
FROM loyalty_lot l
LEFT JOIN (
    SELECT lot_id, sum(remaining)::bigint AS remaining, sum(held)::bigint AS held FROM loyalty_draw GROUP BY lot_id
) d ON d.lot_id = l.entry_id
WHERE (l.remaining, l.held) IS DISTINCT FROM (l.earned + coalesce(d.remaining, 0), coalesce(d.held, 0))
ORDER BY l.entry_id LIMIT {LIMIT}
"""  # noqa: S608 - a number of our own


def balances() -> Iterator[Mismatch]:
    """Every component of every account equals the sum of its entries."""
    return _compared(DRIFTED, "account", COMPONENTS)


def lots() -> Iterator[Mismatch]:
    """What an account's lots still hold is what is available and pending; what its pending lots hold is pending."""
    return _compared(LOTS, "account", ["lots", "pending_lots"])


def holds() -> Iterator[Mismatch]:
    """What an account's open holds hold is what is held, and so much is set aside in its lots."""
    return _compared(HOLDS, "account", ["open_holds", "held_in_lots"])


def journal() -> Iterator[Mismatch]:
    """Every lot is what it earned and all that was drawn from it and returned since."""
    return _compared(JOURNAL, "lot", ["remaining", "held"])


def _compared(sql: str, kind: str, fields: list[str]) -> Iterator[Mismatch]:
    """Rows of a key, then by field what is expected and what was found."""
    with connection.cursor() as cursor:
        cursor.execute(sql)
        for key, *figures in cursor:
            for field, expected, found in zip(fields, figures[::2], figures[1::2], strict=True):
                if expected != found:
                    yield Mismatch(f"{kind}/{key}", field, str(expected), str(found))
