"""What somebody else told the hub and a channel should hear: on its way, and then forgotten."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from sync.ids import uuid7
from sync.secret import EncryptedField


class ForwardedPush(models.Model):
    """A message that the hub does not handle itself, on its way to one endpoint of its channel.

    `id` is what the receiver knows it by. The body goes once it has arrived, the row some days later.
    """

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        DELIVERED = "delivered", _("Delivered")
        DEAD = "dead", _("Failed, needs a person")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    endpoint = models.ForeignKey("sync.Endpoint", models.CASCADE, related_name="pushes", verbose_name=_("endpoint"))
    sender = models.CharField(_("sender"), max_length=80)
    message_id = models.CharField(_("message id"), max_length=255)
    type = models.CharField(_("type"), max_length=60)
    body = EncryptedField(null=True, editable=False)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    status = models.PositiveSmallIntegerField(_("answer"), null=True, blank=True)
    error = models.CharField(_("kind of error"), max_length=40, blank=True)
    next_at = models.DateTimeField(_("next try"), null=True, db_default=Now())
    created_at = models.DateTimeField(_("received"), db_default=Now())
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    class Meta:
        verbose_name, verbose_name_plural = _("forwarded message"), _("forwarded messages")
        constraints = [
            models.UniqueConstraint(fields=["endpoint", "sender", "message_id"], name="forwarded_push_once"),
            models.CheckConstraint(
                condition=Q(state="waiting", next_at__isnull=False, finished_at=None)
                | (~Q(state="waiting") & Q(next_at=None, finished_at__isnull=False)),
                name="forwarded_push_finished_follows_state",
            ),
        ]
        indexes = [
            models.Index(fields=["next_at"], condition=Q(state="waiting"), name="forwarded_push_due"),
            models.Index(fields=["created_at"], name="forwarded_push_age"),
        ]

    def __str__(self):
        return f"{self.type} {self.message_id[:12]}"
