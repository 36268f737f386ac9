"""The order book: orders of every channel in one vocabulary."""

import json
from functools import partial

import pghistory
import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from sync import ids
from sync.indexing import BlindIndex
from sync.secret import EncryptedField


@pghistory.track(fields=["payment_status", "fulfilment_status", "refund_status", "member", "version"])
class Order(models.Model):
    """One order. Three independent states that only move forward; `status` is derived from them."""

    class PaymentStatus(models.TextChoices):
        UNPAID = "unpaid", _("Unpaid")
        CLOSED = "closed", _("Closed")
        PAID = "paid", _("Paid")

    class FulfilmentStatus(models.TextChoices):
        NONE = "none", _("Not shipped")
        PARTIAL = "partial", _("Partly shipped")
        SHIPPED = "shipped", _("Shipped")
        DELIVERED = "delivered", _("Signed for")
        COMPLETED = "completed", _("Completed")

    class RefundStatus(models.TextChoices):
        NONE = "none", _("No refund")
        PARTIAL = "partial", _("Partly refunded")
        FULL = "full", _("Refunded")

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    number = models.CharField(_("number"), max_length=20, unique=True, default=partial(ids.number, "D"), editable=False)
    channel = models.ForeignKey("sync.Channel", models.PROTECT, related_name="orders", verbose_name=_("channel"))
    external_id = models.CharField(_("channel's number"), max_length=64)
    member = models.ForeignKey(
        "members.Member", models.PROTECT, null=True, blank=True, related_name="orders", verbose_name=_("member")
    )
    request_digest = models.BinaryField(editable=False)
    payment_status = models.CharField(_("payment"), max_length=10, choices=PaymentStatus, default=PaymentStatus.UNPAID)
    fulfilment_status = models.CharField(
        _("fulfilment"), max_length=10, choices=FulfilmentStatus, default=FulfilmentStatus.NONE
    )
    refund_status = models.CharField(_("refund"), max_length=10, choices=RefundStatus, default=RefundStatus.NONE)
    items_fen = models.BigIntegerField(_("items (fen)"))
    shipping_fen = models.BigIntegerField(_("shipping (fen)"), default=0)
    discounts = models.JSONField(_("discounts"), default=list)
    discount_fen = models.BigIntegerField(_("discount (fen)"), default=0)
    points_redeemed = models.BigIntegerField(_("points used"), default=0)
    points_discount_fen = models.BigIntegerField(_("discount by points (fen)"), default=0)
    total_fen = models.BigIntegerField(_("total (fen)"))
    paid_fen = models.BigIntegerField(_("paid (fen)"), default=0)
    refunded_fen = models.BigIntegerField(_("refunded (fen)"), default=0)
    points_earned = models.BigIntegerField(_("points earned"), default=0)
    buyer_note = EncryptedField(null=True, blank=True)
    is_history = models.BooleanField(_("taken over from before"), default=False)
    is_by_phone = models.BooleanField(_("buyer named by a phone"), default=False, db_default=False)
    placed_at = models.DateTimeField(_("placed"))
    paid_at = models.DateTimeField(_("paid at"), null=True, blank=True)
    completed_at = models.DateTimeField(_("completed at"), null=True, blank=True)
    created_at = models.DateTimeField(_("received"), db_default=Now())
    updated_at = models.DateTimeField(_("changed"), db_default=Now())
    version = models.PositiveIntegerField(_("version"), default=1)

    class Meta:
        verbose_name, verbose_name_plural = _("order"), _("orders")
        constraints = [
            models.UniqueConstraint(fields=["channel", "external_id"], name="order_external_id_once"),
            models.CheckConstraint(
                condition=Q(payment_status="paid", paid_at__isnull=False)
                | (~Q(payment_status="paid") & Q(paid_at=None, paid_fen=0)),
                name="order_paid_at_follows_status",
            ),
            models.CheckConstraint(
                condition=Q(
                    total_fen=F("items_fen") + F("shipping_fen") - F("discount_fen") - F("points_discount_fen")
                ),
                name="order_sums_agree",
            ),
            models.CheckConstraint(
                condition=Q(items_fen__gte=0, shipping_fen__gte=0, discount_fen__gte=0, total_fen__gte=0),
                name="order_amounts_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(refunded_fen__gte=0, refunded_fen__lte=F("paid_fen")), name="order_refunded_within_paid"
            ),
        ]
        indexes = [
            models.Index(fields=["member", "-placed_at", "-id"], name="order_of_member"),
            models.Index(fields=["channel", "updated_at", "id"], name="order_changed"),
            models.Index(fields=["updated_at", "id"], name="order_changed_anywhere"),  # of a whole sharing group
            models.Index(fields=["-placed_at", "-id"], name="order_newest"),
        ]
        triggers = [
            pgtrigger.Protect(
                name="payment_never_undone",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__payment_status="paid") & ~pgtrigger.Q(new__payment_status="paid"),
            )
        ]
        permissions = [("cancel_order", "Can cancel orders"), ("reveal_recipient", "Can reveal recipients")]

    def __str__(self):
        return self.number


