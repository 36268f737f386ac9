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

# Each state has ranks and only rises; closed money may still turn up (`paid`). The one way back is a parcel withdrawn
# before it arrived: then the state has to be what the other parcels say.
ONLY_FORWARD = """
    IF array_position(ARRAY['unpaid', 'closed', 'paid'], NEW.payment_status::text)
            < array_position(ARRAY['unpaid', 'closed', 'paid'], OLD.payment_status::text)
        OR array_position(ARRAY['none', 'partial', 'full'], NEW.refund_status::text)
            < array_position(ARRAY['none', 'partial', 'full'], OLD.refund_status::text)
        OR NEW.refunded_fen < OLD.refunded_fen
        OR (OLD.payment_status = 'paid' AND NEW.paid_fen <> OLD.paid_fen)
    THEN
        RAISE EXCEPTION 'order %: a state only moves forward', OLD.number USING ERRCODE = 'check_violation';
    END IF;
    IF array_position(goods, NEW.fulfilment_status::text) < array_position(goods, OLD.fulfilment_status::text) THEN
        SELECT coalesce(sum(l.quantity), 0) INTO live FROM orders_shipmentline l
        JOIN orders_shipment s ON s.id = l.shipment_id WHERE s.order_id = NEW.id AND s.withdrawn_at IS NULL;
        IF OLD.fulfilment_status NOT IN ('partial', 'shipped')
            OR NOT EXISTS (SELECT FROM orders_shipment s WHERE s.order_id = NEW.id AND s.withdrawn_at IS NOT NULL)
            OR NEW.fulfilment_status <> (CASE WHEN live = 0 THEN 'none' ELSE 'partial' END)
            OR live >= (SELECT sum(quantity) FROM orders_line WHERE order_id = NEW.id)
        THEN
            RAISE EXCEPTION 'order %: a state only moves forward', OLD.number USING ERRCODE = 'check_violation';
        END IF;
    END IF;
    RETURN NEW;
"""
GOODS = "ARRAY['none', 'partial', 'shipped', 'delivered', 'completed']"


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
    channel = models.ForeignKey(
        "sync.Channel", models.PROTECT, related_name="orders", db_index=False, verbose_name=_("channel")
    )
    external_id = models.CharField(_("channel's number"), max_length=64)
    member = models.ForeignKey(
        "members.Member",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="orders",
        db_index=False,
        verbose_name=_("member"),
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
    hold = models.ForeignKey(  # without an index: holds are never deleted, and no order is looked for by its own
        "loyalty.Hold",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        verbose_name=_("points set aside"),
    )
    open_refunds = models.PositiveSmallIntegerField(_("open refunds"), default=0, db_default=0)
    refunding_fen = models.BigIntegerField(_("being refunded (fen)"), default=0, db_default=0)
    is_history = models.BooleanField(_("taken over from before"), default=False)
    is_by_phone = models.BooleanField(_("buyer named by a phone"), default=False, db_default=False)
    placed_at = models.DateTimeField(_("placed"))
    paid_at = models.DateTimeField(_("paid at"), null=True, blank=True)
    shipped_at = models.DateTimeField(_("shipped at"), null=True, blank=True)
    delivered_at = models.DateTimeField(_("signed for at"), null=True, blank=True)
    completed_at = models.DateTimeField(_("completed at"), null=True, blank=True)
    closed_at = models.DateTimeField(_("closed at"), null=True, blank=True)
    closes_at = models.DateTimeField(_("closes unless paid by"), null=True, blank=True)
    completes_at = models.DateTimeField(_("completes by itself at"), null=True, blank=True)
    written_at = models.JSONField(default=dict, editable=False)  # per group of fields: when its source wrote it last
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
                condition=Q(payment_status__in=["unpaid", "closed", "paid"])
                & Q(refund_status__in=["none", "partial", "full"]),
                name="order_states_are_known",
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
                condition=Q(refunded_fen__gte=0, refunding_fen__gte=0)
                & Q(refunded_fen__lte=F("paid_fen") - F("refunding_fen")),
                name="order_refunded_within_paid",
            ),
            models.CheckConstraint(
                condition=Q(payment_status="closed", closed_at__isnull=False) | ~Q(payment_status="closed"),
                name="order_closed_at_follows_status",
            ),
            models.CheckConstraint(
                condition=Q(fulfilment_status__in=["none", "partial"], shipped_at=None, delivered_at=None)
                | Q(fulfilment_status="shipped", shipped_at__isnull=False, delivered_at=None)
                | Q(fulfilment_status="delivered", delivered_at__isnull=False)
                | Q(fulfilment_status="completed"),
                name="order_goods_times_follow_status",
            ),
            models.CheckConstraint(
                condition=Q(fulfilment_status="completed", completed_at__isnull=False)
                | (~Q(fulfilment_status="completed") & Q(completed_at=None)),
                name="order_completed_at_follows_status",
            ),
            models.CheckConstraint(
                condition=Q(refund_status="full") | ~Q(refunded_fen__gt=0, refunded_fen=F("paid_fen")),
                name="order_refunded_in_full",
            ),
            models.CheckConstraint(
                condition=~Q(refund_status="none") | Q(refunded_fen=0), name="order_refund_has_a_status"
            ),
            models.CheckConstraint(
                condition=Q(points_redeemed__gte=0, points_discount_fen__gte=0), name="order_points_not_negative"
            ),
        ]
        indexes = [
            models.Index(fields=["member", "-placed_at", "-id"], name="order_of_member"),
            models.Index(fields=["channel", "updated_at", "id"], name="order_changed"),
            models.Index(fields=["updated_at", "id"], name="order_changed_anywhere"),  # of a whole sharing group
            models.Index(fields=["-placed_at", "-id"], name="order_newest"),
            models.Index(
                fields=["closes_at"], condition=Q(payment_status="unpaid", closes_at__isnull=False), name="order_closes"
            ),
            models.Index(
                fields=["completes_at"],
                condition=Q(fulfilment_status__in=["shipped", "delivered"], completes_at__isnull=False),
                name="order_completes",
            ),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="states_only_forward",
                when=pgtrigger.Before,
                operation=pgtrigger.Update,
                declare=[("goods", f"text[] := {GOODS}"), ("live", "bigint")],
                func=ONLY_FORWARD,
            )
        ]
        permissions = [
            ("enter_order", "Can enter orders by hand"),
            ("cancel_order", "Can cancel orders"),
            ("reassign_order", "Can give an order to another member"),
            ("edit_recipient", "Can change where an order goes"),
            ("ship_order", "Can ship orders and correct waybills"),
            ("mark_paid", "Can mark an order as paid offline"),
            ("refund_order", "Can refund orders and decide refund requests"),
            ("decide_payment_case", "Can decide payment cases"),
            ("reveal_recipient", "Can reveal recipients"),
            ("read_provider_messages", "Can read what providers sent"),
        ]

    def __str__(self):
        return self.number


