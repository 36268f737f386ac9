"""WeChat Pay APIv3 signatures: SHA256-RSA2048 over lines, both ways, and the sealed part of notifications.

What comes in is judged by a key chosen by its serial from our own store, never by anything the message brings.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

SCHEME = "WECHATPAY2-SHA256-RSA2048"
ALGORITHM = "AEAD_AES_256_GCM"
WINDOW = 300  # seconds a message may be old, or early
PROBE = "WECHATPAY/SIGNTEST/"
HEADERS = ("Wechatpay-Serial", "Wechatpay-Signature", "Wechatpay-Timestamp", "Wechatpay-Nonce")


class NotSigned(Exception):
    """The message does not carry a signature of WeChat Pay that holds now; its text says why, for the log."""


class UnknownSerial(NotSigned):
    """Signed, it says, by a key that we do not hold."""


def lines(*parts: str | bytes) -> bytes:
    """The parts as WeChat Pay signs them: each ended by a line feed."""
    return b"".join((part.encode() if isinstance(part, str) else part) + b"\n" for part in parts)


def sign(message: bytes, private_key: str) -> str:
    """The base64 signature of `message` by a private key (PEM)."""
    return base64.b64encode(_private(private_key).sign(message, PKCS1v15(), hashes.SHA256())).decode()


def verify(headers: Mapping[str, str], body: bytes, keys: Mapping[str, str], *, now: float) -> None:
    """Pass when WeChat Pay signed exactly this body within 5 minutes of `now` (Unix time); else raise NotSigned.

    `keys` are the public keys or certificates (PEM) we hold, by serial.
    """
    serial, signature, timestamp, nonce = (headers.get(name, "") for name in HEADERS)
    if not (serial and signature and timestamp and nonce):
        raise NotSigned("a header is missing")
    if headers.get("Wechatpay-Signature-Type", SCHEME) != SCHEME:
        raise NotSigned("unknown algorithm")
    if signature.startswith(PROBE):
        raise NotSigned("a probe")
    if not re.fullmatch(r"[0-9]{1,12}", timestamp) or abs(now - int(timestamp)) >= WINDOW:
        raise NotSigned("too old or too early")
    if serial not in keys:
        raise UnknownSerial("unknown serial")
    if not is_valid(keys[serial], now=now):
        raise NotSigned("an expired certificate")
    try:
        raw = base64.b64decode(signature, validate=True)
        if base64.b64encode(raw).decode() != signature:
            raise NotSigned("the signature is spelled otherwise")
        _public(keys[serial]).verify(raw, lines(timestamp, nonce, body), PKCS1v15(), hashes.SHA256())
    except (InvalidSignature, ValueError) as error:  # binascii.Error is a ValueError
        raise NotSigned("the signature does not hold") from error


def is_valid(pem: str, *, now: float) -> bool:
    """Whether a key holds at this Unix time: a certificate within its dates; a bare public key until it is removed."""
    if "CERTIFICATE" not in pem:
        return True
    certificate = _certificate(pem)
    return certificate.not_valid_before_utc.timestamp() <= now <= certificate.not_valid_after_utc.timestamp()


def unseal(resource: Mapping, api_key: str) -> bytes:
    """The plain text of a notification's `resource`; raises NotSigned for anything but AES-256-GCM under our key."""
    if not isinstance(resource, Mapping) or resource.get("algorithm") != ALGORITHM:
        raise NotSigned("unknown algorithm")
    nonce, ciphertext, bound_to = (resource.get(name, "") for name in ("nonce", "ciphertext", "associated_data"))
    if len(api_key.encode()) != 32:
        raise NotSigned("our APIv3 key does not have 32 bytes")
    try:
        return decrypt(api_key, nonce, bound_to, ciphertext)
    except (InvalidTag, ValueError, TypeError, AttributeError, binascii.Error) as error:
        raise NotSigned("the resource does not open") from error


def decrypt(key: str, nonce: str, bound_to: str | None, ciphertext: str) -> bytes:
    """AES-GCM as WeChat Pay writes it: key and nonce as text, ciphertext with its tag in base64."""
    sealed = base64.b64decode(ciphertext, validate=True)
    return AESGCM(key.encode()).decrypt(nonce.encode(), sealed, (bound_to or "").encode())


@lru_cache(maxsize=32)
def _private(pem: str):
    return serialization.load_pem_private_key(pem.encode(), password=None)


@lru_cache(maxsize=64)
def _public(pem: str) -> RSAPublicKey:
    if "CERTIFICATE" in pem:
        return _certificate(pem).public_key()
    return serialization.load_pem_public_key(pem.encode())


@lru_cache(maxsize=64)
def _certificate(pem: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem.encode())
