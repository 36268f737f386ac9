"""/metrics: what a Prometheus reads of the hub, from the database, in one statement (API §7)."""

from collections import defaultdict
from collections.abc import Iterator

from django.conf import settings
from django.db import connection
from django.http import HttpResponse, HttpResponseNotFound
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily

MOST = 100_000  # what is counted at most: more is no other matter, and costs more
GAUGES = {
    "hub_heartbeat_age_seconds": ("Since the last sign of life of a kind of process", ["process"]),
    "hub_relay_lag_seconds": ("How long, at most, a recent fact waited for its place", []),
    "hub_events_settled": ("Facts that have their place, since the beginning", []),
    "hub_deliveries_waiting": (f"Webhooks on their way, {MOST} at most", ["channel", "endpoint"]),
    "hub_deliveries_dead": ("Webhooks that failed for good, of the last 10000", ["channel", "endpoint"]),
    "hub_endpoint_failing_seconds": ("Since when nothing but failure; 0: it is well", ["channel", "endpoint"]),
    "hub_endpoint_active": ("1: it is sent what happens; 0: it is off", ["channel", "endpoint"]),
    "hub_inbox_messages": (f"Messages that are not applied, {MOST} at most of each state", ["state"]),
    "hub_alerts_open": ("Alerts that are open", ["rule"]),
    "hub_measure": ("The last minute of what alert rules may watch", ["name"]),
}
READ = f"""
SELECT 'hub_heartbeat_age_seconds', ARRAY[name], extract(epoch FROM now() - at)::float8 FROM sync_heartbeat
UNION ALL
SELECT 'hub_relay_lag_seconds', '{{}}', (data->>'lag_ms')::float8 / 1000 FROM sync_heartbeat
WHERE name = 'relay' AND data ? 'lag_ms'
UNION ALL
SELECT 'hub_events_settled', '{{}}', coalesce(max(position), 0) FROM sync_settled
UNION ALL
SELECT figure.name, ARRAY[c.code, n.id::text], figure.value
FROM sync_endpoint n JOIN sync_channel c ON c.id = n.channel_id CROSS JOIN LATERAL (VALUES
    ('hub_deliveries_waiting', (SELECT count(*) FROM (
        SELECT FROM sync_delivery d WHERE d.endpoint_id = n.id AND d.state = 'waiting' LIMIT {MOST}) d)),
    ('hub_endpoint_failing_seconds', coalesce(extract(epoch FROM now() - n.failing_since)::float8, 0)),
    ('hub_endpoint_active', (n.is_active AND c.is_active)::int)
) figure (name, value)
UNION ALL
SELECT 'hub_deliveries_dead', ARRAY[c.code, n.id::text], count(*)
FROM (SELECT endpoint_id FROM sync_delivery WHERE state = 'dead' ORDER BY id DESC LIMIT 10000) d
JOIN sync_endpoint n ON n.id = d.endpoint_id JOIN sync_channel c ON c.id = n.channel_id GROUP BY c.code, n.id
UNION ALL
SELECT 'hub_inbox_messages', ARRAY[state], (
    SELECT count(*) FROM (SELECT FROM sync_inboxmessage m WHERE m.state = s.state LIMIT {MOST}) m)
FROM unnest(ARRAY['waiting', 'parked', 'quarantined']) s (state)
UNION ALL
SELECT 'hub_alerts_open', ARRAY[r.code], count(*) FROM sync_alert a JOIN sync_alertrule r ON r.id = a.rule_id
WHERE a.resolved_at IS NULL GROUP BY r.code
UNION ALL
SELECT 'hub_measure', ARRAY[name], value FROM (
    SELECT DISTINCT ON (name) name, value FROM sync_measure
    WHERE at > now() - interval '5 minutes' ORDER BY name, at DESC
) latest
"""  # noqa: S608 - constants


class Gauges:
    """A collector of Prometheus': every gauge of the hub as it is now."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        found = defaultdict(list)
        with connection.cursor() as cursor:
            cursor.execute(READ)
            for name, labels, value in cursor.fetchall():
                found[name].append((labels, value))
        for name, (help, labels) in GAUGES.items():
            family = GaugeMetricFamily(name, help, labels=labels)
            for values, value in found[name]:
                family.add_metric(values, value)
            yield family


@require_safe
@never_cache
def metrics(request):
    """The gauges, for who has METRICS_TOKEN; without one there is no such page."""
    if not settings.METRICS_TOKEN:
        return HttpResponseNotFound()
    if not constant_time_compare(request.headers.get("Authorization", ""), f"Bearer {settings.METRICS_TOKEN}"):
        return HttpResponse(status=401, headers={"WWW-Authenticate": "Bearer"})
    registry = CollectorRegistry()
    registry.register(Gauges())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
