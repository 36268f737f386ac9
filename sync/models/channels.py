"""Who the hub talks with: channels, their keys, and the addresses their facts are pushed to."""

from datetime import datetime

import pghistory
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from sync.ids import uuid7
from sync.secret import EncryptedField


class Scope(models.TextChoices):
    """What a channel's key may do."""

    MEMBERS_READ = "members:read", _("Read members")
    MEMBERS_WRITE = "members:write", _("Write members")
    SESSIONS_WRITE = "sessions:write", _("Hand over sign-ins")
    ORDERS_READ = "orders:read", _("Read orders")
    ORDERS_WRITE = "orders:write", _("Write orders")
    ORDERS_RECIPIENT = "orders:recipient", _("Read recipients in clear")
    PAYMENTS_WRITE = "payments:write", _("Report payments")
    REFUNDS_WRITE = "refunds:write", _("Refund")
    POINTS_READ = "points:read", _("Read points")
    POINTS_WRITE = "points:write", _("Write points")
    FEED_READ = "feed:read", _("Read the feed")


class Visible(models.TextChoices):
    """What a channel's backend may see of a member, as the contract names it; the rest of `me` it always sees."""

    NICKNAME = "nickname", _("Nickname")
    AVATAR = "avatar_url", _("Avatar")
    GENDER = "gender", _("Gender")
    BIRTHDAY = "birthday", _("Birthday")
    EMAIL = "email", _("E-mail, masked")
    PHONE = "phone", _("Phone, masked")
    IDENTITIES = "identities", _("Identities, masked")


class Method(models.TextChoices):
    """A way to sign in."""

    PHONE = "phone", _("Code by SMS")
    MINI_PROGRAM = "wechat_mini_program", _("WeChat, in the mini-program")
    WEBSITE = "wechat_website", _("WeChat QR code on the website")
    GRANT = "grant", _("The channel's own login (sign-in grants)")


def every_field() -> list[str]:
    """A channel sees all of a member unless somebody takes something away."""
    return list(Visible.values)


def every_method() -> list[str]:
    """All ways to sign in are open unless somebody closes one."""
    return list(Method.values)


@pghistory.track()
class SharingGroup(models.Model):
    """Channels of one legal handler: they see each other's members and orders."""

    code = models.SlugField(_("code"), max_length=40, unique=True)
    name = models.CharField(_("name"), max_length=80)

    class Meta:
        verbose_name, verbose_name_plural = _("sharing group"), _("sharing groups")

    def __str__(self):
        return self.name


