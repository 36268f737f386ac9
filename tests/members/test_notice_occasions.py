"""What members are told of, once each, against what they accepted; text messages where they accepted nothing."""

import json
import logging
from datetime import timedelta

import pytest

from loyalty.services import expiring
from members import notice_sending, notices, sms
from members.models import Member, MemberNotice, NoticeConsent
from sync import clock
from tests import make
from tests.loyalty.make_adjusting import limits
from tests.loyalty.make_points import post, posting
from tests.members import make_merging
from tests.members.test_notices import template

pytestmark = pytest.mark.django_db(transaction=True)

PHONE = "+8613800138000"
SMS, SUBSCRIBE = "/sms/notices", "/cgi-bin/message/subscribe/send"
ALL = ["order_shipped", "order_delivered", "order_refunded", "points_expiring", "phone_changed", "member_merged"]


@pytest.fixture
def by_sms(settings, outside):
    settings.NOTICES_BY_SMS = ALL
    outside.answers[SMS] = [(202, {"id": "1"})] * 30
    return outside


@pytest.fixture
def lan():
    return make.member(channel="mini-program", openid="openid-of-lan", phone=PHONE)


def accepted(member, occasion, left=1, **fields) -> NoticeConsent:
    made = template(occasion=occasion, fields=fields.pop("fields", {"at": "time1"}))
    return NoticeConsent.objects.create(member=member, template=made, left=left, last_result="accept")


def told(outside, path=SMS) -> list[dict]:
    return [json.loads(asked.body) for asked in outside.requests if asked.url.startswith(path)]


def notice() -> MemberNotice:
    return MemberNotice.objects.get()


def test_an_accepted_message_of_points_about_to_expire_is_sent_once(lan, outside):
    limits(notice_days=30)
    consent = accepted(lan, "points_expiring", fields={"points": "number1", "at": "time2"})
    post(lan, posting(50, "r", expires_at=clock.now() + timedelta(days=5)))
    expiring.tell_due()
    expiring.tell_due()
    notice_sending.send_due()
    (message,) = told(outside, SUBSCRIBE)
    assert message["data"]["number1"] == {"value": "50"}
    consent.refresh_from_db()
    assert consent.left == 0


def test_who_accepted_nothing_is_not_told_of_points(lan, outside):
    limits(notice_days=30)
    post(lan, posting(50, "r", expires_at=clock.now() + timedelta(days=5)))
    assert expiring.tell_due() == 1
    assert not MemberNotice.objects.exists()


def test_a_merge_is_told_to_the_survivor(lan, outside):
    accepted(lan, "member_merged")
    make_merging.merge(make.member(), lan)
    assert (notice().occasion, notice().medium, notice().member) == ("member_merged", "wechat", lan)


def test_without_an_acceptance_a_text_message_takes_its_place(lan, by_sms):
    limits(notice_days=30)
    post(lan, posting(50, "r", expires_at=clock.now() + timedelta(days=5)))
    expiring.tell_due()
    expiring.tell_due()
    notice_sending.send_due()
    (message,) = told(by_sms)
    assert (message["phone"], message["occasion"], message["values"]["points"]) == (PHONE, "points_expiring", "50")
    assert (notice().state, notice().medium, notice().template) == ("sent", "sms", None)


def test_an_acceptance_comes_before_a_text_message(lan, by_sms):
    accepted(lan, "member_merged")
    assert notices.notify(lan.pk, "member_merged", "merge/1", {"at": "now"}).medium == "wechat"
    assert notices.notify(lan.pk, "member_merged", "merge/1", {"at": "now"}) is None
    assert notices.notify(lan.pk, "member_merged", "merge/2", {"at": "now"}).medium == "sms"


def test_text_messages_are_off_unless_set_and_where_the_caller_says_no(lan, outside, settings):
    assert notices.notify(lan.pk, "member_merged", "1", {}) is None
    assert notices.notify(lan.pk, "order_shipped", "1", {}, by_sms=True).medium == "sms"
    settings.NOTICES_BY_SMS = ALL
    assert notices.notify(lan.pk, "order_shipped", "2", {}, by_sms=False) is None


def test_a_few_text_messages_a_day_are_enough(lan, by_sms, settings):
    settings.SMS_NOTICES_PER_DAY = 2
    sent = [notices.notify(lan.pk, "order_shipped", f"shipment/{n}", {}) for n in range(3)]
    assert [bool(each) for each in sent] == [True, True, False]
    MemberNotice.objects.update(created_at=clock.now() - timedelta(hours=25))
    assert notices.notify(lan.pk, "order_shipped", "shipment/9", {})


