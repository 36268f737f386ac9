"""Many parcels at once: files that staff bring, and what became of each of their lines."""

import pgtrigger
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from sync.ids import uuid7


class ShippingFile(models.Model):
    """A spreadsheet of parcels: read and judged when it is brought, run when whoever brought it says so.

    `channels` are those that whoever brought it held then: orders of others were unknown to it.
    """

    class State(models.TextChoices):
        DRAFT = "draft", _("To be looked at")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        WITHDRAWN = "withdrawn", _("Withdrawn")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(_("name"), max_length=200)
    channels = ArrayField(models.CharField(max_length=40), editable=False, verbose_name=_("channels"))
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.DRAFT)
    reason = models.CharField(_("reason"), max_length=200, blank=True)
    lines = models.PositiveIntegerField(_("lines"))
    wrong = models.PositiveIntegerField(_("wrong lines"))
    brought_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("brought by")
    )
    brought_at = models.DateTimeField(_("brought"), db_default=Now())
    started_at = models.DateTimeField(_("started"), null=True)
    finished_at = models.DateTimeField(_("finished"), null=True)

    class Meta:
        verbose_name, verbose_name_plural = _("shipping file"), _("shipping files")
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["draft", "withdrawn"], started_at=None)
                | (Q(state__in=["running", "done"], started_at__isnull=False) & ~Q(reason="")),
                name="shipping_file_runs_for_a_reason",
            ),
            models.CheckConstraint(
                condition=Q(state="done", finished_at__isnull=False) | (~Q(state="done") & Q(finished_at=None)),
                name="shipping_file_finished_at_follows_state",
            ),
        ]
        indexes = [models.Index(fields=["id"], condition=Q(state="running"), name="shipping_file_running")]
        triggers = [pgtrigger.Protect(name="never_deleted", operation=pgtrigger.Delete)]

    def __str__(self):
        return self.name


class ShippingRow(models.Model):
    """One line of a shipping file: which order, carried by whom, under which number, and what became of it.

    `items` is what goes into the parcel ([{line_id, quantity}]); null: all that is left.
    """

    class State(models.TextChoices):
        WRONG = "wrong", _("Wrong")
        WAITING = "waiting", _("In order")
        SHIPPED = "shipped", _("Shipped")
        KNOWN = "known", _("Shipped before")
        FAILED = "failed", _("Failed")

    id = models.BigAutoField(primary_key=True)
    file = models.ForeignKey(ShippingFile, models.PROTECT, related_name="rows", verbose_name=_("file"))
    line = models.PositiveIntegerField(_("line"))
    known_as = models.CharField(_("order as written"), max_length=64, blank=True)
    order = models.ForeignKey("orders.Order", models.PROTECT, null=True, related_name="+", verbose_name=_("order"))
    carrier = models.CharField(_("carrier"), max_length=40, blank=True)
    tracking_number = models.CharField(_("waybill"), max_length=64, blank=True)
    items = models.JSONField(_("items"), null=True)
    state = models.CharField(_("state"), max_length=10, choices=State)
    problem = models.CharField(_("problem"), max_length=200, blank=True)
    shipment = models.ForeignKey(
        "orders.Shipment", models.PROTECT, null=True, related_name="+", verbose_name=_("parcel")
    )

    class Meta:
        verbose_name, verbose_name_plural = _("line of a shipping file"), _("lines of shipping files")
        constraints = [
            models.UniqueConstraint(fields=["file", "line"], name="shipping_row_line_once"),
            models.CheckConstraint(
                condition=Q(state="wrong") | Q(order__isnull=False), name="shipping_row_in_order_has_an_order"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["shipped", "known"], shipment__isnull=False)
                | (~Q(state__in=["shipped", "known"]) & Q(shipment=None)),
                name="shipping_row_done_has_a_parcel",
            ),
        ]
        indexes = [models.Index(fields=["file", "line"], condition=Q(state="waiting"), name="shipping_row_to_do")]
        triggers = [
            pgtrigger.Protect(name="never_deleted", operation=pgtrigger.Delete),
            pgtrigger.Protect(
                name="done_for_good",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__state__in=["shipped", "known", "failed", "wrong"]),
            ),
        ]

    def __str__(self):
        return f"{self.file_id}:{self.line}"
