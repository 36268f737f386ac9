"""The points ledger: accounts, entries that sum to zero, the lots points lie in, and holds.

Every earning makes a lot. What takes points draws them from lots, the earliest expiry first; the journal (`Draw`)
keeps which entry took how much from which lot, so that a reversal finds its way back. Always, by account:
Σ entries = balance, Σ lots' remaining = available + pending, Σ lots' held = Σ open holds = held.

PostgreSQL reads the text of a table's checks anew in each statement: here, where it is counted in microseconds, few and
short ones say the same as many, and what only ever counts up under a lock has none.
"""

from datetime import timedelta

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Least, Now
from django.db.models.lookups import Exact, GreaterThanOrEqual
from django.utils.translation import gettext_lazy as _

from loyalty.models.programme import TIER_TIMES
from sync.ids import uuid7


class Account(models.Model):
    """A member's points: what may be spent, what is still to come, what is held, what is owed."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    member = models.OneToOneField("members.Member", models.PROTECT, related_name="account", verbose_name=_("member"))
    available = models.BigIntegerField(_("available"), default=0)
    pending = models.BigIntegerField(_("pending"), default=0)
    held = models.BigIntegerField(_("held"), default=0)
    debt = models.BigIntegerField(_("debt"), default=0)
    tier = models.ForeignKey(
        "loyalty.Tier", models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("tier")
    )
    tier_since = models.DateTimeField(_("tier since"), null=True, blank=True)
    tier_until = models.DateTimeField(_("tier reviewed"), null=True, blank=True)
    is_in_grace = models.BooleanField(
        _("tier in grace"),
        default=False,
        db_default=False,
        help_text=_("Reviewed, not reached again: falls when the grace is over"),
    )
    absorbed = ArrayField(
        models.UUIDField(),
        default=list,
        blank=True,
        editable=False,
        verbose_name=_("accounts absorbed"),
        help_text=_("References used on these accounts are used here as well"),
    )
    due_at = models.DateTimeField(
        _("next due"), null=True, editable=False, help_text=_("No hold or lot ends, no pending lot opens before")
    )
    version = models.BigIntegerField(_("version"), default=0)
    updated_at = models.DateTimeField(_("changed"), db_default=Now())

    class Meta:
        verbose_name, verbose_name_plural = _("points account"), _("points accounts")
        constraints = [
            models.CheckConstraint(  # a debt is settled first: one of them is 0, the other one not below
                condition=Exact(Least("available", "debt"), 0), name="account_available_or_debt"
            ),
            models.CheckConstraint(
                condition=GreaterThanOrEqual(Least("pending", "held"), 0), name="account_pending_held_not_negative"
            ),
        ]
        indexes = [
            models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="account_due"),
            models.Index(fields=["tier_until"], condition=Q(tier_until__isnull=False), name="account_tier_review"),
        ]
        triggers = [
            pgtrigger.Trigger(  # as checks, each posting would pay for them
                name="tier_has_its_times",
                when=pgtrigger.After,
                operation=pgtrigger.Insert | pgtrigger.UpdateOf("tier_id", "tier_since", "tier_until", "is_in_grace"),
                func=TIER_TIMES,
            )
        ]

    def __str__(self):
        return str(self.member if Account.member.is_cached(self) else self.member_id)


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
    account = models.ForeignKey(
        Account, models.PROTECT, related_name="entries", db_index=False, verbose_name=_("account")
    )  # the index of its versions begins with it
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
    rule = models.ForeignKey(
        "loyalty.EarnRule", models.PROTECT, null=True, related_name="+", db_index=False, verbose_name=_("rule")
    )
    reverses = models.ForeignKey(
        "self", models.PROTECT, null=True, related_name="reversals", db_index=False, verbose_name=_("reverses")
    )
    follows = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        related_name="followers",
        db_index=False,
        verbose_name=_("follows"),
        editable=False,
    )  # what closes a hold follows the entry that held, what makes points available the one that earned them
    channel = models.ForeignKey(
        "sync.Channel", models.PROTECT, null=True, related_name="+", db_index=False, verbose_name=_("channel")
    )
    available_after = models.BigIntegerField(_("available after"))
    version = models.BigIntegerField(_("account version"))
    available_at = models.DateTimeField(_("available from"), null=True)
    expires_at = models.DateTimeField(_("expires"), null=True)
    created_at = models.DateTimeField(_("posted"), db_default=Now())

    class Meta:
        verbose_name, verbose_name_plural = _("points entry"), _("points entries")
        constraints = [
            models.CheckConstraint(
                condition=Q(contra=F("debt") - F("available") - F("pending") - F("held")), name="entry_sums_to_zero"
            ),
            models.CheckConstraint(  # some bit is set in one of them
                condition=~Exact(F("available").bitor(F("pending")).bitor(F("held")).bitor(F("debt")), 0),
                name="entry_moves_something",
            ),
            models.CheckConstraint(
                condition=(~Q(kind="earned") | Q(contra__lt=0)) & (~Q(kind="spent") | Q(contra__gt=0)),
                name="entry_sign_follows_kind",
            ),
            models.UniqueConstraint(fields=["source", "account", "reference"], name="entry_reference_once"),
            models.UniqueConstraint(fields=["account", "version"], name="entry_version_once"),
        ]
        indexes = [  # each costs every posting: no more than are asked
            models.Index(fields=["reverses"], condition=Q(reverses__isnull=False), name="entry_reversals"),
            models.Index(fields=["follows"], condition=Q(follows__isnull=False), name="entry_followers"),
            models.Index(  # what a channel's backend has given today
                fields=["source", "created_at"],
                include=["account", "contra"],
                condition=Q(kind="earned", available_at__isnull=False, source__startswith="channel/"),
                name="entry_given",
            ),
        ]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self):
        earlier = self.follows if Entry.follows.is_cached(self) else None
        return f"{self.get_kind_display()} {(earlier or self).reference}"

    @property
    def points(self) -> int:
        """What the member gains by it or (negative) loses; of a hold or release, what goes out of or into reach."""
        return -self.contra or -(self.pending + self.held)


class Lot(models.Model):
    """Points of one earning that are still there, with the date they go. Its key is the entry that made it."""

    entry = models.OneToOneField(Entry, models.PROTECT, primary_key=True, related_name="lot", verbose_name=_("earning"))
    account = models.ForeignKey(Account, models.PROTECT, related_name="lots", verbose_name=_("account"))
    origin = models.UUIDField(_("first account"), editable=False, help_text=_("Whose it was before members merged"))
    earned = models.BigIntegerField(_("earned"))
    remaining = models.BigIntegerField(_("remaining"))
    held = models.BigIntegerField(_("held"), default=0)
    is_pending = models.BooleanField(_("pending"), default=False)
    available_at = models.DateTimeField(
        _("available from"), null=True, help_text=_("Empty while pending: staff decides")
    )
    expires_at = models.DateTimeField(_("expires"), null=True)
    graced_at = models.DateTimeField(_("grace given"), null=True)

    class Meta:
        verbose_name, verbose_name_plural = _("lot"), _("lots")
        constraints = [
            models.CheckConstraint(
                condition=GreaterThanOrEqual(Least("remaining", "held"), 0), name="lot_not_negative"
            ),
            models.CheckConstraint(
                condition=Q(earned__gte=F("remaining") + F("held")), name="lot_holds_what_was_earned"
            ),
            models.CheckConstraint(condition=Q(is_pending=False) | Q(held=0), name="lot_pending_is_not_held"),
        ]
        indexes = [
            models.Index(  # in the order of drawing: a spending reads the first lots only, however many there are
                fields=["account", "expires_at", "entry"], condition=Q(remaining__gt=0), name="lot_to_draw_on"
            ),
            models.Index(
                fields=["entry"],
                condition=Q(is_pending=True, available_at=None, remaining__gt=0),
                name="lot_waits_for_staff",
            ),
        ]

    def __str__(self):
        return self.entry.reference if Lot.entry.is_cached(self) else str(self.pk)


class Draw(models.Model):
    """The journal between entries and lots: what an entry changed in a lot. Never changed, never deleted.

    A lot begins with all it earned; `remaining` and `held` are what was added to each since, signed.
    """

    id = models.BigAutoField(primary_key=True)
    entry = models.ForeignKey(Entry, models.PROTECT, related_name="draws", verbose_name=_("entry"))
    lot = models.ForeignKey(Lot, models.PROTECT, related_name="draws", verbose_name=_("lot"))
    remaining = models.BigIntegerField(_("remaining"), default=0)
    held = models.BigIntegerField(_("held"), default=0)

    class Meta:
        verbose_name, verbose_name_plural = _("draw"), _("draws")
        constraints = [models.CheckConstraint(condition=~Q(remaining=0, held=0), name="draw_moves_something")]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self):
        return f"{self.entry_id} {self.lot_id}"


LONGEST = timedelta(hours=24)  # of a hold


class Hold(models.Model):
    """Points set aside for a spending to come: captured, released, or back by themselves when their time is over.

    Its key is the entry that held them.
    """

    class State(models.TextChoices):
        HELD = "held", _("Held")
        CAPTURED = "captured", _("Captured")
        RELEASED = "released", _("Released")
        EXPIRED = "expired", _("Expired")

    entry = models.OneToOneField(
        Entry, models.PROTECT, primary_key=True, related_name="holding", verbose_name=_("entry")
    )
    account = models.ForeignKey(Account, models.PROTECT, related_name="holds", verbose_name=_("account"))
    channel = models.ForeignKey("sync.Channel", models.PROTECT, null=True, related_name="+", verbose_name=_("channel"))
    source = models.CharField(_("source"), max_length=80)
    reference = models.CharField(_("reference"), max_length=120)
    points = models.BigIntegerField(_("points"))
    captured = models.BigIntegerField(_("captured"), default=0)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.HELD)
    expires_at = models.DateTimeField(_("expires"))
    created_at = models.DateTimeField(_("made"), db_default=Now())
    closed_at = models.DateTimeField(_("closed"), null=True)

    class Meta:
        verbose_name, verbose_name_plural = _("hold"), _("holds")
        constraints = [
            models.CheckConstraint(condition=Q(points__gt=0), name="hold_holds_something"),
            models.CheckConstraint(
                condition=Q(captured__gte=0, captured__lte=F("points"))
                & (Q(captured=0) | Q(state="captured"))
                & (~Q(state="captured") | Q(captured__gt=0)),
                name="hold_captured_follows_state",
            ),
            models.CheckConstraint(
                condition=Q(state="held", closed_at=None) | (~Q(state="held") & Q(closed_at__isnull=False)),
                name="hold_closed_at_follows_state",
            ),
            models.CheckConstraint(
                condition=Q(expires_at__lte=F("created_at") + LONGEST), name="hold_lasts_a_day_at_most"
            ),
        ]
        indexes = [models.Index(fields=["account", "expires_at"], condition=Q(state="held"), name="hold_open")]
        triggers = [
            pgtrigger.Protect(
                name="closed_for_good", operation=pgtrigger.Update, condition=~pgtrigger.Q(old__state="held")
            )
        ]

    def __str__(self):
        return f"{self.points} {self.reference}"
