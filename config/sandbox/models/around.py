"""Phones and couriers as they stood."""

from django.db import models
from django.db.models.functions import Now

from sync.ids import uuid7
from sync.secret import EncryptedField


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
