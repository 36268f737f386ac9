"""Keys and secrets of the sandbox: made of names, so that everybody knows them. Nothing else may ever accept them."""

import base64
import hashlib
import hmac

from config.sandbox.models import App

ROOT = b"member hub sandbox, known to everybody"
STAFF = ("admin", "operator", "manager", "support", "finance", "engineer", "auditor")
PASSWORD = "sandbox"  # noqa: S105 - the sandbox's password is public
MCHID = "1900000001"


def credentials() -> dict:
    """What `GET /sandbox/credentials` answers."""
    channels = {app.channel: of_channel(app.channel) for app in App.objects.order_by("channel")}
    return {"channels": channels, "staff": dict.fromkeys(STAFF, PASSWORD)}


def of_channel(code: str) -> dict[str, str]:
    """The credentials of one channel's backend and app."""
    return {
        "api_key": "hub_sk_" + _text("api key", code),
        "inbound_secret": "whsec_" + base64.b64encode(_bytes("inbound", code)).decode(),
        "outbound_secret": "whsec_" + base64.b64encode(_bytes("outbound", code)).decode(),
        "app_id": "wx" + _bytes("app id", code).hex()[:16],
    }


def app_secret(code: str) -> str:
    """The secret of a channel's WeChat app."""
    return _bytes("app secret", code).hex()[:32]


def push_token(code: str) -> str:
    """The token of an app's message push."""
    return _text("push token", code)[:32]


def push_key(code: str) -> str:
    """The EncodingAESKey of an app's message push: 43 characters."""
    return base64.b64encode(_bytes("push key", code)).decode()[:43]


def template_id(occasion: str) -> str:
    """The id of a WeChat template for one occasion."""
    return _text("template", occasion)[:43]


def serial(of: str) -> str:
    """A certificate serial: 40 hex digits."""
    return hashlib.sha1(_bytes("serial", of), usedforsecurity=False).hexdigest().upper()


def pay_key() -> str:
    """The merchant's APIv3 key: 32 characters."""
    return _bytes("APIv3 key", MCHID).hex()[:32]


def _bytes(purpose: str, of: str) -> bytes:
    return hmac.digest(ROOT, f"{purpose}/{of}".encode(), "sha256")


def _text(purpose: str, of: str) -> str:
    return base64.urlsafe_b64encode(_bytes(purpose, of)).rstrip(b"=").decode()
