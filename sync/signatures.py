"""Standard Webhooks 1.0.0: what a channel pushes in proves itself by a signature over its raw bytes."""

import base64
import hmac
import re
from datetime import datetime

from django.utils import timezone
from rest_framework.authentication import BaseAuthentication

from sync import auth
from sync.act import Actor
from sync.http import Problem

TOLERANCE = 300  # seconds, both ways
SECONDS = re.compile(r"[0-9]{1,12}")


class Invalid(Exception):
    """The signature does not prove what it should; for whatever reason."""


def verify(headers, body: bytes, secret: str, now: datetime) -> None:
    """Accept `body` when one of the signatures is right and made within 300 s of `now`; raises Invalid."""
    identity, given = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not identity or not SECONDS.fullmatch(given) or abs(now.timestamp() - int(given)) > TOLERANCE:
        raise Invalid
    right = signature(identity, given, body, secret)
    offered = headers.get("webhook-signature", "").split(" ")
    if not any(hmac.compare_digest(right.encode(), one.encode()) for one in offered):
        raise Invalid


def signature(identity: str, timestamp: str, body: bytes, secret: str) -> str:
    """`v1,` and the HMAC of id, timestamp and body under a `whsec_` secret."""
    encoded = secret.removeprefix("whsec_")
    key = base64.b64decode(encoded + "=" * (-len(encoded) % 4))
    mac = hmac.digest(key, f"{identity}.{timestamp}.".encode() + body, "sha256")
    return f"v1,{base64.b64encode(mac).decode()}"


class Signed(BaseAuthentication):
    """A channel's backend, by X-Channel and a signature under an inbound secret of the channel that is valid now."""

    def authenticate(self, request):
        named = auth.Caller().by_channel(request)
        if named is None:
            raise Problem("channel_required")
        channel, now = named.channel, timezone.now()
        if not any(verifies(request, secret, now) for secret in channel.inbound_secrets(now)):
            raise Problem("signature_invalid")
        by = Actor("channel", channel.code, channel.code)
        return by, auth.Proof(auth.BACKEND, by, channel)


def verifies(request, secret: str, now: datetime) -> bool:
    """Whether a request is signed with this secret."""
    try:
        verify(request.headers, request._request.body, secret, now)
    except Invalid:
        return False
    return True
