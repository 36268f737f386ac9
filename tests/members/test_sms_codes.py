"""Codes by SMS: sent to anybody alike, tried five times, used once, bound to all they were asked for."""

from datetime import timedelta

import pytest
from django.utils import timezone

from members import sms
from members.models import SmsChallenge
from sync.act import act
from sync.http import Problem
from sync.models import Channel
from sync.secret import blind_index
from tests import make

pytestmark = pytest.mark.django_db


@pytest.fixture
def website(outside, agreed):
    return make.client()


def ask(client, phone="13800138000", **body):
    return client.post("auth/sms-codes", {"phone": phone, "purpose": "sign_in"} | body)


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 10**6:06d}"


def test_a_code_is_sent_after_it_is_kept(website, outside):
    answer = ask(website)

    body = answer.json()
    assert answer.status_code == 202, body
    assert set(body) == {"challenge_id", "expires_in", "resend_in"}
    assert (body["expires_in"], body["resend_in"]) == (300, 60)
    assert outside.messages[0]["phone"] == "+8613800138000"
    assert len(outside.sms_code(body["challenge_id"])) == 6


def test_known_and_unknown_numbers_get_the_same_answer(website):
    make.member(phone="+8613800138000")
    known, unknown = ask(website, "13800138000"), ask(website, "13800138001")
    assert (known.status_code, known.json() | {"challenge_id": 0}) == (202, unknown.json() | {"challenge_id": 0})


def test_known_and_unknown_numbers_cost_the_same(website, django_assert_num_queries):
    make.member(phone="+8613800138000")
    for phone in ("13800138000", "13800138001"):
        with django_assert_num_queries(10):  # the channel, seven quotas, the time, the challenge
            ask(website, phone)


@pytest.mark.parametrize("kept", ["code", "phone"])
def test_neither_code_nor_phone_lies_in_clear(website, outside, kept):
    ask(website)
    sent, lies = outside.messages[0][kept], make.snapshot()["members_smschallenge"]
    assert f'"{sent}"' not in lies  # as a value: six digits stand by chance in a hash or a time
    assert sent.encode().hex() not in lies


def test_a_used_challenge_forgets_its_phone(doors):
    doors.sms("13800138000")
    challenge = SmsChallenge.objects.get()
    assert challenge.phone is None
    assert challenge.used_at is not None


def test_a_code_works_once(website, outside, agreed):
    sent = ask(website).json()
    given = {"challenge_id": sent["challenge_id"], "code": outside.sms_code(sent["challenge_id"]), "consents": agreed}
    assert website.post("auth/phone", given).status_code == 200
    before = make.snapshot()
    assert website.post("auth/phone", given).json()["code"] == "code_invalid"
    assert make.snapshot() == before


def test_five_wrong_codes_close_the_challenge_to_the_right_one(website, outside, agreed):
    sent = ask(website).json()
    code = outside.sms_code(sent["challenge_id"])
    given = {"challenge_id": sent["challenge_id"], "consents": agreed}
    before = make.snapshot()

    tries = [website.post("auth/phone", given | {"code": wrong(code)}).json()["code"] for _ in range(5)]
    last = website.post("auth/phone", given | {"code": code})

    assert tries == ["code_invalid"] * 5
    assert (last.status_code, last.json()["code"]) == (429, "too_many_attempts")
    assert SmsChallenge.objects.get().tries == 5
    assert make.snapshot() == before


def test_an_expired_code_is_refused(website, outside, agreed):
    sent = ask(website).json()
    SmsChallenge.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    given = {"challenge_id": sent["challenge_id"], "code": outside.sms_code(sent["challenge_id"]), "consents": agreed}
    assert website.post("auth/phone", given).json()["code"] == "code_invalid"


def test_a_code_of_another_channel_or_purpose_is_refused(website, outside, agreed):
    sent = ask(website).json()
    given = {"challenge_id": sent["challenge_id"], "code": outside.sms_code(sent["challenge_id"]), "consents": agreed}
    member, mini_program = make.member_client(make.member(phone=make.mobile())), make.client("mini-program")
    before = make.snapshot()

    assert mini_program.post("auth/phone", given).json()["code"] == "code_invalid"
    assert member.post("auth/phone/link", given).json()["code"] == "code_invalid"
    assert member.post("auth/step-up", given).json()["code"] == "code_invalid"
    assert make.snapshot() == before


def test_a_code_of_another_session_is_refused(outside, agreed):
    mine, other = make.member_client(), make.member_client()
    sent = mine.post("auth/sms-codes", {"phone": "13800138000", "purpose": "link"}).json()
    given = {"challenge_id": sent["challenge_id"], "code": outside.sms_code(sent["challenge_id"])}
    assert other.post("auth/phone/link", given).json()["code"] == "code_invalid"
    assert mine.post("auth/phone/link", given).status_code == 200


