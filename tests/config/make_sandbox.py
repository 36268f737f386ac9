"""What stands around the hub in tests of the sandbox: apps, a merchant, backends, without the whole seed."""

from functools import lru_cache

from config.sandbox.models import App, Backend, PayAccount, PlatformCertificate
from config.sandbox.seed import credentials, house
from config.sandbox.stand_ins import platform
from orders.models import Merchant, MerchantKey
from tests import make

MINI_PROGRAM, WEBSITE = "wx-mini-program", "wx-website"
NOTIFY = "https://hub.example/callbacks/wechat-pay/1900000001"


def apps() -> None:
    """The apps of the website and of the mini-program, as WeChat and the hub know them."""
    for code in ("website", "mini-program"):
        known = make.channel(code)
        App.objects.create(channel=code, app_id=known.app_id, secret=known.app_secret, origins=known.origins)


@lru_cache(maxsize=2)
def keys(whose: str) -> tuple[str, str]:
    """A key pair in PEM, made once: private, public."""
    return house.key_pair()


def merchant() -> Merchant:
    """A merchant that the hub and WeChat Pay both know, with the platform key of WeChat Pay."""
    named = {"mchid": "1900000001", "api_key": credentials.pay_key(), "serial": "OURS"}
    ours, platform = keys("merchant"), keys("platform")
    PayAccount.objects.create(public_key=ours[1], platform_serial="THEIRS", platform_key=platform[0], **named)
    made = Merchant.objects.create(name="商户", private_key=ours[0], **named)
    MerchantKey.objects.create(merchant=made, serial="THEIRS", public_key=platform[1])
    return made


def backend(code: str = "website", mode: str = "ok") -> Backend:
    """A fake backend with the channel's outbound secret."""
    return Backend.objects.create(code=code, secret=credentials.of_channel(code)["outbound_secret"], mode=mode)


def rotated() -> str:
    """WeChat Pay has a new certificate, and lists it; it goes on signing with what it signed with."""
    account = PayAccount.objects.get()
    serial = platform.rotate(account.mchid)
    account.save(update_fields=["platform_serial", "platform_key"])
    return serial


def rotates() -> None:
    """WeChat Pay signs with a new certificate; the hub holds the one before."""
    account, private_key = PayAccount.objects.get(), keys("platform")[0]
    serial, certificate = platform.certificate(private_key)
    MerchantKey.objects.update(serial=serial, public_key=certificate)
    known = {"serial": serial, "private_key": private_key, "certificate": certificate}
    PlatformCertificate.objects.create(account=account, **known)
    platform.rotate(account.mchid)
