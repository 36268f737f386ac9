"""The programme: how long points live, what they are worth, who is in which tier, and how far staff may go alone."""

import pghistory
import pgtrigger
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from sync.rows import Rows

# Of an account, where its tier is kept.
TIER_TIMES = """
IF num_nonnulls(NEW.tier_id, NEW.tier_since) = 1
    OR (NEW.tier_id IS NULL AND (NEW.tier_until IS NOT NULL OR NEW.is_in_grace))
THEN
    RAISE EXCEPTION 'account_tier_has_its_times' USING ERRCODE = '23514';
ELSIF NEW.is_in_grace AND NEW.tier_until IS NULL THEN
    RAISE EXCEPTION 'account_grace_ends' USING ERRCODE = '23514';
END IF;
RETURN NULL;
"""


@pghistory.track()
class Programme(models.Model):
    """The one set of terms in force. Without it points never expire and every shortfall is owed."""

    class Validity(models.TextChoices):
        NEVER = "never", _("Never expire")
        ROLLING = "rolling", _("So many months after they were earned")
        YEAR_END = "year_end", _("At the end of the year so many months later")

    class RefundPolicy(models.TextChoices):
        DEBT = "debt", _("The member owes them")
        DEDUCT = "deduct", _("Their worth is taken off the refund")
        FORGIVE = "forgive", _("They are forgiven")

    class QualifyBy(models.TextChoices):
        SPEND = "spend", _("Spending")
        GROWTH = "growth", _("Growth")

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    validity = models.CharField(
        _("points expire"),
        max_length=10,
        choices=Validity,
        default=Validity.NEVER,
        help_text=_("Of points earned from now on; those that are there keep their day"),
    )
    valid_months = models.PositiveSmallIntegerField(
        _("months"), default=12, validators=[MinValueValidator(1)], help_text=_("Until points expire, if they do")
    )
    grace_days = models.PositiveSmallIntegerField(
        _("days of grace"),
        default=0,
        help_text=_("Points that come back to an expired lot live on for so long after it expired, once"),
    )
    notice_days = models.PositiveSmallIntegerField(
        _("days of notice before points expire"),
        default=30,
        help_text=_("So long before they go, points are shown as expiring and their member is told"),
    )
    refund_policy = models.CharField(
        _("refunded points already spent"),
        max_length=10,
        choices=RefundPolicy,
        default=RefundPolicy.DEBT,
        help_text=_("An order is refunded, but what it earned is gone: what becomes of the difference"),
    )
    fen_per_point = models.PositiveIntegerField(
        _("worth of a point (fen)"),
        default=1,
        validators=[MinValueValidator(1)],
        help_text=_("What one point takes off an order"),
    )
    redeem_percent = models.PositiveSmallIntegerField(
        _("share of an order points may pay (%)"),
        default=100,
        validators=[MaxValueValidator(100)],
        help_text=_("The rest is paid in money; 0: points pay for nothing"),
    )
    qualify_by = models.CharField(
        _("tiers follow"),
        max_length=10,
        choices=QualifyBy,
        default=QualifyBy.SPEND,
        help_text=_("Spending is what was paid less what was refunded; growth is what earn rules and bonuses give"),
    )
    window_months = models.PositiveSmallIntegerField(
        _("months that count"),
        default=12,
        validators=[MinValueValidator(1)],
        help_text=_("What is longer ago no longer counts towards a tier"),
    )
    tier_months = models.PositiveSmallIntegerField(
        _("months a tier lasts"),
        default=12,
        validators=[MinValueValidator(1)],
        help_text=_("To the end of that day in Shanghai; then the tier is reviewed by what counts that day"),
    )
    tier_grace_days = models.PositiveSmallIntegerField(
        _("days of grace before a tier falls"),
        default=30,
        help_text=_("Whoever is short at the review keeps it for so long; reaching it again in that time renews it"),
    )
    adjust_alone = models.PositiveIntegerField(
        _("points adjusted without a second person"),
        default=1_000,
        help_text=_("At once; above, somebody else approves"),
    )
    adjust_per_day = models.PositiveIntegerField(
        _("points one person may adjust in a day"), default=10_000, help_text=_("Given and taken together")
    )

    class Meta:
        verbose_name, verbose_name_plural = _("points programme"), _("points programme")
        constraints = [
            models.CheckConstraint(condition=Q(id=1), name="programme_only_one"),
            models.CheckConstraint(
                condition=Q(valid_months__gte=1, window_months__gte=1, tier_months__gte=1),
                name="programme_months_count",
            ),
            models.CheckConstraint(
                condition=Q(redeem_percent__lte=100, fen_per_point__gte=1), name="programme_points_are_worth_something"
            ),
        ]

    def __str__(self):
        return str(_("Points programme"))

    @classmethod
    def current(cls) -> "Programme":
        """The terms in force."""
        return next(iter(PROGRAMMES.found(IN_FORCE)), None) or cls()


