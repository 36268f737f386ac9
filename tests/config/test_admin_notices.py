"""Subscribe messages in the admin: a failed one is sent again by whoever may, a template says what it fills."""

import pytest
from django.urls import reverse

from members.models import MemberNotice, NoticeTemplate
from tests import make
from tests.config import make_staff

pytestmark = pytest.mark.django_db
LIST = "admin:members_membernotice_changelist"


@pytest.fixture
def failed():
    """A message that failed, of a member of the mini-program."""
    channel = make.channel("mini-program")
    template = NoticeTemplate.objects.create(
        channel=channel, template_id="template-1", occasion="order_shipped", title="订单发货提醒"
    )
    told = {"reference": "shipment-1", "problem": "wechat 47003", "attempts": 1, "state": "failed"}
    return MemberNotice.objects.create(
        member=make.member(channel=channel), template=template, occasion=template.occasion, **told
    )


def send_again(browser, notice):
    chosen = {"action": "send_again", "_selected_action": [str(notice.pk)]}
    return browser.post(reverse(LIST), chosen, follow=True)


def test_support_has_a_failed_message_sent_again_once(failed):
    browser = make_staff.signed_in("support", [make.channel("mini-program")])
    assert "已重新发送：1" in send_again(browser, failed).content.decode()
    failed.refresh_from_db()
    assert (failed.state, failed.problem, failed.attempts) == ("waiting", "", 0)
    assert "未失败，未处理：1" in send_again(browser, failed).content.decode()


@pytest.mark.parametrize(("role", "channel"), [("operator", "mini-program"), ("support", "website")])
def test_nobody_else_has_it_sent(failed, role, channel):
    browser = make_staff.signed_in(role, [make.channel(channel)])
    send_again(browser, failed)
    failed.refresh_from_db()
    assert failed.state == "failed"


def test_an_administrator_changes_what_a_template_fills_and_not_its_id(failed):
    browser = make_staff.signed_in("administrator", [make.channel("mini-program")])
    page = reverse("admin:members_noticetemplate_change", args=[failed.template_id])
    given = {"title": "发货", "fields": '{"number": "character_string1"}', "page": "", "is_active": "on"}
    assert browser.post(page, given | {"template_id": "another"}).status_code == 302
    template = NoticeTemplate.objects.get()
    assert (template.title, template.fields, template.template_id) == (
        "发货", {"number": "character_string1"}, "template-1"
    )  # fmt: skip
    refused = browser.post(page, given | {"fields": '{"number": 1}'})
    assert (refused.status_code, NoticeTemplate.objects.get().fields) == (200, {"number": "character_string1"})
