"""Keys that WeChat Pay signs with, given by staff: its public key mode has no list to fetch them from."""

import re
from uuid import UUID

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from django.utils.translation import gettext_lazy as _

from orders.models import Merchant, MerchantKey
from sync.act import Actor, act

PUBLIC_KEY_ID = "PUB_KEY_ID_"
LEAST_BITS = 2_048
ALONE = re.compile(r"-----BEGIN (PUBLIC KEY|CERTIFICATE)-----[A-Za-z0-9+/=\s]+-----END \1-----\s*")


class NotAKey(Exception):
    """What was given is not a key of WeChat Pay under this serial."""

    def __init__(self):
        super().__init__(_("This is not a public key or certificate of WeChat Pay with this serial"))


class PrivateKey(Exception):
    """A private key was given: it is not kept, and whoever pasted it should know that they did."""

    def __init__(self):
        super().__init__(
            _("This is a private key. It was not kept. WeChat Pay's own key is a public key or a certificate.")
        )


class KeyKnown(Exception):
    """The serial stands for another key."""

    def __init__(self):
        super().__init__(_("This serial already stands for another key"))


@act
def add_key(*, merchant: UUID, serial: str, public_key: str, by: Actor) -> MerchantKey:
    """Believe what this key signs from now on, beside those known; the same again changes nothing.

    `public_key` is PEM: a public key under its PUB_KEY_ID_…, or a certificate under its serial. Raises
    Merchant.DoesNotExist, PrivateKey, NotAKey, KeyKnown.
    """
    whose = Merchant.objects.select_for_update(no_key=True).get(pk=merchant)
    serial, public_key = serial.strip().upper(), public_key.strip() + "\n"
    require_key(serial, public_key)
    key, _is_new = MerchantKey.objects.get_or_create(merchant=whose, serial=serial, defaults={"public_key": public_key})
    if key.public_key != public_key:
        raise KeyKnown
    return key


def serial_of(pem: str) -> str:
    """The serial that a certificate carries, as WeChat Pay writes it; empty for anything else."""
    try:
        number = f"{x509.load_pem_x509_certificate(pem.strip().encode()).serial_number:X}"
        return number.zfill(len(number) + len(number) % 2)
    except (ValueError, UnsupportedAlgorithm):
        return ""


def require_key(serial: str, pem: str) -> None:
    """Raise NotAKey for anything but one RSA key that may stand under this serial; PrivateKey for a private one."""
    if "PRIVATE KEY" in pem.upper():
        raise PrivateKey
    if not ALONE.fullmatch(pem):
        raise NotAKey
    try:
        if serial.startswith(PUBLIC_KEY_ID):
            key, fits = load_pem_public_key(pem.encode()), len(serial) <= 64
        else:
            certificate = x509.load_pem_x509_certificate(pem.encode())
            key, fits = certificate.public_key(), int(serial, 16) == certificate.serial_number
    except (ValueError, UnsupportedAlgorithm) as error:
        raise NotAKey from error
    if not (fits and isinstance(key, RSAPublicKey) and key.key_size >= LEAST_BITS):
        raise NotAKey
