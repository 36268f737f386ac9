"""What happened: streams of events, the order in which they settled, and who may see them."""

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from sync.ids import uuid7

APPEND_ONLY = pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)
NEVER_CHANGED = pgtrigger.Protect(name="never_changed", operation=pgtrigger.Update)


class TransactionId(models.Field):
    """PostgreSQL's xid8: the transaction that wrote the row."""

    def db_type(self, connection):
        return "xid8"


class Snapshot(models.Field):
    """PostgreSQL's pg_snapshot: what a transaction could see."""

    def db_type(self, connection):
        return "pg_snapshot"


class WritingOrder(models.BigIntegerField):
    """An identity column beside the primary key: rises within a stream, since it is drawn under the stream's lock."""

    def db_type(self, connection):
        return "bigint GENERATED ALWAYS AS IDENTITY"


class CurrentTransaction(models.Func):
    """The id of the transaction at hand."""

    function, arity, output_field = "pg_current_xact_id", 0, TransactionId()


class Stream(models.Model):
    """The facts about one member or one guest order; `head` is the last sequence given."""

    subject = models.CharField(_("subject"), max_length=60, primary_key=True)
    head = models.BigIntegerField(_("head"))  # only ever counted up: a check would cost every act

    class Meta:
        verbose_name, verbose_name_plural = _("stream"), _("streams")

    def __str__(self):
        return self.subject


class Event(models.Model):
    """One fact, as it is told to every channel. Never changed; carries no personal data."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    written = WritingOrder(_("order of writing"), editable=False)
    subject = models.CharField(_("subject"), max_length=60)
    sequence = models.BigIntegerField(_("sequence"))
    type = models.CharField(_("type"), max_length=60)
    source = models.CharField(_("source"), max_length=80)
    actor = models.CharField(_("actor"), max_length=80)
    correlation_id = models.CharField(_("request"), max_length=128, blank=True)
    data = models.JSONField(_("data"))
    time = models.DateTimeField(_("time"), db_default=Now())
    xid = TransactionId(db_default=CurrentTransaction(), editable=False)
    # The sharing groups that are told, of those that see the subject; null: all of them.
    only_for = ArrayField(models.BigIntegerField(), verbose_name=_("told only to"), null=True, editable=False)

    class Meta:
        verbose_name, verbose_name_plural = _("event"), _("events")
        constraints = [models.UniqueConstraint(fields=["subject", "sequence"], name="event_sequence_once")]
        indexes = [
            models.Index(fields=["xid"], name="event_xid"),
            models.Index(fields=["time"], name="event_time"),
            models.Index(fields=["correlation_id"], condition=~Q(correlation_id=""), name="event_request"),
        ]
        triggers = [NEVER_CHANGED]

    def __str__(self):
        return f"{self.type} {self.subject}#{self.sequence}"


class Settled(models.Model):
    """The place of an event in the one total order that the feed reads; given after its commit."""

    position = models.BigAutoField(primary_key=True)
    event = models.OneToOneField(Event, models.CASCADE, related_name="settled", verbose_name=_("event"))
    at = models.DateTimeField(_("settled"), db_default=Now())

    class Meta:
        verbose_name, verbose_name_plural = _("settled event"), _("settled events")
        triggers = [NEVER_CHANGED]

    def __str__(self):
        return str(self.position)


class Horizon(models.Model):
    """How far the one total order is forgotten: some events up to `position` are, those after it are all there.

    One row; none before anything is forgotten.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    position = models.PositiveBigIntegerField(_("forgotten up to position"))
    at = models.DateTimeField(_("at"), db_default=Now())

    class Meta:
        verbose_name, verbose_name_plural = _("horizon of the feed"), _("horizons of the feed")
        constraints = [models.CheckConstraint(condition=Q(id=1), name="horizon_is_one")]

    def __str__(self):
        return str(self.position)


class Batch(models.Model):
    """What the relay could see when it settled: the next batch is what this snapshot did not see."""

    id = models.BigAutoField(primary_key=True)
    seen = Snapshot()
    at = models.DateTimeField(_("at"), db_default=Now())

    class Meta:
        verbose_name, verbose_name_plural = _("relay batch"), _("relay batches")
        triggers = [NEVER_CHANGED]

    def __str__(self):
        return str(self.pk)


class Audience(models.Model):
    """A channel that may see a subject: the member signed in there or proved an identity there."""

    subject = models.CharField(_("subject"), max_length=60)
    channel = models.ForeignKey("sync.Channel", models.CASCADE, related_name="+", verbose_name=_("channel"))
    since = models.DateTimeField(_("since"), db_default=Now())

    class Meta:
        verbose_name, verbose_name_plural = _("audience"), _("audiences")
        constraints = [models.UniqueConstraint(fields=["subject", "channel"], name="audience_once")]

    def __str__(self):
        return f"{self.subject} → {self.channel_id}"


class Ticket(models.Model):
    """Opens one socket, once, within 30 seconds. `session` is the member session or staff session it stands for."""

    class Kind(models.TextChoices):
        MEMBER = "member", _("Member")
        DASHBOARD = "dashboard", _("Dashboard")

    digest = models.BinaryField(primary_key=True)
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.MEMBER)
    subject = models.CharField(max_length=60)
    session = models.CharField(max_length=64)
    channel = models.ForeignKey("sync.Channel", models.CASCADE, null=True, related_name="+")
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name, verbose_name_plural = _("ticket"), _("tickets")
        indexes = [models.Index(fields=["expires_at"], name="ticket_expiry")]
        constraints = [
            models.CheckConstraint(condition=Q(kind="dashboard") | Q(channel__isnull=False), name="ticket_has_channel"),
        ]

    def __str__(self):
        return self.subject


class Acknowledged(models.Model):
    """How far a channel's clients have confirmed a subject's events."""

    subject = models.CharField(_("subject"), max_length=60)
    channel = models.ForeignKey("sync.Channel", models.CASCADE, related_name="+", verbose_name=_("channel"))
    sequence = models.PositiveBigIntegerField(_("sequence"))
    at = models.DateTimeField(_("at"), db_default=Now())

    class Meta:
        verbose_name, verbose_name_plural = _("acknowledgement"), _("acknowledgements")
        constraints = [models.UniqueConstraint(fields=["subject", "channel"], name="acknowledged_once")]

    def __str__(self):
        return f"{self.subject}#{self.sequence}"
