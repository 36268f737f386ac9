"""What comes in: facts that channels and providers push, answers kept for repeats, quotas."""

import pgtrigger
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from sync.ids import uuid7
from sync.secret import EncryptedField


class InboxMessage(models.Model):
    """A fact from outside, kept as it came until it is applied; known again by (sender, message id).

    `sender` is `channels/<code>` or `wechat-pay/<merchant>`. The admin refuses composite keys: a row id stands in.
    """

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        PARKED = "parked", _("Waiting for what it is about")
        APPLIED = "applied", _("Applied")
        QUARANTINED = "quarantined", _("Quarantined")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    sender = models.CharField(_("sender"), max_length=80)
    message_id = models.CharField(_("message id"), max_length=255)
    type = models.CharField(_("type"), max_length=60)
    subject = models.CharField(_("subject"), max_length=120, blank=True)
    body = EncryptedField(null=True)
    body_digest = models.BinaryField(editable=False)
    state = models.CharField(_("state"), max_length=12, choices=State, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    problem = models.TextField(_("what is wrong"), blank=True)
    waits_for = models.CharField(_("waits for"), max_length=160, blank=True)
    correlation_id = models.CharField(_("request"), max_length=128, blank=True)
    received_at = models.DateTimeField(_("received"), db_default=Now())
    next_at = models.DateTimeField(_("next try"), db_default=Now())
    applied_at = models.DateTimeField(_("applied"), null=True)
    quarantined_at = models.DateTimeField(_("quarantined"), null=True)

    class Meta:
        verbose_name, verbose_name_plural = _("inbox message"), _("inbox messages")
        permissions = [("replay_inboxmessage", "Can try inbox messages again")]
        constraints = [
            models.UniqueConstraint(fields=["sender", "message_id"], name="inbox_message_once"),
            models.CheckConstraint(
                condition=Q(state="applied", applied_at__isnull=False) | (~Q(state="applied") & Q(applied_at=None)),
                name="inbox_applied_at_follows_state",
            ),
        ]
        indexes = [
            models.Index(fields=["sender", "subject", "id"], condition=Q(state="waiting"), name="inbox_waiting"),
            models.Index(fields=["waits_for"], condition=Q(state="parked"), name="inbox_parked"),
            models.Index(fields=["next_at"], condition=Q(state="parked"), name="inbox_parked_due"),
            models.Index(fields=["problem", "id"], condition=Q(state="quarantined"), name="inbox_quarantined"),
            models.Index(
                fields=["applied_at"], condition=Q(state="applied", body__isnull=False), name="inbox_body_age"
            ),
            models.Index(fields=["subject", "id"], name="inbox_subject"),
            models.Index(fields=["correlation_id", "id"], name="inbox_chain"),
        ]

    def __str__(self):
        return f"{self.type} {self.message_id}"


class InboxReplay(models.Model):
    """That a message was taken out of quarantine to be tried again: by whom, why, and what was wrong with it before.

    Never changed. Messages are dropped by statements that know no other table: no constraint holds them together.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    message = models.ForeignKey(
        InboxMessage, models.CASCADE, related_name="replays", db_constraint=False, verbose_name=_("inbox message")
    )
    at = models.DateTimeField(_("tried again"), db_default=Now())
    by = models.CharField(_("by"), max_length=80)
    reason = models.CharField(_("reason"), max_length=500)
    problem = models.TextField(_("what was wrong"))
    quarantined_at = models.DateTimeField(_("quarantined"), null=True)

    class Meta:
        verbose_name, verbose_name_plural = _("replay of a message"), _("replays of messages")
        constraints = [models.CheckConstraint(condition=~Q(reason=""), name="inbox_replay_has_reason")]
        indexes = [models.Index(fields=["at"], name="inbox_replay_age")]
        triggers = [pgtrigger.Protect(name="never_changed", operation=pgtrigger.Update)]

    def __str__(self):
        return f"{self.message_id} {self.by}"


class IdempotentAnswer(models.Model):
    """The answer to a request that carried an Idempotency-Key; `status` is null while it is in flight."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    caller = models.CharField(_("caller"), max_length=120)
    key = models.CharField(_("key"), max_length=255)
    request_digest = models.BinaryField(editable=False)
    status = models.PositiveSmallIntegerField(_("status"), null=True)
    headers = models.JSONField(default=dict)
    body = EncryptedField(null=True)
    created_at = models.DateTimeField(_("created"), db_default=Now())

    class Meta:
        verbose_name, verbose_name_plural = _("idempotent answer"), _("idempotent answers")
        constraints = [models.UniqueConstraint(fields=["caller", "key"], name="idempotent_answer_once")]
        indexes = [models.Index(fields=["created_at"], name="idempotent_answer_age")]

    def __str__(self):
        return self.key


class Quota(models.Model):
    """How often something happened in a window; counted even when the act it guards refuses."""

    key = models.CharField(_("what"), max_length=160)
    window = models.DateTimeField(_("window"))
    count = models.PositiveIntegerField(_("count"), default=0)

    class Meta:
        verbose_name, verbose_name_plural = _("quota"), _("quotas")
        constraints = [models.UniqueConstraint(fields=["key", "window"], name="quota_window_once")]

    def __str__(self):
        return str(self.pk)  # the key may hold what a person typed
