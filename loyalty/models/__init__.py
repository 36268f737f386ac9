from loyalty.models.adjusting import Adjustment, AdjustmentFile, AdjustmentRow, Reason
from loyalty.models.due import ExpiryNotice, WaitingLot
from loyalty.models.ledger import Account, Draw, Entry, Hold, Lot
from loyalty.models.programme import Benefit, Programme, Tier, TierChange
from loyalty.models.purchases import Bonus, Purchase, PurchaseLine, PurchaseRefund
from loyalty.models.rules import EarnBoost, EarnRule

__all__ = [
    "Account",
    "Adjustment",
    "AdjustmentFile",
    "AdjustmentRow",
    "Benefit",
    "Bonus",
    "Draw",
    "EarnBoost",
    "EarnRule",
    "Entry",
    "ExpiryNotice",
    "Hold",
    "Lot",
    "Programme",
    "Purchase",
    "PurchaseLine",
    "PurchaseRefund",
    "Reason",
    "Tier",
    "TierChange",
    "WaitingLot",
]
