"""Identities: what ties a person at a door to a member."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from sync.ids import uuid7
from sync.indexing import BlindIndex
from sync.secret import EncryptedField


class Identity(models.Model):
    """A phone, a WeChat id or a channel's customer number of one member, and how well it was proven.

    `namespace` is the app id of an openid, the channel code of an external number, empty for phone and unionid.
    """

    class Kind(models.TextChoices):
        PHONE = "phone", _("Phone")
        WECHAT_OPENID = "wechat_openid", _("WeChat OpenID")
        WECHAT_UNIONID = "wechat_unionid", _("WeChat UnionID")
        EXTERNAL = "external", _("Customer number")

    class Proof(models.TextChoices):
        VERIFIED = "verified", _("Verified")
        ATTESTED = "attested", _("Attested by a channel")
        ASSERTED = "asserted", _("Asserted by a channel")
        CLAIMED = "claimed", _("Claimed")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    member = models.ForeignKey("members.Member", models.CASCADE, related_name="identities", verbose_name=_("member"))
    kind = models.CharField(_("kind"), max_length=20, choices=Kind)
    namespace = models.CharField(_("namespace"), max_length=64, blank=True)
    value = EncryptedField()
    value_index = BlindIndex(of="to_find")
    value_index_2 = BlindIndex(of="to_find", slot=2)
    mask = models.CharField(_("value"), max_length=80)
    proof = models.CharField(_("proof"), max_length=10, choices=Proof)
    assurance = models.PositiveSmallIntegerField(_("assurance"), default=0)
    channel = models.ForeignKey("sync.Channel", models.PROTECT, null=True, related_name="+", verbose_name=_("channel"))
    verified_at = models.DateTimeField(_("verified"), null=True)
    suspended_at = models.DateTimeField(
        _("suspended"), null=True, help_text=_("Signs nobody in until it is proven again")
    )
    last_seen_at = models.DateTimeField(_("last seen"), db_default=Now())
    created_at = models.DateTimeField(_("created"), db_default=Now())

    class Meta:
        verbose_name, verbose_name_plural = _("identity"), _("identities")
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "namespace", "value_index"],
                condition=Q(proof="verified"),
                name="identity_verified_once",
            ),
            models.UniqueConstraint(
                fields=["kind", "namespace", "value_index_2"],
                condition=Q(proof="verified"),
                name="identity_verified_once_2",
            ),
            models.UniqueConstraint(
                fields=["channel", "kind", "namespace", "value_index"],
                condition=Q(proof__in=["attested", "asserted"]),
                name="identity_asserted_once_per_channel",
            ),
            models.UniqueConstraint(
                fields=["channel", "kind", "namespace", "value_index_2"],
                condition=Q(proof__in=["attested", "asserted"]),
                name="identity_asserted_once_per_channel_2",
            ),
            models.CheckConstraint(
                condition=Q(value_index__isnull=False) | Q(value_index_2__isnull=False), name="identity_can_be_found"
            ),
            models.CheckConstraint(
                condition=Q(proof="verified", verified_at__isnull=False) | (~Q(proof="verified") & Q(verified_at=None)),
                name="identity_verified_at_follows_proof",
            ),
            models.CheckConstraint(
                condition=~Q(kind__in=["wechat_openid", "external"]) | ~Q(namespace=""), name="identity_has_namespace"
            ),
            models.CheckConstraint(
                condition=Q(suspended_at=None) | ~Q(proof="verified"), name="identity_verified_is_not_suspended"
            ),
        ]
        indexes = [
            models.Index(fields=["kind", "value_index"], name="identity_lookup"),
            models.Index(fields=["kind", "value_index_2"], name="identity_lookup_2"),
        ]

    def __str__(self):
        return f"{self.kind} {self.mask}"

    def to_find(self) -> tuple[str, str]:
        """What the blind index is made of."""
        return self.kind, self.value
