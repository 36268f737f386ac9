"""Parcels: who carries them, what is in them, where they are."""

import pghistory
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from sync.ids import uuid7
from sync.secret import EncryptedField


@pghistory.track()
class Carrier(models.Model):
    """Who carries goods. `code` is 快递100's; `aliases` are what channels call it."""

    class Kind(models.TextChoices):
        EXPRESS = "express", _("Courier")
        LOCAL = "local", _("City delivery")
        VIRTUAL = "virtual", _("Nothing to carry")
        PICKUP = "pickup", _("Collected by the buyer")

    code = models.SlugField(_("code"), max_length=40, primary_key=True)
    name = models.CharField(_("name"), max_length=80)
    name_en = models.CharField(_("name in English"), max_length=80, blank=True)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind, default=Kind.EXPRESS)
    wechat_code = models.CharField(_("WeChat's code"), max_length=40, blank=True)
    aliases = models.JSONField(_("other names"), default=list, blank=True)
    needs_phone = models.BooleanField(_("tells only with the phone's last four digits"), default=False)
    is_active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name, verbose_name_plural = _("carrier"), _("carriers")
        ordering = ["code"]

    def __str__(self):
        return self.name


@pghistory.track(fields=["carrier", "tracking_number", "state", "withdrawn_at"])
class Shipment(models.Model):
    """One parcel. `carrier` is as it was told, `carried_by` who that is, if we know it.

    `tracking` is a JSON list, newest first, of {at, text, state, place}: what the carrier told last, always replaced
    as a whole. A parcel entered by mistake is withdrawn, never deleted.
    """

    class State(models.TextChoices):
        SHIPPED = "shipped", _("Shipped")
        COLLECTED = "collected", _("Collected by the carrier")
        IN_TRANSIT = "in_transit", pgettext_lazy("parcel", "On its way")
        CUSTOMS = "customs", _("At customs")
        OUT_FOR_DELIVERY = "out_for_delivery", _("Out for delivery")
        PROBLEM = "problem", pgettext_lazy("parcel", "Problem")
        RETURNING = "returning", _("On its way back")
        RETURNED = "returned", pgettext_lazy("parcel", "Returned")
        REFUSED = "refused", pgettext_lazy("parcel", "Refused")
        DELIVERED = "delivered", _("Signed for")

    class Watch(models.TextChoices):
        NONE = "none", _("Not followed")
        WANTED = "wanted", _("To be followed")
        FOLLOWED = "followed", _("Followed")
        REFUSED = "refused", _("Not accepted")
        OVER = "over", _("Over")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    order = models.ForeignKey("orders.Order", models.PROTECT, related_name="shipments", verbose_name=_("order"))
    carrier = models.CharField(_("carrier"), max_length=40)
    carried_by = models.ForeignKey(
        Carrier, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("carrier known as")
    )
    tracking_number = models.CharField(_("waybill"), max_length=64, blank=True)
    state = models.CharField(_("state"), max_length=20, choices=State, default=State.SHIPPED)
    tracking = EncryptedField(null=True, editable=False)
    told_at = models.DateTimeField(_("carrier told last"), null=True, blank=True, editable=False)
    watch = models.CharField(_("tracking"), max_length=10, choices=Watch, default=Watch.NONE)
    watch_problem = models.CharField(_("what is wrong"), max_length=80, blank=True)
    watch_tries = models.PositiveSmallIntegerField(default=0, editable=False)
    watch_at = models.DateTimeField(_("next subscribed or asked about"), null=True, editable=False)
    callback = models.BinaryField(null=True, unique=True, editable=False)  # digest of the token in the callback's path
    shipped_at = models.DateTimeField(_("shipped"))
    delivered_at = models.DateTimeField(_("signed for"), null=True, blank=True)
    withdrawn_at = models.DateTimeField(_("withdrawn"), null=True, blank=True)
    created_at = models.DateTimeField(_("entered"), db_default=Now())
    version = models.PositiveIntegerField(_("version"), default=1)

    class Meta:
        verbose_name, verbose_name_plural = _("parcel"), _("parcels")
        constraints = [
            models.CheckConstraint(
                condition=~Q(state="delivered") | Q(delivered_at__isnull=False),
                name="shipment_delivered_at_follows_state",
            ),
        ]
        indexes = [
            models.Index(fields=["tracking_number"], condition=~Q(tracking_number=""), name="shipment_waybill"),
            models.Index(fields=["watch_at"], condition=Q(watch_at__isnull=False), name="shipment_watch"),
        ]

    def __str__(self):
        return f"{self.carrier} {self.tracking_number}"


class ShipmentLine(models.Model):
    """How much of a line is in a parcel."""

    shipment = models.ForeignKey(
        Shipment, models.CASCADE, related_name="lines", db_index=False, verbose_name=_("parcel")
    )
    line = models.ForeignKey("orders.Line", models.PROTECT, related_name="shipments", verbose_name=_("order line"))
    quantity = models.PositiveIntegerField(_("quantity"))

    class Meta:
        verbose_name, verbose_name_plural = _("parcel line"), _("parcel lines")
        constraints = [
            models.UniqueConstraint(fields=["shipment", "line"], name="shipment_line_once"),
            models.CheckConstraint(condition=Q(quantity__gte=1), name="shipment_line_holds_something"),
        ]

    def __str__(self):
        return f"{self.line_id} × {self.quantity}"
