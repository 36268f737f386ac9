"""What an event came from: of what staff did, the very request."""

import pghistory
import pytest
from django.urls import reverse

from sync.admin.tracing import cause, page_of
from sync.ids import request_id
from sync.models import Channel, Event, SharingGroup
from tests import make, plans
from tests.config import make_staff
from tests.sync import make_deliveries, make_tracing

pytestmark = pytest.mark.django_db
PATH = "/admin/orders/order/7/do/cancel/"


def done_by_staff(request: str = make_tracing.REQUEST, path: str = PATH) -> Event:
    """An event of a staff request that changed an audited row, as the middleware opens its context."""
    held = request_id.set(request)
    try:
        with pghistory.context(staff=1, method="POST", path=path, request_id=request):
            SharingGroup.objects.update(name=path)
            return make_tracing.settled(f"member/{make.member(channel='website').pk}", request=request)
    finally:
        request_id.reset(held)


def test_the_request_of_staff_is_shown_by_method_and_path():
    event = done_by_staff()
    assert cause.asked(event) == f"POST {PATH}"
    page = make_staff.signed_in("engineer", [make.channel("website")]).get(page_of(event.pk))
    assert f"POST {PATH}" in page.content.decode()


def test_the_hub_notes_both_of_whatever_staff_change():
    endpoint = make_deliveries.endpoint(make.channel("website"))
    page = reverse("admin:sync_channel_change", args=[endpoint.channel_id])
    browser = make_staff.signed_in(is_superuser=True)
    form = browser.get(page).context["adminform"].form
    given = {name: form.get_initial_for_field(each, name) for name, each in form.fields.items()}
    filled = {name: value for name, value in given.items() if value is not None} | {"name": "Elsewhere"}
    answer = browser.post(page, filled, headers={"X-Request-ID": "req-staff"})
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    assert Channel.objects.get(pk=endpoint.channel_id).name == "Elsewhere"
    event = make_tracing.recorded(request="req-staff")
    assert cause.asked(event) == f"POST {page}"


def test_where_it_is_not_known_nothing_is_made_up():
    done_by_staff("another")
    assert cause.asked(make_tracing.recorded()) == ""
    assert cause.asked(make_tracing.recorded(by=make_tracing.backend(), request="another")) == ""


def test_it_is_found_by_an_index():
    assert "audit_request" in plans.of(cause.ASKED, ["req-1", "2026-11-22T00:00:00Z"])
