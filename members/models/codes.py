"""Codes that a member shows at a till."""

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class MemberCode(models.Model):
    """The newest code of a session, as a keyed hash; `channel` is the one that presented it first."""

    session = models.OneToOneField(
        "members.Session", models.CASCADE, primary_key=True, related_name="code", verbose_name=_("session")
    )
    member = models.ForeignKey("members.Member", models.CASCADE, related_name="+", verbose_name=_("member"))
    digest = models.BinaryField(unique=True, editable=False)
    channel = models.ForeignKey(
        "sync.Channel", models.CASCADE, null=True, related_name="+", verbose_name=_("presented by")
    )
    created_at = models.DateTimeField(_("created"), db_default=Now())
    expires_at = models.DateTimeField(_("expires"))

    class Meta:
        verbose_name, verbose_name_plural = _("member code"), _("member codes")
        indexes = [models.Index(fields=["expires_at"], name="member_code_expiry")]

    def __str__(self):
        return str(self.session_id)
