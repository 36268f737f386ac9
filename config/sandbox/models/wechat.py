"""WeChat as it stood: apps, people, codes, messages, what it was told of shipping."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from sync.ids import uuid7
from sync.secret import EncryptedField


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
