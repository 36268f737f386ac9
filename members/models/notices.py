"""WeChat subscribe messages: what may be sent, and how often each person said yes."""

import re

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from sync.ids import uuid7

FIELD = re.compile(r"[a-z_]{1,30}[0-9]{1,3}")  # thing1, character_string2


def validate_fields(fields) -> None:
    """Raises ValidationError unless each of our names stands for a field as WeChat names them."""
    named = fields.values() if isinstance(fields, dict) else [None]
    if not all(isinstance(each, str) and FIELD.fullmatch(each) for each in named):
        raise ValidationError(_('Write {"number": "character_string1"}'))


class NoticeTemplate(models.Model):
    """A template that WeChat granted an app, for one occasion. `fields` names the template's fields by our names."""

    class Occasion(models.TextChoices):
        SHIPPED = "order_shipped", _("Order shipped")
        DELIVERED = "order_delivered", _("Order signed for")
        REFUNDED = "order_refunded", _("Order refunded")
        POINTS_EXPIRING = "points_expiring", _("Points expire soon")
        PHONE_CHANGED = "phone_changed", _("Phone changed")
        MERGED = "member_merged", _("Accounts merged")

    channel = models.ForeignKey("sync.Channel", models.CASCADE, related_name="+", verbose_name=_("channel"))
    template_id = models.CharField(_("template id"), max_length=64)
    occasion = models.CharField(_("occasion"), max_length=20, choices=Occasion)
    title = models.CharField(_("title"), max_length=80)
    fields = models.JSONField(
        _("fields"),
        default=dict,
        validators=[validate_fields],
        help_text=_('Our names and WeChat\'s: {"number": "character_string1"}'),
    )
    page = models.CharField(_("page it opens"), max_length=200, blank=True)
    is_active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name, verbose_name_plural = _("notice template"), _("notice templates")
        constraints = [
            models.UniqueConstraint(fields=["channel", "template_id"], name="notice_template_once"),
            models.UniqueConstraint(
                fields=["channel", "occasion"], condition=Q(is_active=True), name="notice_template_one_active"
            ),
        ]

    def __str__(self):
        return self.title


class NoticeConsent(models.Model):
    """How many messages of a template a member may still be sent: one acceptance, one send."""

    member = models.ForeignKey(
        "members.Member", models.CASCADE, related_name="notice_consents", verbose_name=_("member")
    )
    template = models.ForeignKey(NoticeTemplate, models.CASCADE, related_name="+", verbose_name=_("template"))
    left = models.PositiveSmallIntegerField(_("sends left"), default=0)
    last_result = models.CharField(_("last answer"), max_length=10)
    updated_at = models.DateTimeField(_("changed"), db_default=Now())

    class Meta:
        verbose_name, verbose_name_plural = _("notice consent"), _("notice consents")
        constraints = [
            models.UniqueConstraint(fields=["member", "template"], name="notice_consent_once"),
            models.CheckConstraint(condition=Q(left__lte=100), name="notice_consent_bounded"),
        ]

    def __str__(self):
        return f"{self.template_id} {self.left}"


class MemberNotice(models.Model):
    """One message on its way to a member, sent at most once; of an occasion and what it is about there is one.

    By WeChat it is of a template that the person accepted, as a text message it goes to the member's own phone.
    """

    class Medium(models.TextChoices):
        WECHAT = "wechat", _("WeChat")
        SMS = "sms", _("Text message")

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        SENT = "sent", pgettext_lazy("notice", "Sent")
        FAILED = "failed", _("Failed")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    member = models.ForeignKey("members.Member", models.CASCADE, related_name="notices", verbose_name=_("member"))
    medium = models.CharField(
        _("sent as"), max_length=10, choices=Medium, default=Medium.WECHAT, db_default=Medium.WECHAT
    )
    occasion = models.CharField(_("occasion"), max_length=20, choices=NoticeTemplate.Occasion)
    template = models.ForeignKey(
        NoticeTemplate, models.CASCADE, null=True, blank=True, related_name="+", verbose_name=_("template")
    )
    reference = models.CharField(_("about"), max_length=80)
    values = models.JSONField(_("values"), default=dict)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    problem = models.CharField(_("what is wrong"), max_length=80, blank=True)
    next_at = models.DateTimeField(_("next try"), db_default=Now())
    created_at = models.DateTimeField(_("created"), db_default=Now())
    sent_at = models.DateTimeField(_("sent"), null=True)

    class Meta:
        verbose_name, verbose_name_plural = _("notice"), _("notices")
        permissions = [("resend_membernotice", "Can have failed messages sent again")]
        constraints = [
            models.UniqueConstraint(fields=["member", "occasion", "reference"], name="member_notice_once"),
            models.CheckConstraint(
                condition=Q(medium="wechat", template__isnull=False) | Q(medium="sms", template=None),
                name="member_notice_template_follows_medium",
            ),
            models.CheckConstraint(
                condition=Q(state="sent", sent_at__isnull=False) | (~Q(state="sent") & Q(sent_at=None)),
                name="member_notice_sent_at_follows_state",
            ),
        ]
        indexes = [models.Index(fields=["next_at"], condition=Q(state="waiting"), name="member_notice_waiting")]

    def __str__(self):
        return self.reference