@pytest.mark.parametrize("purpose", ["link", "step_up"])
def test_linking_and_stepping_up_need_a_session(website, purpose):
    answer = ask(website, purpose=purpose)
    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")


def test_a_step_up_goes_to_the_members_own_phone(outside):
    phone = make.mobile()
    client = make.member_client(make.member(phone=phone), assurance=2)
    sent = client.post("auth/sms-codes", {"purpose": "step_up", "phone": make.mobile()}).json()
    assert outside.messages[0]["phone"] == phone

    given = {"challenge_id": sent["challenge_id"], "code": outside.sms_code(sent["challenge_id"])}
    assert client.post("auth/step-up", given).json()["assurance"] == 3
    client.session.refresh_from_db()
    assert (client.session.assurance, client.session.stepped_up_at is not None) == (3, True)
    assert client.post("auth/step-up", given).json()["code"] == "code_invalid"


def test_a_member_without_a_phone_cannot_step_up(outside):
    assert make.member_client().post("auth/sms-codes", {"purpose": "step_up"}).json()["code"] == "invalid"


def test_a_number_gets_one_code_a_minute(website, settings, outside, still_windows):
    settings.QUOTA_FACTOR = 1
    assert ask(website).status_code == 202
    refused = ask(website, "+86 138-0013-8000")
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert 1 <= int(refused["Retry-After"]) <= 60
    assert len(outside.messages) == 1


def test_an_address_gets_twenty_codes_an_hour_on_a_channel(website, settings, outside, still_windows):
    settings.QUOTA_FACTOR = 1
    answers = [ask(website, make.mobile()).status_code for _ in range(21)]
    assert answers == [202] * 20 + [429]
    assert ask(make.client("mini-program"), make.mobile()).status_code == 202


def test_who_asks_too_much_uses_up_no_number_of_somebody_else(website, settings, still_windows):
    settings.QUOTA_FACTOR = 1
    for _asked in range(20):
        ask(website, make.mobile())
    for _asked in range(3):
        assert ask(website).status_code == 429
    assert ask(make.client("mini-program")).status_code == 202


def test_a_household_of_addresses_is_one_address(website, settings, still_windows):
    settings.QUOTA_FACTOR = 1

    def asked_from(address):
        website.http.defaults["REMOTE_ADDR"] = address
        return ask(website, make.mobile()).status_code

    answers = [asked_from(f"2001:db8:1:2::{host:x}") for host in range(21)]
    assert answers == [202] * 20 + [429]
    assert asked_from("2001:db8:1:3::1") == asked_from("::ffff:192.0.2.1") == 202


def test_a_step_up_by_a_phone_given_away_meanwhile_is_refused(outside):
    member = make.member(phone="+8613800138000")
    client = make.member_client(member)
    sent = client.post("auth/sms-codes", {"purpose": "step_up"}).json()
    make.identity(member, "phone", "+8613900139000")
    member.phone, member.phone_index = "+8613900139000", blind_index("phone", "+8613900139000")
    member.save()
    given = {"challenge_id": sent["challenge_id"], "code": outside.sms_code(sent["challenge_id"])}
    assert client.post("auth/step-up", given).json()["code"] == "code_invalid"


def test_a_gateway_that_does_not_answer_is_said_so(website, outside):
    outside.answers["/sms/messages"] = [(500, {})]
    answer = ask(website)
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")


def test_the_console_is_no_sender_in_production(settings, caplog):
    settings.SMS_SENDER, settings.PRODUCTION = "console", True
    with pytest.raises(Problem, match="unavailable"):
        sms.send(phone="+8613800138000", code="123456", challenge_id=None)
    assert "123456" not in caplog.text
    settings.PRODUCTION = False
    sms.send(phone="+8613800138000", code="123456", challenge_id=None)
    assert "138****8000: 123456" in caplog.text


def test_nothing_is_sent_within_an_act():
    with pytest.raises(sms.SentInsideAnAct):
        act(sms.send)(phone="+8613800138000", code="123456", challenge_id=None)


def test_a_channel_has_so_many_codes_in_a_day_as_its_row_says(website, settings, still_windows):
    settings.QUOTA_FACTOR = 1
    Channel.objects.filter(code="website").update(sms_per_day=1)
    assert [ask(website, make.mobile()).status_code for _turn in range(2)] == [202, 429]
    assert ask(make.client("mini-program"), make.mobile()).status_code == 202
    Channel.objects.update(sms_per_day=None)
    assert ask(website, make.mobile()).status_code == 202
