"""Acts on orders and their money."""

from orders.rules import AmountMismatch
from orders.services.disclosing import disclose
from orders.services.opening import InProgress, Occupied, WrongState, attach_prepay, close_payment, open_payment
from orders.services.paying import TransactionKnown, mark_paid, open_case, take_payment
from orders.services.placing import BuyerFrozen, ExternalIdConflict, digest_of, place

__all__ = [
    "AmountMismatch",
    "BuyerFrozen",
    "ExternalIdConflict",
    "InProgress",
    "Occupied",
    "TransactionKnown",
    "WrongState",
    "attach_prepay",
    "close_payment",
    "digest_of",
    "disclose",
    "mark_paid",
    "open_case",
    "open_payment",
    "place",
    "take_payment",
]
