"""What the law lets a person ask for: a copy, a correction, a limit, to be forgotten."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from sync.ids import uuid7


class PrivacyRequest(models.Model):
    """One such request, with the day by which it must be met and, when it was, a receipt without personal data."""

    class Kind(models.TextChoices):
        EXPORT = "export", _("Copy of the data")
        ERASURE = "erasure", _("Erasure of the account")
        CORRECTION = "correction", _("Correction")
        RESTRICTION = "restriction", _("Restriction of processing")

    class State(models.TextChoices):
        OPEN = "open", _("Open")
        RUNNING = "running", _("Under way")
        DONE = "done", _("Done")
        WITHDRAWN = "withdrawn", _("Withdrawn")
        REFUSED = "refused", _("Refused")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(_("kind"), max_length=12, choices=Kind)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.OPEN)
    member = models.ForeignKey(
        "members.Member", models.PROTECT, related_name="privacy_requests", verbose_name=_("member")
    )
    channel = models.ForeignKey("sync.Channel", models.PROTECT, null=True, related_name="+", verbose_name=_("channel"))
    by = models.CharField(_("asked by"), max_length=80)
    note = models.CharField(_("note"), max_length=200, blank=True)
    asked_at = models.DateTimeField(_("asked at"), db_default=Now())
    due_at = models.DateTimeField(_("due"))
    begun_at = models.DateTimeField(_("begun"), null=True)
    closed_at = models.DateTimeField(_("closed"), null=True)
    closed_by = models.CharField(_("closed by"), max_length=80, blank=True)
    reasons = ArrayField(models.CharField(max_length=40), default=list, verbose_name=_("what stands in the way"))
    receipt = models.JSONField(_("receipt"), default=dict)

    class Meta:
        verbose_name, verbose_name_plural = _("privacy request"), _("privacy requests")
        constraints = [
            models.UniqueConstraint(
                fields=["member", "kind"],
                condition=Q(kind__in=["erasure", "restriction"], state__in=["open", "running"]),
                name="privacy_request_open_once",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["open", "running"], closed_at=None)
                | (~Q(state__in=["open", "running"]) & Q(closed_at__isnull=False)),
                name="privacy_request_closed_at_follows_state",
            ),
        ]
        indexes = [
            models.Index(fields=["due_at"], condition=Q(state__in=["open", "running"]), name="privacy_request_due")
        ]
        permissions = [("handle_privacyrequest", "Can handle privacy requests")]

    def __str__(self):
        return f"{self.get_kind_display()} {self.member_id}"


class ExportFile(models.Model):
    """The sealed copy of a person's data, fetched once within a day, then gone."""

    request = models.OneToOneField(PrivacyRequest, models.CASCADE, primary_key=True, related_name="file")
    content = models.BinaryField(null=True, editable=False)
    size = models.PositiveIntegerField(_("bytes"))
    created_at = models.DateTimeField(_("created"), db_default=Now())
    expires_at = models.DateTimeField(_("expires"))
    fetched_at = models.DateTimeField(_("fetched"), null=True)

    class Meta:
        verbose_name, verbose_name_plural = _("exported file"), _("exported files")
        constraints = [
            models.CheckConstraint(condition=Q(fetched_at=None) | Q(content=None), name="export_file_gone_when_fetched")
        ]
        indexes = [models.Index(fields=["expires_at"], name="export_file_expiry")]

    def __str__(self):
        return str(self.request_id)
