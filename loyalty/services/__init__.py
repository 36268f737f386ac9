"""Acts on points. Each locks the member, posts, and tells what is new."""

from loyalty.ledger import NotEnough, ReferenceConflict
from loyalty.services.posting import (
    HUB,
    ISSUED,
    REDEEMED,
    Frozen,
    NotPresent,
    book,
    earn,
    reverse,
    spend,
)
from loyalty.services.purchasing import earn_for_payment

__all__ = [
    "HUB",
    "ISSUED",
    "REDEEMED",
    "Frozen",
    "NotEnough",
    "NotPresent",
    "ReferenceConflict",
    "book",
    "earn",
    "earn_for_payment",
    "reverse",
    "spend",
]
