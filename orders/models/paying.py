"""Money: merchants, payments, and what does not fit and needs a person."""

import pghistory
import pgtrigger
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from sync.ids import uuid7
from sync.secret import EncryptedField


@pghistory.track(exclude=["api_key", "private_key"])
class Merchant(models.Model):
    """A WeChat Pay merchant: its APIv3 key and the private key that signs our calls."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    mchid = models.CharField(_("merchant id"), max_length=32, unique=True)
    name = models.CharField(_("name"), max_length=80)
    api_key = EncryptedField()
    private_key = EncryptedField()
    serial = models.CharField(_("certificate serial"), max_length=64)

    class Meta:
        verbose_name, verbose_name_plural = _("merchant"), _("merchants")

    def __str__(self):
        return self.name


@pghistory.track()
class MerchantKey(models.Model):
    """A key WeChat Pay signs with, by serial or public key id; several are valid while one replaces another."""

    merchant = models.ForeignKey(Merchant, models.CASCADE, related_name="keys", verbose_name=_("merchant"))
    serial = models.CharField(_("serial"), max_length=64)
    public_key = models.TextField(_("public key or certificate (PEM)"))

    class Meta:
        verbose_name, verbose_name_plural = _("platform key"), _("platform keys")
        constraints = [models.UniqueConstraint(fields=["merchant", "serial"], name="merchant_key_once")]

    def __str__(self):
        return self.serial


class Payment(models.Model):
    """One attempt to pay an order through one provider."""

    class State(models.TextChoices):
        OPENING = "opening", _("Opening")
        OPEN = "open", _("Open")
        PAID = "paid", _("Paid")
        CLOSED = "closed", _("Closed")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    order = models.ForeignKey("orders.Order", models.PROTECT, related_name="payments", verbose_name=_("order"))
    provider = models.CharField(_("provider"), max_length=20)
    method = models.CharField(_("method"), max_length=20, blank=True)
    payer = EncryptedField(null=True, editable=False)
    channel = models.ForeignKey("sync.Channel", models.PROTECT, null=True, related_name="+", verbose_name=_("channel"))
    app_id = models.CharField(max_length=64, blank=True)
    merchant = models.ForeignKey(Merchant, models.PROTECT, null=True, related_name="+", verbose_name=_("merchant"))
    amount_fen = models.BigIntegerField(_("amount (fen)"))
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.OPENING)
    params = EncryptedField(null=True, editable=False)
    transaction_id = models.CharField(_("provider's number"), max_length=64, blank=True)
    created_at = models.DateTimeField(_("opened"), db_default=Now())
    expires_at = models.DateTimeField(_("expires"), null=True)
    asked_at = models.DateTimeField(_("asked about"), null=True, editable=False)
    asks = models.PositiveSmallIntegerField(_("times asked about"), default=0, db_default=0, editable=False)
    paid_at = models.DateTimeField(_("paid at"), null=True)

    class Meta:
        verbose_name, verbose_name_plural = _("payment"), _("payments")
        constraints = [
            models.CheckConstraint(condition=Q(amount_fen__gt=0), name="payment_pays_something"),
            models.CheckConstraint(
                condition=Q(state="paid", paid_at__isnull=False) | (~Q(state="paid") & Q(paid_at=None)),
                name="payment_paid_at_follows_state",
            ),
            models.UniqueConstraint(
                fields=["provider", "transaction_id"], condition=~Q(transaction_id=""), name="payment_counted_once"
            ),
            models.UniqueConstraint(fields=["order"], condition=Q(state="paid"), name="payment_one_per_order"),
            models.UniqueConstraint(
                fields=["order"], condition=Q(state__in=["opening", "open"]), name="payment_one_open_per_order"
            ),
        ]

        triggers = [
            pgtrigger.Protect(
                name="money_never_changed",
                operation=pgtrigger.Update,
                condition=pgtrigger.Condition(
                    "OLD.state = 'paid' AND (OLD.state, OLD.order_id, OLD.provider, OLD.transaction_id, OLD.amount_fen)"
                    " IS DISTINCT FROM (NEW.state, NEW.order_id, NEW.provider, NEW.transaction_id, NEW.amount_fen)"
                ),
            ),
            pgtrigger.Protect(
                name="money_never_forgotten", operation=pgtrigger.Delete, condition=pgtrigger.Q(old__state="paid")
            ),
        ]

    def __str__(self):
        return f"{self.provider} {self.transaction_id or self.pk}"


class PaymentCase(models.Model):
    """Money that does not fit its order: paid after close, wrong amount, unknown order, paid twice."""

    class Kind(models.TextChoices):
        AFTER_CLOSE = "after_close", _("Paid after closing")
        WRONG_AMOUNT = "wrong_amount", _("Wrong amount")
        UNKNOWN_ORDER = "unknown_order", _("Unknown order")
        PAID_TWICE = "paid_twice", _("Paid twice")

    class Action(models.TextChoices):
        REFUND = "refund", _("Give it back")
        REOPEN = "reopen", _("Take it for the order")
        NONE = "none", _("Leave it as it is")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(_("kind"), max_length=20, choices=Kind)
    order = models.ForeignKey("orders.Order", models.PROTECT, null=True, related_name="cases", verbose_name=_("order"))
    payment = models.ForeignKey(Payment, models.PROTECT, null=True, related_name="cases", verbose_name=_("payment"))
    merchant = models.ForeignKey(Merchant, models.PROTECT, null=True, related_name="+", verbose_name=_("merchant"))
    channel = models.ForeignKey("sync.Channel", models.PROTECT, null=True, related_name="+", verbose_name=_("channel"))
    provider = models.CharField(_("provider"), max_length=20)
    transaction_id = models.CharField(_("provider's number"), max_length=64)
    out_trade_no = models.CharField(_("our number there"), max_length=64, blank=True)
    amount_fen = models.BigIntegerField(_("amount (fen)"))
    paid_at = models.DateTimeField(_("paid at"))
    created_at = models.DateTimeField(_("opened"), db_default=Now())
    proposed = models.CharField(_("proposed"), max_length=10, choices=Action, default=Action.REFUND)
    action = models.CharField(_("what was done"), max_length=10, choices=Action, blank=True)
    resolved_at = models.DateTimeField(_("resolved"), null=True, blank=True)
    resolved_by = models.CharField(_("by"), max_length=80, blank=True)

    class Meta:
        verbose_name, verbose_name_plural = _("payment case"), _("payment cases")
        constraints = [
            models.UniqueConstraint(fields=["provider", "transaction_id"], name="payment_case_once"),
            models.CheckConstraint(
                condition=Q(action="", resolved_at=None) | (~Q(action="") & Q(resolved_at__isnull=False)),
                name="payment_case_resolved_by_an_action",
            ),
        ]
        indexes = [models.Index(fields=["created_at"], condition=Q(resolved_at=None), name="payment_case_open")]

    def __str__(self):
        return f"{self.kind} {self.transaction_id}"
