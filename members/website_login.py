"""Signing in on a website by QR code: `state` travels through WeChat, `verifier` stays with the page that began."""

from dataclasses import dataclass
from datetime import timedelta
from hmac import compare_digest

from members import wechat
from members.models import WebsiteLogin
from sync import clock
from sync.http import Problem
from sync.models import Channel
from sync.secret import digest, token

LIFETIME = timedelta(minutes=10)


@dataclass(frozen=True, repr=False)
class Begun:
    """What the page needs to send its reader to WeChat and to know them again."""

    authorize_url: str
    state: str
    verifier: str


def begin(channel: Channel, *, redirect_uri: str) -> Begun:
    """Keep the hashes of a sign-in under way; it has ten minutes."""
    state, verifier = token("hub_ws_"), token("hub_wv_")
    WebsiteLogin.objects.create(
        state_digest=digest(state),
        verifier_digest=digest(verifier),
        channel=channel,
        expires_at=clock.now() + LIFETIME,
    )
    return Begun(wechat.authorize_url(channel, redirect_uri=redirect_uri, state=state), state, verifier)


def finish(channel: Channel, *, state: str, verifier: str) -> None:
    """Use up a sign-in under way; raises Problem `code_invalid` unless this page began it and it is still open.

    Called before the code is exchanged: whatever WeChat says then, the state is spent.
    """
    under_way = WebsiteLogin.objects.filter(
        state_digest=digest(state), channel=channel, used_at=None, expires_at__gt=clock.Clock()
    )
    begun = under_way.first()
    mine = begun and compare_digest(bytes(begun.verifier_digest), digest(verifier))
    if not (mine and under_way.update(used_at=clock.Clock())):
        raise Problem("code_invalid")
