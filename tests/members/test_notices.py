"""Subscribe messages: one acceptance is one message, told once, sent at most once."""

import json
import re
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from members import notice_sending, notices
from members.models import MemberNotice, NoticeConsent, NoticeTemplate
from sync.act import act
from tests import make

pytestmark = pytest.mark.django_db

SEND = "/cgi-bin/message/subscribe/send"
SHIPPED = {"number": "D2026112200000001", "carrier": "顺丰速运"}


def template(channel="mini-program", occasion="order_shipped", **fields):
    known = {"template_id": f"template-{occasion}", "title": "订单发货提醒"}
    known |= {"fields": {"number": "character_string1", "carrier": "thing2"}, "page": "pages/order"}
    return NoticeTemplate.objects.create(channel=make.channel(channel), occasion=occasion, **known | fields)


@pytest.fixture
def shipped(outside):
    return template()


@pytest.fixture
def ming(shipped):
    """Somebody in the mini-program, with a client."""
    return make.member_client(make.member(channel="mini-program", openid="openid-of-ming"), "mini-program")


def accept(client, times=1, result="accept"):
    given = {"template_id": "template-order_shipped", "result": result}
    return [client.post("me/notices", given) for _time in range(times)][-1]


def notify(client, reference="shipment-1", **values):
    return notices.notify(client.member.id, "order_shipped", reference, SHIPPED | values)


def sent(outside):
    return [json.loads(asked.body) for asked in outside.requests if asked.url.startswith(SEND)]


def left(client):
    return NoticeConsent.objects.get(member=client.member).left


def test_templates_are_those_of_the_sessions_channel(ming):
    template("website")
    template(occasion="order_refunded", is_active=False)
    assert ming.get("me/notices/templates").json() == {
        "results": [
            {"template_id": "template-order_shipped", "occasion": "order_shipped", "title": "订单发货提醒", "left": 0}
        ]
    }


@pytest.mark.parametrize("rows", [1, 3])
def test_templates_cost_the_same_however_many(ming, rows, django_assert_num_queries):
    for occasion in ["order_delivered", "order_refunded"][: rows - 1]:
        template(occasion=occasion)
    with django_assert_num_queries(2):  # the templates, what was accepted; the session is a prepared statement
        assert len(ming.get("me/notices/templates").json()["results"]) == rows


def test_one_acceptance_is_one_message(ming, outside):
    assert accept(ming, times=2).json() == {"template_id": "template-order_shipped", "left": 2}
    assert [bool(notify(ming, f"shipment-{n}")) for n in range(3)] == [True, True, False]
    assert (left(ming), MemberNotice.objects.count()) == (0, 2)
    assert sent(outside) == []  # nothing is sent by the act


@pytest.mark.parametrize("result", ["reject", "ban", "filter"])
def test_a_no_adds_nothing_and_takes_nothing(ming, result):
    accept(ming)
    assert accept(ming, result=result).json()["left"] == 1
    assert NoticeConsent.objects.get().last_result == result


def test_acceptances_do_not_pile_up_without_end(ming):
    accept(ming)
    NoticeConsent.objects.update(left=notices.MOST)
    assert accept(ming).json()["left"] == notices.MOST


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"template_id": "template-of-nobody", "result": "accept"}, "template_id"),
        ({"template_id": "template-order_shipped", "result": "yes"}, "result"),
        ({"result": "accept"}, "template_id"),
    ],
)
def test_what_nobody_offered_cannot_be_accepted(ming, body, field):
    before = make.snapshot()
    answer = ming.post("me/notices", body)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, field)
    assert make.snapshot() == before


def test_another_channels_template_cannot_be_accepted(shipped):
    website = make.member_client()
    assert accept(website).status_code == 400


def test_an_acceptance_sent_twice_with_its_key_counts_once(ming):
    given = {"template_id": "template-order_shipped", "result": "accept"}
    for _time in range(2):
        answer = ming.post("me/notices", given, headers={"Idempotency-Key": "dialog-1"})
    assert answer.json()["left"] == 1


def test_of_one_thing_a_person_is_told_once(ming):
    accept(ming, times=2)
    assert notify(ming)
    before = make.snapshot()
    assert notify(ming) is None
    assert make.snapshot() == before


