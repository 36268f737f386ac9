"""Beside the member's own row: who wrote which field, the picture, the addresses."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from sync.ids import uuid7
from sync.secret import EncryptedField


class FieldWrite(models.Model):
    """The last write of one field of a member: it stands until a later one. `at` is when it was true, not received.

    `value_digest` is keyed and bound to the member: it decides between two writes of one moment and tells nobody what.
    """

    class Rank(models.IntegerChoices):
        CHANNEL = 1, _("Channel")
        STAFF = 2, _("Staff")
        MEMBER = 3, _("Member")

    member = models.ForeignKey("members.Member", models.CASCADE, related_name="writes", verbose_name=_("member"))
    field = models.CharField(_("field"), max_length=20)
    at = models.DateTimeField(_("at"))
    rank = models.PositiveSmallIntegerField(_("written by"), choices=Rank)
    channel = models.ForeignKey("sync.Channel", models.PROTECT, null=True, related_name="+", verbose_name=_("channel"))
    by = models.CharField(_("by"), max_length=80)
    value_digest = models.BinaryField(editable=False)
    received_at = models.DateTimeField(_("received"), db_default=Now())

    class Meta:
        verbose_name, verbose_name_plural = _("field write"), _("field writes")
        constraints = [models.UniqueConstraint(fields=["member", "field"], name="field_write_last")]

    def __str__(self):
        return f"{self.member_id} {self.field}"


class Avatar(models.Model):
    """A member's picture as the hub made it anew: small, without what a camera adds. `id` is in its address."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    member = models.OneToOneField("members.Member", models.CASCADE, related_name="avatar", verbose_name=_("member"))
    content = models.BinaryField(editable=False)
    content_type = models.CharField(_("type"), max_length=20)
    created_at = models.DateTimeField(_("uploaded"), db_default=Now())

    class Meta:
        verbose_name, verbose_name_plural = _("avatar"), _("avatars")

    def __str__(self):
        return str(self.pk)


class Address(models.Model):
    """Where goods may go to: encrypted, its owner's alone."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    member = models.ForeignKey("members.Member", models.CASCADE, related_name="addresses", verbose_name=_("member"))
    receiver = EncryptedField()
    phone = EncryptedField()
    province = EncryptedField()
    city = EncryptedField()
    district = EncryptedField(null=True)
    street = EncryptedField()
    postcode = EncryptedField(null=True)
    is_default = models.BooleanField(_("default"), default=False)
    version = models.PositiveIntegerField(_("version"), default=1)
    created_at = models.DateTimeField(_("created"), db_default=Now())
    updated_at = models.DateTimeField(_("changed"), db_default=Now())

    class Meta:
        verbose_name, verbose_name_plural = _("address"), _("addresses")
        constraints = [
            models.UniqueConstraint(fields=["member"], condition=Q(is_default=True), name="address_one_default")
        ]
        indexes = [models.Index(fields=["member", "-id"], name="address_of_member")]

    def __str__(self):
        return str(self.pk)