@pghistory.track(exclude=["app_secret", "push_token", "push_key", "inbound_secret", "old_inbound_secret"])
class Channel(models.Model):
    """A place where members meet the brand: a website, a mini-program, later an app or a till.

    Secrets are set and rotated by `sync.registry`; `…_at` says when that last happened. Of the inbound secret the old
    one verifies beside the new one until `inbound_overlap_until`.
    """

    class Kind(models.TextChoices):
        WEBSITE = "website", _("Website")
        MINI_PROGRAM = "mini_program", _("Mini-program")
        APP = "app", _("App")
        STORE = "store", _("Store")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    code = models.SlugField(_("code"), max_length=40, unique=True)
    name = models.CharField(_("name"), max_length=80)
    kind = models.CharField(_("kind"), max_length=20, choices=Kind)
    group = models.ForeignKey(SharingGroup, models.PROTECT, related_name="channels", verbose_name=_("sharing group"))
    app_id = models.CharField(_("WeChat app id"), max_length=64, blank=True)
    app_secret = EncryptedField(null=True, blank=True)
    push_token = EncryptedField(null=True, blank=True)  # of the app's message push, and its EncodingAESKey
    push_key = EncryptedField(null=True, blank=True)
    merchant_id = models.CharField(_("WeChat Pay merchant"), max_length=32, blank=True)
    inbound_secret = EncryptedField(null=True, blank=True)
    old_inbound_secret = EncryptedField(null=True, blank=True)
    app_secret_at = models.DateTimeField(_("WeChat app secret set"), null=True, editable=False)
    push_token_at = models.DateTimeField(_("push token set"), null=True, editable=False)
    push_key_at = models.DateTimeField(_("push key set"), null=True, editable=False)
    inbound_secret_at = models.DateTimeField(_("inbound secret set"), null=True, editable=False)
    inbound_overlap_until = models.DateTimeField(_("old inbound secret valid until"), null=True, editable=False)
    origins = ArrayField(
        models.CharField(max_length=200),
        default=list,
        blank=True,
        verbose_name=_("web origins"),
        help_text=_("Pages that may call the hub: https://www.example.cn, without a path"),
    )
    visible_fields = ArrayField(
        models.CharField(max_length=20, choices=Visible),
        default=every_field,
        blank=True,
        verbose_name=_("what it sees of a member"),
    )
    sign_in_methods = ArrayField(
        models.CharField(max_length=30, choices=Method),
        default=every_method,
        blank=True,
        verbose_name=_("ways to sign in"),
    )
    is_trusted = models.BooleanField(
        _("may attest identities"),
        default=False,
        help_text=_("What its backend says of a person is noted as attested, not merely asserted"),
    )
    is_active = models.BooleanField(_("active"), default=True)
    earn_per_entry = models.PositiveIntegerField(_("points it may give at once"), default=10_000)
    earn_per_member = models.PositiveIntegerField(_("points it may give a member in a day"), default=50_000)
    earn_per_day = models.PositiveIntegerField(_("points it may give in a day"), default=5_000_000)
    calls_per_minute = models.PositiveIntegerField(
        _("calls of its backend in a minute"), null=True, blank=True, help_text=_("Empty: no limit")
    )
    sms_per_day = models.PositiveIntegerField(
        _("codes by SMS in a day"), null=True, blank=True, help_text=_("Empty: no limit of its own")
    )
    refund_window_days = models.PositiveSmallIntegerField(
        _("days until points of an order can be used"), default=7, help_text=_("The time in which goods may come back")
    )
    access_minutes = models.PositiveIntegerField(_("minutes an access token lasts"), default=120)
    session_idle_days = models.PositiveSmallIntegerField(_("days a session lasts without use"), default=30)
    session_max_days = models.PositiveSmallIntegerField(
        _("days a session lasts at most"), default=180, help_text=_("Then the member signs in again")
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name, verbose_name_plural = _("channel"), _("channels")
        ordering = ["code"]
        constraints = [
            models.UniqueConstraint(fields=["app_id"], condition=~Q(app_id=""), name="channel_app_id_once"),
            models.CheckConstraint(
                condition=Q(access_minutes__range=(1, 1440), session_idle_days__gte=1)
                & Q(session_max_days__gte=models.F("session_idle_days")),
                name="channel_lifetimes_in_order",
            ),
        ]

    def __str__(self):
        return self.name

    def sees(self, other: "Channel") -> bool:
        """Whether this channel sees what the other may see."""
        return self.group_id == other.group_id

    def inbound_secrets(self, now: datetime) -> list[str]:
        """Those that verify what it pushes in: the one in force, and for a day the one before it."""
        is_overlap = self.inbound_overlap_until and now < self.inbound_overlap_until
        return [each for each in (self.inbound_secret, is_overlap and self.old_inbound_secret) if each]


@pghistory.track(exclude=["digest", "last_used_at"])
class ChannelKey(models.Model):
    """A backend's bearer key: shown once, stored as a hash, several valid at a time."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    channel = models.ForeignKey(Channel, models.CASCADE, related_name="keys", verbose_name=_("channel"))
    label = models.CharField(_("label"), max_length=80, help_text=_("Where it is used: server, system, person"))
    ending = models.CharField(_("ends with"), max_length=4, blank=True, editable=False)
    digest = models.BinaryField(unique=True, editable=False)
    scopes = ArrayField(models.CharField(max_length=30, choices=Scope), verbose_name=_("scopes"))
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)

    class Meta:
        verbose_name, verbose_name_plural = _("channel key"), _("channel keys")

    def __str__(self):
        return self.label


@pghistory.track(exclude=["secret", "old_secret", "failing_since", "last_success_at"])
class Endpoint(models.Model):
    """An address a channel wants its facts pushed to. Until `overlap_until` the old secret signs beside the new one."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    channel = models.ForeignKey(Channel, models.CASCADE, related_name="endpoints", verbose_name=_("channel"))
    url = models.URLField(_("address"), max_length=400)
    types = ArrayField(
        models.CharField(max_length=60),
        default=list,
        blank=True,
        verbose_name=_("event types"),
        help_text=_("Empty: every type"),
    )
    secret = EncryptedField()
    old_secret = EncryptedField(null=True)
    secret_at = models.DateTimeField(_("secret set"), null=True, editable=False)
    overlap_until = models.DateTimeField(_("old secret valid until"), null=True, editable=False)
    is_active = models.BooleanField(_("active"), default=True)
    disabled_reason = models.CharField(_("why it is off"), max_length=200, blank=True)
    failing_since = models.DateTimeField(_("failing since"), null=True, blank=True, editable=False)
    last_success_at = models.DateTimeField(_("last success"), null=True, blank=True, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name, verbose_name_plural = _("endpoint"), _("endpoints")
        constraints = [models.UniqueConstraint(fields=["channel", "url"], name="endpoint_once_per_channel")]

    def __str__(self):
        return self.url

    def secrets(self, now: datetime) -> list[str]:
        """Those that sign what it is sent: the one in force, and for a day the one before it."""
        is_overlap = self.overlap_until and now < self.overlap_until
        return [each for each in (self.secret, is_overlap and self.old_secret) if each]
