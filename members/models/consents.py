"""Policies in their versions, and what a member agreed to."""

import pghistory
import pgtrigger
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from sync.ids import uuid7


@pghistory.track()
class Policy(models.Model):
    """One version of the text for one purpose in one language: a draft, then in force, then retired.

    What a published one says never changes; only the address of its text may follow a move.
    """

    purpose = models.SlugField(_("purpose"), max_length=40)
    version = models.CharField(_("version"), max_length=20)
    locale = models.CharField(_("language"), max_length=10, default="zh-hans")
    channel = models.ForeignKey(
        "sync.Channel", models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("channel"),
        help_text=_("Empty: every channel without a text of its own"),
    )  # fmt: skip
    title = models.CharField(_("title"), max_length=120)
    text_url = models.CharField(_("text"), max_length=300)
    text_digest = models.CharField(_("SHA-256 of the text"), max_length=64)
    is_required = models.BooleanField(_("required to register"), default=False)
    is_current = models.BooleanField(_("current"), default=True)
    created_at = models.DateTimeField(_("created"), db_default=Now())
    published_at = models.DateTimeField(_("published"), null=True, blank=True, db_default=Now())
    retired_at = models.DateTimeField(_("retired"), null=True, blank=True)

    class Meta:
        verbose_name, verbose_name_plural = _("policy"), _("policies")
        permissions = [("publish_policy", "Can put policies in force")]
        triggers = [
            pgtrigger.Protect(
                name="published_never_edited",
                operation=pgtrigger.UpdateOf(
                    *["purpose", "version", "locale", "channel_id"],
                    *["title", "text_digest", "is_required", "published_at"],
                ),
                condition=pgtrigger.Q(old__published_at__isnull=False),
            ),
            pgtrigger.Protect(
                name="published_never_deleted",
                operation=pgtrigger.Delete,
                condition=pgtrigger.Q(old__published_at__isnull=False),
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(is_current=False) | models.Q(published_at__isnull=False, retired_at=None),
                name="policy_in_force_is_published",
            ),
            models.UniqueConstraint(
                fields=["purpose", "version", "locale", "channel"], name="policy_version_once", nulls_distinct=False
            ),
            models.UniqueConstraint(
                fields=["purpose", "locale", "channel"],
                condition=models.Q(is_current=True),
                name="policy_one_current",
                nulls_distinct=False,
            ),
        ]

    def __str__(self):
        return f"{self.purpose} {self.version}"


class Consent(models.Model):
    """A grant, a withdrawal or a no, with its evidence. Append-only: the latest of a purpose counts.

    Another member may come to hold it (a merge), and its evidence may be emptied (an erasure); nothing else changes.
    """

    class Act(models.TextChoices):
        GRANTED = "granted", _("Granted")
        WITHDRAWN = "withdrawn", _("Withdrawn")
        DECLINED = "declined", _("Declined")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    member = models.ForeignKey("members.Member", models.CASCADE, related_name="consents", verbose_name=_("member"))
    purpose = models.SlugField(_("purpose"), max_length=40)
    version = models.CharField(_("version"), max_length=20)
    act = models.CharField(_("act"), max_length=10, choices=Act)
    channel = models.ForeignKey("sync.Channel", models.PROTECT, null=True, related_name="+", verbose_name=_("channel"))
    locale = models.CharField(_("language"), max_length=10, blank=True)
    text_digest = models.CharField(max_length=64, blank=True)
    evidence = models.CharField(_("evidence"), max_length=200, blank=True)
    at = models.DateTimeField(_("at"), db_default=Now())

    class Meta:
        verbose_name, verbose_name_plural = _("consent"), _("consents")
        indexes = [models.Index(fields=["member", "purpose", "-id"], name="consent_latest")]
        triggers = [
            pgtrigger.Protect(
                name="never_changed",
                operation=pgtrigger.UpdateOf(
                    *["purpose", "version", "act", "channel_id", "locale", "text_digest", "at"]
                ),
            ),
            pgtrigger.Protect(
                name="evidence_only_emptied",
                operation=pgtrigger.UpdateOf("evidence"),
                condition=~pgtrigger.Q(new__evidence="") & pgtrigger.Q(old__evidence__df=pgtrigger.F("new__evidence")),
            ),
            pgtrigger.Protect(name="never_deleted", operation=pgtrigger.Delete),
        ]

    def __str__(self):
        return f"{self.purpose} {self.version} {self.act}"
