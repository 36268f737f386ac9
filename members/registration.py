"""A proof that waits for consent. It travels sealed in the token that the client holds; the hub keeps its hash."""

import base64
import json
from dataclasses import asdict
from datetime import timedelta

from members.identity import Evidence, Shown
from members.models import Registration
from sync import clock
from sync.http import Problem
from sync.models import Channel
from sync.secret import Unreadable, digest, seal, token, unseal

PREFIX, LIFETIME = "hub_rg_", timedelta(minutes=10)


def open_for(evidence: list[Evidence], channel: Channel) -> str:
    """Keep a proof for ten minutes; returns the token that carries it."""
    secret = token(PREFIX)
    mark = digest(secret)
    Registration.objects.create(digest=mark, channel=channel, expires_at=clock.now() + LIFETIME)
    sealed = seal(json.dumps([asdict(item) for item in evidence]).encode(), _bound_to(mark))
    return f"{secret}.{base64.urlsafe_b64encode(sealed).decode()}"


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
        if not alive.update(used_at=clock.Clock()):
            raise Problem("code_invalid")

    return Shown(evidence, spend, registration_token)


def _bound_to(mark: bytes) -> str:
    return f"registration:{mark.hex()}"
