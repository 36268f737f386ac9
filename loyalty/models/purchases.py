"""What members bought, as far as points and tiers care: the basis of what was earned, and of what goes back."""

import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from loyalty.models.ledger import Account, Entry
from loyalty.models.programme import Tier
from loyalty.models.rules import EarnRule
from sync.ids import uuid7


class Purchase(models.Model):
    """A paid order: what counts towards the tier, what it earned, and how much of both was taken back by refunds."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    account = models.ForeignKey(Account, models.PROTECT, related_name="purchases", verbose_name=_("account"))
    origin = models.UUIDField(_("first account"), editable=False, help_text=_("Whose it was before members merged"))
    order_number = models.CharField(_("order"), max_length=20, unique=True)
    channel = models.ForeignKey("sync.Channel", models.PROTECT, null=True, related_name="+", verbose_name=_("channel"))
    tier = models.ForeignKey(Tier, models.PROTECT, null=True, related_name="+", verbose_name=_("tier when paid"))
    rule = models.ForeignKey(EarnRule, models.PROTECT, null=True, related_name="+", verbose_name=_("rule"))
    entry = models.OneToOneField(Entry, models.PROTECT, null=True, related_name="purchase", verbose_name=_("earning"))
    paid_fen = models.BigIntegerField(_("paid (fen)"))
    refunded_fen = models.BigIntegerField(_("refunded (fen)"), default=0)
    points = models.BigIntegerField(_("points"), default=0)
    reversed_points = models.BigIntegerField(_("points taken back"), default=0)
    growth = models.BigIntegerField(_("growth"), default=0)
    lost_growth = models.BigIntegerField(_("growth taken back"), default=0)
    paid_at = models.DateTimeField(_("paid at"))
    created_at = models.DateTimeField(_("received"), db_default=Now())

    class Meta:
        verbose_name, verbose_name_plural = _("purchase"), _("purchases")
        constraints = [
            models.CheckConstraint(
                condition=Q(refunded_fen__gte=0, refunded_fen__lte=F("paid_fen")), name="purchase_refunded_within_paid"
            ),
            models.CheckConstraint(
                condition=Q(reversed_points__gte=0, reversed_points__lte=F("points")),
                name="purchase_reversed_within_earned",
            ),
            models.CheckConstraint(
                condition=Q(lost_growth__gte=0, lost_growth__lte=F("growth")), name="purchase_growth_lost_within_gained"
            ),
        ]
        indexes = [
            models.Index(fields=["account", "paid_at"], name="purchase_of_account"),
            models.Index(fields=["paid_at"], name="purchase_newest"),
        ]

    def __str__(self):
        return self.order_number


class PurchaseLine(models.Model):
    """One line of a purchase with its share of what was paid and earned; shipping is a line without article."""

    purchase = models.ForeignKey(Purchase, models.CASCADE, related_name="lines", verbose_name=_("purchase"))
    line = models.UUIDField(_("order line"), null=True, editable=False)
    sku = models.CharField(_("SKU"), max_length=64, blank=True)
    fen = models.BigIntegerField(_("paid for it (fen)"))
    points = models.BigIntegerField(_("points"), default=0)
    refunded_fen = models.BigIntegerField(_("refunded (fen)"), default=0)
    reversed_points = models.BigIntegerField(_("points taken back"), default=0)

    class Meta:
        verbose_name, verbose_name_plural = _("purchase line"), _("purchase lines")
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["purchase", "line"], name="purchase_line_once", nulls_distinct=False),
            models.CheckConstraint(
                condition=Q(refunded_fen__gte=0, refunded_fen__lte=F("fen")), name="purchase_line_refunded_within_paid"
            ),
            models.CheckConstraint(
                condition=Q(reversed_points__gte=0, reversed_points__lte=F("points")),
                name="purchase_line_reversed_within_earned",
            ),
        ]

    def __str__(self):
        return self.sku


class PurchaseRefund(models.Model):
    """One refund as points see it: what it named, what it took back, what became of points spent already. For good."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    purchase = models.ForeignKey(Purchase, models.PROTECT, related_name="refunds", verbose_name=_("purchase"))
    reference = models.CharField(_("refund"), max_length=100, unique=True)
    fen = models.BigIntegerField(_("refunded (fen)"))
    parts = models.JSONField(_("by line"), help_text=_("Order line: fen; the shipping has no line"))
    points = models.BigIntegerField(_("points taken back"), default=0)
    growth = models.BigIntegerField(_("growth taken back"), default=0)
    owed = models.BigIntegerField(_("points owed since"), default=0)
    forgiven = models.BigIntegerField(_("points forgiven"), default=0)
    deducted_fen = models.BigIntegerField(_("taken off the refund (fen)"), default=0)
    entry = models.OneToOneField(Entry, models.PROTECT, null=True, related_name="refund", verbose_name=_("reversal"))
    at = models.DateTimeField(_("at"), db_default=Now())

    class Meta:
        verbose_name, verbose_name_plural = _("refund of a purchase"), _("refunds of purchases")
        constraints = [
            models.CheckConstraint(
                condition=Q(fen__gt=0, points__gte=0, growth__gte=0, owed__gte=0, forgiven__gte=0)
                & Q(deducted_fen__gte=0, deducted_fen__lte=F("fen")),
                name="purchase_refund_amounts_in_bounds",
            ),
            models.CheckConstraint(
                condition=Q(points=0, entry=None) | Q(points__gt=0, entry__isnull=False),
                name="purchase_refund_entry_follows_points",
            ),
        ]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self):
        return self.reference


class Bonus(models.Model):
    """A fixed bonus that a person has had. `key` is a keyed hash of one of their identities and outlives an erasure."""

    kind = models.CharField(_("kind"), max_length=20, choices=EarnRule.Kind)
    period = models.CharField(_("period"), max_length=40, blank=True, help_text=_("A year, a channel; empty: for life"))
    key = models.BinaryField(editable=False)
    account = models.ForeignKey(Account, models.PROTECT, null=True, related_name="bonuses", verbose_name=_("account"))
    entry = models.ForeignKey(Entry, models.PROTECT, null=True, related_name="+", verbose_name=_("entry"))
    growth = models.BigIntegerField(_("growth"), default=0)
    at = models.DateTimeField(_("at"), db_default=Now())

    class Meta:
        verbose_name, verbose_name_plural = _("bonus"), _("bonuses")
        constraints = [models.UniqueConstraint(fields=["kind", "period", "key"], name="bonus_once_per_person")]

    def __str__(self):
        return f"{self.kind} {self.period}"
