"""Ways in: challenges, logins under way, registrations waiting for consent, sessions."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from sync.ids import uuid7
from sync.secret import EncryptedField


class SmsChallenge(models.Model):
    """A six-digit code on its way to a phone: 5 minutes, 5 tries, once, bound to all it was asked for.

    Once used it forgets the phone.
    """

    class Purpose(models.TextChoices):
        SIGN_IN = "sign_in", _("Sign in")
        LINK = "link", _("Link")
        STEP_UP = "step_up", _("Step up")
        LINK_CASE = "link_case", _("Link case")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    purpose = models.CharField(_("purpose"), max_length=10, choices=Purpose)
    phone = EncryptedField(null=True)
    code_digest = models.BinaryField(editable=False)
    channel = models.ForeignKey("sync.Channel", models.CASCADE, related_name="+", verbose_name=_("channel"))
    session = models.ForeignKey("members.Session", models.CASCADE, null=True, related_name="+")
    member = models.ForeignKey("members.Member", models.CASCADE, null=True, related_name="+", verbose_name=_("member"))
    case = models.ForeignKey("members.LinkCase", models.CASCADE, null=True, related_name="+")
    tries = models.PositiveSmallIntegerField(_("tries"), default=0)
    created_at = models.DateTimeField(_("sent"), db_default=Now())
    expires_at = models.DateTimeField(_("expires"))
    used_at = models.DateTimeField(_("used"), null=True)

    class Meta:
        verbose_name, verbose_name_plural = _("SMS challenge"), _("SMS challenges")
        constraints = [
            models.CheckConstraint(condition=Q(tries__lte=5), name="sms_challenge_five_tries"),
            models.CheckConstraint(
                condition=Q(purpose="sign_in", session=None) | (~Q(purpose="sign_in") & Q(session__isnull=False)),
                name="sms_challenge_session_follows_purpose",
            ),
            models.CheckConstraint(
                condition=Q(purpose="link_case", case__isnull=False) | (~Q(purpose="link_case") & Q(case=None)),
                name="sms_challenge_case_follows_purpose",
            ),
            models.CheckConstraint(
                condition=Q(used_at=None, phone__isnull=False) | Q(used_at__isnull=False, phone__isnull=True),
                name="sms_challenge_used_forgets_phone",
            ),
        ]
        indexes = [models.Index(fields=["expires_at"], name="sms_challenge_expiry")]

    def __str__(self):
        return str(self.pk)


class WebsiteLogin(models.Model):
    """A website QR sign-in under way: `state` travels through WeChat, `verifier` stays with the page."""

    state_digest = models.BinaryField(primary_key=True)
    verifier_digest = models.BinaryField()
    channel = models.ForeignKey("sync.Channel", models.CASCADE, related_name="+", verbose_name=_("channel"))
    expires_at = models.DateTimeField(_("expires"))
    used_at = models.DateTimeField(_("used"), null=True)

    class Meta:
        verbose_name, verbose_name_plural = _("website sign-in"), _("website sign-ins")

    def __str__(self):
        return str(self.channel_id)


class Registration(models.Model):
    """A proof waiting for consent. The proof itself travels sealed in the token; here lies only its hash.

    Of a code that WeChat takes only once, `sealed` keeps the proof for the client that sends the code again with the
    consents: under a key that is made of the code, so that nobody opens it without.
    """

    digest = models.BinaryField(primary_key=True)
    code_digest = models.BinaryField(null=True, unique=True, editable=False)
    sealed = models.BinaryField(null=True, editable=False)
    channel = models.ForeignKey("sync.Channel", models.CASCADE, related_name="+", verbose_name=_("channel"))
    expires_at = models.DateTimeField(_("expires"))
    used_at = models.DateTimeField(_("used"), null=True)

    class Meta:
        verbose_name, verbose_name_plural = _("registration"), _("registrations")

    def __str__(self):
        return str(self.channel_id)


class SignInGrant(models.Model):
    """A channel's own login carried over: for 60 s, once. What it names is sealed; here lies the token's hash."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    digest = models.BinaryField(unique=True, editable=False)
    channel = models.ForeignKey("sync.Channel", models.CASCADE, related_name="+", verbose_name=_("channel"))
    identity = EncryptedField(null=True)
    consents = models.JSONField(default=list)
    device = models.CharField(_("device"), max_length=200, blank=True)
    created_at = models.DateTimeField(_("created"), db_default=Now())
    expires_at = models.DateTimeField(_("expires"))
    used_at = models.DateTimeField(_("used"), null=True)

    class Meta:
        verbose_name, verbose_name_plural = _("sign-in grant"), _("sign-in grants")
        constraints = [
            models.CheckConstraint(
                condition=Q(used_at=None, identity__isnull=False) | Q(used_at__isnull=False, identity__isnull=True),
                name="sign_in_grant_used_forgets_identity",
            )
        ]
        indexes = [models.Index(fields=["expires_at"], name="sign_in_grant_expiry")]

    def __str__(self):
        return str(self.pk)


class WechatToken(models.Model):
    """The access token of one WeChat app, shared by all processes until it expires."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    app_id = models.CharField(_("WeChat app id"), max_length=64, unique=True)
    token = EncryptedField()
    expires_at = models.DateTimeField(_("expires"))

    class Meta:
        verbose_name, verbose_name_plural = _("WeChat access token"), _("WeChat access tokens")

    def __str__(self):
        return self.app_id


class Session(models.Model):
    """One member signed in on one channel with one device; its tokens are stored as hashes."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    member = models.ForeignKey("members.Member", models.CASCADE, related_name="sessions", verbose_name=_("member"))
    channel = models.ForeignKey("sync.Channel", models.PROTECT, related_name="+", verbose_name=_("channel"))
    device = models.CharField(_("device"), max_length=200, blank=True)
    assurance = models.PositiveSmallIntegerField(_("assurance"))
    proven = ArrayField(models.UUIDField(), default=list, verbose_name=_("identities proven"))
    access_digest = models.BinaryField(unique=True, editable=False)
    device_id = models.CharField(_("device id"), max_length=64, blank=True)
    refresh_digest = models.BinaryField(unique=True, editable=False)
    previous_digest = models.BinaryField(null=True, editable=False)
    rotated_at = models.DateTimeField(null=True)
    successor_used_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(_("signed in"), db_default=Now())
    last_seen_at = models.DateTimeField(_("last seen"), db_default=Now())
    access_expires_at = models.DateTimeField()
    expires_at = models.DateTimeField(_("expires"))
    ends_at = models.DateTimeField(_("ends at the latest"), null=True)
    stepped_up_at = models.DateTimeField(_("stepped up"), null=True)
    revoked_at = models.DateTimeField(_("ended"), null=True)
    revoked_reason = models.CharField(_("why it ended"), max_length=40, blank=True)

    class Meta:
        verbose_name, verbose_name_plural = _("session"), _("sessions")
        constraints = [
            models.CheckConstraint(condition=Q(assurance__range=(1, 3)), name="session_assurance_known"),
        ]
        indexes = [
            models.Index(fields=["member"], condition=Q(revoked_at=None), name="session_live"),
            models.Index(fields=["expires_at"], name="session_expiry"),
        ]

    def __str__(self):
        return f"{self.channel_id} {self.created_at:%Y-%m-%d}"
