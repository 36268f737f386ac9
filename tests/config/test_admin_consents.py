"""Staff draft policies and put them in force, record a guardian's consent, and see who wrote what: never the values."""

from datetime import date

import pytest
from django.urls import reverse

from members import consent, policies
from members.models import Consent, Policy
from tests import make
from tests.config import make_staff
from tests.members import make_profile

pytestmark = pytest.mark.django_db
TEXT = "第一条 我们会向您发送优惠信息。\r\n第二条 可随时撤回。\r\n"
DRAFT = {"purpose": "marketing", "version": "2", "locale": "zh-hans", "channel": "", "title": "营销信息", "text": TEXT}


@pytest.fixture
def website():
    make.policies()
    return make.channel("website")


@pytest.fixture
def browser(website):
    return make_staff.signed_in("administrator", [website])


def add(browser, **fields):
    answer = browser.post(reverse("admin:members_policy_add"), DRAFT | {"text_url": "/policies/marketing/2"} | fields)
    return answer, Policy.objects.filter(version="2").first()


def publish(browser, row):
    return browser.post(reverse("admin:members_policy_publish", args=[row.pk]), follow=True)


def page_of(row):
    return reverse(f"admin:members_{row._meta.model_name}_change", args=[row.pk])


def guardian(member):
    return reverse("admin:members_consent_guardian", args=[member.pk])


def test_a_draft_keeps_the_hash_of_the_text_that_was_pasted(browser):
    answer, row = add(browser)
    assert answer.status_code == 302
    assert (row.text_digest, row.is_current, row.published_at) == (policies.digest_of(TEXT), False, None)


def test_a_draft_without_its_text_is_refused(browser):
    answer, row = add(browser, text="")
    assert (answer.status_code, row) == (200, None)
    assert "请粘贴正文" in answer.content.decode()


def test_a_draft_is_put_in_force_by_one_press_and_then_stands(browser):
    _answer, row = add(browser)
    assert "发布生效" in browser.get(page_of(row)).content.decode()
    browser.post(page_of(row), {"title": "营销", "text_url": "/x", "text": ""})

    page = publish(browser, row).content.decode()

    row.refresh_from_db()
    assert (row.title, row.is_current, row.text_digest) == ("营销", True, policies.digest_of(TEXT))
    assert "发布生效" not in page
    assert not Policy.objects.get(purpose="marketing", version="1").is_current
    before = make.snapshot()["members_policy"]
    assert browser.post(page_of(row), {"title": "别的"}).status_code == 403
    assert "已发布过" in publish(browser, row).content.decode()
    assert make.snapshot()["members_policy"] == before


@pytest.mark.parametrize("role", ["operator", "support", "manager"])
def test_who_may_not_publish_does_not(website, browser, role):
    _answer, row = add(browser)
    other = make_staff.signed_in(role, [website])
    assert publish(other, row).status_code == 403
    assert "发布生效" not in other.get(page_of(row)).content.decode()
    assert not Policy.objects.get(pk=row.pk).is_current


def test_the_text_of_a_channel_that_is_not_held_is_neither_seen_nor_published(browser):
    foreign = make.channel("other-brand", group="other")
    _answer, row = add(make_staff.signed_in("administrator", [foreign]), channel=foreign.pk)
    assert row.channel == foreign
    assert browser.get(page_of(row)).status_code == 404
    assert publish(browser, row).status_code == 404
    row.refresh_from_db()
    assert row.published_at is None
    assert page_of(row) not in browser.get(reverse("admin:members_policy_changelist")).content.decode()


def test_a_guardians_consent_is_recorded_with_its_evidence(website, browser):
    child = make.member(phone=make.mobile(), birthday=date(make.NOON.year - 9, 1, 1))
    make_profile.said(child)
    assert guardian(child) in browser.get(page_of(child)).content.decode()
    assert not consent.allows(child.pk, "marketing")
    assert browser.post(guardian(child), {"evidence": " "}).status_code == 200

    assert browser.post(guardian(child), {"evidence": "门店登记表 7 号"}).status_code == 302

    row = Consent.objects.get(purpose="guardian")
    assert (row.act, row.evidence) == ("granted", "门店登记表 7 号")
    assert consent.allows(child.pk, "marketing")
    assert make.events_of(child)[-1].actor.startswith("staff/")


def test_grown_ups_have_no_guardian_and_not_everybody_records_one(website, browser):
    adult, child = make.member(birthday=date(1990, 1, 1)), make.member(birthday=date(make.NOON.year - 9, 1, 1))
    assert guardian(adult) not in browser.get(page_of(adult)).content.decode()
    operator = make_staff.signed_in("operator", [website])
    assert guardian(child) not in operator.get(page_of(child)).content.decode()
    assert operator.post(guardian(child), {"evidence": "form 7"}).status_code == 403
    elsewhere = make.member(channel=make.channel("till", group="another brand"))
    assert browser.post(guardian(elsewhere), {"evidence": "form 7"}).status_code == 404
    assert not Consent.objects.exists()


def test_the_members_page_says_what_the_hub_may_do(website, browser):
    member = make.member(phone=make.mobile())
    make_profile.said(member)
    page = browser.get(page_of(member)).content.decode()
    assert page.count(">不允许<") == 2  # the terms, the privacy policy: nothing was said
    make_profile.said(member, act="withdrawn")
    assert browser.get(page_of(member)).content.decode().count(">不允许<") == 3


def test_the_members_page_says_who_wrote_what_when_and_shows_no_value(website, browser):
    member = make.member(nickname="王小花")
    make.backend_client("website").patch(f"members/{member.id}", {"email": "flower@example.cn"})
    make_profile.avatar(member), make_profile.address(member, receiver="诸葛孔明")
    page = browser.get(page_of(member)).content.decode()
    assert "资料由谁写入" in page
    assert "channel/website" in page
    assert f"/avatars/{member.avatar.pk}.jpg" in page
    assert "诸*" in page
    assert not any(secret in page for secret in ("flower@", "诸葛", "龙井路", "13900139000"))