@pytest.mark.parametrize("fields", [{"phone": None}, {"status": Member.Status.ERASED, "phone": PHONE}])
def test_nobody_without_a_phone_and_nobody_erased_gets_one(by_sms, fields):
    assert notices.notify(make.member(**fields).pk, "order_shipped", "1", {}) is None


def test_it_goes_to_the_phone_the_member_has_when_it_is_sent(lan, by_sms):
    notices.notify(lan.pk, "phone_changed", "version/2", {"at": "now"})
    lan.phone = "+8613900139000"
    lan.save()
    notice_sending.send_due()
    assert [message["phone"] for message in told(by_sms)] == ["+8613900139000"]


def test_a_phone_that_is_gone_by_then_gets_nothing(lan, by_sms):
    notices.notify(lan.pk, "phone_changed", "version/2", {"at": "now"})
    gone = {"phone": None, "phone_index": None, "phone_index_2": None, "phone_mask": "", "phone_last4": ""}
    names = {field.name for field in Member._meta.fields}
    Member.objects.filter(pk=lan.pk).update(**{name: value for name, value in gone.items() if name in names})
    notice_sending.send_due()
    assert (notice().state, notice().problem, told(by_sms)) == ("failed", "no_phone", [])


def test_a_gateway_that_fails_is_tried_again_and_a_lost_answer_is_not(lan, by_sms, settings):
    url, settings.SMS_SANDBOX_URL = settings.SMS_SANDBOX_URL, "http://127.0.0.1:9/sms"
    notices.notify(lan.pk, "order_shipped", "1", {})
    notice_sending.send_due()
    assert (notice().state, notice().attempts) == ("waiting", 1)
    settings.SMS_SANDBOX_URL = url
    MemberNotice.objects.update(next_at=clock.now())
    notice_sending.send_due()
    assert notice().state == "sent"


def test_an_occasion_without_a_template_is_told_by_no_gateway(lan, settings, outside):
    settings.SMS_SENDER = "alibaba"
    assert notices.notify(lan.pk, "order_shipped", "1", {}, by_sms=True) is None
    settings.SMS_NOTICES = {"order_shipped": {"template": "SMS_1", "params": ["number"]}}
    assert notices.notify(lan.pk, "order_shipped", "1", {}, by_sms=True)


@pytest.mark.parametrize("sender", ["alibaba", "tencent"])
def test_gateways_are_given_the_occasions_template_and_its_values_in_order(sender, settings, outside):
    settings.SMS_SENDER, settings.SMS_API_URL = sender, f"{settings.WECHAT_API_URL}/{sender}"
    settings.SMS_KEY_ID, settings.SMS_KEY_SECRET, settings.SMS_REGION = "id", "secret", "cn-somewhere"
    settings.SMS_SIGN_NAME, settings.SMS_APP_ID = "品牌", "1400006666"
    settings.SMS_NOTICES = {"order_shipped": {"template": "SMS_1", "params": ["number", "carrier"]}}
    outside.answers["/alibaba/"] = [(200, {"Code": "OK", "RequestId": "r"})]
    outside.answers["/tencent/"] = [(200, {"Response": {"SendStatusSet": [{"Code": "Ok"}]}})]
    values = {"carrier": "顺丰速运", "number": "D1", "waybill": "SF1"}
    sms.tell(phone=PHONE, occasion="order_shipped", values=values, notice_id=make.member().pk)
    body = outside.requests[-1].body.decode()
    if sender == "tencent":
        asked = json.loads(body)
        assert (asked["TemplateId"], asked["TemplateParamSet"]) == ("SMS_1", ["D1", "顺丰速运"])
    else:
        assert "TemplateCode=SMS_1" in body
        assert "waybill" not in body


def test_the_console_shows_no_phone(settings, caplog):
    settings.SMS_SENDER = "console"
    with caplog.at_level(logging.WARNING):
        sms.tell(phone=PHONE, occasion="member_merged", values={"at": "now"}, notice_id=make.member().pk)
    assert "138****8000" in caplog.text
    assert "13800138000" not in caplog.text


def test_what_is_told_twice_at_a_merge_is_sent_once(lan, by_sms):
    other = make.member()
    for member in (lan, other):
        MemberNotice.objects.create(member=member, medium="sms", occasion="order_shipped", reference="shipment/1")
    make_merging.merge(other, lan)
    notice_sending.send_due()
    assert [message["occasion"] for message in told(by_sms)].count("order_shipped") == 1
