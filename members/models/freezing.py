"""Restrictions of a member, and who laid them."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from sync.ids import uuid7


class Scope(models.TextChoices):
    """What a frozen member may not do."""

    SIGN_IN = "sign_in", _("Sign in")
    POINTS = "points", _("Spend points")
    ORDERS = "orders", _("Place orders")


class Freeze(models.Model):
    """One restriction, from when it was laid until it was lifted or ran out."""

    class Reason(models.TextChoices):
        FRAUD = "fraud", _("Fraud suspected")
        ABUSE = "abuse", _("Promotions abused")
        STOLEN = "stolen", _("Account stolen")
        ASKED = "asked", _("The member asked for it")
        COURT = "court", _("Required by an authority")
        OTHER = "other", _("Other")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    member = models.ForeignKey("members.Member", models.CASCADE, related_name="freezes", verbose_name=_("member"))
    scopes = ArrayField(models.CharField(max_length=10, choices=Scope), verbose_name=_("scopes"))
    reason = models.CharField(_("reason"), max_length=10, choices=Reason)
    note = models.CharField(_("note"), max_length=200, blank=True)
    by = models.CharField(_("by"), max_length=80)
    approved_by = models.CharField(_("approved by"), max_length=80)
    at = models.DateTimeField(_("from"), db_default=Now())
    expires_at = models.DateTimeField(_("until"), null=True, blank=True)
    lifted_at = models.DateTimeField(_("lifted"), null=True)
    lifted_by = models.CharField(_("lifted by"), max_length=80, blank=True)

    class Meta:
        verbose_name, verbose_name_plural = _("freeze"), _("freezes")
        constraints = [
            models.UniqueConstraint(fields=["member"], condition=Q(lifted_at=None), name="freeze_open_once"),
            models.CheckConstraint(
                condition=Q(scopes__len__gt=0, scopes__contained_by=Scope.values), name="freeze_scopes_known"
            ),
            models.CheckConstraint(
                condition=Q(lifted_at=None, lifted_by="") | (Q(lifted_at__isnull=False) & ~Q(lifted_by="")),
                name="freeze_lifted_by_somebody",
            ),
        ]
        indexes = [
            models.Index(
                fields=["expires_at"], condition=Q(lifted_at=None, expires_at__isnull=False), name="freeze_ends"
            )
        ]

    def __str__(self):
        return f"{self.member_id} {', '.join(self.scopes)}"
