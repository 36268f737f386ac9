"""The points ledger: accounts, entries that sum to zero, tiers, and the rules that earn."""

import pghistory
import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from sync.ids import uuid7


@pghistory.track()
class Tier(models.Model):
    """A level reached by spending; the highest whose threshold is met counts."""

    code = models.SlugField(_("code"), max_length=20, unique=True)
    name = models.CharField(_("name"), max_length=40)
    threshold_fen = models.PositiveBigIntegerField(_("from spending (fen)"), unique=True)

    class Meta:
        verbose_name, verbose_name_plural = _("tier"), _("tiers")
        ordering = ["threshold_fen"]

    def __str__(self):
        return self.name


@pghistory.track()
class EarnRule(models.Model):
    """One version of how points are earned by paying. The newest active one counts."""

    code = models.SlugField(_("code"), max_length=40)
    version = models.PositiveIntegerField(_("version"), default=1)
    points_per_yuan = models.PositiveIntegerField(_("points per whole yuan"), default=1)
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(_("created"), db_default=Now())

    class Meta:
        verbose_name, verbose_name_plural = _("earn rule"), _("earn rules")
        constraints = [
            models.UniqueConstraint(fields=["code", "version"], name="earn_rule_version_once"),
            models.UniqueConstraint(fields=["is_active"], condition=Q(is_active=True), name="earn_rule_one_active"),
        ]

    def __str__(self):
        return f"{self.code} v{self.version}"


class Account(models.Model):
    """A member's points: what may be spent, what is still to come, what is held, what is owed."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    member = models.OneToOneField("members.Member", models.PROTECT, related_name="account", verbose_name=_("member"))
    available = models.BigIntegerField(_("available"), default=0)
    pending = models.BigIntegerField(_("pending"), default=0)
    held = models.BigIntegerField(_("held"), default=0)
    debt = models.BigIntegerField(_("debt"), default=0)
    tier = models.ForeignKey(Tier, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("tier"))
    tier_since = models.DateTimeField(_("tier since"), null=True, blank=True)
    qualifying_fen = models.BigIntegerField(_("qualifying spending (fen)"), default=0)
    absorbed = ArrayField(
        models.UUIDField(),
        default=list,
        blank=True,
        editable=False,
        verbose_name=_("accounts absorbed"),
        help_text=_("References used on these accounts are used here as well"),
    )
    version = models.PositiveBigIntegerField(_("version"), default=0)
    updated_at = models.DateTimeField(_("changed"), db_default=Now())

    class Meta:
        verbose_name, verbose_name_plural = _("points account"), _("points accounts")
        constraints = [
            models.CheckConstraint(condition=Q(available__gte=0), name="account_available_not_negative"),
            models.CheckConstraint(condition=Q(pending__gte=0), name="account_pending_not_negative"),
            models.CheckConstraint(condition=Q(held__gte=0), name="account_held_not_negative"),
            models.CheckConstraint(condition=Q(debt__gte=0), name="account_debt_not_negative"),
        ]

    def __str__(self):
        return str(self.member_id)


class Entry(models.Model):
    """One posting: signed columns that sum to zero with the contra side. Never changed, never deleted."""

    class Kind(models.TextChoices):
        EARNED = "earned", _("Earned")
        SPENT = "spent", _("Spent")
        HELD = "held", _("Held")
        RELEASED = "released", _("Released")
        REVERSED = "reversed", _("Reversed")
        EXPIRED = "expired", _("Expired")
        ADJUSTED = "adjusted", _("Adjusted")
        MOVED = "moved", _("Moved")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    account = models.ForeignKey(Account, models.PROTECT, related_name="entries", verbose_name=_("account"))
    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    available = models.BigIntegerField(_("available"), default=0)
    pending = models.BigIntegerField(_("pending"), default=0)
    held = models.BigIntegerField(_("held"), default=0)
    debt = models.BigIntegerField(_("debt"), default=0)
    contra = models.BigIntegerField(_("contra"))
    contra_kind = models.CharField(_("contra kind"), max_length=20)
    source = models.CharField(_("source"), max_length=80)
    reference = models.CharField(_("reference"), max_length=120)
    reason = models.CharField(_("reason"), max_length=200, blank=True)
    rule = models.ForeignKey(EarnRule, models.PROTECT, null=True, related_name="+", verbose_name=_("rule"))
    reverses = models.OneToOneField("self", models.PROTECT, null=True, related_name="reversal")
    channel = models.ForeignKey("sync.Channel", models.PROTECT, null=True, related_name="+", verbose_name=_("channel"))
    available_after = models.BigIntegerField(_("available after"))
    version = models.PositiveBigIntegerField(_("account version"))
    available_at = models.DateTimeField(_("available from"), null=True)
    expires_at = models.DateTimeField(_("expires"), null=True)
    created_at = models.DateTimeField(_("posted"), db_default=Now())

    class Meta:
        verbose_name, verbose_name_plural = _("points entry"), _("points entries")
        constraints = [
            models.CheckConstraint(
                condition=Q(contra=F("debt") - F("available") - F("pending") - F("held")), name="entry_sums_to_zero"
            ),
            models.CheckConstraint(condition=~Q(available=0, pending=0, held=0, debt=0), name="entry_moves_something"),
            models.CheckConstraint(
                condition=(~Q(kind="earned") | Q(contra__lt=0)) & (~Q(kind="spent") | Q(contra__gt=0)),
                name="entry_sign_follows_kind",
            ),
            models.UniqueConstraint(fields=["source", "account", "reference"], name="entry_reference_once"),
            models.UniqueConstraint(fields=["account", "version"], name="entry_version_once"),
        ]
        indexes = [
            models.Index(  # what a channel has given today
                fields=["source", "created_at"],
                include=["account", "contra"],
                condition=Q(kind="earned", available_at__isnull=False),
                name="entry_given",
            )
        ]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self):
        return f"{self.kind} {self.reference}"

    @property
    def points(self) -> int:
        """What the member gains (or, negative, loses) by it; of a hold, what it takes out of reach."""
        return -self.contra or self.available
