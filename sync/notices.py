"""How an alert is told: by e-mail and by a generic webhook."""

import asyncio
import smtplib
from datetime import timedelta

import orjson
from django.conf import settings
from django.core.mail import EmailMessage
from django.db.models.functions import Now
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from sync.forwarding import post_alone
from sync.models import Endpoint, Notice

FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=10), timedelta(hours=1)
GIVES_UP_AFTER = timedelta(days=1)


class NotSent(Exception):
    """The notice did not arrive; it may be tried again."""


def by_email(notice: Notice) -> None:
    """Send one e-mail; raises NotSent."""
    message = EmailMessage(title(notice), text(notice), to=[notice.to], headers={"Message-ID": f"<{notice.pk}@hub>"})
    try:
        message.send()
    except (OSError, smtplib.SMTPException) as error:
        raise NotSent(f"{type(error).__name__}: {error}") from error


def by_webhook(notice: Notice) -> None:
    """POST what happened as JSON, guarded as the courier's: no address inside, nothing followed; raises NotSent."""
    told = orjson.dumps(body(notice))
    outcome = asyncio.run(post_alone(notice.to, {"Webhook-Id": str(notice.pk)}, told))
    if not outcome.is_success:
        raise NotSent(f"HTTP {outcome.status}" if outcome.status else outcome.error)


MEDIA = {Notice.Medium.EMAIL: by_email, Notice.Medium.WEBHOOK: by_webhook}


def postpone(notice: Notice, error: str) -> None:
    """Try again later, at growing distance; after a day no more."""
    pause = min(FIRST_PAUSE * 2 ** min(notice.tries, 10), LONGEST_PAUSE)
    since = notice.alert.resolved_at if notice.moment == Notice.Moment.RESOLVED else notice.alert.opened_at
    over = timezone.now() - since > GIVES_UP_AFTER
    Notice.objects.filter(pk=notice.pk).update(
        tries=notice.tries + 1, next_at=None if over else Now() + pause, error=error[:300]
    )


def body(notice: Notice) -> dict:
    """The webhook's JSON; `id` stays the same when it has to be sent again."""
    alert = notice.alert
    return {
        "id": str(notice.pk),
        "type": f"alert.{notice.moment}",
        "alert": str(alert.pk),
        "rule": alert.rule.code,
        "subject": alert.subject,
        "value": alert.value,
        "threshold": alert.rule.threshold,
        "opened_at": alert.opened_at.isoformat(),
        "resolved_at": alert.resolved_at.isoformat() if alert.resolved_at else None,
        "title": title(notice),
        "text": text(notice),
        "url": _page(notice),
    }


def title(notice: Notice) -> str:
    """One line in the hub's language."""
    with translation.override(settings.LANGUAGE_CODE):
        opened = notice.moment == Notice.Moment.OPENED
        return (_("Alert: %s") if opened else _("Resolved: %s")) % notice.alert.rule.name


def text(notice: Notice) -> str:
    """What a person on call needs to know, in the hub's language."""
    alert = notice.alert
    with translation.override(settings.LANGUAGE_CODE):
        lines = [title(notice), ""]
        if alert.subject:
            lines.append(_("About: %s") % about(alert.subject))
        lines.append(_("Value: %(value).3g (threshold %(threshold).3g)") % _values(alert))
        lines.append(_("Opened: %s") % _local(alert.opened_at))
        if alert.resolved_at:
            lines.append(_("Resolved at: %s") % _local(alert.resolved_at))
        return "\n".join([*lines, "", _page(notice)])


def about(subject: str) -> str:
    """The alert's subject as people know it: a channel and its address."""
    kind, _slash, key = subject.partition("/")
    endpoint = Endpoint.objects.select_related("channel").filter(pk=key).first() if kind == "endpoint" else None
    return f"{endpoint.channel} · {endpoint.url}" if endpoint else subject


def _values(alert) -> dict:
    return {"value": alert.value, "threshold": alert.rule.threshold}


def _local(at) -> str:
    return timezone.localtime(at).strftime("%Y-%m-%d %H:%M:%S")


def _page(notice: Notice) -> str:
    return f"{settings.PUBLIC_URL}/admin/sync/alert/{notice.alert_id}/change/"