PROGRAMMES = Rows(Programme)
IN_FORCE = f"SELECT {PROGRAMMES.of('p')} FROM loyalty_programme p"  # noqa: S608 - names of our own columns


@pghistory.track()
class Tier(models.Model):
    """A level reached by spending or growth; the highest whose threshold is met counts."""

    code = models.SlugField(_("code"), max_length=20, unique=True)
    name = models.CharField(_("name"), max_length=40)
    threshold_fen = models.PositiveBigIntegerField(
        _("from spending (fen)"), unique=True, help_text=_("The lowest tier begins at 0; tiers rank by this")
    )
    threshold_growth = models.PositiveBigIntegerField(
        _("from growth"),
        null=True,
        blank=True,
        unique=True,
        help_text=_("Where tiers follow growth; empty: growth does not lead here"),
    )

    class Meta:
        verbose_name, verbose_name_plural = _("tier"), _("tiers")
        ordering = ["threshold_fen"]

    def __str__(self):
        return self.name


@pghistory.track(pghistory.InsertEvent(), pghistory.UpdateEvent(), pghistory.DeleteEvent())
class Benefit(models.Model):
    """What a tier gives, as data: channels read it, the hub does not act on it."""

    tier = models.ForeignKey(Tier, models.CASCADE, related_name="benefits", verbose_name=_("tier"))
    code = models.SlugField(_("code"), max_length=40)
    name = models.CharField(_("name"), max_length=80)
    value = models.CharField(_("value"), max_length=80, blank=True)

    class Meta:
        verbose_name, verbose_name_plural = _("benefit"), _("benefits")
        ordering = ["code"]
        constraints = [models.UniqueConstraint(fields=["tier", "code"], name="benefit_once_per_tier")]

    def __str__(self):
        return self.name


class TierChange(models.Model):
    """A member's tier rose, fell or was renewed, with the numbers that decided. Never changed."""

    class Cause(models.TextChoices):
        REACHED = "reached", _("Threshold reached")
        REVIEWED = "reviewed", _("Review")
        REFUNDED = "refunded", _("Qualifying order refunded")
        MERGED = "merged", _("Members merged")
        PARTED = "parted", _("Merge undone")

    account = models.ForeignKey(
        "loyalty.Account", models.PROTECT, related_name="tier_changes", verbose_name=_("account")
    )
    before = models.ForeignKey(Tier, models.PROTECT, null=True, related_name="+", verbose_name=_("tier before"))
    after = models.ForeignKey(Tier, models.PROTECT, related_name="+", verbose_name=_("tier after"))
    cause = models.CharField(_("cause"), max_length=10, choices=Cause)
    qualify_by = models.CharField(_("counted"), max_length=10, choices=Programme.QualifyBy)
    qualifying = models.BigIntegerField(_("what counted"), help_text=_("In fen, or growth"))
    threshold = models.BigIntegerField(_("what it takes"))
    counted_from = models.DateTimeField(_("counted from"))
    counted_to = models.DateTimeField(_("counted to"), help_text=_("What was received later was not there yet"))
    until = models.DateTimeField(_("lasts until"), null=True)
    at = models.DateTimeField(_("at"), db_default=Now())

    class Meta:
        verbose_name, verbose_name_plural = _("tier change"), _("tier changes")
        constraints = [
            models.CheckConstraint(condition=Q(counted_from__lt=F("counted_to")), name="tier_change_counts_a_time"),
        ]
        indexes = [models.Index(fields=["account", "-at"], name="tier_change_of_account")]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self):
        return f"{self.before or '–'} → {self.after}"
