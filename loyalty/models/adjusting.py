"""Points given or taken by staff: for a reason, within limits, above them only with a second person's word."""

import pghistory
import pgtrigger
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from loyalty.models.ledger import Account, Entry
from sync.ids import uuid7

DECISION = "ARRAY['state', 'decided_by_id', 'decided_at', 'why', 'entry_id', 'note']"
OUTCOME, WORDS = "ARRAY['state', 'problem', 'adjustment_id', 'note', 'known_as']", "ARRAY['note', 'known_as']"


def staff(title, **more) -> models.ForeignKey:
    """Who of the staff did it."""
    return models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=title, **more)


def decided(*closed_alone: str) -> Q:
    """Who decided fits the state: nobody yet, the person who asked where that is enough, else always another."""
    another = Q(decided_by__isnull=False) & ~Q(decided_by=F("asked_by"))
    open_ones = Q(state__in=["draft", "asked"], decided_by=None, decided_at=None)
    alone = ~Q(state__in=["draft", "asked", "refused", "withdrawn"]) & Q(needs_approval=False, decided_by=None)
    approved = ~Q(state__in=["draft", "asked", "withdrawn"]) & Q(needs_approval=True) & another
    withdrawn = Q(state="withdrawn", decided_by__isnull=False, decided_by=F("asked_by"))
    return open_ones | Q(decided_at__isnull=False) & (alone | approved | withdrawn)


@pghistory.track()
class Reason(models.Model):
    """Why staff may give or take points. Chosen, never typed."""

    class Direction(models.TextChoices):
        GIVE = "give", _("Give")
        TAKE = "take", _("Take")
        BOTH = "both", _("Give or take")

    code = models.SlugField(_("code"), max_length=40, unique=True)
    name = models.CharField(_("name"), max_length=80)
    direction = models.CharField(_("direction"), max_length=4, choices=Direction, default=Direction.GIVE)
    is_note_required = models.BooleanField(_("note required"), default=False)
    is_active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name, verbose_name_plural = _("adjustment reason"), _("adjustment reasons")
        ordering = ["code"]
        constraints = [
            models.CheckConstraint(condition=Q(direction__in=["give", "take", "both"]), name="reason_direction_known")
        ]

    def __str__(self):
        return self.name


class AdjustmentFile(models.Model):
    """Many adjustments at once, from a file, or the undoing of such a file. Its rows move nothing before it is decided.

    `given` and `taken` are what its rows that are in order come to.
    """

    class State(models.TextChoices):
        DRAFT = "draft", _("Checked")
        ASKED = "asked", _("Waiting for approval")
        RUNNING = "running", _("Running")
        POSTED = "posted", _("Points posted")
        REFUSED = "refused", _("Refused")
        WITHDRAWN = "withdrawn", _("Withdrawn")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(_("file"), max_length=200)
    digest = models.BinaryField(editable=False, help_text=_("SHA-256 of the file"))
    undoes = models.ForeignKey("self", models.PROTECT, null=True, related_name="undoings", verbose_name=_("undoes"))
    channels = ArrayField(
        models.CharField(max_length=40), default=list, editable=False, help_text=_("Held by whoever brought it")
    )
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.DRAFT)
    lines = models.PositiveIntegerField(_("lines"), default=0)
    wrong = models.PositiveIntegerField(_("wrong lines"), default=0)
    given = models.BigIntegerField(_("points given"), default=0)
    taken = models.BigIntegerField(_("points taken"), default=0)
    needs_approval = models.BooleanField(_("needs a second person"), default=True)
    asked_by = staff(_("asked by"))
    asked_at = models.DateTimeField(_("asked at"), db_default=Now())
    decided_by = staff(_("decided by"), null=True)
    decided_at = models.DateTimeField(_("decided at"), null=True)
    why = models.CharField(_("why refused"), max_length=200, blank=True)
    finished_at = models.DateTimeField(_("finished at"), null=True)

    class Meta:
        verbose_name, verbose_name_plural = _("adjustment file"), _("adjustment files")
        constraints = [
            models.CheckConstraint(condition=decided(), name="adjustment_file_decided_by_another"),
            models.CheckConstraint(
                condition=Q(state="posted", finished_at__isnull=False) | (~Q(state="posted") & Q(finished_at=None)),
                name="adjustment_file_finished_follows_state",
            ),
            models.CheckConstraint(condition=Q(given__gte=0, taken__gte=0), name="adjustment_file_sums_not_negative"),
            models.UniqueConstraint(
                fields=["digest"], condition=~Q(state__in=["refused", "withdrawn"]), name="adjustment_file_once"
            ),
        ]
        indexes = [
            models.Index(fields=["state"], condition=Q(state__in=["asked", "running"]), name="adjustment_file_open"),
            models.Index(fields=["asked_by", "asked_at"], name="adjustment_file_of_person"),
        ]
        triggers = [
            pgtrigger.Protect(name="never_deleted", operation=pgtrigger.Delete),
            pgtrigger.Protect(
                name="decided_for_good",
                operation=pgtrigger.Update,
                condition=pgtrigger.Condition(
                    "OLD.decided_at IS NOT NULL AND (to_jsonb(OLD) - ARRAY['state', 'finished_at'])"
                    " IS DISTINCT FROM (to_jsonb(NEW) - ARRAY['state', 'finished_at'])"
                    " OR OLD.state IN ('posted', 'refused', 'withdrawn')"
                    " OR (OLD.lines, OLD.wrong, OLD.given, OLD.taken, OLD.asked_by_id)"
                    " IS DISTINCT FROM (NEW.lines, NEW.wrong, NEW.given, NEW.taken, NEW.asked_by_id)"
                ),
            ),
        ]

    def __str__(self):
        return self.name

    @property
    def total(self) -> int:
        """Points that it moves, whichever way."""
        return self.given + self.taken


