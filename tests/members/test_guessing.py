"""Codes under attack: guessed a thousand times a minute, asked for from one place for ten thousand phones.

Counted in PostgreSQL, whatever the act says and whatever becomes of Valkey.
"""

import time
from datetime import timedelta

import pytest
import redis
from django.conf import settings as hub

from members import captcha, challenges, checks
from members.calling import CalledInsideAnAct
from members.models import Session, SmsChallenge
from sync import clock
from sync.act import act
from sync.http import Problem
from sync.secret import keyed_digest
from tests import make

pytestmark = pytest.mark.django_db

PHONE = "+8613800138000"


def wipe_valkey():
    redis.from_url(hub.REDIS_URL).flushall()


def challenge_of(channel, phone=PHONE, code="482913") -> SmsChallenge:
    """A fresh challenge of a phone, as if whoever asked for it had met no quota."""
    made = SmsChallenge(purpose="sign_in", phone=phone, channel=channel)
    made.expires_at = clock.now() + timedelta(minutes=5)
    made.code_digest = keyed_digest(code, challenges._bound_to(made))
    made.save(force_insert=True)
    return made


def guess(challenge, code, channel):
    try:
        challenges.attempt(challenge.id, code, purpose="sign_in", channel=channel)
    except Problem as error:
        return error.code
    return "in"


