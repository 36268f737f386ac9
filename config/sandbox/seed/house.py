"""What the brand has before its first member: channels, apps, a merchant, policies, tiers, rules, staff."""

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group, User

from config import roles
from config.sandbox import policies
from config.sandbox.models import App, Backend, PayAccount
from config.sandbox.seed import credentials
from loyalty.models import EarnRule, Tier
from members.models import Policy
from orders.models import Merchant, MerchantKey
from sync import secret
from sync.models import AlertRule, Channel, ChannelKey, Endpoint, Scope, SharingGroup

CHANNELS = {  # code: name, kind, active
    "website": ("官方商城", Channel.Kind.WEBSITE, True),
    "mini-program": ("微信小程序", Channel.Kind.MINI_PROGRAM, True),
    "app": ("手机 App", Channel.Kind.APP, False),
}
TIERS = [
    ("normal", "普通会员", 0),
    ("silver", "银卡", 100_000),
    ("gold", "金卡", 500_000),
    ("diamond", "钻石", 2_000_000),
]
NAMES = {
    "admin": "管理员",
    "operator": "运营",
    "manager": "店长",
    "support": "客服",
    "finance": "财务",
    "engineer": "工程师",
    "auditor": "审计",
}
ALERTS = "alerts"  # a fake backend for alerts, which are not signed
POINTS_AT_ONCE = 1_000_000  # 100 times the normal limit


def build() -> dict[str, Channel]:
    """Everything but the endpoints; returns the channels by code."""
    group = SharingGroup.objects.create(code="brand", name="品牌")
    channels = {code: _channel(group, code) for code in CHANNELS}
    _merchant()
    Policy.objects.bulk_create(_policy(text) for text in policies.everyone())
    Tier.objects.bulk_create(Tier(code=code, name=name, threshold_fen=fen) for code, name, fen in TIERS)
    EarnRule.objects.create(code="per-yuan", points_per_yuan=1)
    _staff(channels.values())
    Backend.objects.create(code=ALERTS, secret="")
    AlertRule.objects.create(
        code="deliveries-failing",
        name="消息推送失败",
        measure="deliveries.failing",
        window_seconds=60,
        threshold=0.5,
        webhook_url=_backend_url(ALERTS),
    )
    return channels


def open_endpoints() -> None:
    """Push every type of fact to each channel's fake backend from now on."""
    for channel in Channel.objects.all():
        known = credentials.of_channel(channel.code)
        Endpoint.objects.create(channel=channel, url=_backend_url(channel.code), secret=known["outbound_secret"])


def readdress() -> None:
    """Follow ports and addresses that were changed since the seed."""
    path = "/stand-ins/backends/"
    for endpoint in Endpoint.objects.filter(url__contains=path):
        url = _backend_url(endpoint.url.rpartition("/")[2])
        if endpoint.url != url:
            Endpoint.objects.filter(pk=endpoint.pk).update(url=url)
    AlertRule.objects.filter(webhook_url__contains=path).update(webhook_url=_backend_url(ALERTS))
    for text in policies.everyone():
        seeded = Policy.objects.filter(purpose=text.purpose, locale=text.locale, version=policies.VERSION)
        seeded.exclude(text_url=text.url).update(text_url=text.url)
    origins = [settings.PUBLIC_URL]
    Channel.objects.filter(code="website").exclude(origins__contains=origins).update(origins=origins)
    App.objects.filter(channel="website").update(origins=origins)


def _channel(group: SharingGroup, code: str) -> Channel:
    name, kind, is_active = CHANNELS[code]
    known, origins = credentials.of_channel(code), [settings.PUBLIC_URL] if code == "website" else []
    app = {"app_id": known["app_id"], "origins": origins}
    channel = Channel.objects.create(
        code=code,
        name=name,
        kind=kind,
        group=group,
        app_secret=credentials.app_secret(code),
        merchant_id=credentials.MCHID,
        inbound_secret=known["inbound_secret"],
        is_active=is_active,
        earn_per_entry=POINTS_AT_ONCE,
        **app,
    )
    ChannelKey.objects.create(
        channel=channel, label="sandbox", digest=secret.digest(known["api_key"]), scopes=Scope.values
    )
    App.objects.create(channel=code, secret=credentials.app_secret(code), **app)
    Backend.objects.create(code=code, secret=known["outbound_secret"])
    return channel


def _merchant() -> None:
    ours, platform = key_pair(), key_pair()
    named = {"mchid": credentials.MCHID, "api_key": credentials.pay_key(), "serial": credentials.serial("merchant")}
    serial = credentials.serial("platform")
    merchant = Merchant.objects.create(name="示例商户", private_key=ours[0], **named)
    MerchantKey.objects.create(merchant=merchant, serial=serial, public_key=platform[1])
    PayAccount.objects.create(public_key=ours[1], platform_serial=serial, platform_key=platform[0], **named)


def key_pair() -> tuple[str, str]:
    """A new RSA key pair in PEM: private, public."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    public = key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


def _policy(text: policies.PolicyText) -> Policy:
    return Policy(
        purpose=text.purpose,
        version=policies.VERSION,
        locale=text.locale,
        title=text.title,
        text_url=text.url,
        text_digest=text.digest,
        is_required=policies.REQUIRED[text.purpose],
    )


def _staff(channels) -> None:
    """The seeded staff and nobody else; sessions of those who stay are kept."""
    User.objects.exclude(username__in=credentials.STAFF).delete()
    if not Group.objects.filter(name="operator").exists():
        roles.apply()
    password = make_password(credentials.PASSWORD, salt="the same each time, so long")  # sessions outlive a reset
    for name in credentials.STAFF:
        fields = {"last_name": NAMES[name], "email": f"{name}@sandbox.invalid", "is_staff": True, "is_active": True}
        fields |= {"password": password, "is_superuser": name == "admin"}
        user, _made = User.objects.update_or_create(username=name, defaults=fields)
        if name != "admin":
            roles.enrol(user, name, channels)


def _backend_url(code: str) -> str:
    return f"http://127.0.0.1:{settings.SANDBOX_PORT}/stand-ins/backends/{code}"
