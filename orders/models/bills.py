"""What a provider says of a merchant's day: its bill, kept as it came, for reconciliation."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from sync.ids import uuid7


class Bill(models.Model):
    """WeChat Pay's trade bill of one merchant and one day of Shanghai. Totals are its own last line.

    Fees have five decimals of a yuan: they are kept in thousandths of a fen.
    """

    class State(models.TextChoices):
        WAITING = "waiting", _("Not there yet")
        KEPT = "kept", _("Kept")
        ABSENT = "absent", _("No trades that day")
        WRONG = "wrong", _("Does not add up")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    merchant = models.ForeignKey("orders.Merchant", models.PROTECT, related_name="bills", verbose_name=_("merchant"))
    billed_on = models.DateField(_("day"))
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.WAITING)
    digest = models.CharField(_("digest"), max_length=64, blank=True)
    trades = models.PositiveIntegerField(_("trades"), default=0)
    settled_fen = models.BigIntegerField(_("to be settled (fen)"), default=0)
    refunded_fen = models.BigIntegerField(_("refunded (fen)"), default=0)
    fee_millifen = models.BigIntegerField(_("fees (1/1000 fen)"), default=0)
    ordered_fen = models.BigIntegerField(_("ordered (fen)"), default=0)
    problem = models.CharField(_("what is wrong"), max_length=200, blank=True)
    tries = models.PositiveSmallIntegerField(_("times asked for"), default=0)
    next_at = models.DateTimeField(_("next try"), null=True, db_default=Now())
    kept_at = models.DateTimeField(_("kept"), null=True, blank=True)

    class Meta:
        verbose_name, verbose_name_plural = _("trade bill"), _("trade bills")
        constraints = [
            models.UniqueConstraint(fields=["merchant", "billed_on"], name="bill_once_a_day"),
            models.CheckConstraint(
                condition=Q(state="kept", kept_at__isnull=False) | (~Q(state="kept") & Q(kept_at=None)),
                name="bill_kept_at_follows_state",
            ),
        ]
        indexes = [models.Index(fields=["next_at"], condition=Q(next_at__isnull=False), name="bill_due")]

    def __str__(self):
        return f"{self.merchant_id} {self.billed_on}"


class BillLine(models.Model):
    """One trade or refund of a bill. Of the payer nothing is kept."""

    bill = models.ForeignKey(Bill, models.CASCADE, related_name="lines", verbose_name=_("trade bill"))
    position = models.PositiveIntegerField(_("position"))
    traded_at = models.DateTimeField(_("time"))
    app_id = models.CharField(max_length=64, blank=True)
    transaction_id = models.CharField(_("provider's number"), max_length=64)
    out_trade_no = models.CharField(_("our number there"), max_length=64)
    trade_type = models.CharField(_("kind"), max_length=32, blank=True)
    trade_state = models.CharField(_("state"), max_length=32)
    currency = models.CharField(_("currency"), max_length=16)
    settled_fen = models.BigIntegerField(_("to be settled (fen)"))
    ordered_fen = models.BigIntegerField(_("ordered (fen)"))
    coupon_fen = models.BigIntegerField(_("coupons (fen)"), default=0)
    refund_id = models.CharField(_("provider's number of the refund"), max_length=64, blank=True)
    out_refund_no = models.CharField(_("our number of the refund"), max_length=64, blank=True)
    refunded_fen = models.BigIntegerField(_("refunded (fen)"), default=0)
    refund_coupon_fen = models.BigIntegerField(_("coupons refunded (fen)"), default=0)
    refund_asked_fen = models.BigIntegerField(_("refund asked for (fen)"), default=0)
    refund_type = models.CharField(_("way of the refund"), max_length=32, blank=True)
    refund_state = models.CharField(_("state of the refund"), max_length=32, blank=True)
    fee_millifen = models.BigIntegerField(_("fee (1/1000 fen)"), default=0)
    rate = models.CharField(_("rate"), max_length=16, blank=True)

    class Meta:
        verbose_name, verbose_name_plural = _("bill line"), _("bill lines")
        constraints = [models.UniqueConstraint(fields=["bill", "position"], name="bill_line_once")]
        indexes = [
            models.Index(fields=["transaction_id"], name="bill_line_trade"),
            models.Index(fields=["out_refund_no"], condition=~Q(out_refund_no=""), name="bill_line_refund"),
        ]

    def __str__(self):
        return f"{self.transaction_id} {self.trade_state}"
