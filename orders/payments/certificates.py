"""The certificates WeChat Pay signs with: fetched, opened, verified, kept by serial; old and new overlap.

A list is believed when a key we hold signed it, or one of the certificates it brings: those came sealed under the
merchant's own APIv3 key, so a rotation may begin with the list that tells of it.
"""

import logging
import time
from collections.abc import Mapping

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from orders.models import Merchant, MerchantKey
from orders.payments import calling, signing
from orders.payments.calling import PUBLIC_KEY_ID, Refused, Unavailable, keys_of
from sync import alerts, quotas
from sync.http import Problem

logger = logging.getLogger(__name__)

PATH = "/v3/certificates"
EVERY = 60  # seconds between two askings on account of serials we do not know


def believe(merchant: Merchant, headers: Mapping[str, str], body: bytes, *, now: float) -> None:
    """Pass when WeChat Pay signed this, else raise NotSigned; a serial never seen is looked up, once a minute at most.

    Not to be called in a transaction.
    """
    try:
        signing.verify(headers, body, keys_of(merchant), now=now)
    except signing.UnknownSerial:
        if headers["Wechatpay-Serial"].startswith(PUBLIC_KEY_ID):
            raise
        look_up(merchant)  # or somebody else just did
        signing.verify(headers, body, keys_of(merchant), now=now)


def look_up(merchant: Merchant) -> int:
    """Fetch the certificates because one is missing; never fails, at most once a minute. Returns how many are new."""
    try:
        quotas.count(f"wechat pay certificates {merchant.mchid}", limit=1, every=EVERY)
        return refresh(merchant)
    except (Problem, Unavailable, Refused) as error:
        logger.warning("The certificates of WeChat Pay are not known anew: %s", error)
        return 0


def refresh_all() -> int:
    """Fetch the certificates of every merchant that lives by them. Returns how many are new."""
    found = 0
    for merchant in Merchant.objects.all():
        known = keys_of(merchant)
        if known and all(serial.startswith(PUBLIC_KEY_ID) for serial in known):
            continue
        try:
            found += refresh(merchant)
        except (Unavailable, Refused) as error:
            logger.warning("The certificates of WeChat Pay for %s stay as they are: %s", merchant.mchid, error)
            alerts.measure("wechat_pay.certificates_failed", 1)
    return found


def refresh(merchant: Merchant) -> int:
    """Fetch and keep the certificates that are valid now. Returns how many are new. Raises Unavailable, Refused."""
    now = time.time()
    valid = {serial: pem for serial, pem in keys_of(merchant).items() if signing.is_valid(pem, now=now)}
    asked = {"Wechatpay-Serial": sorted(valid)[-1]} if valid else {}
    answer = calling.send(merchant, "GET", PATH, **asked)
    try:
        brought = dict(opened for each in answer.json()["data"] if (opened := _opened(each, merchant)))
        signing.verify(answer.headers, answer.content, brought | valid, now=now)
    except (signing.NotSigned, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Unavailable(f"certificates that cannot be believed: {type(error).__name__}") from error
    fresh = {serial: pem for serial, pem in brought.items() if serial not in valid and signing.is_valid(pem, now=now)}
    rows = [MerchantKey(merchant=merchant, serial=serial, public_key=pem) for serial, pem in fresh.items()]
    MerchantKey.objects.bulk_create(rows, ignore_conflicts=True)
    return len(rows)


def _opened(told: dict, merchant: Merchant) -> tuple[str, str] | None:
    """Serial and certificate (PEM); None for one that we cannot use, such as those for SM2."""
    try:
        pem = signing.unseal(told["encrypt_certificate"], merchant.api_key).decode()
        certificate = x509.load_pem_x509_certificate(pem.encode())
        is_its = int(told["serial_no"], 16) == certificate.serial_number
        return (told["serial_no"], pem) if is_its and isinstance(certificate.public_key(), RSAPublicKey) else None
    except (signing.NotSigned, ValueError, UnsupportedAlgorithm) as error:
        logger.warning("A certificate that WeChat Pay lists cannot be used: %s", type(error).__name__)
        return None
