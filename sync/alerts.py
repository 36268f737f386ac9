"""Alerts: a rule that holds opens one alert per subject, tells it once, and tells once that it is over.

The alert and the notices that tell it are rows of one transaction; notices are sent after its commit by whoever is
free, each under its own row's lock. A notice whose sender died between sending and noting it is sent again, under
the same id (the webhook's `id`, the e-mail's Message-ID).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import translation
from django.utils.translation import gettext, gettext_noop

from sync import notices
from sync.models import Alert, AlertRule, Measure, Notice

MEASURE = """
INSERT INTO sync_measure AS m (name, at, value, samples) VALUES (%s, date_trunc('minute', now()), %s, 1)
ON CONFLICT (name, at) DO UPDATE
SET value = (m.value * m.samples + EXCLUDED.value) / (m.samples + 1), samples = m.samples + 1
"""
PUSHED = """
SELECT '', sum(value * samples) / sum(samples), sum(samples), false FROM sync_measure
WHERE name = %s AND at > now() - make_interval(secs => %s) HAVING sum(samples) > 0
"""
FAILING = """
WITH tried AS (
    SELECT d.endpoint_id, a.at, a.status IS NULL OR a.status NOT BETWEEN 200 AND 299 AS failed
    FROM sync_attempt a JOIN sync_delivery d ON d.id = a.delivery_id
    WHERE a.at > now() - make_interval(secs => %s)
)
SELECT 'endpoint/' || n.id, count(*) FILTER (WHERE t.failed)::float / count(*), count(*),
    coalesce(max(t.at) FILTER (WHERE t.failed) > max(t.at) FILTER (WHERE NOT t.failed), bool_or(t.failed))
FROM tried t JOIN sync_endpoint n ON n.id = t.endpoint_id WHERE n.is_active GROUP BY n.id
UNION ALL
SELECT 'endpoint/' || n.id, 1, 0, true FROM sync_endpoint n
WHERE n.is_active AND n.failing_since IS NOT NULL AND n.id NOT IN (SELECT endpoint_id FROM tried)
"""
DISABLED = "SELECT 'endpoint/' || id, 1, 1, true FROM sync_endpoint WHERE NOT is_active AND disabled_reason <> ''"
DEAD = """
SELECT 'endpoint/' || endpoint_id, count(*), count(*), true FROM (
    SELECT endpoint_id, finished_at FROM sync_delivery WHERE state = 'dead' ORDER BY id DESC LIMIT 10000
) newest WHERE finished_at > now() - interval '14 days' GROUP BY endpoint_id
"""
OWN = {"deliveries.failing": FAILING, "endpoints.disabled": DISABLED, "deliveries.dead": DEAD}  # of endpoints, as it is
# Nobody should have to think of these: the rule is made when it has something to say and there is none.
NEVER_SILENT = {
    "endpoints.disabled": gettext_noop("Endpoint disabled"),
    "deliveries.dead": gettext_noop("Push failed for good"),
}


@dataclass(frozen=True)
class Reading:
    """What a rule reads about one subject: the value, from how many samples, and whether the latest was bad."""

    subject: str
    value: float
    samples: int
    is_bad_now: bool

    def opens(self, rule: AlertRule) -> bool:
        return self.samples >= max(rule.minimum, 1) and self.value >= rule.threshold

    def keeps_open(self, rule: AlertRule) -> bool:
        return self.is_bad_now or self.value >= rule.threshold


def measure(name: str, value: float) -> None:
    """Push a figure: the mean of a minute is kept. Not inside an act (one row a minute is hot)."""
    with connection.cursor() as cursor:
        cursor.execute(MEASURE, [name, value])


def drop_before(time: datetime) -> int:
    """Forget the figures of minutes before `time`. Returns how many."""
    return Measure.objects.filter(at__lt=time).delete()[0]


@transaction.atomic
def evaluate() -> list[Alert]:
    """Open what fires, resolve what is over, with the notices to send. One at a time; returns what changed."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended('alerts', 0))")
        if not cursor.fetchone()[0]:
            return []
    for measure, name in NEVER_SILENT.items():
        if not AlertRule.objects.filter(measure=measure).exists() and _read(OWN[measure], []):
            _make(measure, name)
    return [alert for rule in AlertRule.objects.all() for alert in _judge(rule)]


def tell() -> int:
    """Send every notice that is due; one that fails is tried again later, for a day. Returns how many were sent."""
    sent = 0
    for due in Notice.objects.filter(next_at__lte=Now()).order_by("id").values_list("pk", flat=True)[:100]:
        sent += _send(due)
    return sent


def _judge(rule: AlertRule) -> Iterator[Alert]:
    readings = {each.subject: each for each in (_readings(rule) if rule.is_active else [])}
    open_now = {alert.subject: alert for alert in rule.alerts.filter(resolved_at=None)}
    for subject, alert in open_now.items():
        if subject not in readings or not readings[subject].keeps_open(rule):
            alert.resolved_at = Now()
            alert.save(update_fields=["resolved_at"])
            _write_notices(alert, Notice.Moment.RESOLVED)
            yield alert
    for subject in readings.keys() - open_now.keys():
        if readings[subject].opens(rule):
            alert = Alert.objects.create(rule=rule, subject=subject, value=readings[subject].value)
            _write_notices(alert, Notice.Moment.OPENED)
            yield alert


def _readings(rule: AlertRule) -> list[Reading]:
    if rule.measure in NEVER_SILENT:
        return _read(OWN[rule.measure], [])
    if rule.measure in OWN:
        return _read(OWN[rule.measure], [rule.window_seconds])
    return _read(PUSHED, [rule.measure, rule.window_seconds])


def _read(sql: str, parameters: list) -> list[Reading]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return [Reading(*row) for row in cursor]


def _make(measure: str, name: str) -> None:
    """A rule told to whoever is told of deliveries that fail."""
    like = AlertRule.objects.filter(measure="deliveries.failing").order_by("pk").first()
    told = {"emails": like.emails, "webhook_url": like.webhook_url} if like else {}
    with translation.override(settings.LANGUAGE_CODE):
        known = {"name": gettext(name), "measure": measure, "threshold": 1, "minimum": 1}
    AlertRule.objects.get_or_create(code=measure.replace(".", "-"), defaults=known | told)


def _write_notices(alert: Alert, moment: str) -> None:
    told = [(Notice.Medium.EMAIL, address) for address in alert.rule.emails]
    if alert.rule.webhook_url:
        told.append((Notice.Medium.WEBHOOK, alert.rule.webhook_url))
    Notice.objects.bulk_create(Notice(alert=alert, moment=moment, medium=medium, to=to) for medium, to in told)


@transaction.atomic
def _send(pk) -> bool:
    due = Notice.objects.select_for_update(skip_locked=True, of=["self"]).select_related("alert__rule")
    notice = due.filter(pk=pk, next_at__lte=Now()).first()
    if notice is None:
        return False
    send: Callable = notices.MEDIA[notice.medium]
    try:
        send(notice)
    except notices.NotSent as error:
        notices.postpone(notice, str(error))
        return False
    Notice.objects.filter(pk=pk).update(sent_at=Now(), next_at=None, tries=notice.tries + 1, error="")
    Alert.objects.filter(pk=notice.alert_id, told_at=None).update(told_at=Now())
    return True
