"""A proof that waits for consent. It travels sealed in the token that the client holds; the hub keeps its hash.

WeChat takes a code once. A client that sends the code again, now with the consents, is known by the code's hash; the
token lies beside it, sealed under a key made of the code, so that nobody opens it who does not hold the code.
"""

import base64
import json
import os
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import timedelta

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from members.identity import Evidence, Shown
from members.models import Registration
from sync import clock
from sync.http import Problem
from sync.models import Channel
from sync.secret import Unreadable, derived, digest, keyed_digest, seal, token, unseal

PREFIX, LIFETIME = "hub_rg_", timedelta(minutes=10)
NONCE = 12  # bytes


def open_for(evidence: list[Evidence], channel: Channel, *, code: str = "") -> str:
    """Keep a proof for ten minutes; returns the token that carries it. With `code` the proof is found by that, too."""
    secret = token(PREFIX)
    mark = digest(secret)
    sealed = seal(json.dumps([asdict(item) for item in evidence]).encode(), _bound_to(mark))
    carrying = f"{secret}.{base64.urlsafe_b64encode(sealed).decode()}"
    row = Registration(digest=mark, channel=channel, expires_at=clock.now() + LIFETIME)
    if code:
        row.code_digest, row.sealed = _mark_of(code, channel), _sealed(carrying, code)
        Registration.objects.filter(code_digest=row.code_digest).update(code_digest=None, sealed=None)
    row.save(force_insert=True)
    return carrying


def read(registration_token: str, channel: Channel) -> Shown:
    """The proof behind a token of this channel; spent by the act that registers.

    Raises Problem `code_invalid` for one that is wrong, expired, used or another channel's.
    """
    secret, _dot, sealed = registration_token.partition(".")
    mark = digest(secret)
    alive = Registration.objects.filter(digest=mark, channel=channel, used_at=None, expires_at__gt=clock.Clock())
    if not alive.exists():
        raise Problem("code_invalid")
    try:
        carried = unseal(base64.urlsafe_b64decode(sealed), _bound_to(mark))
    except (ValueError, Unreadable) as error:
        raise Problem("code_invalid") from error
    evidence = [Evidence(**item) for item in json.loads(carried)]

    def spend() -> None:
        if not alive.update(used_at=clock.Clock(), code_digest=None, sealed=None):
            raise Problem("code_invalid")

    return Shown(evidence, spend, registration_token)


def of_code(code: str, channel: Channel) -> Shown | None:
    """The proof that waits for consent since this code of WeChat's was exchanged on this channel; None when none does.

    What it is used up for twice raises Problem `wechat_code_invalid`, as WeChat says of a used code.
    """
    row = Registration.objects.filter(code_digest=_mark_of(code, channel)).first()
    if row is None:
        return None
    shown = _as_code(lambda: read(_opened(bytes(row.sealed), code), channel))
    return replace(shown, spend=lambda: _as_code(shown.spend))


def _as_code(work: Callable):
    try:
        return work()
    except Problem as error:
        raise Problem("wechat_code_invalid") from error


def _sealed(carrying: str, code: str) -> bytes:
    nonce = os.urandom(NONCE)
    return nonce + _key_of(code).encrypt(nonce, carrying.encode(), None)


def _opened(sealed: bytes, code: str) -> str:
    try:
        return _key_of(code).decrypt(sealed[:NONCE], sealed[NONCE:], None).decode()
    except InvalidTag as error:
        raise Problem("code_invalid") from error


def _key_of(code: str) -> AESGCM:
    return AESGCM(base64.urlsafe_b64decode(derived(code, "waiting for consent") + "="))


def _mark_of(code: str, channel: Channel) -> bytes:
    return keyed_digest(code, f"wechat-code:{channel.id}")


def _bound_to(mark: bytes) -> str:
    return f"registration:{mark.hex()}"
