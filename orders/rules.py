"""What an order adds up to and what it is called: pure, no database."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db import models
from django.utils.translation import gettext_lazy as _

WECHAT_PAY = "wechat_pay"  # the provider that the hub calls, and verifies, itself
MAX_TOTAL_FEN = 10**12  # ten billion yuan


class AmountMismatch(Exception):
    """The amounts of an order do not add up; `total_fen` is what they add up to."""

    def __init__(self, total_fen: int):
        super().__init__(_("The amounts do not add up"))
        self.total_fen = total_fen


class Status(models.TextChoices):
    """What people call the state of an order; derived from the three states that are kept."""

    PENDING_PAYMENT = "pending_payment", _("Awaiting payment")
    PAID = "paid", _("To be shipped")
    PARTIALLY_SHIPPED = "partially_shipped", _("Partly shipped")
    SHIPPED = "shipped", _("Awaiting receipt")
    DELIVERED = "delivered", _("Signed for")
    COMPLETED = "completed", _("Completed")
    CANCELLED = "cancelled", _("Closed")
    REFUNDING = "refunding", _("Refund in progress")
    PARTIALLY_REFUNDED = "partially_refunded", _("Partly refunded")
    REFUNDED = "refunded", _("Refunded")


BY_REFUND = {"full": Status.REFUNDED, "partial": Status.PARTIALLY_REFUNDED}
BY_FULFILMENT = {
    "none": Status.PAID,
    "partial": Status.PARTIALLY_SHIPPED,
    "shipped": Status.SHIPPED,
    "delivered": Status.DELIVERED,
    "completed": Status.COMPLETED,
}


def status(payment: str, fulfilment: str, refund: str, *, is_refunding: bool = False) -> Status:
    """The one word for three states: closing wins, then what happens to the money, then where the goods are."""
    if payment == "closed":
        return Status.CANCELLED
    if payment == "unpaid":
        return Status.PENDING_PAYMENT
    if is_refunding:
        return Status.REFUNDING
    return BY_REFUND.get(refund) or BY_FULFILMENT[fulfilment]


@dataclass(frozen=True)
class Sums:
    """The amounts of an order, all in fen."""

    items_fen: int
    shipping_fen: int
    discount_fen: int
    points_discount_fen: int

    @property
    def owed_fen(self) -> int:
        """Before points."""
        return self.items_fen + self.shipping_fen - self.discount_fen

    @property
    def total_fen(self) -> int:
        return self.owed_fen - self.points_discount_fen


def sums(
    items: Iterable[dict],
    shipping_fen: int = 0,
    discounts: Iterable[dict] = (),
    *,
    points: int = 0,
    fen_per_point: int = 1,
    claimed_fen: int | None = None,
) -> Sums:
    """What items (`quantity`, `unit_price_fen`), shipping and discounts (`amount_fen`) less points add up to.

    Raises AmountMismatch when that is below zero, beyond MAX_TOTAL_FEN, or not what the caller claims.
    """
    items_fen = sum(item["quantity"] * item["unit_price_fen"] for item in items)
    discount_fen = sum(discount["amount_fen"] for discount in discounts)
    owed_fen = items_fen + shipping_fen - discount_fen
    found = Sums(items_fen, shipping_fen, discount_fen, points_discount(points, owed_fen, fen_per_point=fen_per_point))
    fits = found.total_fen >= 0 and items_fen <= MAX_TOTAL_FEN
    if not fits or claimed_fen not in {None, found.total_fen}:
        raise AmountMismatch(found.total_fen)
    return found


def points_discount(points: int, owed_fen: int, *, fen_per_point: int = 1) -> int:
    """What points take off a sum, in fen: never more than the sum itself."""
    return max(0, min(points * fen_per_point, owed_fen))


def most_points(owed_fen: int, percent: int, fen_per_point: int) -> int:
    """How many points may pay towards a sum, when they may pay so much of it."""
    return max(0, owed_fen) * percent // 100 // fen_per_point
