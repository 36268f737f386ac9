"""Acts on points. Each locks the member, posts, and tells what is new."""

from loyalty.ledger import ISSUED, REDEEMED, NotEnough, OverReversed, ReferenceConflict
from loyalty.services.holding import (
    HoldClosed,
    HoldExpired,
    MoreThanHeld,
    capture,
    hold,
    let_go,
    redeem,
    release,
    spent_of,
)
from loyalty.services.moving_purchases import take_back_purchase
from loyalty.services.posting import HUB, Frozen, NotPresent, book, earn, reverse, spend
from loyalty.services.purchasing import earn_for_purchase
from loyalty.services.refunding import OverRefunded, Reversed, refund_purchase, return_redeemed
from loyalty.services.settling import NotWaiting, let_through, settle, settle_due, turn_down

__all__ = [
    "HUB",
    "ISSUED",
    "REDEEMED",
    "Frozen",
    "HoldClosed",
    "HoldExpired",
    "MoreThanHeld",
    "NotEnough",
    "NotPresent",
    "NotWaiting",
    "OverRefunded",
    "OverReversed",
    "ReferenceConflict",
    "Reversed",
    "book",
    "capture",
    "earn",
    "earn_for_purchase",
    "hold",
    "let_go",
    "let_through",
    "redeem",
    "refund_purchase",
    "release",
    "return_redeemed",
    "reverse",
    "settle",
    "settle_due",
    "spend",
    "spent_of",
    "take_back_purchase",
    "turn_down",
]