class Line(models.Model):
    """One article of an order."""

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    order = models.ForeignKey(Order, models.CASCADE, related_name="lines", db_index=False, verbose_name=_("order"))
    position = models.PositiveSmallIntegerField(_("position"))
    external_line_id = models.CharField(_("channel's number"), max_length=64, blank=True)
    sku = models.CharField(_("SKU"), max_length=64)
    name = models.CharField(_("name"), max_length=200)
    quantity = models.PositiveIntegerField(_("quantity"))
    unit_price_fen = models.BigIntegerField(_("unit price (fen)"))
    image_url = models.CharField(_("image"), max_length=300, blank=True)
    shipped_quantity = models.PositiveIntegerField(_("shipped"), default=0, db_default=0)
    refunded_quantity = models.PositiveIntegerField(_("refunded"), default=0)

    class Meta:
        verbose_name, verbose_name_plural = _("order line"), _("order lines")
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["order", "position"], name="line_position_once"),
            models.CheckConstraint(condition=Q(quantity__gte=1, unit_price_fen__gte=0), name="line_counts_something"),
            models.CheckConstraint(condition=Q(refunded_quantity__lte=F("quantity")), name="line_refunded_within"),
            models.CheckConstraint(condition=Q(shipped_quantity__lte=F("quantity")), name="line_shipped_within"),
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
    """Somebody was shown in clear where an order goes, or what a provider sent about it; staff say why."""

    class What(models.TextChoices):
        RECIPIENT = "recipient", _("Recipient")
        MESSAGE = "message", _("Provider's message")

    what = models.CharField(_("what"), max_length=10, choices=What, default=What.RECIPIENT, db_default=What.RECIPIENT)
    reason = models.CharField(_("reason"), max_length=200, blank=True, default="", db_default="")
    order = models.ForeignKey(Order, models.CASCADE, related_name="disclosures", verbose_name=_("order"))
    actor = models.CharField(_("to"), max_length=80)
    correlation_id = models.CharField(_("request"), max_length=128, blank=True)
    at = models.DateTimeField(_("at"), db_default=Now())

    class Meta:
        verbose_name, verbose_name_plural = _("recipient shown"), _("recipients shown")
        triggers = [pgtrigger.Protect(name="never_changed", operation=pgtrigger.Update)]

    def __str__(self):
        return f"{self.order_id} {self.actor}"
