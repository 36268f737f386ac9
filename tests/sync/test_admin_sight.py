"""What staff are shown of the traffic ends at the channels they hold, and at what receivers say of people."""

import pytest
from django.urls import reverse

from sync.admin.masking import masked
from sync.admin.tracing import looking_for, page_of
from sync.models import Alert, AlertRule, Endpoint
from tests import make
from tests.config import make_staff
from tests.sync import make_deliveries, make_tracing
from tests.sync.receiver import SECRET, Answer, receiving

pytestmark = pytest.mark.django_db


@pytest.fixture
def website():
    return make.channel("website")


@pytest.fixture
def foreign():
    return make.channel("other-brand", group="other")


def said(answer) -> str:
    return answer.content.decode()


def test_what_is_told_to_other_groups_only_is_there_for_their_staff_alone(website, foreign):
    subject = f"member/{make.member().pk}"
    for channel in (website, foreign):
        make.admit(subject, channel)
    told = make_tracing.settled(subject, "member.updated", only_for=[foreign.group_id], request="req-theirs")
    ours, theirs = (make_staff.signed_in("engineer", [channel]) for channel in (website, foreign))
    lists = [reverse(f"admin:sync_{name}_changelist") for name in ("event", "settled")]
    pages = [reverse("admin:sync_event_change", args=[told.pk]), page_of(told.pk)]
    assert [ours.get(page).status_code for page in pages] == [404, 404]
    assert [theirs.get(page).status_code for page in pages] == [200, 200]
    assert [answer.context["cl"].result_count for answer in map(ours.get, lists)] == [0, 0]
    assert [answer.context["cl"].result_count for answer in map(theirs.get, lists)] == [1, 1]
    assert str(told.pk) not in said(ours.get(looking_for("req-theirs")))
    assert theirs.get(looking_for("req-theirs")).headers["Location"] == page_of(told.pk)


def test_an_alert_names_the_endpoint_to_those_who_hold_its_channel(website, foreign):
    endpoint = make_deliveries.endpoint(foreign, "https://other-brand.example/hook")
    rule = AlertRule.objects.create(code="dead", name="D", measure="deliveries.dead", threshold=1)
    Alert.objects.create(rule=rule, subject=f"endpoint/{endpoint.pk}", value=1)
    page = reverse("admin:sync_alert_changelist")
    assert endpoint.url in said(make_staff.signed_in("engineer", [foreign]).get(page))
    seen = said(make_staff.signed_in("engineer", [website]).get(page))
    assert endpoint.url not in seen
    assert f"endpoint/{endpoint.pk}" in seen


def test_a_phone_in_the_answer_to_a_sample_is_masked(website):
    with receiving(Answer(400, body=[b'{"to":"13712345678"}'])) as backend:
        endpoint = Endpoint(channel=website, url=backend.url, secret=SECRET)
        endpoint.save()
        browser = make_staff.signed_in("administrator", [website])
        page = said(browser.post(f"/admin/sync/endpoint/{endpoint.pk}/try/", {"type": "endpoint.test"}))
    assert "137****5678" in page
    assert "13712345678" not in page


@pytest.mark.parametrize("before", ["\\u53f7", "\\n", "phone%3D", "0086", "00 86 ", "+86", "tel:"])
def test_a_phone_is_known_after_an_escape_or_a_prefix(before):
    assert "13712345678" not in masked(f"{before}13712345678\\u4e0d")


def test_the_merchant_of_a_channel_that_is_not_held_cannot_be_taken(website):
    make.channel("other-brand", group="other", merchant_id="1900000002")
    make.channel("mini-program", merchant_id="1900000003")
    browser = make_staff.signed_in("administrator", [website, make.channel("mini-program")])
    page = f"/admin/sync/channel/{website.pk}/change/"
    form = browser.get(page).context["adminform"].form
    given = {name: form[name].value() for name in form.fields}
    given = {name: value for name, value in given.items() if value is not None and value is not False}
    refused = browser.post(page, given | {"merchant_id": "1900000002"})
    assert [*refused.context["adminform"].form.errors] == ["merchant_id"]
    for merchant in ("1900000003", "1900000009"):
        browser.post(page, given | {"merchant_id": merchant})
        website.refresh_from_db()
        assert website.merchant_id == merchant