def test_nobody_is_told_who_is_not_known_in_the_app(shipped):
    member = make.member(channel="website", openid="openid-on-website")
    NoticeConsent.objects.create(member=member, template=shipped, left=1)
    assert notices.notify(member.id, "order_shipped", "shipment-1", SHIPPED) is None
    assert NoticeConsent.objects.get().left == 1


def test_an_act_that_refuses_takes_no_acceptance(ming):
    accept(ming)

    @act
    def ship():
        notify(ming)
        raise ValueError("no carrier")

    before = make.snapshot()
    with pytest.raises(ValueError, match="no carrier"):
        ship()
    assert make.snapshot() == before


def test_a_message_is_sent_once_in_wechats_words(ming, outside):
    accept(ming)
    notify(ming, carrier="一家名字长得连二十个字也写不下的快递公司分店")
    assert notice_sending.send_due() == 1
    assert notice_sending.send_due() == 0
    assert sent(outside) == [
        {
            "touser": "openid-of-ming",
            "template_id": "template-order_shipped",
            "page": "pages/order",
            "lang": "zh_CN",
            "data": {
                "character_string1": {"value": "D2026112200000001"},
                "thing2": {"value": "一家名字长得连二十个字也写不下的快递公…"},
            },
        }
    ]
    told = MemberNotice.objects.get()
    assert (told.state, told.problem, told.attempts, told.sent_at is not None) == ("sent", "", 1, True)


def later():
    MemberNotice.objects.update(next_at=timezone.now() - timedelta(seconds=1))


@pytest.mark.parametrize("errcode", [-1, 45009])
def test_a_busy_wechat_is_asked_again(ming, outside, errcode):
    accept(ming)
    notify(ming)
    outside.answers[SEND] = [(200, {"errcode": errcode})]
    notice_sending.send_due()
    waiting = MemberNotice.objects.get()
    assert (waiting.state, waiting.problem, waiting.attempts) == ("waiting", "", 1)
    assert waiting.next_at > timezone.now() + timedelta(seconds=20)
    assert notice_sending.send_due() == 0  # not yet

    later()
    notice_sending.send_due()
    assert (MemberNotice.objects.get().state, len(sent(outside))) == ("sent", 2)


def test_a_message_that_never_left_is_tried_again_and_not_for_ever(ming, outside, settings):
    accept(ming)
    notify(ming)
    settings.WECHAT_API_URL = "http://127.0.0.1:9"
    for _turn in range(notice_sending.TRIES):
        later()
        notice_sending.send_due()
    failed = MemberNotice.objects.get()
    assert (failed.state, failed.problem, failed.attempts) == ("failed", "gave_up", 8)


@pytest.mark.parametrize("answer", [(502, "<html>"), (200, ""), (200, "{")])
def test_when_nobody_can_know_it_is_not_sent_twice(ming, outside, answer):
    accept(ming)
    notify(ming)
    outside.answers[SEND] = [answer]
    notice_sending.send_due()
    later()
    notice_sending.send_due()
    failed = MemberNotice.objects.get()
    assert (failed.state, failed.problem, len(sent(outside))) == ("failed", "answer_lost", 1)


def test_who_died_while_sending_leaves_a_failed_message(ming, outside):
    accept(ming)
    notify(ming)
    assert notice_sending._claimed()
    assert notice_sending.send_due() == 0  # it is somebody's for a minute
    later()
    notice_sending.send_due()
    assert (MemberNotice.objects.get().problem, sent(outside)) == ("answer_lost", [])


def test_who_wants_no_more_is_left_alone(ming, outside):
    accept(ming, times=3)
    notify(ming)
    outside.answers[SEND] = [(200, {"errcode": 43101, "errmsg": "user refuse to accept the msg"})]
    notice_sending.send_due()
    assert (MemberNotice.objects.get().problem, left(ming)) == ("wechat 43101", 0)


@pytest.mark.parametrize("errcode", [47003, 40037, 41030, 40003])
def test_a_message_that_wechat_does_not_take_has_failed(ming, outside, errcode):
    accept(ming)
    notify(ming)
    outside.answers[SEND] = [(200, {"errcode": errcode})]
    notice_sending.send_due()
    failed = MemberNotice.objects.get()
    assert (failed.state, failed.problem) == ("failed", f"wechat {errcode}")