class Adjustment(models.Model):
    """Points given (positive) or taken (negative) by staff. Once decided it never changes; a note may be forgotten."""

    class State(models.TextChoices):
        ASKED = "asked", _("Waiting for approval")
        POSTED = "posted", _("Points posted")
        REFUSED = "refused", _("Refused")
        WITHDRAWN = "withdrawn", _("Withdrawn")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    account = models.ForeignKey(Account, models.PROTECT, related_name="adjustments", verbose_name=_("account"))
    points = models.BigIntegerField(_("points"))
    reason = models.ForeignKey(Reason, models.PROTECT, related_name="+", verbose_name=_("reason"))
    note = models.CharField(_("note"), max_length=500, blank=True)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.ASKED)
    needs_approval = models.BooleanField(_("needs a second person"), default=True)
    undoes = models.ForeignKey("self", models.PROTECT, null=True, related_name="undoings", verbose_name=_("undoes"))
    file = models.ForeignKey(
        AdjustmentFile, models.PROTECT, null=True, related_name="adjustments", verbose_name=_("file")
    )
    asked_by = staff(_("asked by"))
    asked_at = models.DateTimeField(_("asked at"), db_default=Now())
    decided_by = staff(_("decided by"), null=True)
    decided_at = models.DateTimeField(_("decided at"), null=True)
    why = models.CharField(_("why refused"), max_length=200, blank=True)
    entry = models.OneToOneField(
        Entry, models.PROTECT, null=True, related_name="adjustment", verbose_name=_("points entry")
    )

    class Meta:
        verbose_name, verbose_name_plural = _("adjustment"), _("adjustments")
        permissions = [("approve_adjustment", "Can approve or refuse what somebody else asked for")]
        constraints = [
            models.CheckConstraint(condition=~Q(points=0), name="adjustment_moves_something"),
            models.CheckConstraint(condition=decided(), name="adjustment_decided_by_another"),
            models.CheckConstraint(
                condition=Q(state="posted", entry__isnull=False) | (~Q(state="posted") & Q(entry=None)),
                name="adjustment_entry_follows_state",
            ),
            models.CheckConstraint(
                condition=Q(undoes=None) | ~Q(undoes=F("id")), name="adjustment_does_not_undo_itself"
            ),
            models.UniqueConstraint(
                fields=["undoes"],
                condition=Q(undoes__isnull=False, state__in=["asked", "posted"]),
                name="adjustment_undone_once",
            ),
        ]
        indexes = [
            models.Index(fields=["-id"], condition=Q(state="asked"), name="adjustment_open"),
            models.Index(fields=["asked_by", "asked_at"], name="adjustment_of_person"),
            models.Index(fields=["account", "-id"], name="adjustment_of_account"),
        ]
        triggers = [
            pgtrigger.Protect(name="never_deleted", operation=pgtrigger.Delete),
            pgtrigger.Protect(
                name="decided_for_good",
                operation=pgtrigger.Update,
                condition=pgtrigger.Condition(
                    f"to_jsonb(OLD) - {DECISION} IS DISTINCT FROM to_jsonb(NEW) - {DECISION}"
                    " OR OLD.state <> 'asked' AND (to_jsonb(OLD) - 'note') IS DISTINCT FROM (to_jsonb(NEW) - 'note')"
                    " OR NEW.note NOT IN (OLD.note, '')"
                ),
            ),
        ]

    def __str__(self):
        return f"{self.points:+,}".replace("-", "−")


