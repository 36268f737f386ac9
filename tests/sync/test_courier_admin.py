"""Staff send again: chosen deliveries and ranges of events, by permission, with a reason, within their channels."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from sync.models import Delivery, Endpoint, Replay
from tests import make
from tests.config import make_staff
from tests.sync import make_deliveries
from tests.sync.test_courier_replays import dead, seen

pytestmark = pytest.mark.django_db
LIST, ADD = reverse("admin:sync_delivery_changelist"), reverse("admin:sync_replay_add")
WHY = "接收方停机后补发"


@pytest.fixture
def endpoint():
    return make_deliveries.endpoint(make.channel())


@pytest.fixture
def engineer(endpoint):
    return make_staff.signed_in("engineer", [endpoint.channel])


def again(key: int) -> str:
    return reverse("admin:sync_delivery_again", args=[key])


def chosen(rows: list[Delivery], **more) -> dict:
    return {"action": "send_again", "_selected_action": [each.pk for each in rows], **more}


def test_chosen_dead_letters_wait_anew_once_a_reason_is_given(endpoint, engineer):
    rows = [dead(endpoint, each) for each in seen(endpoint, 2)]
    asked = engineer.post(LIST, chosen(rows))
    assert asked.status_code == 200
    assert "order.paid" in asked.content.decode()
    assert set(Delivery.objects.values_list("state", flat=True)) == {"dead"}

    engineer.post(LIST, chosen(rows, reason=" "))
    assert set(Delivery.objects.values_list("state", flat=True)) == {"dead"}

    told = engineer.post(LIST, chosen(rows, reason=WHY), follow=True).content.decode()
    assert "已重新推送：2" in told
    assert set(Delivery.objects.values_list("state", "attempts")) == {("waiting", 0)}
    kept = Replay.objects.get()
    assert (kept.reason, kept.by, kept.queued) == (WHY, f"staff/{engineer.session['_auth_user_id']}", 2)


def test_one_from_its_page(endpoint, engineer):
    made = dead(endpoint, *seen(endpoint))
    page = reverse("admin:sync_delivery_change", args=[made.pk])
    assert again(made.pk) in engineer.get(page).content.decode()
    assert engineer.get(again(made.pk)).status_code == 200
    assert engineer.post(again(made.pk), {"reason": WHY}).headers["Location"] == page
    assert Delivery.objects.get().state == "waiting"


def test_what_is_left_alone_is_said(endpoint, engineer):
    made = dead(endpoint, make_deliveries.event())
    told = engineer.post(again(made.pk), {"reason": WHY}, follow=True).content.decode()
    assert "未处理" in told
    assert Delivery.objects.get().state == "dead"


@pytest.mark.parametrize("role", ["operator", "support", "auditor"])
def test_who_may_only_look_sends_nothing(endpoint, role):
    made = dead(endpoint, *seen(endpoint))
    browser = make_staff.signed_in(role, [endpoint.channel])
    assert again(made.pk) not in browser.get(reverse("admin:sync_delivery_change", args=[made.pk])).content.decode()
    browser.post(LIST, chosen([made], reason=WHY))
    assert browser.post(again(made.pk), {"reason": WHY}).status_code == 403
    assert browser.get(ADD).status_code == 403
    assert Delivery.objects.get().state == "dead"


def test_deliveries_and_endpoints_of_channels_not_held_are_not_there(endpoint):
    other = make_staff.signed_in("engineer", [make.channel("mini-program")])
    made = dead(endpoint, *seen(endpoint))
    assert other.post(again(made.pk), {"reason": WHY}).status_code == 404
    assert other.post(ADD, {"endpoint": endpoint.pk, "reason": WHY}).status_code == 200
    assert Delivery.objects.get().state == "dead"
    assert not Replay.objects.exists()


def test_a_range_is_asked_for_with_a_reason_and_shows_how_far_it_is(endpoint, engineer):
    events = seen(endpoint, 4)
    assert (
        f"{ADD}?endpoint={endpoint.pk}"
        in engineer.get(reverse("admin:sync_endpoint_change", args=[endpoint.pk])).content.decode()
    )
    assert engineer.get(f"{ADD}?endpoint={endpoint.pk}").status_code == 200

    assert engineer.post(ADD, {"endpoint": endpoint.pk, "reason": ""}).status_code == 200
    assert not Replay.objects.exists()

    asked = {"start": events[0].settled.position, "end": events[3].settled.position, "reason": WHY}
    assert engineer.post(ADD, {"endpoint": endpoint.pk, **asked}).status_code == 302
    Replay.objects.update(reached=events[1].settled.position)
    listed = engineer.get(reverse("admin:sync_replay_changelist")).content.decode()
    assert "50 %" in listed
    assert WHY in engineer.get(reverse("admin:sync_replay_change", args=[Replay.objects.get().pk])).content.decode()


def test_a_range_by_time(endpoint, engineer):
    seen(endpoint)
    since = timezone.localtime() - timedelta(days=1)
    asked = {"endpoint": endpoint.pk, "since": since.strftime("%Y-%m-%dT%H:%M"), "is_whole": "on", "reason": WHY}
    assert engineer.post(ADD, asked).status_code == 302
    assert Replay.objects.get().is_whole


def test_what_cannot_be_replayed_is_said_beside_the_form(endpoint, engineer):
    seen(endpoint)
    Endpoint.objects.update(is_active=False)
    told = engineer.post(ADD, {"endpoint": endpoint.pk, "reason": WHY})
    assert told.status_code == 200
    assert "推送地址已停用" in told.content.decode()


def test_a_range_is_stopped(endpoint, engineer):
    seen(endpoint, 3)
    engineer.post(ADD, {"endpoint": endpoint.pk, "reason": WHY})
    asked = {"action": "stop", "_selected_action": [Replay.objects.get().pk]}
    engineer.post(reverse("admin:sync_replay_changelist"), asked)
    assert Replay.objects.get().finished_at
