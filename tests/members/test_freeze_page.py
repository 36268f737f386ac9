"""Staff ask for a freeze on the member's page; it takes a second person, and is seen in the list."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from members import asking
from members.models import Freeze, Member, Request
from sync.models import Channel
from tests import make
from tests.config import make_staff
from tests.members.make_freezes import frozen

pytestmark = pytest.mark.django_db
FREEZE = {"act": "freeze", "scopes": ["sign_in", "orders"], "reason": "stolen", "note": "来电挂失", "until": ""}


@pytest.fixture
def member():
    return make.member(phone=make.mobile())


@pytest.fixture
def browser(member):
    return make_staff.signed_in("support", [make.channel("website")])


def page_for(member) -> str:
    return f"{reverse('admin:members_freeze_ask')}?member={member.pk}"


def page_of(member) -> str:
    return reverse("admin:members_member_change", args=[member.pk])


def test_support_asks_an_administrator_approves_and_the_member_is_frozen(browser, member):
    assert page_for(member) in browser.get(page_of(member)).content.decode()
    until = timezone.localtime() + timedelta(days=3)
    answer = browser.post(page_for(member), FREEZE | {"until": until.strftime("%Y-%m-%dT%H:%M")})
    assert (answer.status_code, answer["Location"]) == (302, page_of(member))
    asked = Request.objects.get()
    assert (asked.kind, asked.reason, Freeze.objects.count()) == ("freeze", "来电挂失", 0)

    boss = make_staff.person("administrator", [make.channel("website")])
    decider = make_staff.Client()
    decider.force_login(boss, backend="django.contrib.auth.backends.ModelBackend")
    page = decider.get(reverse("admin:members_request_change", args=[asked.pk])).content.decode()
    assert "登录、下单" in page
    assert "账号被盗" in page
    approve = reverse("admin:members_request_act", args=[asked.pk, "approve"])
    assert decider.post(approve).status_code == 302

    laid = Freeze.objects.get()
    assert (laid.scopes, laid.reason) == (["sign_in", "orders"], "stolen")
    assert laid.expires_at == until.replace(second=0, microsecond=0)
    assert Member.objects.get().frozen_scopes == ["sign_in", "orders"]
    assert "账号被盗" in browser.get(page_of(member)).content.decode()


def test_a_lift_is_asked_for_and_approved(browser, member):
    frozen(member, "points")
    assert 'value="points" checked' in browser.get(page_for(member)).content.decode()
    assert browser.post(page_for(member), {"act": "lift", "note": "核实完毕"}).status_code == 302
    asking.decide(request=Request.objects.get().pk, user=make_staff.person("administrator"), approve=True)
    assert Member.objects.get().status == "active"


@pytest.mark.parametrize(
    "wrong",
    [{"scopes": []}, {"scopes": ["breathing"]}, {"note": ""}, {"reason": "x"}, {"until": "2020-01-01T00:00"}],
)
def test_what_makes_no_sense_is_said_beside_the_field_and_asks_nobody(browser, member, wrong):
    answer = browser.post(page_for(member), FREEZE | wrong)
    assert answer.status_code == 200
    assert "hub-refusal" in answer.content.decode()
    assert not Request.objects.exists()


def test_what_waits_already_is_not_asked_for_twice(browser, member):
    browser.post(page_for(member), FREEZE)
    assert browser.post(page_for(member), FREEZE).status_code == 200
    assert Request.objects.count() == 1


def test_who_may_not_ask_or_does_not_see_the_member_gets_no_page(browser, member):
    looks_only = make_staff.signed_in("operator", [make.channel("website")])
    elsewhere = make_staff.signed_in("support", [make.channel("till", group="others")])
    assert [each.get(page_for(member)).status_code for each in (looks_only, elsewhere)] == [403, 404]
    assert looks_only.post(page_for(member), FREEZE).status_code == 403
    assert page_for(member) not in looks_only.get(page_of(member)).content.decode()
    for nobody in ("", "nonsense", "0193a8f0-0000-7000-8000-000000000000"):
        assert browser.get(reverse("admin:members_freeze_ask"), {"member": nobody}).status_code == 404


@pytest.mark.parametrize("rows", [1, 3])
def test_the_list_costs_the_same_however_many(rows, django_assert_max_num_queries):
    for _ in range(rows):
        frozen(make.member())
    browser = make_staff.signed_in(is_superuser=True)
    with django_assert_max_num_queries(12):
        answer = browser.get(reverse("admin:members_freeze_changelist"), {"is": "open"})
    assert answer.content.decode().count("涉嫌欺诈") >= rows


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"access_minutes": 0}, "access_minutes"),
        ({"access_minutes": 1441}, "access_minutes"),
        ({"session_idle_days": 0}, "session_idle_days"),
        ({"session_idle_days": 30, "session_max_days": 29}, "session_max_days"),
    ],
)
def test_lifetimes_that_do_not_fit_are_refused_beside_their_field(fields, field):
    place = make.channel("website")
    browser = make_staff.signed_in("administrator", [place])
    kept = {"name": "官网", "group": place.group_id, "app_id": "wx-website", "merchant_id": "", "origins": ""}
    kept |= {"earn_per_entry": 5, "earn_per_member": 50, "earn_per_day": 500, "refund_window_days": 7}
    kept |= {"access_minutes": 30, "session_idle_days": 14, "session_max_days": 60}
    url = reverse("admin:sync_channel_change", args=[place.pk])
    answer = browser.post(url, kept | fields)
    assert field in answer.context["adminform"].errors
    assert browser.post(url, kept | {"is_active": "on"}).status_code == 302
    assert Channel.objects.get().session_max_days == 60