class AdjustmentRow(models.Model):
    """One line of a file: for whom (never a phone in clear), how much, why, and what became of it."""

    class State(models.TextChoices):
        WRONG = "wrong", _("Wrong")
        WAITING = "waiting", _("In order")
        POSTED = "posted", _("Points posted")
        FAILED = "failed", _("Failed")

    id = models.BigAutoField(primary_key=True)
    file = models.ForeignKey(AdjustmentFile, models.PROTECT, related_name="rows", verbose_name=_("file"))
    line = models.PositiveIntegerField(_("line"))
    member = models.UUIDField(_("member"), null=True, editable=False)
    known_as = models.CharField(_("member"), max_length=40, blank=True)
    points = models.BigIntegerField(_("points"), null=True)
    reason = models.ForeignKey(Reason, models.PROTECT, null=True, related_name="+", verbose_name=_("reason"))
    note = models.CharField(_("note"), max_length=500, blank=True)
    reference = models.CharField(_("reference"), max_length=80, blank=True)
    undoes = models.ForeignKey(
        Adjustment, models.PROTECT, null=True, related_name="undoing_rows", verbose_name=_("undoes")
    )
    state = models.CharField(_("state"), max_length=10, choices=State)
    problem = models.CharField(_("problem"), max_length=30, blank=True)
    adjustment = models.OneToOneField(
        Adjustment, models.PROTECT, null=True, related_name="row", verbose_name=_("adjustment")
    )

    class Meta:
        verbose_name, verbose_name_plural = _("line of an adjustment file"), _("lines of adjustment files")
        constraints = [
            models.UniqueConstraint(fields=["file", "line"], name="adjustment_row_line_once"),
            models.UniqueConstraint(
                fields=["reference"], condition=Q(state="posted", undoes=None), name="adjustment_row_reference_once"
            ),
            models.CheckConstraint(
                condition=Q(state="posted", adjustment__isnull=False) | (~Q(state="posted") & Q(adjustment=None)),
                name="adjustment_row_posted_has_adjustment",
            ),
            models.CheckConstraint(
                condition=Q(state="wrong")
                | Q(member__isnull=False, points__isnull=False, reason__isnull=False) & ~Q(points=0),
                name="adjustment_row_in_order_is_whole",
            ),
        ]
        indexes = [
            models.Index(fields=["file", "line"], condition=Q(state="waiting"), name="adjustment_row_to_do"),
            models.Index(fields=["file", "line"], condition=~Q(problem=""), name="adjustment_row_problems"),
            models.Index(fields=["member"], name="adjustment_row_of_member"),
        ]
        triggers = [
            pgtrigger.Protect(name="never_deleted", operation=pgtrigger.Delete),
            pgtrigger.Protect(
                name="done_for_good",
                operation=pgtrigger.Update,
                condition=pgtrigger.Condition(
                    f"to_jsonb(OLD) - {OUTCOME} IS DISTINCT FROM to_jsonb(NEW) - {OUTCOME}"
                    f" OR OLD.state <> 'waiting' AND to_jsonb(OLD) - {WORDS} IS DISTINCT FROM to_jsonb(NEW) - {WORDS}"
                    " OR NEW.note NOT IN (OLD.note, '')"
                ),
            ),
        ]

    def __str__(self):
        return f"{self.file_id}:{self.line}"
