"""What the brand has before its first member: channels, apps, a merchant, policies, tiers, rules, staff."""

from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group, User

from config import roles
from config.sandbox import policies
from config.sandbox.models import App, Backend, PayAccount
from config.sandbox.seed import credentials, watch
from config.sandbox.stand_ins import platform
from loyalty.models import Benefit, EarnRule, Programme, Reason, Tier
from members.models import NoticeTemplate, Policy
from orders.models import Carrier, Merchant, MerchantKey
from orders.shipping import known
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
BENEFITS = {
    "silver": [("birthday-gift", "生日礼", "一份")],
    "gold": [("birthday-gift", "生日礼", "一份"), ("free-shipping", "包邮", "满 49 元")],
    "diamond": [
        ("birthday-gift", "生日礼", "礼盒"),
        ("free-shipping", "包邮", "不限"),
        ("tasting", "新茶品鉴", "每季"),
    ],
}
REASONS = [  # code, name, direction, note required
    ("goodwill", "客诉补偿", "give", False),
    ("campaign", "活动补发", "give", False),
    ("order-missed", "订单漏记补分", "give", True),
    ("abuse", "刷分扣回", "take", True),
    ("correction", "记账更正", "both", True),
]
NOTICES = [  # occasion, title, our names and WeChat's
    (
        "order_shipped",
        "订单发货提醒",
        {"number": "character_string1", "carrier": "thing2"},
    ),
    ("order_delivered", "订单签收提醒", {"number": "character_string1", "at": "time2"}),
    ("order_refunded", "退款到账通知", {"number": "character_string1", "amount": "amount2", "at": "time3"}),
    ("member_merged", "账号合并通知", {"at": "time1"}),
    ("points_expiring", "积分到期提醒", {"points": "number1", "at": "time2"}),
    ("phone_changed", "手机号变更通知", {"at": "time1"}),
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
EARNING = {"earn_per_entry": 1_000_000, "earn_per_member": 5_000_000, "earn_per_day": 500_000_000}  # 100 × the normal


@dataclass
class Brand:
    """What will be written of the house, and what its members are told about."""

    channels: dict[str, Channel]
    merchant: Merchant
    terms: Programme
    tiers: list[Tier]
    rule: EarnRule
    platform: tuple[str, str]  # the key pair of WeChat Pay
    public_key: str  # the merchant's
    password: str  # of staff, hashed


def imagine(opened_at: datetime) -> Brand:
    """The house in memory: keys and hashes take a while, and nobody should wait for our locks meanwhile."""
    group = SharingGroup(code="brand", name="品牌")
    private_key, public_key = key_pair()
    merchant = Merchant(name="示例商户", private_key=private_key, **_pay_names())
    return Brand(
        channels={code: _channel(group, code) for code in CHANNELS},
        merchant=merchant,
        tiers=[Tier(code=code, name=name, threshold_fen=fen) for code, name, fen in TIERS],
        terms=Programme(validity=Programme.Validity.ROLLING, valid_months=12, grace_days=30, notice_days=30),
        rule=EarnRule(
            code="per-yuan",
            points_per_yuan=1,
            state=EarnRule.State.ACTIVE,
            created_at=opened_at,
            activated_at=opened_at,
        ),
        platform=key_pair(),
        public_key=public_key,
        # The same each time, so that sessions of staff outlive a reset; long enough for Django not to hash it anew.
        password=make_password(credentials.PASSWORD, salt="the same each time, so long"),
    )


def store(brand: Brand) -> None:
    """Write it, but for the endpoints."""
    next(iter(brand.channels.values())).group.save(force_insert=True)
    for code, channel in brand.channels.items():
        channel.save(force_insert=True)
        _around(code, channel)
    _store_merchant(brand)
    Policy.objects.bulk_create(_policy(text) for text in policies.everyone())
    NoticeTemplate.objects.bulk_create(_notice(brand.channels["mini-program"], *each) for each in NOTICES)
    brand.terms.save(force_insert=True)
    Tier.objects.bulk_create(brand.tiers)
    Benefit.objects.bulk_create(
        Benefit(tier=tier, code=code, name=name, value=value)
        for tier in brand.tiers
        for code, name, value in BENEFITS.get(tier.code, [])
    )
    brand.rule.save(force_insert=True)
    Reason.objects.bulk_create(
        Reason(code=code, name=name, direction=direction, is_note_required=note)
        for code, name, direction, note in REASONS
    )
    Carrier.objects.bulk_create([Carrier(**row) for row in known.rows()])
    _store_staff(brand)
    Backend.objects.create(code=ALERTS, secret="")
    watch.store(_backend_url(ALERTS))


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
    known = credentials.of_channel(code)
    return Channel(
        code=code,
        name=name,
        kind=kind,
        group=group,
        app_id=known["app_id"],
        app_secret=credentials.app_secret(code),
        push_token=credentials.push_token(code) if kind == Channel.Kind.MINI_PROGRAM else None,
        push_key=credentials.push_key(code) if kind == Channel.Kind.MINI_PROGRAM else None,
        merchant_id=credentials.MCHID,
        inbound_secret=known["inbound_secret"],
        origins=[settings.PUBLIC_URL] if code == "website" else [],
        is_active=is_active,
        **EARNING,
    )


def _around(code: str, channel: Channel) -> None:
    """A channel's key, its app at WeChat, its fake backend."""
    known = credentials.of_channel(code)
    kept = {"digest": secret.digest(known["api_key"]), "ending": known["api_key"][-4:]}
    ChannelKey.objects.create(channel=channel, label="sandbox", scopes=Scope.values, **kept)
    app = {"app_id": channel.app_id, "secret": credentials.app_secret(code), "origins": channel.origins}
    App.objects.create(channel=code, **app)
    Backend.objects.create(code=code, secret=known["outbound_secret"])


def _pay_names() -> dict[str, str]:
    return {"mchid": credentials.MCHID, "api_key": credentials.pay_key(), "serial": credentials.serial("merchant")}


def _store_merchant(brand: Brand) -> None:
    private_key, _public_key = brand.platform
    serial, certificate = platform.certificate(private_key)
    brand.merchant.save(force_insert=True)
    MerchantKey.objects.create(merchant=brand.merchant, serial=serial, public_key=certificate)
    theirs = {"platform_serial": serial, "platform_key": private_key, "public_key": brand.public_key}
    account = PayAccount.objects.create(**_pay_names(), **theirs)
    account.certificates.create(serial=serial, private_key=private_key, certificate=certificate)


def key_pair() -> tuple[str, str]:
    """A new RSA key pair in PEM: private, public."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    public = key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


def _notice(channel: Channel, occasion: str, title: str, fields: dict[str, str]) -> NoticeTemplate:
    template_id = credentials.template_id(occasion)
    return NoticeTemplate(channel=channel, template_id=template_id, occasion=occasion, title=title, fields=fields)


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


def _store_staff(brand: Brand) -> None:
    """The seeded staff and nobody else."""
    User.objects.exclude(username__in=credentials.STAFF).delete()
    if not Group.objects.filter(name="operator").exists():
        roles.apply()
    for name in credentials.STAFF:
        fields = {"last_name": NAMES[name], "email": f"{name}@sandbox.invalid", "is_staff": True, "is_active": True}
        fields |= {"password": brand.password, "is_superuser": name == "admin"}
        user, _made = User.objects.update_or_create(username=name, defaults=fields)
        if name != "admin":
            roles.enrol(user, name, brand.channels.values())


def _backend_url(code: str) -> str:
    return f"http://127.0.0.1:{settings.SANDBOX_PORT}/stand-ins/backends/{code}"
