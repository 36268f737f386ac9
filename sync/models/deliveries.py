"""What is pushed out: one delivery per event and endpoint, one attempt per try; and what staff had sent again."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from sync.ids import uuid7


class Delivery(models.Model):
    """An event on its way to one endpoint."""

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        DELIVERED = "delivered", _("Delivered")
        DEAD = "dead", _("Failed, needs a person")

    id = models.BigAutoField(primary_key=True)
    event = models.ForeignKey(
        "sync.Event", models.CASCADE, related_name="deliveries", db_index=False, verbose_name=_("event")
    )  # that it is there once per endpoint is found by an index that begins with it
    endpoint = models.ForeignKey("sync.Endpoint", models.CASCADE, related_name="deliveries", verbose_name=_("endpoint"))
    subject = models.CharField(_("subject"), max_length=60)
    position = models.PositiveBigIntegerField(_("position"))
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    next_at = models.DateTimeField(_("next attempt"), db_default=Now(), null=True)
    leased_until = models.DateTimeField(null=True, editable=False)
    lease = models.UUIDField(null=True, editable=False)
    created_at = models.DateTimeField(_("created"), db_default=Now())
    finished_at = models.DateTimeField(_("finished"), null=True)

    class Meta:
        verbose_name, verbose_name_plural = _("delivery"), _("deliveries")
        constraints = [
            models.UniqueConstraint(fields=["event", "endpoint"], name="delivery_once_per_endpoint"),
            models.CheckConstraint(
                condition=Q(state="waiting", finished_at=None, next_at__isnull=False)
                | (~Q(state="waiting") & Q(finished_at__isnull=False)),
                name="delivery_finished_follows_state",
            ),
        ]
        indexes = [
            models.Index(fields=["endpoint", "next_at", "position"], condition=Q(state="waiting"), name="delivery_due"),
            models.Index(
                fields=["endpoint", "subject", "position"], condition=Q(state="waiting"), name="delivery_head"
            ),
            models.Index(  # written once, when it is finished
                fields=["finished_at"], condition=Q(finished_at__isnull=False), name="delivery_finished"
            ),
            models.Index(fields=["-id"], condition=Q(state="dead"), name="delivery_dead"),
        ]

    def __str__(self):
        return f"{self.event_id} → {self.endpoint_id}"


class Attempt(models.Model):
    """One try: when, how long, what came back. Never changed.

    `connected`, `sent` and `answered` are milliseconds since its beginning; null is what it did not come to, or a
    connection that was open already.
    """

    id = models.BigAutoField(primary_key=True)
    delivery = models.ForeignKey(Delivery, models.CASCADE, related_name="tries", verbose_name=_("delivery"))
    at = models.DateTimeField(_("at"))
    milliseconds = models.PositiveIntegerField(_("took (ms)"))
    connected = models.PositiveIntegerField(_("connected after (ms)"), null=True)
    sent = models.PositiveIntegerField(_("sent after (ms)"), null=True)
    answered = models.PositiveIntegerField(_("first answer after (ms)"), null=True)
    status = models.PositiveSmallIntegerField(_("answer"), null=True)
    error = models.CharField(_("kind of error"), max_length=40, blank=True)
    response = models.TextField(_("head of the answer"), blank=True)

    class Meta:
        verbose_name, verbose_name_plural = _("attempt"), _("attempts")
        indexes = [models.Index(fields=["at"], name="attempt_at")]

    def __str__(self):
        return f"{self.delivery_id} {self.status or self.error}"


class Replay(models.Model):
    """What staff had sent to an endpoint again: chosen deliveries at once, or a range of the one order page by page.

    `first` and `last` are positions, both included; the courier is done up to `reached`.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    endpoint = models.ForeignKey("sync.Endpoint", models.CASCADE, related_name="replays", verbose_name=_("endpoint"))
    chosen = ArrayField(models.BigIntegerField(), default=list, blank=True, verbose_name=_("chosen deliveries"))
    first = models.PositiveBigIntegerField(_("from position"))
    last = models.PositiveBigIntegerField(_("to position"))
    is_whole = models.BooleanField(
        _("also what has arrived"), default=False, help_text=_("Otherwise only what failed for good or was never sent")
    )
    reason = models.CharField(_("reason"), max_length=200)
    by = models.CharField(_("by"), max_length=80)
    reached = models.PositiveBigIntegerField(_("done up to position"), default=0)
    queued = models.PositiveIntegerField(_("queued"), default=0)
    created_at = models.DateTimeField(_("created"), db_default=Now())
    finished_at = models.DateTimeField(_("finished"), null=True)

    class Meta:
        verbose_name, verbose_name_plural = _("replay"), _("replays")
        constraints = [
            models.UniqueConstraint(fields=["endpoint"], condition=Q(finished_at=None), name="replay_one_at_a_time"),
            models.CheckConstraint(condition=Q(first__lte=F("last") + 1), name="replay_range_in_order"),
            models.CheckConstraint(condition=~Q(reason=""), name="replay_has_reason"),
        ]

    def __str__(self):
        return f"{self.first}–{self.last}"
