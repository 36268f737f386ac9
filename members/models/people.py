"""The member: one person, whatever door they came through."""

from functools import partial

import pghistory
import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import ExtractDay, ExtractMonth, Now
from django.utils.translation import gettext_lazy as _

from members.models.freezing import Scope
from sync import ids
from sync.indexing import BlindIndex
from sync.secret import EncryptedField

# The survivor's row is locked: of two that want to absorb each other at once the second finds it gone.
ONE_HOP = """
    PERFORM FROM members_member WHERE id = NEW.merged_into_id AND merged_into_id IS NULL FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'a member is merged into one that is not merged itself' USING ERRCODE = 'check_violation';
    END IF;
    IF EXISTS (SELECT FROM members_member WHERE merged_into_id = NEW.id) THEN
        RAISE EXCEPTION 'whom a member absorbed goes along when it is merged' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
"""


@pghistory.track(fields=["status", "frozen_scopes", "merged_into", "version"])
class Member(models.Model):
    """One person. The phone is kept encrypted, found by blind index, shown by its mask."""

    class Status(models.TextChoices):
        ACTIVE = "active", _("Active")
        FROZEN = "frozen", _("Frozen")
        MERGED = "merged", _("Merged")
        ERASED = "erased", _("Erased")

    class Gender(models.TextChoices):
        UNKNOWN = "unknown", _("Not said")
        FEMALE = "female", _("Female")
        MALE = "male", _("Male")

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    number = models.CharField(_("number"), max_length=20, unique=True, default=partial(ids.number, "M"), editable=False)
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.ACTIVE)
    frozen_scopes = ArrayField(
        models.CharField(max_length=10, choices=Scope), default=list, blank=True, verbose_name=_("frozen")
    )
    merged_into = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="absorbed", verbose_name=_("merged into")
    )
    nickname = models.CharField(_("nickname"), max_length=40, blank=True)
    avatar_url = models.CharField(_("avatar"), max_length=300, blank=True)
    gender = models.CharField(_("gender"), max_length=10, choices=Gender, default=Gender.UNKNOWN)
    birthday = models.DateField(_("birthday"), null=True, blank=True)
    email = EncryptedField(null=True, blank=True)
    phone = EncryptedField(null=True, blank=True)
    phone_index = BlindIndex(of="phone_to_find")
    phone_index_2 = BlindIndex(of="phone_to_find", slot=2)
    phone_mask = models.CharField(_("phone"), max_length=20, blank=True, editable=False)
    phone_last4 = models.CharField(max_length=4, blank=True, editable=False)
    home_channel = models.ForeignKey(
        "sync.Channel", models.PROTECT, null=True, related_name="+", verbose_name=_("registered on")
    )
    version = models.PositiveIntegerField(_("version"), default=1)
    created_at = models.DateTimeField(_("registered"), db_default=Now())
    updated_at = models.DateTimeField(_("changed"), db_default=Now())

    class Meta:
        verbose_name, verbose_name_plural = _("member"), _("members")
        constraints = [
            models.CheckConstraint(
                condition=Q(status="merged", merged_into__isnull=False)
                | (~Q(status="merged") & Q(merged_into__isnull=True)),
                name="member_merged_into_follows_status",
            ),
            models.CheckConstraint(
                condition=Q(status="frozen", frozen_scopes__len__gt=0, frozen_scopes__contained_by=Scope.values)
                | (~Q(status="frozen") & Q(frozen_scopes=[])),
                name="member_frozen_scopes_follow_status",
            ),
            models.CheckConstraint(
                condition=Q(merged_into__isnull=True) | ~Q(merged_into=F("id")), name="member_not_merged_into_itself"
            ),
            models.CheckConstraint(
                condition=Q(phone__isnull=True, phone_index__isnull=True, phone_index_2__isnull=True, phone_mask="")
                | Q(phone__isnull=False) & ~Q(phone_index__isnull=True, phone_index_2__isnull=True) & ~Q(phone_mask=""),
                name="member_phone_is_whole",
            ),
            models.UniqueConstraint(
                fields=["phone_index"], condition=Q(phone_index__isnull=False), name="member_phone_once"
            ),
            models.UniqueConstraint(
                fields=["phone_index_2"], condition=Q(phone_index_2__isnull=False), name="member_phone_once_2"
            ),
        ]
        indexes = [
            models.Index(fields=["phone_last4"], name="member_phone_last4"),
            models.Index(fields=["nickname"], opclasses=["varchar_pattern_ops"], name="member_nickname_prefix"),
            models.Index(fields=["-created_at", "-id"], name="member_newest"),
            models.Index(fields=["home_channel", "-created_at"], name="member_by_channel"),
            models.Index(
                ExtractMonth("birthday"),
                ExtractDay("birthday"),
                condition=Q(birthday__isnull=False),
                name="member_by_birthday",
            ),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="absorbed_in_one_hop",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert | pgtrigger.UpdateOf("merged_into_id"),
                condition=pgtrigger.Q(new__merged_into__isnull=False),
                func=ONE_HOP,
            )
        ]
        permissions = [("freeze_member", "Can freeze members"), ("reveal_phone", "Can reveal phone numbers")]

    PHONE = ("phone", "phone_index", "phone_index_2", "phone_mask", "phone_last4")  # columns that change together

    def __str__(self):
        return self.number

    def phone_to_find(self) -> tuple[str, str] | None:
        """What the blind index of the phone is made of."""
        return ("phone", self.phone) if self.phone else None

    def is_frozen(self, scope: str) -> bool:
        """Whether this is what a frozen member may not do."""
        return scope in self.frozen_scopes
