"""The certificates WeChat Pay signs with: told sealed, one replacing another while both are good."""

import base64
import secrets
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.x509.oid import NameOID
from django.db import transaction

from config.sandbox.models import PayAccount, PlatformCertificate

LASTS = timedelta(days=5 * 365)
BOUND_TO = "certificate"


def certificate(private_key: str) -> tuple[str, str]:
    """A new certificate of a private key (PEM): its serial, itself (PEM)."""
    key = serialization.load_pem_private_key(private_key.encode(), password=None)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Tenpay.com Sandbox")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
    dated = builder.not_valid_before(now - timedelta(minutes=1)).not_valid_after(now + LASTS)
    made = dated.sign(key, hashes.SHA256())
    return f"{made.serial_number:040X}", made.public_bytes(serialization.Encoding.PEM).decode()


@transaction.atomic
def rotate(mchid: str) -> str:
    """Sign with a new certificate from now on; the old ones stay good. Returns its serial."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    private_key = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain).decode()
    serial, made = certificate(private_key)
    account = PayAccount.objects.select_for_update().get(mchid=mchid)
    PlatformCertificate.objects.create(account=account, serial=serial, private_key=private_key, certificate=made)
    account.platform_serial, account.platform_key = serial, private_key
    account.save(update_fields=["platform_serial", "platform_key"])
    return serial


def told(account: PayAccount) -> dict:
    """The list of certificates, each sealed under the merchant's APIv3 key."""
    return {"data": [_sealed(account, each) for each in account.certificates.order_by("id")]}


def _sealed(account: PayAccount, each: PlatformCertificate) -> dict:
    nonce, dates = secrets.token_hex(6), x509.load_pem_x509_certificate(each.certificate.encode())
    sealed = AESGCM(account.api_key.encode()).encrypt(nonce.encode(), each.certificate.encode(), BOUND_TO.encode())
    box = {"algorithm": "AEAD_AES_256_GCM", "nonce": nonce, "associated_data": BOUND_TO}
    return {
        "serial_no": each.serial,
        "effective_time": dates.not_valid_before_utc.isoformat(timespec="seconds"),
        "expire_time": dates.not_valid_after_utc.isoformat(timespec="seconds"),
        "encrypt_certificate": box | {"ciphertext": base64.b64encode(sealed).decode()},
    }
