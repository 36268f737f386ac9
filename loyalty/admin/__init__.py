"""Points as staff see them: accounts, entries, lots and holds are looked at, terms are changed."""

from loyalty.admin import (
    accounts,
    adjusting,
    adjusting_files,
    entries,
    holds,
    lots,
    programme,
    purchases,
    releasing,
    rules,
    tier_changes,
)

__all__ = [
    "accounts",
    "adjusting",
    "adjusting_files",
    "entries",
    "holds",
    "lots",
    "programme",
    "purchases",
    "releasing",
    "rules",
    "tier_changes",
]
