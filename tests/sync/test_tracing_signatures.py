"""The signatures that the page of a message shows are those that were sent; what cannot be known is not made up."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone
from pghistory.core import event_models
from standardwebhooks import Webhook, WebhookVerificationError

from sync.admin.tracing import page_of
from sync.admin.tracing.sent import Try
from sync.models import Attempt, Endpoint, Event
from sync.registry import made
from tests import make
from tests.config import make_staff
from tests.sync import make_deliveries, make_tracing

pytestmark = pytest.mark.django_db
OLD, NEW = made(), made()
REPLACED, SECOND, CLOSE, UNSENT = "密钥后来更换过", "还有第二个签名", "前后更换过密钥", "没有发出请求头"


@pytest.fixture
def event() -> Event:
    return make_tracing.settled(f"member/{make.member(channel='website').pk}", number="D1")


@pytest.fixture
def endpoint():
    return make_deliveries.endpoint(make.channel("website"))


def ago(seconds: float) -> datetime:
    return timezone.now() - timedelta(seconds=seconds)


def was_set(endpoint: Endpoint, *settings: tuple, secret: str = NEW, old: str | None = None) -> None:
    """Put an endpoint where it is after these settings: (since, secret set at, overlap until) each."""
    _since, endpoint.secret_at, endpoint.overlap_until = settings[-1]
    endpoint.secret, endpoint.old_secret = secret, old
    endpoint.save()
    (history,) = event_models(tracks_model=Endpoint)
    rows = history.objects.filter(pgh_obj=endpoint.pk)
    row = rows.first()
    rows.delete()
    for place, (since, secret_at, overlap_until) in enumerate(settings):
        row.pk, row.pgh_label = None, "update" if place else "insert"
        row.secret_at, row.overlap_until = secret_at, overlap_until
        row.save(force_insert=True)
        history.objects.filter(pk=row.pk).update(pgh_created_at=since)


def tries(event: Event, endpoint: Endpoint, error: str = "") -> tuple[Try, Try]:
    """What the page shows of one try two minutes ago, and of one a minute ago."""
    make_tracing.tried(endpoint, event, None, None)
    if error:
        Attempt.objects.update(error=error)
    answer = make_staff.signed_in("engineer", [endpoint.channel]).get(page_of(event.pk))
    (sent,) = answer.context["way"].sent
    for each in sent.tries:
        assert each.note in answer.content.decode()
        assert not each.headers or "whsec_" not in answer.content.decode()
    last, first = sent.tries
    body = answer.context["body"].encode()
    for each in sent.tries:
        each.signed_by = [secret for secret in (NEW, OLD) if is_signed(each, body, secret)]
    return first, last


def is_signed(shown: Try, body: bytes, secret: str) -> bool:
    if not count(shown):
        return False
    try:
        Webhook(secret).verify(body, dict(shown.headers))
    except WebhookVerificationError:
        return False
    return True


def count(shown: Try) -> int:
    """How many signatures it shows."""
    return str(shown.headers).count("v1,")


def test_while_both_are_there_both_are_shown(event, endpoint):
    at = ago(90)
    was_set(endpoint, (ago(900), None, None), (at, at, at + timedelta(days=1)), old=OLD)
    first, last = tries(event, endpoint)
    assert (first.signed_by, count(first), first.note) == ([OLD], 1, "")
    assert (last.signed_by, count(last), last.note) == ([NEW, OLD], 2, "")


def test_after_the_overlap_was_ended_the_second_is_said_to_be_missing(event, endpoint):
    at = ago(90)
    was_set(endpoint, (ago(900), None, None), (at, at, at + timedelta(days=1)), (ago(20), at, None))
    first, last = tries(event, endpoint)
    assert (count(first), REPLACED in first.note) == (0, True)
    assert (last.signed_by, count(last), SECOND in last.note) == ([NEW], 1, True)


def test_after_the_overlap_ran_out_one_is_all_there_was(event, endpoint):
    at = ago(90)
    was_set(endpoint, (ago(900), None, None), (at, at, ago(75)), old=OLD)
    first, last = tries(event, endpoint)
    assert (first.signed_by, first.note) == ([OLD], "")
    assert (last.signed_by, count(last), last.note) == ([NEW], 1, "")


def test_one_that_leaked_and_was_replaced_at_once_signed_alone(event, endpoint):
    at = ago(90)
    was_set(endpoint, (ago(900), None, None), (at, at, None))
    first, last = tries(event, endpoint)
    assert (count(first), REPLACED in first.note) == (0, True)
    assert (last.signed_by, count(last), last.note) == ([NEW], 1, "")


def test_the_one_before_the_last_is_not_taken_for_the_last(event, endpoint):
    one, two = ago(80), ago(30)
    was_set(endpoint, (ago(900), None, None), (one, one, None), (two, two, two + timedelta(days=1)), old=OLD)
    first, last = tries(event, endpoint)
    assert (count(first), REPLACED in first.note) == (0, True)
    assert (last.signed_by, count(last), last.note) == ([OLD], 1, "")


@pytest.mark.parametrize("seconds", [58, 62])
def test_at_about_the_time_of_a_change_nothing_is_claimed(event, endpoint, seconds):
    at = ago(seconds)
    was_set(endpoint, (ago(900), None, None), (at, at, at + timedelta(days=1)), old=OLD)
    first, last = tries(event, endpoint)
    assert (first.signed_by, first.note) == ([OLD], "")
    assert (count(last), CLOSE in last.note) == (0, True)


@pytest.mark.parametrize("error", ["dns", "tls", "address", "connect", "internal"])
def test_what_came_to_no_connection_sent_nothing(event, endpoint, error):
    for shown in tries(event, endpoint, error):
        assert (shown.headers, UNSENT in shown.note) == ([], True)


def test_an_endpoint_whose_past_is_not_known_claims_nothing(event, endpoint):
    (history,) = event_models(tracks_model=Endpoint)
    history.objects.all().delete()
    for shown in tries(event, endpoint):
        assert (count(shown), REPLACED in shown.note) == (0, True)
