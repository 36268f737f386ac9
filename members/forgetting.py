"""What was only kept to let somebody in is forgotten when it can do so no more."""

from datetime import timedelta

from members.models import MemberCode, Registration, SignInGrant, SmsChallenge, WebsiteLogin, WechatToken
from sync.clock import Clock

KEPT = timedelta(hours=1)  # after its end, so that a late client hears why
BATCH = 5_000
FORGOTTEN = (SmsChallenge, MemberCode, WebsiteLogin, Registration, SignInGrant, WechatToken)


def forget_expired() -> int:
    """Delete what ended: challenges, codes, sign-ins under way, waiting registrations, grants, WeChat tokens.

    Returns how many. May run at any time, by many at once.
    """
    return sum(map(_forget, FORGOTTEN))


def _forget(model) -> int:
    ended = model.objects.filter(expires_at__lt=Clock() - KEPT).order_by("expires_at").values("pk")[:BATCH]
    return model.objects.filter(pk__in=ended).delete()[0]
