"""What must agree: every balance with the sum of its entries."""

from collections.abc import Iterator

from django.db import connection

from loyalty.ledger import BALANCE
from sync.reconcile import Mismatch

COMPONENTS = BALANCE[:-1]
LIMIT = 10_000  # so many wrong accounts are one catastrophe, not a list

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


def balances() -> Iterator[Mismatch]:
    """Every component of every account equals the sum of its entries; one statement, so no posting falls between."""
    with connection.cursor() as cursor:
        cursor.execute(DRIFTED)
        for account, *figures in cursor:
            for component, summed, stored in zip(COMPONENTS, figures[::2], figures[1::2], strict=True):
                if summed != stored:
                    yield Mismatch(f"account/{account}", component, str(summed), str(stored))
