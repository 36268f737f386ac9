"""What was only kept to let somebody in is forgotten when it can do so no more."""

from datetime import timedelta

from members.models import MemberCode, Registration, SmsChallenge, WebsiteLogin, WechatToken
from sync.clock import Clock

KEPT = timedelta(hours=1)  # after its end, so that a late client hears why
BATCH = 5_000


def forget_expired() -> int:
    """Delete what ended: challenges, codes, sign-ins under way, waiting registrations, WeChat tokens. Returns how many.

    May run at any time, by many at once.
    """
    return sum(_forget(model) for model in (SmsChallenge, MemberCode, WebsiteLogin, Registration, WechatToken))


def _forget(model) -> int:
    ended = model.objects.filter(expires_at__lt=Clock() - KEPT).order_by("expires_at").values("pk")[:BATCH]
    return model.objects.filter(pk__in=ended).delete()[0]
