"""Money that goes back, whole or by line, and what was asked for before."""

from functools import partial

import pgtrigger
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from sync import ids
from sync.secret import EncryptedField

# Its state only moves forward; what it is about never changes.
SETTLED = """
    IF array_position(ARRAY['requested', 'processing', 'done', 'failed'], NEW.state::text)
            < array_position(ARRAY['requested', 'processing', 'done', 'failed'], OLD.state::text)
        OR (OLD.state = 'done' AND NEW.state <> 'done')
        OR (OLD.state <> 'requested' AND (OLD.amount_fen, OLD.shipping_fen, OLD.payment_id, OLD.provider)
            IS DISTINCT FROM (NEW.amount_fen, NEW.shipping_fen, NEW.payment_id, NEW.provider))
        OR (OLD.order_id, OLD.case_id) IS DISTINCT FROM (NEW.order_id, NEW.case_id)
    THEN
        RAISE EXCEPTION 'refund %: a state only moves forward', OLD.number USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
"""


class Refund(models.Model):
    """Money to give back: of an order by lines, or all of a payment case that never became the order's.

    `requested` waits for a person or the channel; `processing` is with the provider and has its amount reserved on
    the order; `done` and `failed` are final.
    """

    class State(models.TextChoices):
        REQUESTED = "requested", _("Requested")
        PROCESSING = "processing", _("In progress")
        DONE = "done", _("Refunded")
        FAILED = "failed", _("Not refunded")

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    number = models.CharField(_("number"), max_length=20, unique=True, default=partial(ids.number, "R"), editable=False)
    order = models.ForeignKey(
        "orders.Order", models.PROTECT, null=True, related_name="refunds", verbose_name=_("order")
    )
    case = models.ForeignKey(
        "orders.PaymentCase", models.PROTECT, null=True, related_name="refunds", verbose_name=_("payment case")
    )
    payment = models.ForeignKey(
        "orders.Payment", models.PROTECT, null=True, related_name="refunds", verbose_name=_("payment")
    )
    merchant = models.ForeignKey(
        "orders.Merchant", models.PROTECT, null=True, related_name="+", verbose_name=_("merchant")
    )
    channel = models.ForeignKey("sync.Channel", models.PROTECT, null=True, related_name="+", verbose_name=_("channel"))
    external_id = models.CharField(_("channel's number"), max_length=64, blank=True)
    request_digest = models.BinaryField(null=True, editable=False)
    state = models.CharField(_("state"), max_length=12, choices=State)
    shipping_fen = models.BigIntegerField(_("of it shipping (fen)"), default=0)
    amount_fen = models.BigIntegerField(_("amount (fen)"))
    reason = EncryptedField(null=True, blank=True)
    provider = models.CharField(_("provider"), max_length=20, blank=True)
    transaction_id = models.CharField(_("provider's number"), max_length=64, blank=True)
    points_reversed = models.BigIntegerField(_("points taken back"), default=0)
    points_returned = models.BigIntegerField(_("used points given back"), default=0)
    deducted_fen = models.BigIntegerField(_("kept for spent points (fen)"), default=0)
    problem = models.CharField(_("what is wrong"), max_length=80, blank=True)
    asked_by = models.CharField(_("asked by"), max_length=80)
    decided_by = models.CharField(_("decided by"), max_length=80, blank=True)
    asks = models.PositiveSmallIntegerField(_("times asked about"), default=0, editable=False)
    next_at = models.DateTimeField(_("next asked about"), null=True, editable=False)
    created_at = models.DateTimeField(_("opened"), db_default=Now())
    refunded_at = models.DateTimeField(_("refunded at"), null=True, blank=True)

    class Meta:
        verbose_name, verbose_name_plural = _("refund"), _("refunds")
        constraints = [
            models.CheckConstraint(
                condition=Q(state="done", refunded_at__isnull=False) | (~Q(state="done") & Q(refunded_at=None)),
                name="refund_refunded_at_follows_state",
            ),
            models.CheckConstraint(
                condition=Q(amount_fen__gte=0, shipping_fen__gte=0, deducted_fen__gte=0)
                & Q(points_reversed__gte=0, points_returned__gte=0),
                name="refund_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(order__isnull=False, case=None) | Q(case__isnull=False), name="refund_is_of_something"
            ),
            models.UniqueConstraint(
                fields=["channel", "external_id"], condition=~Q(external_id=""), name="refund_external_id_once"
            ),
            models.UniqueConstraint(
                fields=["provider", "transaction_id"], condition=~Q(transaction_id=""), name="refund_counted_once"
            ),
            models.UniqueConstraint(
                fields=["case"], condition=~Q(state="failed") & Q(case__isnull=False), name="refund_once_per_case"
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_at"], condition=Q(state="processing", next_at__isnull=False), name="refund_asks"
            ),
            models.Index(fields=["created_at"], condition=Q(state="requested"), name="refund_waiting"),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="states_only_forward", when=pgtrigger.Before, operation=pgtrigger.Update, func=SETTLED
            ),
            pgtrigger.Protect(
                name="never_forgotten", operation=pgtrigger.Delete, condition=~pgtrigger.Q(old__state="failed")
            ),
        ]

    def __str__(self):
        return self.number


class RefundLine(models.Model):
    """What of one order line goes back; quantity 0 gives money for goods that stay."""

    refund = models.ForeignKey(Refund, models.CASCADE, related_name="lines", verbose_name=_("refund"))
    line = models.ForeignKey("orders.Line", models.PROTECT, related_name="refunds", verbose_name=_("order line"))
    quantity = models.PositiveIntegerField(_("quantity"))
    amount_fen = models.BigIntegerField(_("amount (fen)"))

    class Meta:
        verbose_name, verbose_name_plural = _("refund line"), _("refund lines")
        constraints = [
            models.UniqueConstraint(fields=["refund", "line"], name="refund_line_once"),
            models.CheckConstraint(condition=Q(amount_fen__gte=0), name="refund_line_not_negative"),
        ]

    def __str__(self):
        return f"{self.line_id} × {self.quantity}"