def test_a_thousand_guesses_a_minute_lock_a_phone_however_many_challenges_it_has(
    outside, agreed, settings, still_windows
):
    settings.QUOTA_FACTOR = 1
    channel = make.channel()
    before = make.snapshot()
    fresh = [challenge_of(channel) for _each in range(250)]
    after = make.snapshot()

    started = time.monotonic()
    said = [guess(fresh[n // 4], f"{n:06d}", channel) for n in range(1_000)]
    assert time.monotonic() - started < 60, "that was slower than a thousand a minute"

    assert said.count("code_invalid") == 15  # compared at all
    assert said[15:] == ["too_many_attempts"] * 985
    wipe_valkey()
    client, right = make.client(), {"code": "482913", "consents": agreed}
    answer = client.post("auth/phone", {"challenge_id": str(challenge_of(channel).id)} | right)
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_attempts")
    assert 0 < int(answer["Retry-After"]) <= 86_400
    SmsChallenge.objects.filter(pk__gt=fresh[-1].pk).delete()
    assert make.snapshot() == after  # every refusal left everything as it was
    assert before["members_session"] == after["members_session"] == "[]"


def test_another_phone_is_not_locked(settings, still_windows):
    settings.QUOTA_FACTOR = 1
    channel = make.channel()
    for _each in range(4):
        attacked = challenge_of(channel)
        for n in range(5):
            guess(attacked, f"{n:06d}", channel)
    assert guess(challenge_of(channel), "482913", channel) == "too_many_attempts"
    assert guess(challenge_of(channel, "+8613800138001"), "482913", channel) == "in"


def test_right_codes_are_no_guesses(settings, still_windows):
    settings.QUOTA_FACTOR = 1
    channel = make.channel()
    assert {guess(challenge_of(channel), "482913", channel) for _each in range(40)} == {"in"}


@pytest.mark.slow
def test_ten_thousand_phones_from_one_address_meet_the_quota(outside, settings, still_windows):
    settings.QUOTA_FACTOR = 1
    channel, said = make.channel(), []
    for n in range(10_000):
        try:
            asked = {"phone": f"+86138{n:08d}", "channel": channel, "address": "203.0.113.7"}
            challenges.ask(purpose="sign_in", **asked)
            said.append("sent")
        except Problem as error:
            said.append(error.code)
    assert said == ["sent"] * 20 + ["rate_limited"] * 9_980
    assert len(outside.messages) == SmsChallenge.objects.count() == 20

    wipe_valkey()
    client = make.client()
    client.http.defaults["REMOTE_ADDR"] = "203.0.113.7"
    before = make.snapshot()
    answer = ask(client, make.mobile())
    assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
    assert 0 < int(answer["Retry-After"]) <= 3600
    assert make.snapshot() == before


def ask(client, phone=PHONE, headers=None, **body):
    return client.post("auth/sms-codes", {"phone": phone, "purpose": "sign_in"} | body, headers=headers)


def test_a_device_gets_ten_codes_an_hour_wherever_it_is(outside, agreed, settings, still_windows):
    settings.QUOTA_FACTOR = 1
    said = []
    for n in range(11):
        client = make.client(["website", "mini-program"][n % 2])
        client.http.defaults["REMOTE_ADDR"] = f"203.0.113.{n}"
        said.append(ask(client, make.mobile(), headers={"X-Device-ID": "device-1"}).status_code)
    assert said == [202] * 10 + [429]
    assert ask(make.client(), make.mobile(), headers={"X-Device-ID": "device-2"}).status_code == 202


@pytest.mark.parametrize("device", ["a" * 65, "a b", "设备", "a/b"])
def test_a_device_id_of_another_form_is_refused(outside, agreed, device):
    client = make.client()
    before = make.snapshot()
    answer = ask(client, headers={"X-Device-ID": device})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "X-Device-ID")
    assert make.snapshot() == before


def test_a_sign_in_with_a_device_id_of_another_form_spends_no_code(outside, agreed):
    given = {"code": outside.code(openid="openid-of-ming"), "consents": agreed}
    client = make.client("mini-program")
    refused = client.post("auth/wechat/mini-program", given, headers={"X-Device-ID": "a b"})
    assert refused.json()["errors"][0]["field"] == "X-Device-ID"
    assert client.post("auth/wechat/mini-program", given, headers={"X-Device-ID": "device-1"}).status_code == 200
    assert Session.objects.get().device_id == "device-1"


def test_a_gateway_that_refuses_leaves_no_challenge(outside, agreed):
    client = make.client()
    before = make.snapshot()
    outside.answers["/sms/messages"] = [(500, {})]
    assert ask(client).status_code == 503
    assert make.snapshot() == before


def test_a_code_is_the_members_and_the_sessions_alone(outside):
    mine = make.member_client()
    sent = ask(mine, purpose="link").json()
    SmsChallenge.objects.update(member=make.member())
    given = {"challenge_id": sent["challenge_id"], "code": outside.sms_code(sent["challenge_id"])}
    assert mine.post("auth/phone/link", given).json()["code"] == "code_invalid"


# A captcha of somebody else's making -------------------------------------------------------------------------------
judged = []


def judge(token: str, address: str) -> bool:
    judged.append((token, address))
    if token == "breaks":
        raise RuntimeError("the judge is ill")
    return token == "human"


@pytest.fixture
def asked_for(outside, agreed, settings):
    settings.SMS_CAPTCHA = f"{__name__}.judge"
    judged.clear()
    return make.client()


@pytest.mark.parametrize("given", [{}, {"captcha": ""}, {"captcha": "robot"}])
def test_without_a_right_captcha_nothing_is_sent(asked_for, outside, given):
    before = make.snapshot()
    answer = ask(asked_for, **given)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "captcha")
    assert outside.messages == []
    assert make.snapshot() == before


def test_who_solves_the_captcha_gets_a_code(asked_for):
    assert ask(asked_for, captcha="human").status_code == 202
    assert judged == [("human", "127.0.0.1")]


def test_robots_use_up_no_quota_of_a_phone(asked_for, settings, still_windows):
    settings.QUOTA_FACTOR = 1
    assert {ask(asked_for, captcha="robot").status_code for _each in range(10)} == {400}
    assert ask(asked_for, captcha="human").status_code == 202


def test_a_judge_who_fails_is_503(asked_for, outside):
    answer = ask(asked_for, captcha="breaks")
    assert (answer.status_code, answer.json()["code"], outside.messages) == (503, "unavailable", [])


@pytest.mark.parametrize("path", ["nowhere.verify", "members.captcha.nothing", "members.captcha.LONGEST"])
def test_a_captcha_that_nobody_judges_is_found_before_anybody_asks(settings, path):
    settings.SMS_CAPTCHA = path
    assert [error.msg.startswith(f"SMS_CAPTCHA: {path}") for error in checks.captcha(None)] == [True]


def test_no_captcha_is_judged_within_an_act(asked_for):
    with pytest.raises(CalledInsideAnAct):
        act(captcha.check)("human", "127.0.0.1")
