"""Who calls the public contract, and how they prove it (API §1).

A bearer token is read by its prefix; `BEARERS` in the settings names who answers for a prefix, so that this floor
needs to know no member. A view says whom it serves by `callers`; a valid proof of another kind is 403.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission

from sync import prepared, quotas
from sync.act import Actor
from sync.http import Problem
from sync.models import Channel, ChannelKey
from sync.rows import Rows
from sync.secret import digest

KEYS, CHANNELS = Rows(ChannelKey), Rows(Channel)
KNOWN = f"""
SELECT {KEYS.of("k")}, {CHANNELS.of("c")} FROM sync_channelkey k JOIN sync_channel c ON c.id = k.channel_id
WHERE k.digest = decode(%s, 'hex') AND k.revoked_at IS NULL
"""  # noqa: S608 - names of our own columns
CLIENT, MEMBER, BACKEND = "client", "member", "backend"


@dataclass(frozen=True)
class Proof:
    """What a caller proved: `kind` is client (a channel's web client before sign-in), member or backend."""

    kind: str
    actor: Actor
    channel: Channel
    member: UUID | None = None
    session: UUID | None = None
    stepped_up_at: datetime | None = None
    scopes: frozenset[str] = frozenset()
    ahead: list[tuple] | None = None  # the rows of what the view asked for in the same round trip

    @property
    def caller(self) -> str:
        """Who shares idempotency keys: a member, a channel."""
        return str(self.actor)


class Nobody(BasePermission):
    """The default: a view that does not say who may call it serves nobody."""

    def has_permission(self, request, view):
        return False


class Caller(BaseAuthentication):
    """The proof a request carries: a bearer token, or X-Channel alone."""

    def authenticate(self, request):
        authorization = request.headers.get("Authorization")
        ahead = request.parser_context["view"].ahead(request)
        proof = self.by_bearer(authorization, ahead) if authorization is not None else self.by_channel(request)
        if proof is None:
            return None
        request._request.channel = proof.channel  # for CORS
        return proof.actor, proof

    def authenticate_header(self, request):
        return "Bearer"

    def by_bearer(self, authorization: str, ahead: prepared.Asked | None) -> Proof:
        scheme, _space, token = authorization.partition(" ")
        answers = next((path for prefix, path in settings.BEARERS.items() if token.startswith(prefix)), None)
        if scheme.lower() != "bearer" or answers is None or len(token) > 200:
            raise Problem("not_authenticated")
        return import_string(answers)(token, ahead)

    def by_channel(self, request) -> Proof | None:
        code = request.headers.get("X-Channel")
        if code is None:
            return None
        channel = Channel.objects.filter(code=code[:40].replace("\0", "")).first()
        if channel is None:
            raise Problem("channel_unknown")
        request._request.channel = channel
        if not channel.is_active:
            raise Problem("channel_inactive")
        return Proof(CLIENT, Actor("client", request.META.get("REMOTE_ADDR", ""), channel.code), channel)


def by_key(token: str, _ahead: prepared.Asked | None = None) -> Proof:
    """The channel backend behind a `hub_sk_` key. Nothing is asked for ahead of knowing whose it is."""
    key = _known(token)
    if key is None:
        raise Problem("not_authenticated", _("This key is not valid"))
    if not key.channel.is_active:
        raise Problem("channel_inactive")
    if key.last_used_at is None or timezone.now() - key.last_used_at > timedelta(minutes=1):
        ChannelKey.objects.filter(pk=key.pk).update(last_used_at=Now())
    code, limit = key.channel.code, key.channel.calls_per_minute
    if limit is not None:
        quotas.count(f"calls/{code}", limit=limit, every=60)
    return Proof(BACKEND, Actor("channel", code, code), key.channel, scopes=frozenset(key.scopes))


def _known(token: str) -> ChannelKey | None:
    for values in prepared.run(KNOWN, [digest(token).hex()]):
        key = KEYS.instance(values[: len(KEYS)])
        key.channel = CHANNELS.instance(values[len(KEYS) :])
        return key
    return None
