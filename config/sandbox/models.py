"""What stands around the hub in the sandbox, as it stood: nothing of it is in clear, as in the hub itself.

The stand-ins share no row with the hub: what WeChat, WeChat Pay and a channel's backend know of it was told to them
by the seed, as it would be told by hand.
"""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from sync.ids import uuid7
from sync.secret import EncryptedField


class Mark(models.Model):
    """One row says: this database belongs to a sandbox. `finished_at` is empty while it is being seeded."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    started_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="sandbox_mark_single")]

    def __str__(self):
        return f"sandbox since {self.started_at}"


class TextMessage(models.Model):
    """An SMS that arrived on somebody's phone."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    phone = EncryptedField()
    phone_index = models.BinaryField()
    code = EncryptedField()
    challenge_id = models.CharField(max_length=64)
    sent_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["phone_index", "-id"], name="sandbox_sms_phone")]

    def __str__(self):
        return str(self.pk)


class App(models.Model):
    """An app registered with WeChat: a mini-program, or a website at the open platform."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    channel = models.CharField(max_length=40, unique=True)
    app_id = models.CharField(max_length=64, unique=True)
    secret = EncryptedField()
    origins = ArrayField(models.CharField(max_length=200), default=list)

    def __str__(self):
        return self.app_id


class Person(models.Model):
    """Somebody with WeChat: one unionid (or none yet), one phone (or none bound)."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    unionid = EncryptedField(null=True)
    unionid_index = models.BinaryField(null=True, unique=True)
    phone = EncryptedField(null=True)

    def __str__(self):
        return str(self.pk)


class WechatUser(models.Model):
    """A person as one app knows them: by an openid of its own."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    person = models.ForeignKey(Person, models.CASCADE, related_name="users")
    app_id = models.CharField(max_length=64)
    openid = EncryptedField()
    openid_index = models.BinaryField(unique=True)

    def __str__(self):
        return str(self.pk)


class WechatCode(models.Model):
    """A code that WeChat gave to a client: five minutes, once, for one app and one use."""

    class Kind(models.TextChoices):
        LOGIN = "login"
        PHONE = "phone"
        QR = "qr"

    digest = models.BinaryField(primary_key=True)
    kind = models.CharField(max_length=10, choices=Kind)
    user = models.ForeignKey(WechatUser, models.CASCADE, related_name="codes")
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    def __str__(self):
        return self.kind


class SubscribeMessage(models.Model):
    """A subscribe message as it arrived in somebody's WeChat."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    app_id = models.CharField(max_length=64)
    openid = EncryptedField()
    template_id = models.CharField(max_length=64)
    page = models.CharField(max_length=200, blank=True)
    data = models.JSONField()
    received_at = models.DateTimeField(db_default=Now())

    def __str__(self):
        return self.template_id


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


class Backend(models.Model):
    """The fake backend of a channel, and how it behaves."""

    class Mode(models.TextChoices):
        OK = "ok"
        FAIL = "fail"
        SLOW = "slow"
        GONE = "gone"
        DROP = "drop"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    code = models.CharField(max_length=40, unique=True)
    secret = EncryptedField()
    mode = models.CharField(max_length=10, choices=Mode, default=Mode.OK)

    def __str__(self):
        return self.code


class Received(models.Model):
    """A webhook as it arrived at a fake backend, whatever the backend then answered."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    backend = models.ForeignKey(Backend, models.CASCADE, related_name="received")
    received_at = models.DateTimeField(db_default=Now())
    headers = models.JSONField()
    body = models.TextField()
    verified = models.BooleanField()

    class Meta:
        indexes = [models.Index(fields=["backend", "-id"], name="sandbox_received_newest")]

    def __str__(self):
        return str(self.pk)


class Fault(models.Model):
    """A fault that is switched on."""

    name = models.CharField(max_length=40, primary_key=True)
    value = models.FloatField()

    def __str__(self):
        return f"{self.name} {self.value}"


class Parcel(models.Model):
    """A parcel as 快递100 knows it: `entries` is a JSON list, newest first, as it is pushed."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    number = models.CharField(max_length=64, unique=True)
    state = models.CharField(max_length=10, default="0")
    entries = EncryptedField(null=True)

    def __str__(self):
        return self.number


class Subscription(models.Model):
    """Somebody who is told of a parcel: where, and signed with which salt."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    parcel = models.ForeignKey(Parcel, models.CASCADE, related_name="subscriptions")
    company = models.CharField(max_length=40)
    callback_url = models.CharField(max_length=300)
    salt = EncryptedField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["parcel", "callback_url"], name="sandbox_subscription_once")]

    def __str__(self):
        return self.company


class TextNotice(models.Model):
    """News that arrived on somebody's phone as a text message."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    phone = EncryptedField()
    occasion = models.CharField(max_length=40)
    values = models.JSONField()
    sent_at = models.DateTimeField(db_default=Now())

    def __str__(self):
        return self.occasion


class Shipping(models.Model):
    """What WeChat holds of the shipping of one payment: parcels, how often it was finished, whether it is over."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    app_id = models.CharField(max_length=64)
    transaction_id = models.CharField(max_length=32, unique=True)
    logistics_type = models.PositiveSmallIntegerField()
    delivery_mode = models.PositiveSmallIntegerField()
    parcels = models.JSONField(default=list)
    finished = models.PositiveSmallIntegerField(default=0)  # times
    is_reshipped = models.BooleanField(default=False)
    upload_time = models.CharField(max_length=40)
    reminded_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)

    def __str__(self):
        return self.transaction_id


class ShippingTold(models.Model):
    """An upload as it arrived, and what WeChat answered."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    app_id = models.CharField(max_length=64)
    body = EncryptedField()
    errcode = models.BigIntegerField()
    received_at = models.DateTimeField(db_default=Now())

    def __str__(self):
        return str(self.errcode)