def test_a_template_that_wants_more_than_it_is_given_sends_nothing(ming, outside, shipped):
    accept(ming)
    notify(ming)
    NoticeTemplate.objects.update(fields={"number": "character_string1", "where": "thing3"})
    notice_sending.send_due()
    assert (MemberNotice.objects.get().problem, sent(outside)) == ("no value: where", [])


def test_a_failed_message_is_sent_again_when_staff_say_so(ming, outside):
    accept(ming)
    told = notify(ming)
    outside.answers[SEND] = [(200, {"errcode": 47003})]
    notice_sending.send_due()
    assert notices.resend(told.pk)
    assert not notices.resend(told.pk)
    notice_sending.send_due()
    assert MemberNotice.objects.get().state == "sent"
    assert not notices.resend(told.pk)
    assert left(ming) == 0


def test_an_access_token_that_was_forgotten_is_fetched_anew(ming, outside):
    accept(ming)
    notify(ming)
    outside.answers[SEND] = [(200, {"errcode": 40001})]
    notice_sending.send_due()
    assert MemberNotice.objects.get().state == "sent"


@pytest.mark.parametrize(
    ("constraint", "rows"),
    [
        ("member_notice_once", lambda row: [row(), row()]),
        ("member_notice_sent_at_follows_state", lambda row: [row(state="sent")]),
    ],
)
def test_the_database_refuses(ming, shipped, constraint, rows):
    def row(**fields):
        return MemberNotice(member=ming.member, occasion="order_shipped", template=shipped, reference="1", **fields)

    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        MemberNotice.objects.bulk_create(rows(row))


def test_the_database_bounds_acceptances(ming, shipped):
    with pytest.raises(IntegrityError, match="notice_consent_bounded"), transaction.atomic():
        NoticeConsent.objects.create(member=ming.member, template=shipped, left=101)


def test_whose_phone_changed_is_told(outside):
    template(occasion="phone_changed", fields={"at": "time1"})
    member = make.member(channel="mini-program", openid="openid-of-ming", phone=make.mobile())
    client = make.member_client(member, "mini-program", stepped_up_at=timezone.now())
    client.post("me/notices", {"template_id": "template-phone_changed", "result": "accept"})
    challenge = client.post("auth/sms-codes", {"phone": make.mobile(), "purpose": "link"}).json()["challenge_id"]
    given = {"challenge_id": challenge, "code": outside.sms_code(challenge)}
    assert client.put("me/phone", given).status_code == 200

    notice_sending.send_due()
    (message,) = sent(outside)
    assert (message["touser"], message["template_id"]) == ("openid-of-ming", "template-phone_changed")
    assert re.fullmatch(r"\d{4}年\d\d月\d\d日 \d\d:\d\d", message["data"]["time1"]["value"])


def test_whose_accounts_became_one_is_told(doors, bearer, outside):
    template(occasion="member_merged", fields={"at": "time1"})
    owner = make.member(channel="mini-program", openid="openid-of-owner", phone="+8613800138000")
    NoticeConsent.objects.create(member=owner, template=NoticeTemplate.objects.get(), left=1)
    newcomer = bearer(doors.mini_program("openid-of-newcomer"))
    assert doors.link_by_wechat(newcomer, "+8613800138000").json()["absorbed_member_id"]
    told = MemberNotice.objects.get()
    assert (told.member_id, told.reference.partition("/")[0], told.values.keys()) == (owner.id, "merge", {"at"})


@pytest.mark.parametrize("fields", [[], "thing1", {"number": 1}, {"number": "thing"}, {"number": "Thing1"}])
def test_a_templates_fields_are_named_as_wechat_names_them(shipped, fields):
    shipped.fields = fields
    with pytest.raises(ValidationError):
        shipped.full_clean()
    NoticeTemplate.objects.update(fields={"number": "character_string1"})
    NoticeTemplate.objects.get().full_clean()


def test_messages_of_long_ago_are_forgotten(ming, outside):
    accept(ming, times=3)
    for n in range(3):
        notify(ming, f"shipment-{n}")
    notice_sending.send_due()
    MemberNotice.objects.filter(reference="shipment-0").update(state="waiting", sent_at=None)
    MemberNotice.objects.exclude(reference="shipment-2").update(created_at=make.LONG_AGO)
    assert notice_sending.drop_old() == 1
    assert set(MemberNotice.objects.values_list("reference", flat=True)) == {"shipment-0", "shipment-2"}
