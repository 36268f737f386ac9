"""Calls to WeChat Pay APIv3, signed with the merchant's key. Never made in an act.

What comes back is believed only when WeChat Pay signed it: `certificates.believe`.
"""

import json
import secrets
import time
from functools import cache

import httpx
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from orders.models import Merchant
from orders.payments import signing

TIMEOUT = httpx.Timeout(3.0, connect=2.0)
PUBLIC_KEY_ID = "PUB_KEY_ID_"


class Unavailable(Exception):
    """WeChat Pay gave no answer that can be believed."""


class Refused(Exception):
    """WeChat Pay refused: `code` is its own word for why, such as ORDER_NOT_EXIST."""

    def __init__(self, code: str, message: str = ""):
        super().__init__(_("WeChat Pay refused: %(code)s") % {"code": code})
        self.code, self.message = code, message


def send(merchant: Merchant, method: str, path: str, body: dict | None = None, **headers: str) -> httpx.Response:
    """One call; the answer is a success, and not yet believed. Raises Unavailable, Refused."""
    content = b"" if body is None else json.dumps(body, ensure_ascii=False).encode()
    stated = signed_headers(merchant, method, path, content) | headers
    try:
        answer = client().request(method, settings.WECHAT_PAY_URL + path, content=content, headers=stated)
    except httpx.HTTPError as error:
        raise Unavailable(type(error).__name__) from error
    require_success(answer)
    return answer


def require_success(answer: httpx.Response) -> None:
    """Raise Refused or Unavailable for anything but a success."""
    if 400 <= answer.status_code < 500 and answer.status_code != 429:
        raise Refused(_code_of(answer))
    if not answer.is_success:
        raise Unavailable(str(answer.status_code))


def signed_headers(merchant: Merchant, method: str, path: str, content: bytes) -> dict[str, str]:
    """The headers that make a call the merchant's own."""
    timestamp, nonce = str(int(time.time())), secrets.token_hex(16)
    message = signing.lines(method, path, timestamp, nonce, content)
    proof = {
        "mchid": merchant.mchid,
        "nonce_str": nonce,
        "signature": signing.sign(message, merchant.private_key),
        "timestamp": timestamp,
        "serial_no": merchant.serial,
    }
    stated = ",".join(f'{name}="{value}"' for name, value in proof.items())
    headers = {
        "Authorization": f"{signing.SCHEME} {stated}",
        "Accept": "application/json",
        "Content-Type": "application/json",
        "User-Agent": "member-hub",
    }
    known = sorted(serial for serial in keys_of(merchant) if serial.startswith(PUBLIC_KEY_ID))
    return headers | ({"Wechatpay-Serial": known[-1]} if known else {})


def keys_of(merchant: Merchant) -> dict[str, str]:
    """The keys WeChat Pay signs with towards this merchant, by serial; expired ones among them."""
    return dict(merchant.keys.values_list("serial", "public_key"))


def _code_of(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["code"])
    except (ValueError, KeyError, TypeError):
        return str(answer.status_code)


@cache
def client() -> httpx.Client:
    """The process' connections to WeChat Pay."""
    return httpx.Client(timeout=TIMEOUT, trust_env=False)
