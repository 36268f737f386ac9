"""Rules that earn points, versioned: what is active is never changed, only followed by another version."""

from decimal import Decimal

import pghistory
import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from loyalty.models.programme import Tier

ONLY_OF_DRAFTS = """
    -- FOR SHARE: whoever activates the rule at this moment is waited for, or waits
    FOR v_rule IN
        SELECT state FROM loyalty_earnrule
        WHERE id IN ((to_jsonb(OLD) ->> 'rule_id')::bigint, (to_jsonb(NEW) ->> 'rule_id')::bigint) FOR SHARE
    LOOP
        IF v_rule.state <> 'draft' THEN
            RAISE EXCEPTION 'The multipliers of an earn rule that is no draft are never changed';
        END IF;
    END LOOP;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    RETURN NEW;
"""
PATTERNS = _("SKUs, or how they begin, then an asterisk: TEA-*")


@pghistory.track()
class EarnRule(models.Model):
    """One version of how points are earned. Of each code one version is active; entries name the version."""

    class Kind(models.TextChoices):
        PAID = "paid", _("Paying an order")
        REGISTRATION = "registration", _("Registration")
        BIRTHDAY = "birthday", _("Birthday")
        SIGN_IN = "sign_in", _("First sign-in on a channel")

    class State(models.TextChoices):
        DRAFT = "draft", _("Draft")
        ACTIVE = "active", _("Active")
        RETIRED = "retired", _("Retired")

    kind = models.CharField(_("kind"), max_length=20, choices=Kind, default=Kind.PAID)
    code = models.SlugField(_("code"), max_length=40)
    version = models.PositiveIntegerField(_("version"), default=1)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.DRAFT)
    points_per_yuan = models.DecimalField(
        _("points per whole yuan"),
        max_digits=8,
        decimal_places=2,
        default=Decimal(1),
        validators=[MaxValueValidator(1_000)],
    )
    growth_per_yuan = models.DecimalField(
        _("growth per whole yuan"), max_digits=8, decimal_places=2, default=Decimal(1)
    )
    fixed_points = models.PositiveIntegerField(_("fixed bonus"), default=0)
    fixed_growth = models.PositiveIntegerField(_("fixed growth"), default=0)
    includes = ArrayField(
        models.CharField(max_length=64), default=list, blank=True, verbose_name=_("only for"), help_text=PATTERNS
    )
    excludes = ArrayField(
        models.CharField(max_length=64), default=list, blank=True, verbose_name=_("not for"), help_text=PATTERNS
    )
    cap_per_order = models.PositiveIntegerField(_("at most, per order"), null=True, blank=True)
    cap_per_day = models.PositiveIntegerField(_("at most, per member and day"), null=True, blank=True)
    valid_days = models.PositiveIntegerField(_("points live so many days"), null=True, blank=True)
    starts_at = models.DateTimeField(_("from"), null=True, blank=True)
    ends_at = models.DateTimeField(_("until"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"), db_default=Now())
    activated_at = models.DateTimeField(_("activated"), null=True, blank=True)
    activated_by = models.CharField(_("activated by"), max_length=80, blank=True)

    class Meta:
        verbose_name, verbose_name_plural = _("earn rule"), _("earn rules")
        constraints = [
            models.UniqueConstraint(fields=["code", "version"], name="earn_rule_version_once"),
            models.UniqueConstraint(fields=["kind"], condition=Q(state="active"), name="earn_rule_one_active_per_kind"),
            models.CheckConstraint(
                condition=Q(points_per_yuan__gte=0, points_per_yuan__lte=1_000, growth_per_yuan__gte=0),
                name="earn_rule_rate_in_bounds",
            ),
            models.CheckConstraint(
                condition=Q(starts_at=None) | Q(ends_at=None) | Q(ends_at__gt=F("starts_at")),
                name="earn_rule_ends_after_it_starts",
            ),
        ]
        triggers = [
            pgtrigger.Protect(
                name="terms_never_changed",
                operation=pgtrigger.Update,
                condition=pgtrigger.Condition(
                    "OLD.state = 'active' AND (NEW.state = 'draft'"
                    " OR (to_jsonb(OLD) - 'state') IS DISTINCT FROM (to_jsonb(NEW) - 'state'))"
                    " OR OLD.state = 'retired' AND to_jsonb(OLD) IS DISTINCT FROM to_jsonb(NEW)"
                ),
            ),
            pgtrigger.Protect(
                name="kept", operation=pgtrigger.Delete, condition=pgtrigger.Condition("OLD.state <> 'draft'")
            ),
        ]
        permissions = [("activate_earnrule", "Can activate earn rules")]

    def __str__(self):
        return f"{self.code} v{self.version}"


@pghistory.track()
class EarnBoost(models.Model):
    """A multiplier of a rule: for a tier, a channel, some articles, a time. What is left open fits everything.

    Of each sort (by tier, by channel, others) the greatest that fits counts; the sorts multiply.
    """

    rule = models.ForeignKey(EarnRule, models.CASCADE, related_name="boosts", verbose_name=_("earn rule"))
    name = models.CharField(_("name"), max_length=80)
    multiplier = models.DecimalField(
        _("times"), max_digits=5, decimal_places=2, validators=[MinValueValidator(Decimal(0)), MaxValueValidator(100)]
    )
    tier = models.ForeignKey(Tier, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("tier"))
    channel = models.ForeignKey(
        "sync.Channel", models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("channel")
    )
    includes = ArrayField(
        models.CharField(max_length=64), default=list, blank=True, verbose_name=_("only for"), help_text=PATTERNS
    )
    starts_at = models.DateTimeField(_("from"), null=True, blank=True)
    ends_at = models.DateTimeField(_("until"), null=True, blank=True)

    class Meta:
        verbose_name, verbose_name_plural = _("multiplier"), _("multipliers")
        constraints = [
            models.CheckConstraint(
                condition=Q(multiplier__gte=0, multiplier__lte=100), name="earn_boost_multiplier_in_bounds"
            ),
            models.CheckConstraint(
                condition=Q(starts_at=None) | Q(ends_at=None) | Q(ends_at__gt=F("starts_at")),
                name="earn_boost_ends_after_it_starts",
            ),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="frozen_with_its_rule",
                operation=pgtrigger.Insert | pgtrigger.Update | pgtrigger.Delete,
                when=pgtrigger.Before,
                declare=[("v_rule", "record")],
                func=ONLY_OF_DRAFTS,
            )
        ]

    def __str__(self):
        return self.name
