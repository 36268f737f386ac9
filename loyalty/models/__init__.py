from loyalty.models.ledger import Account, Draw, Entry, Hold, Lot
from loyalty.models.programme import Benefit, Programme, Tier, TierChange
from loyalty.models.purchases import Bonus, Purchase, PurchaseLine
from loyalty.models.rules import EarnBoost, EarnRule

__all__ = [
    "Account",
    "Benefit",
    "Bonus",
    "Draw",
    "EarnBoost",
    "EarnRule",
    "Entry",
    "Hold",
    "Lot",
    "Programme",
    "Purchase",
    "PurchaseLine",
    "Tier",
    "TierChange",
]
