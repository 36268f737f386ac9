"""What watches: figures, reconciliations and what they found, alerts."""

import pghistory
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from sync.ids import uuid7


class Measure(models.Model):
    """A figure pushed by any floor (`alerts.measure`), one row per name and minute."""

    name = models.CharField(_("name"), max_length=80)
    at = models.DateTimeField(_("minute"))
    value = models.FloatField(_("value"))
    samples = models.PositiveIntegerField(_("samples"), default=1)

    class Meta:
        verbose_name, verbose_name_plural = _("measure"), _("measures")
        constraints = [models.UniqueConstraint(fields=["name", "at"], name="measure_minute_once")]

    def __str__(self):
        return f"{self.name} {self.value}"


class ReconciliationRun(models.Model):
    """One run of one reconciliation."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(_("name"), max_length=120)
    started_at = models.DateTimeField(_("started"), db_default=Now())
    finished_at = models.DateTimeField(_("finished"), null=True)
    found = models.PositiveIntegerField(_("differences"), default=0)
    error = models.TextField(_("error"), blank=True)

    class Meta:
        verbose_name, verbose_name_plural = _("reconciliation run"), _("reconciliation runs")

    def __str__(self):
        return self.name


class Discrepancy(models.Model):
    """Two things that should agree and do not; open until a run finds them agreeing again."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    reconciliation = models.CharField(_("reconciliation"), max_length=120)
    subject = models.CharField(_("subject"), max_length=120)
    field = models.CharField(_("field"), max_length=60)
    expected = models.CharField(_("expected"), max_length=200)
    found = models.CharField(_("found"), max_length=200)
    first_seen_at = models.DateTimeField(_("first seen"), db_default=Now())
    last_seen_at = models.DateTimeField(_("last seen"), db_default=Now())
    resolved_at = models.DateTimeField(_("resolved"), null=True, blank=True)

    class Meta:
        verbose_name, verbose_name_plural = _("discrepancy"), _("discrepancies")
        constraints = [
            models.UniqueConstraint(
                fields=["reconciliation", "subject", "field"],
                condition=Q(resolved_at=None),
                name="discrepancy_open_once",
            )
        ]

    def __str__(self):
        return f"{self.subject} {self.field}"


@pghistory.track()
class AlertRule(models.Model):
    """When to tell whom: a measure over a window beyond a threshold."""

    code = models.SlugField(_("code"), max_length=60, unique=True)
    name = models.CharField(_("name"), max_length=120)
    measure = models.CharField(_("measure"), max_length=80)
    window_seconds = models.PositiveIntegerField(_("window (s)"), default=300, validators=[MinValueValidator(10)])
    threshold = models.FloatField(_("threshold"), validators=[MinValueValidator(0), MaxValueValidator(1e12)])
    minimum = models.PositiveIntegerField(
        _("at least so many samples"), default=5, help_text=_("Fewer in the window say nothing")
    )
    emails = ArrayField(models.EmailField(), default=list, blank=True, verbose_name=_("e-mail to"))
    webhook_url = models.URLField(_("webhook to"), max_length=400, blank=True)
    is_active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name, verbose_name_plural = _("alert rule"), _("alert rules")

    def __str__(self):
        return self.name


class Alert(models.Model):
    """A rule that fired; told once, resolved once."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    rule = models.ForeignKey(AlertRule, models.CASCADE, related_name="alerts", verbose_name=_("alert rule"))
    subject = models.CharField(_("about"), max_length=120, blank=True)
    value = models.FloatField(_("value"))
    opened_at = models.DateTimeField(_("opened"), db_default=Now())
    told_at = models.DateTimeField(_("told"), null=True)
    resolved_at = models.DateTimeField(_("resolved"), null=True)

    class Meta:
        verbose_name, verbose_name_plural = _("alert"), _("alerts")
        constraints = [
            models.UniqueConstraint(
                fields=["rule", "subject"], condition=Q(resolved_at=None), name="alert_open_once_per_subject"
            )
        ]

    def __str__(self):
        return f"{self.rule_id} {self.subject}"


class Notice(models.Model):
    """One telling of an alert to one address; written with the change it tells, sent after its commit."""

    class Moment(models.TextChoices):
        OPENED = "opened", _("Opened")
        RESOLVED = "resolved", _("Resolved")

    class Medium(models.TextChoices):
        EMAIL = "email", _("E-mail")
        WEBHOOK = "webhook", _("Webhook")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    alert = models.ForeignKey(Alert, models.CASCADE, related_name="notices", verbose_name=_("alert"))
    moment = models.CharField(_("moment"), max_length=10, choices=Moment)
    medium = models.CharField(_("medium"), max_length=10, choices=Medium)
    to = models.CharField(_("to"), max_length=400)
    tries = models.PositiveSmallIntegerField(_("tries"), default=0)
    next_at = models.DateTimeField(_("next try"), db_default=Now(), null=True)
    sent_at = models.DateTimeField(_("sent"), null=True)
    error = models.CharField(_("error"), max_length=300, blank=True)

    class Meta:
        verbose_name, verbose_name_plural = _("notice"), _("notices")
        constraints = [
            models.UniqueConstraint(fields=["alert", "moment", "medium", "to"], name="notice_once"),
            models.CheckConstraint(condition=Q(sent_at=None) | Q(next_at=None), name="notice_sent_is_done"),
        ]
        indexes = [models.Index(fields=["next_at"], condition=Q(next_at__isnull=False), name="notice_due")]

    def __str__(self):
        return f"{self.moment} → {self.to}"
