"""Acts on orders and their money."""

from orders.rules import AmountMismatch
from orders.services.casing import CaseClosed, NotPossible, decide_case, open_case, settle_if_it_fits
from orders.services.closing import close
from orders.services.disclosing import disclose
from orders.services.editing import edit
from orders.services.finishing import complete, deliver
from orders.services.giving_back import NotOurs, refund_case
from orders.services.keying import KeyKnown, NotAKey, PrivateKey, add_key
from orders.services.opening import InProgress, Occupied, WrongState, attach_prepay, close_payment, open_payment
from orders.services.paying import TransactionKnown, mark_paid, take_payment
from orders.services.placing import BuyerFrozen, ExternalIdConflict, Redeeming, digest_of, place
from orders.services.redeeming import NoMember, TooManyPoints
from orders.services.refunding import (
    NotRefundable,
    OverRefunded,
    RefundConflict,
    RefundedByHub,
    approve_refund,
    decline_refund,
    refund,
    refund_told,
    request_refund,
)
from orders.services.room import UnknownLine
from orders.services.shipping import correct_shipment, let_go, ship, track, withdraw_shipment
from orders.services.superseding import supersede

__all__ = [
    "AmountMismatch",
    "BuyerFrozen",
    "CaseClosed",
    "ExternalIdConflict",
    "InProgress",
    "KeyKnown",
    "NoMember",
    "NotAKey",
    "NotOurs",
    "NotPossible",
    "NotRefundable",
    "Occupied",
    "OverRefunded",
    "PrivateKey",
    "Redeeming",
    "RefundConflict",
    "RefundedByHub",
    "TooManyPoints",
    "TransactionKnown",
    "UnknownLine",
    "WrongState",
    "add_key",
    "approve_refund",
    "attach_prepay",
    "close",
    "close_payment",
    "complete",
    "correct_shipment",
    "decide_case",
    "decline_refund",
    "deliver",
    "digest_of",
    "disclose",
    "edit",
    "let_go",
    "mark_paid",
    "open_case",
    "open_payment",
    "place",
    "refund",
    "refund_case",
    "refund_told",
    "request_refund",
    "settle_if_it_fits",
    "ship",
    "supersede",
    "take_payment",
    "track",
    "withdraw_shipment",
]
