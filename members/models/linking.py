"""Two members that turn out to be one person: the case that decides it, the journal that can undo it."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from sync.ids import uuid7
from sync.secret import EncryptedField


class LinkCase(models.Model):
    """A proof given by one member belongs to another: nothing moves until enough is proven."""

    class Kind(models.TextChoices):
        MERGE = "merge", _("Two members, one person")
        RECYCLED_PHONE = "recycled_phone", _("Number with a new holder")

    class State(models.TextChoices):
        OPEN = "open", _("Open")
        MERGED = "merged", _("Merged")
        DECLINED = "declined", _("Declined")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(_("kind"), max_length=20, choices=Kind)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.OPEN)
    member = models.ForeignKey("members.Member", models.CASCADE, related_name="link_cases", verbose_name=_("member"))
    other = models.ForeignKey("members.Member", models.CASCADE, related_name="+", verbose_name=_("other member"))
    identity_kind = models.CharField(_("identity"), max_length=20)
    mask = models.CharField(_("value"), max_length=80)
    proofs = models.JSONField(_("proofs given"), default=list)
    guesses = models.PositiveSmallIntegerField(_("guesses"), default=0)
    created_at = models.DateTimeField(_("opened"), db_default=Now())
    closed_at = models.DateTimeField(_("closed"), null=True)
    closed_by = models.CharField(_("closed by"), max_length=80, blank=True)

    class Meta:
        verbose_name, verbose_name_plural = _("link case"), _("link cases")
        constraints = [
            models.CheckConstraint(condition=~Q(member=F("other")), name="link_case_two_members"),
            models.CheckConstraint(condition=Q(guesses__lte=10), name="link_case_ten_guesses"),
            models.CheckConstraint(
                condition=Q(state="open", closed_at=None) | (~Q(state="open") & Q(closed_at__isnull=False)),
                name="link_case_closed_at_follows_state",
            ),
            models.UniqueConstraint(
                fields=["member", "other", "kind"], condition=Q(state="open"), name="link_case_open_once"
            ),
        ]

    def __str__(self):
        return f"{self.kind} {self.mask}"


class Merge(models.Model):
    """One member absorbed by another, with all that is needed to take it back.

    The journal knows ids and sums. What is personal of it is sealed, and forgotten once nobody can take it back.
    """

    class Kind(models.TextChoices):
        FOLD = "fold", _("Folded")
        MERGE = "merge", _("Merged")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    source = models.ForeignKey("members.Member", models.PROTECT, related_name="+", verbose_name=_("absorbed"))
    target = models.ForeignKey("members.Member", models.PROTECT, related_name="merges", verbose_name=_("survivor"))
    journal = models.JSONField(_("journal"), default=dict)
    sealed = EncryptedField(null=True)
    by = models.CharField(_("by"), max_length=80)
    at = models.DateTimeField(_("at"), db_default=Now())
    why = models.CharField(_("on what grounds"), max_length=200, blank=True)
    undone_at = models.DateTimeField(_("undone"), null=True)
    undone_by = models.CharField(_("undone by"), max_length=80, blank=True)

    class Meta:
        verbose_name, verbose_name_plural = _("merge"), _("merges")
        constraints = [
            models.CheckConstraint(condition=~Q(source=F("target")), name="merge_two_members"),
            models.UniqueConstraint(fields=["source"], condition=Q(undone_at=None), name="merge_absorbed_once"),
            models.CheckConstraint(
                condition=Q(undone_at=None, undone_by="")
                | Q(undone_at__isnull=False, sealed__isnull=True) & ~Q(undone_by=""),
                name="merge_undone_by_somebody",
            ),
        ]
        indexes = [
            models.Index(fields=["target", "-id"], name="merge_of_survivor"),
            models.Index(fields=["at"], condition=Q(sealed__isnull=False), name="merge_still_sealed"),
        ]

    def __str__(self):
        return f"{self.source} → {self.target}"
