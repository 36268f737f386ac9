"""Secrets and personal data: encrypted at rest, found by keyed hash, shown masked.

An encrypted value is `version ‖ key id ‖ nonce ‖ AES-256-GCM`, bound to table, column and the row's id, so that a
value copied to another row or column does not open. A blind index is HMAC-SHA256 under a key of its own.
"""

import base64
import hashlib
import hmac
import os
import re
import secrets
import unicodedata

import phonenumbers
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.core.exceptions import FieldError
from django.db import models

VERSION = 1


class Unreadable(Exception):
    """A stored secret does not open: the wrong key, or it was moved or changed."""


class KeyGone(Unreadable):
    """What was sealed names a key that the hub has no more."""


class InvalidPhone(ValueError):
    """Not a mobile number that a person could have."""


def seal(plain: bytes, bound_to: str) -> bytes:
    """Encrypt under the current key; `bound_to` must be given again to open."""
    key_id, key = next(iter(settings.FIELD_KEYS.items()))
    nonce = os.urandom(12)
    return bytes([VERSION, key_id]) + nonce + AESGCM(key).encrypt(nonce, plain, bound_to.encode())


def unseal(sealed: bytes, bound_to: str) -> bytes:
    """Decrypt what `seal` made; raises Unreadable, KeyGone where no key is at hand."""
    sealed = bytes(sealed)
    if len(sealed) < 30 or sealed[0] != VERSION:
        raise Unreadable(bound_to)
    if (key := settings.FIELD_KEYS.get(sealed[1])) is None:
        raise KeyGone(bound_to)
    try:
        return AESGCM(key).decrypt(sealed[2:14], sealed[14:], bound_to.encode())
    except InvalidTag as error:
        raise Unreadable(bound_to) from error


def blind_index(kind: str, value: str, *, key_id: int | None = None) -> bytes:
    """The 32-byte keyed hash under which a value of this kind is looked up, by the key in force or the one named."""
    key = settings.INDEX_KEYS[key_id or next(iter(settings.INDEX_KEYS))]
    return hmac.digest(key, f"{kind}\0{value}".encode(), "sha256")


def token(prefix: str) -> str:
    """A new bearer secret of 256 random bits, recognisable by its prefix."""
    return prefix + secrets.token_urlsafe(32)


def derived(secret: str, purpose: str) -> str:
    """43 characters that only the holder of `secret` and of the hub's token key can know."""
    mac = hmac.digest(settings.TOKEN_KEY, f"{purpose}\0{secret}".encode(), "sha256")
    return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()


def digest(secret: str) -> bytes:
    """What is stored of a bearer secret: SHA-256, enough for 256 random bits."""
    return hashlib.sha256(secret.encode()).digest()


def keyed_digest(secret: str, bound_to: str) -> bytes:
    """What is stored of a short code: a keyed hash, so that a stolen table does not give the code away."""
    return hmac.digest(settings.TOKEN_KEY, f"{bound_to}\0{secret}".encode(), "sha256")


class Sealed(bytes):
    """Ciphertext as it lies in the row; opened on access through the instance."""

    def __repr__(self) -> str:
        return "<sealed>"


class _Opening:
    """Reading the attribute decrypts, once; assigning stores plain text until the row is saved."""

    def __init__(self, field: "EncryptedField"):
        self.field = field

    def __get__(self, instance, owner=None):
        if instance is None:
            return self
        if self.field.attname not in instance.__dict__:
            instance.refresh_from_db(fields=[self.field.attname])
        value = instance.__dict__[self.field.attname]
        if isinstance(value, Sealed):
            value = unseal(value, self.field.bound_to(instance)).decode()
            instance.__dict__[self.field.attname] = value
        return value

    def __set__(self, instance, value):
        instance.__dict__[self.field.attname] = value


class EncryptedField(models.BinaryField):
    """A string encrypted at rest. The model's primary key must be a UUID made before saving.

    No look-up but isnull: keep a `blind_index` beside it. `values()` gives ciphertext.
    """

    def __init__(self, *args, **kwargs):
        kwargs["editable"] = kwargs.get("editable", False)
        super().__init__(*args, **kwargs)

    def contribute_to_class(self, cls, name, **kwargs):
        super().contribute_to_class(cls, name, **kwargs)
        setattr(cls, self.attname, _Opening(self))

    def bound_to(self, instance) -> str:
        return f"{self.model._meta.db_table}.{self.column}:{instance.pk}"

    def from_db_value(self, value, expression, connection):
        return None if value is None else Sealed(value)

    def pre_save(self, model_instance, add):
        value = model_instance.__dict__.get(self.attname)
        if value is None or isinstance(value, Sealed):
            return value
        return seal(value.encode(), self.bound_to(model_instance))

    def get_lookup(self, lookup_name):
        if lookup_name != "isnull":
            raise FieldError(f"{self.name} is encrypted: it has no look-up {lookup_name}")
        return super().get_lookup(lookup_name)

    def get_db_prep_value(self, value, connection, prepared=False):
        if isinstance(value, str):
            raise FieldError(f"{self.name} is encrypted per row: save the instance")
        return super().get_db_prep_value(value, connection, prepared)

    def value_to_string(self, obj):
        raise FieldError(f"{self.name} is encrypted: it is not serialised")


def phone(value: str) -> str:
    """E.164 of a mobile number as people write it (+86 understood); raises InvalidPhone."""
    text = unicodedata.normalize("NFKC", value)
    text = re.sub(r"[\s\-()]", "", text)
    if text.startswith("00"):
        text = "+" + text[2:]
    if not re.fullmatch(r"\+?[0-9]{5,15}", text):
        raise InvalidPhone(value)
    try:
        parsed = phonenumbers.parse(text, "CN")
    except phonenumbers.NumberParseException as error:
        raise InvalidPhone(value) from error
    mobile = phonenumbers.number_type(parsed) in {
        phonenumbers.PhoneNumberType.MOBILE,
        phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE,
    }
    if not (mobile and phonenumbers.is_valid_number(parsed)):
        raise InvalidPhone(value)
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def mask_phone(e164: str | None) -> str | None:
    """138****8000; other countries keep their last four."""
    if not e164:
        return None
    national = e164.removeprefix("+86")
    return f"{national[:3]}****{national[-4:]}" if len(national) == 11 and e164 != national else f"****{e164[-4:]}"


def mask_name(name: str) -> str:
    """张*; never the whole name."""
    return name[:1] + "*" if name else "***"


def mask_id(value: str) -> str:
    """First four and last four of an identifier long enough to hide the rest."""
    return f"{value[:4]}****{value[-4:]}" if len(value) >= 12 else "***"


def mask_email(value: str | None) -> str | None:
    """z***@example.cn; a local part of one letter is hidden too."""
    local, at, domain = (value or "").partition("@")
    if not at:
        return None if not value else "***"
    return f"{local[0]}***@{domain}" if len(local) > 1 else f"***@{domain}"