class Line(models.Model):
    """One article of an order."""

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    order = models.ForeignKey(Order, models.CASCADE, related_name="lines", verbose_name=_("order"))
    position = models.PositiveSmallIntegerField(_("position"))
    external_line_id = models.CharField(_("channel's number"), max_length=64, blank=True)
    sku = models.CharField(_("SKU"), max_length=64)
    name = models.CharField(_("name"), max_length=200)
    quantity = models.PositiveIntegerField(_("quantity"))
    unit_price_fen = models.BigIntegerField(_("unit price (fen)"))
    image_url = models.CharField(_("image"), max_length=300, blank=True)
    refunded_quantity = models.PositiveIntegerField(_("refunded"), default=0)

    class Meta:
        verbose_name, verbose_name_plural = _("order line"), _("order lines")
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["order", "position"], name="line_position_once"),
            models.CheckConstraint(condition=Q(quantity__gte=1, unit_price_fen__gte=0), name="line_counts_something"),
            models.CheckConstraint(condition=Q(refunded_quantity__lte=F("quantity")), name="line_refunded_within"),
        ]

    def __str__(self):
        return f"{self.name} × {self.quantity}"


class Recipient(models.Model):
    """Where the goods go, and a guest's contact: encrypted, apart from the order that others may see.

    `address` and `contact` are JSON: {province, city, district, street, postcode} and {phone, name}. The order is
    found by the contact's phone, else by the receiver's.
    """

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    order = models.OneToOneField(Order, models.CASCADE, related_name="recipient", verbose_name=_("order"))
    receiver = EncryptedField(null=True)
    phone = EncryptedField(null=True)
    phone_index = BlindIndex(of="to_find")
    phone_index_2 = BlindIndex(of="to_find", slot=2)
    address = EncryptedField(null=True)
    contact = EncryptedField(null=True)

    class Meta:
        verbose_name, verbose_name_plural = _("recipient"), _("recipients")
        indexes = [
            models.Index(fields=["phone_index"], name="recipient_phone"),
            models.Index(fields=["phone_index_2"], name="recipient_phone_2"),
        ]

    def __str__(self):
        return str(self.order_id)

    def to_find(self) -> tuple[str, str] | None:
        """What the blind index is made of: the contact's phone, else the receiver's."""
        phone = (json.loads(self.contact).get("phone") if self.contact else None) or self.phone
        return ("phone", phone) if phone else None


class Disclosure(models.Model):
    """Somebody was shown a recipient in clear."""

    order = models.ForeignKey(Order, models.CASCADE, related_name="disclosures", verbose_name=_("order"))
    actor = models.CharField(_("to"), max_length=80)
    correlation_id = models.CharField(_("request"), max_length=128, blank=True)
    at = models.DateTimeField(_("at"), db_default=Now())

    class Meta:
        verbose_name, verbose_name_plural = _("recipient shown"), _("recipients shown")
        triggers = [pgtrigger.Protect(name="never_changed", operation=pgtrigger.Update)]

    def __str__(self):
        return f"{self.order_id} {self.actor}"
