"""WeChat Pay's signatures: SHA256-RSA2048 over lines, the merchant's on calls, the platform's on what WeChat sends."""

import base64
import re
import secrets
import time
from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from django.http import HttpRequest

from config.sandbox.models import PayAccount

SCHEME = "WECHATPAY2-SHA256-RSA2048"
PREFIX = "/stand-ins/wechat-pay"
TOLERANCE = 300  # seconds


class Unsigned(Exception):
    """The call does not carry the merchant's signature."""


def merchant_of(request: HttpRequest) -> PayAccount:
    """Who signed this call. Raises Unsigned."""
    scheme, _space, words = request.headers.get("Authorization", "").partition(" ")
    given = dict(re.findall(r'(\w+)="([^"]*)"', words))
    account = PayAccount.objects.filter(mchid=given.get("mchid", ""), serial=given.get("serial_no", "")).first()
    fresh = given.get("timestamp", "").isdigit() and abs(time.time() - int(given["timestamp"])) <= TOLERANCE
    if scheme != SCHEME or account is None or not fresh or not given.get("nonce_str"):
        raise Unsigned
    if not any(_holds(account, given, request, path) for path in _paths(request)):
        raise Unsigned
    return account


def headers(account: PayAccount, body: bytes, asked: str = "") -> dict[str, str]:
    """The platform's signature on what WeChat Pay answers or sends; by the certificate that was asked for, if any."""
    known = account.certificates.filter(serial=asked).first() if asked else None
    serial, key = (known.serial, known.private_key) if known else (account.platform_serial, account.platform_key)
    timestamp, nonce = str(int(time.time())), secrets.token_hex(16)
    signature = _private(key).sign(_lines(timestamp, nonce, body), PKCS1v15(), SHA256())
    return {
        "Wechatpay-Serial": serial,
        "Wechatpay-Timestamp": timestamp,
        "Wechatpay-Nonce": nonce,
        "Wechatpay-Signature": base64.b64encode(signature).decode(),
        "Wechatpay-Signature-Type": SCHEME,
    }


@lru_cache(maxsize=8)  # reading a key checks its primes, which takes longer than signing
def _private(pem: str):
    return load_pem_private_key(pem.encode(), password=None)


def _paths(request: HttpRequest) -> set[str]:
    """The path as called, and as it would be at the real one: a client may sign either."""
    path = request.get_full_path()
    return {path, path.removeprefix(PREFIX)}


def _holds(account: PayAccount, given: dict, request: HttpRequest, path: str) -> bool:
    message = _lines(request.method, path, given["timestamp"], given["nonce_str"], request.body)
    try:
        signature = base64.b64decode(given.get("signature", ""), validate=True)
        load_pem_public_key(account.public_key.encode()).verify(signature, message, PKCS1v15(), SHA256())
    except (InvalidSignature, ValueError):
        return False
    return True


def _lines(*lines: str | bytes) -> bytes:
    return b"".join((line if isinstance(line, bytes) else line.encode()) + b"\n" for line in lines)
