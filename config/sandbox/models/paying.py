"""WeChat Pay as it stood: merchants, certificates, payments, refunds."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from sync.ids import uuid7
from sync.secret import EncryptedField


class PayAccount(models.Model):
    """A merchant as WeChat Pay knows it, and the platform key that WeChat Pay signs with."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    mchid = models.CharField(max_length=32, unique=True)
    api_key = EncryptedField()
    serial = models.CharField(max_length=64)
    public_key = models.TextField()
    platform_serial = models.CharField(max_length=64)
    platform_key = EncryptedField()

    def __str__(self):
        return self.mchid


class PlatformCertificate(models.Model):
    """A certificate that WeChat Pay signs with, or signed with lately, towards one merchant."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    account = models.ForeignKey(PayAccount, models.CASCADE, related_name="certificates")
    serial = models.CharField(max_length=64)
    private_key = EncryptedField()
    certificate = models.TextField()

    def __str__(self):
        return self.serial


class Trade(models.Model):
    """A payment order at WeChat Pay."""

    class State(models.TextChoices):
        NOTPAY = "NOTPAY"
        SUCCESS = "SUCCESS"
        CLOSED = "CLOSED"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    account = models.ForeignKey(PayAccount, models.CASCADE, related_name="trades")
    out_trade_no = models.CharField(max_length=32)
    app_id = models.CharField(max_length=64)
    trade_type = models.CharField(max_length=10)
    payer = EncryptedField(null=True)
    amount_fen = models.BigIntegerField()
    notify_url = models.CharField(max_length=300)
    prepay_id = models.CharField(max_length=64)
    state = models.CharField(max_length=10, choices=State, default=State.NOTPAY)
    transaction_id = models.CharField(max_length=32, blank=True)
    paid_fen = models.BigIntegerField(null=True)
    success_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "out_trade_no"], name="sandbox_trade_once"),
            models.CheckConstraint(
                condition=Q(state="SUCCESS", success_at__isnull=False, paid_fen__isnull=False)
                | (~Q(state="SUCCESS") & Q(success_at=None, paid_fen=None)),
                name="sandbox_trade_success_follows_state",
            ),
        ]

    def __str__(self):
        return self.out_trade_no


class TradeRefund(models.Model):
    """Money of a payment order on its way back, or there."""

    class State(models.TextChoices):
        PROCESSING = "PROCESSING"
        SUCCESS = "SUCCESS"
        ABNORMAL = "ABNORMAL"
        CLOSED = "CLOSED"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    trade = models.ForeignKey(Trade, models.CASCADE, related_name="refunds")
    account = models.ForeignKey(PayAccount, models.CASCADE, related_name="refunds")
    out_refund_no = models.CharField(max_length=64)
    refund_id = models.CharField(max_length=32, unique=True)
    amount_fen = models.BigIntegerField()
    notify_url = models.CharField(max_length=300)
    state = models.CharField(max_length=10, choices=State, default=State.PROCESSING)
    created_at = models.DateTimeField(db_default=Now())
    success_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "out_refund_no"], name="sandbox_refund_once"),
            models.CheckConstraint(
                condition=Q(state="SUCCESS", success_at__isnull=False) | (~Q(state="SUCCESS") & Q(success_at=None)),
                name="sandbox_refund_success_follows_state",
            ),
        ]

    def __str__(self):
        return self.out_refund_no
