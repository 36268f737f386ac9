"""How orders are handled: a channel's terms, facts that came too late, and what people did by hand."""

import pghistory
import pgtrigger
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from sync.ids import uuid7


@pghistory.track()
class OrderTerms(models.Model):
    """A channel's terms for its orders; without a row these defaults hold."""

    class Misfit(models.TextChoices):
        ASK = "ask", _("A person decides")
        AUTOMATIC = "automatic", _("Do what is proposed")

    channel = models.OneToOneField(
        "sync.Channel", models.CASCADE, primary_key=True, related_name="order_terms", verbose_name=_("channel")
    )
    close_after_minutes = models.PositiveIntegerField(
        _("minutes until an unpaid order closes"),
        default=60,
        validators=[MinValueValidator(1), MaxValueValidator(23 * 60)],
        help_text=_("The provider is asked first; points set aside go back"),
    )
    complete_after_days = models.PositiveSmallIntegerField(
        _("days from signing to completion"), default=7, help_text=_("Without a word from the buyer")
    )
    complete_shipped_after_days = models.PositiveSmallIntegerField(
        _("days from shipping to completion"), default=15, help_text=_("Where no carrier tells of the signing")
    )
    misfits = models.CharField(
        _("money that does not fit"),
        max_length=10,
        choices=Misfit,
        default=Misfit.ASK,
        help_text=_("Paid after closing, twice, or a wrong amount: give it back by itself, or wait for a person"),
    )
    uploads_shipping = models.BooleanField(
        _("tell WeChat of shipping"), default=True, help_text=_("WeChat freezes the money until it knows")
    )
    falls_back_to_sms = models.BooleanField(
        _("text messages where WeChat's are not accepted"), default=False, help_text=_("Each costs money")
    )

    class Meta:
        verbose_name, verbose_name_plural = _("order terms"), _("order terms")
        constraints = [
            models.CheckConstraint(
                condition=Q(close_after_minutes__range=(1, 23 * 60)), name="order_terms_close_within_a_day"
            )
        ]

    def __str__(self):
        return str(self.channel)


class Superseded(models.Model):
    """A fact that came too late to change anything: kept so that the order's page can tell."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    order = models.ForeignKey("orders.Order", models.CASCADE, related_name="superseded", verbose_name=_("order"))
    type = models.CharField(_("type"), max_length=60)
    by = models.CharField(_("by"), max_length=80)
    reason = models.CharField(_("why"), max_length=80)
    occurred_at = models.DateTimeField(_("happened"))
    at = models.DateTimeField(_("received"), db_default=Now())

    class Meta:
        verbose_name, verbose_name_plural = _("superseded fact"), _("superseded facts")
        constraints = [
            models.UniqueConstraint(fields=["order", "type", "by", "occurred_at", "reason"], name="superseded_once")
        ]

    def __str__(self):
        return f"{self.type} {self.reason}"


class Intervention(models.Model):
    """Something a person of the staff did by hand to an order, or to money of no order, and why. Never changed."""

    class Kind(models.TextChoices):
        ENTERED = "entered", _("Entered by hand")
        REASSIGNED = "reassigned", _("Given to another member")
        ADDRESS = "address", _("Recipient changed")
        SHIPPED = "shipped", _("Shipped by hand")
        WAYBILL = "waybill", _("Waybill corrected")
        WITHDRAWN = "withdrawn", _("Parcel withdrawn")
        PAID = "paid", _("Marked as paid")
        CLOSED = "closed", _("Closed by hand")
        REFUNDED = "refunded", _("Refunded by hand")
        DECIDED = "decided", _("Request decided")
        CASE = "case", _("Payment case decided")
        CORRECTED = "corrected", _("Shipping told to WeChat anew")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    order = models.ForeignKey(
        "orders.Order", models.PROTECT, null=True, related_name="interventions", verbose_name=_("order")
    )
    case = models.ForeignKey(
        "orders.PaymentCase", models.PROTECT, null=True, related_name="interventions", verbose_name=_("payment case")
    )
    kind = models.CharField(_("kind"), max_length=12, choices=Kind)
    reason = models.CharField(_("reason"), max_length=200)
    by = models.CharField(_("by"), max_length=80)
    at = models.DateTimeField(_("at"), db_default=Now())

    class Meta:
        verbose_name, verbose_name_plural = _("manual work"), _("manual work")
        constraints = [
            models.CheckConstraint(
                condition=Q(order__isnull=False) | Q(case__isnull=False), name="intervention_is_about_something"
            )
        ]
        indexes = [models.Index(fields=["order", "at"], name="intervention_of_order")]
        triggers = [pgtrigger.Protect(name="never_changed", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self):
        return f"{self.kind} {self.order_id}"
