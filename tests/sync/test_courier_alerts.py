"""Nobody has to look for it: a disabled endpoint and what failed for good are alerts, whatever rules there are."""

import pytest
from django.core import mail
from django.utils import timezone

from sync import alerts
from sync.models import Alert, AlertRule, Delivery, Endpoint
from tests import make
from tests.sync import make_deliveries
from tests.sync.patience import until
from tests.sync.receiver import SECRET, receiving
from tests.sync.test_courier import courier_running
from tests.sync.unruly import saying, unruly

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def endpoint():
    return make_deliveries.endpoint(make.channel())


def look() -> set[tuple[str, str]]:
    """What is alerted of now: measure and subject."""
    alerts.evaluate()
    alerts.tell()
    return set(Alert.objects.filter(resolved_at=None).values_list("rule__measure", "subject"))


def test_an_endpoint_that_the_courier_disabled_is_told_until_it_is_on_again():
    AlertRule.objects.create(
        code="failing", name="F", measure="deliveries.failing", threshold=2, emails=["ops@example.cn"]
    )
    with receiving(410) as backend, courier_running():
        to = make_deliveries.endpoint(make.channel(), backend.url)
        to.secret = SECRET
        to.save()
        make_deliveries.delivery(to)
        until(lambda: not Endpoint.objects.get().is_active)
    Delivery.objects.all().delete()
    assert look() == {("endpoints.disabled", f"endpoint/{to.pk}")}
    assert look() == {("endpoints.disabled", f"endpoint/{to.pk}")}
    (letter,) = mail.outbox
    assert (letter.to, to.url in letter.body) == (["ops@example.cn"], True)
    Endpoint.objects.update(is_active=True)
    assert look() == set()


def test_an_endpoint_that_staff_switched_off_is_no_alert(endpoint):
    Endpoint.objects.update(is_active=False)
    assert look() == set()


def test_what_failed_for_good_is_told_until_it_was_sent_again(endpoint):
    made = make_deliveries.delivery(endpoint, state="dead", finished_at=timezone.now(), next_at=None)
    assert look() == {("deliveries.dead", f"endpoint/{endpoint.pk}")}
    Delivery.objects.filter(pk=made.pk).update(state="waiting", finished_at=None, next_at=timezone.now())
    assert look() == set()


def test_a_rule_that_staff_made_or_silenced_is_theirs(endpoint):
    AlertRule.objects.create(code="mine", name="M", measure="deliveries.dead", threshold=1, is_active=False)
    make_deliveries.delivery(endpoint, state="dead", finished_at=timezone.now(), next_at=None)
    assert look() == set()
    assert AlertRule.objects.count() == 1


def test_the_receiver_of_an_alert_can_hold_up_nobody(endpoint):
    endless = saying(b"HTTP/1.1 200 OK\r\n\r\n", then=b"x" * 1_000, endless=True)
    with unruly(endless) as receiver:
        AlertRule.objects.create(
            code="mine", name="M", measure="deliveries.dead", threshold=1, minimum=1, webhook_url=receiver.url
        )
        make_deliveries.delivery(endpoint, state="dead", finished_at=timezone.now(), next_at=None)
        look()
    assert Alert.objects.get().told_at
