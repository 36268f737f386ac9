"""What must agree about members: a phone with its proof, a freeze with its record, and who left with nothing left.

Each is one statement.
"""

from collections.abc import Iterator

from django.db import connection

from sync.reconcile import Mismatch

LIMIT = 10_000  # so many wrong rows are one catastrophe, not a list

PHONES = f"""
SELECT m.id, 'a verified phone', 'none' FROM members_member m
WHERE m.phone IS NOT NULL AND NOT EXISTS (
    SELECT FROM members_identity i WHERE i.member_id = m.id AND i.kind = 'phone' AND i.proof = 'verified'
        AND (i.value_index = m.phone_index OR i.value_index_2 = m.phone_index_2))
ORDER BY m.id LIMIT {LIMIT}
"""  # noqa: S608 - a number of our own
FREEZES = f"""
SELECT m.id, array_to_string(coalesce(f.scopes, '{{}}'), ', '), array_to_string(m.frozen_scopes, ', ')
FROM members_member m
LEFT JOIN members_freeze f ON f.member_id = m.id AND f.lifted_at IS NULL
WHERE (m.frozen_scopes <> '{{}}' OR f.id IS NOT NULL) AND m.status IN ('active', 'frozen')
    AND NOT (m.frozen_scopes @> coalesce(f.scopes, '{{}}') AND m.frozen_scopes <@ coalesce(f.scopes, '{{}}'))
ORDER BY m.id LIMIT {LIMIT}
"""  # noqa: S608 - a number of our own
LEFT_BEHIND = f"""
SELECT m.id, 'none', count(*)::text FROM members_member m JOIN members_identity i ON i.member_id = m.id
WHERE m.status IN ('merged', 'erased') GROUP BY m.id ORDER BY m.id LIMIT {LIMIT}
"""  # noqa: S608 - a number of our own


def phones() -> Iterator[Mismatch]:
    """The phone of every member is one that the hub verified of them."""
    return _compared(PHONES, "phone")


def freezes() -> Iterator[Mismatch]:
    """What a member is frozen for is what the open freeze of two people says."""
    return _compared(FREEZES, "frozen_scopes")


def left_behind() -> Iterator[Mismatch]:
    """Nobody comes in by an identity of somebody who was absorbed or erased."""
    return _compared(LEFT_BEHIND, "identities")


def _compared(sql: str, field: str) -> Iterator[Mismatch]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        for member, expected, found in cursor:
            yield Mismatch(f"member/{member}", field, expected, found)
