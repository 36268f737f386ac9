"""The sandbox itself: its mark, its faults, the fake backends of channels."""

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
