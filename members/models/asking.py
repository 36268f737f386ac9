"""What staff may not do alone: one person asks, another decides."""

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from sync.ids import uuid7


def staff(title, **more) -> models.ForeignKey:
    """Who of the staff did it."""
    return models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=title, **more)


class Request(models.Model):
    """A grave act on a member that one person of the staff asked for and another approves or refuses.

    `terms` are what the act needs beside the members: JSON without personal data.
    """

    class Kind(models.TextChoices):
        MERGE = "merge", _("Merge two members")
        UNMERGE = "unmerge", _("Undo a merge")
        FREEZE = "freeze", _("Freeze")
        UNFREEZE = "unfreeze", _("Lift a freeze")

    class State(models.TextChoices):
        ASKED = "asked", _("Waiting for approval")
        DONE = "done", _("Done")
        REFUSED = "refused", _("Refused")
        WITHDRAWN = "withdrawn", _("Withdrawn")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.ASKED)
    member = models.ForeignKey("members.Member", models.PROTECT, related_name="requests", verbose_name=_("member"))
    other = models.ForeignKey(
        "members.Member", models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("other member")
    )
    case = models.ForeignKey(
        "members.LinkCase", models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("link case")
    )
    merge = models.ForeignKey(
        "members.Merge", models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("merge")
    )
    terms = models.JSONField(_("terms"), default=dict)
    reason = models.CharField(_("reason"), max_length=200)
    asked_by = staff(_("asked by"))
    asked_at = models.DateTimeField(_("asked at"), db_default=Now())
    decided_by = staff(_("decided by"), null=True)
    decided_at = models.DateTimeField(_("decided at"), null=True)
    why = models.CharField(_("why refused"), max_length=200, blank=True)

    class Meta:
        verbose_name, verbose_name_plural = _("request for approval"), _("requests for approval")
        constraints = [
            models.CheckConstraint(
                condition=Q(state="asked", decided_by=None, decided_at=None)
                | Q(state="withdrawn", decided_at__isnull=False, decided_by=F("asked_by"))
                | Q(state__in=["done", "refused"], decided_at__isnull=False, decided_by__isnull=False)
                & ~Q(decided_by=F("asked_by")),
                name="request_decided_by_another",
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="request_has_reason"),
            models.CheckConstraint(
                condition=Q(kind="merge", other__isnull=False, merge=None)
                | Q(kind="unmerge", merge__isnull=False, case=None)
                | Q(kind__in=["freeze", "unfreeze"], other=None, merge=None, case=None),
                name="request_names_what_it_takes",
            ),
            models.UniqueConstraint(
                fields=["kind", "member"], condition=Q(state="asked"), name="request_open_once", nulls_distinct=False
            ),
        ]
        triggers = [
            pgtrigger.Protect(name="never_deleted", operation=pgtrigger.Delete),
            pgtrigger.Protect(
                name="decided_for_good",
                operation=pgtrigger.Update,
                condition=pgtrigger.Condition("OLD.decided_at IS NOT NULL AND OLD.* IS DISTINCT FROM NEW.*"),
            ),
        ]
        permissions = [("approve_request", "Can approve what others ask for")]

    def __str__(self):
        return f"{self.get_kind_display()} {self.member}"
