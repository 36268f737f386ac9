"""/metrics: what a Prometheus reads, for who has the token, in one question however much there is."""

import pytest
from django.test import Client, override_settings
from prometheus_client.parser import text_string_to_metric_families

from sync import health
from sync.alerts import measure
from sync.models import Alert, AlertRule, Delivery
from tests import make
from tests.sync import make_deliveries

pytestmark = pytest.mark.django_db
TOKEN = "t" * 32


@pytest.fixture(autouse=True)
def token(settings):
    settings.METRICS_TOKEN = TOKEN


def asked(token: str = TOKEN):
    return Client().get("/metrics", headers={"Authorization": f"Bearer {token}"})


def gauges() -> dict[tuple, float]:
    """Each sample by its name and labels, as Prometheus' own parser reads them."""
    families = text_string_to_metric_families(asked().content.decode())
    return {(sample.name, *sample.labels.values()): sample.value for each in families for sample in each.samples}


def test_who_has_no_token_or_another_reads_nothing():
    for wrong in ("", "t" * 31, "T" * 32):
        answer = asked(wrong)
        assert (answer.status_code, answer.content, answer["WWW-Authenticate"]) == (401, b"", "Bearer")


@override_settings(METRICS_TOKEN="")
def test_without_a_token_set_there_is_no_such_page():
    assert asked("").status_code == 404


def test_a_hub_on_which_nothing_happened_says_so():
    found = gauges()
    assert found[("hub_events_settled",)] == 0
    assert found[("hub_inbox_messages", "waiting")] == 0
    assert not [name for name, *_labels in found if name == "hub_deliveries_dead"]


def test_it_tells_of_processes_deliveries_messages_alerts_and_measures(django_assert_num_queries):
    health.beat("relay")
    measure("shop.queue", 7)
    rule = AlertRule.objects.create(code="queue", name="Queue", measure="shop.queue", threshold=5)
    Alert.objects.create(rule=rule, value=1)
    endpoint = make_deliveries.endpoint(make.channel("website"), "https://website.example/hook")
    place = ("website", str(endpoint.pk))
    for _turn in range(3):
        make_deliveries.delivery(endpoint)
    gone = make_deliveries.delivery(endpoint)
    Delivery.objects.filter(pk=gone.pk).update(state="dead", next_at=None, finished_at=gone.created_at)
    with django_assert_num_queries(1):
        asked()
    found = gauges()
    assert 0 <= found[("hub_heartbeat_age_seconds", "relay")] < 60
    assert found[("hub_deliveries_waiting", *place)] == 3
    assert found[("hub_deliveries_dead", *place)] == 1
    assert found[("hub_endpoint_active", *place)] == 1
    assert found[("hub_endpoint_failing_seconds", *place)] == 0
    assert found[("hub_alerts_open", rule.code)] == 1
    assert found[("hub_measure", "shop.queue")] == 7
