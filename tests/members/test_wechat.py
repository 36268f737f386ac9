"""WeChat: codes that work once, an access token for everybody, and days on which it does not answer."""

import json
import time

import pytest

from members import calling, wechat
from members.models import Member, WechatToken
from sync.act import act
from sync.http import Problem
from tests import make
from tests.members.outside import dripping

pytestmark = pytest.mark.django_db
IN_TIME = wechat.LONGEST + 1.5  # seconds: on a machine at work; to wait twice would take longer


@pytest.fixture
def app(outside, agreed):
    return make.channel("mini-program")


def test_a_login_code_works_once(doors, outside, agreed):
    client = make.client("mini-program")
    given = {"code": outside.code(openid="openid-of-ming"), "consents": agreed}
    assert client.post("auth/wechat/mini-program", given).status_code == 200
    before = make.snapshot()
    again = client.post("auth/wechat/mini-program", given)
    assert (again.status_code, again.json()["code"]) == (400, "wechat_code_invalid")
    assert make.snapshot() == before


@pytest.mark.parametrize("error", [40029, 40163, 41008, 40226])
def test_codes_that_wechat_refuses_are_the_clients_fault(app, outside, error):
    outside.answers["/sns/jscode2session"] = [(200, {"errcode": error, "errmsg": "no"})]
    with pytest.raises(Problem, match="wechat_code_invalid"):
        wechat.mini_program(app, "code")


@pytest.mark.parametrize(
    "answer",
    [
        *[(200, {"errcode": error}) for error in (-1, 40001, 40013, 40125, 40164, 45009, "40029", [], {}, None, 1.5)],
        *[(500, {}), (200, "<html>"), (200, ""), (200, "{"), (200, "[" * 100_000), (200, []), (200, {}), (302, {})],
        *[(200, {"openid": openid}) for openid in ("", "a" * 129, "a\0b", "两", ["a"], 1)],
        *[(200, {"openid": "o", "unionid": unionid}) for unionid in ("a\0b", ["a"], 1)],
        (200, '{"openid": "' + "a" * 300_000 + '"}'),
    ],
)
def test_everything_else_is_wechats(app, outside, answer):
    outside.answers["/sns/jscode2session"] = [answer]
    with pytest.raises(Problem, match="wechat_unavailable") as refused:
        wechat.mini_program(app, "code")
    assert refused.value.retry_after


@pytest.mark.parametrize("path", ["/sns/jscode2session", "/wxa/business/getuserphonenumber"])
def test_a_person_who_comes_too_often_is_told_to_wait(app, outside, path):
    outside.answers[path] = [(200, {"errcode": 45011, "errmsg": "api minute-quota reach limit"})]
    ask = wechat.mini_program if path.startswith("/sns") else wechat.phone
    with pytest.raises(Problem, match="rate_limited") as refused:
        ask(app, "code")
    assert refused.value.retry_after == 60


@pytest.mark.parametrize("error", [40001, 40013, 45011, -1])
def test_an_access_token_that_cannot_be_had_is_wechats(app, outside, error, caplog):
    outside.answers["/cgi-bin/stable_token"] = [(200, {"errcode": error})]
    with pytest.raises(Problem, match="wechat_unavailable"):
        wechat.phone(app, "code")
    assert str(error) in caplog.text
    assert "app-secret" not in caplog.text


FAULTS = {
    "timeout": None,
    "40001": {"errcode": 40001},
    "45011": {"errcode": 45011},
    "-1": {"errcode": -1},
    "malformed": '{"openid"',
    "html": "<html>",
    "empty": "",
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("door", ["mini-program", "website", "phone"])
def test_a_day_on_which_wechat_fails_is_told_in_time_and_changes_nothing(outside, agreed, door, fault):
    path, call = doorway(door, outside, agreed)
    before = make.snapshot()
    outside.answers[path] = [(200, FAULTS[fault])] * 2
    started = time.monotonic()
    if fault == "timeout":
        with outside.hanging():
            answer = call()
    else:
        answer = call()
    assert time.monotonic() - started < IN_TIME
    wanted = (429, "rate_limited") if fault == "45011" else (503, "wechat_unavailable")
    assert (answer.status_code, answer.json()["code"]) == wanted
    assert int(answer["Retry-After"]) > 0
    untouched = before.keys() - {"members_websitelogin", "members_wechattoken"}  # a state is spent, a token is kept
    assert {table: rows for table, rows in make.snapshot().items() if table in untouched} == {
        table: rows for table, rows in before.items() if table in untouched
    }


def doorway(door, outside, agreed):
    """Where a door asks WeChat, and somebody knocking at it."""
    if door == "phone":
        client, code = make.member_client(channel="mini-program"), outside.phone_code("+8613800138000")
        return "/wxa/business/getuserphonenumber", lambda: client.post("auth/wechat/phone", {"code": code})
    client = make.client(door)
    given = {"code": outside.code(openid="openid-of-ming"), "consents": agreed}
    if door == "website":
        begun = client.post("auth/wechat/website/start").json()
        given |= {"state": begun["state"], "verifier": begun["verifier"]}
        return "/sns/oauth2/access_token", lambda: client.post("auth/wechat/website", given)
    return "/sns/jscode2session", lambda: client.post("auth/wechat/mini-program", given)


@pytest.mark.slow
def test_a_server_that_answers_drop_by_drop_keeps_nobody_waiting(app, settings):
    with dripping() as url:
        settings.WECHAT_API_URL = url
        started = time.monotonic()
        with pytest.raises(Problem, match="wechat_unavailable"):
            wechat.mini_program(app, "code")
    assert time.monotonic() - started < IN_TIME


def test_a_phone_is_asked_for_with_the_openid_that_opened_the_session(doors, bearer, outside):
    client = bearer(doors.mini_program("openid-of-ming"))
    make.identity(client_member(client), "wechat_openid", "openid-of-other", channel=make.channel("website"))
    assert client.post("auth/wechat/phone", {"code": outside.phone_code("+8613800138000")}).status_code == 200
    assert json.loads(outside.requests[-1].body)["openid"] == "openid-of-ming"


def test_a_phone_code_of_somebody_else_is_refused(doors, bearer, outside):
    client = bearer(doors.mini_program("openid-of-ming"))
    code = outside.phone_code("+8613800138000", openid="openid-of-other")
    answer = client.post("auth/wechat/phone", {"code": code})
    assert (answer.status_code, answer.json()["code"]) == (400, "wechat_code_invalid")
    assert client.get("me").json()["phone"] is None


def client_member(client) -> Member:
    return Member.objects.get(pk=client.get("me").json()["id"])


def test_a_wechat_that_is_gone_is_503(settings, agreed, caplog):
    settings.WECHAT_API_URL = "http://127.0.0.1:9"
    answer = make.client("mini-program").post("auth/wechat/mini-program", {"code": "x", "consents": agreed})
    assert (answer.status_code, answer.json()["code"]) == (503, "wechat_unavailable")
    assert "app-secret" not in caplog.text


def test_the_client_says_nothing_about_who_it_is(doors, outside, agreed):
    code = outside.code(openid="openid-of-ming")
    forged = {"code": code, "consents": agreed, "openid": "openid-of-other", "unionid": "unionid-of-other"}
    make.member(channel="mini-program", openid="openid-of-other", unionid="unionid-of-other")
    assert make.client("mini-program").post("auth/wechat/mini-program", forged).json()["created"]


def test_the_same_openid_in_two_apps_is_two_people(doors, outside, agreed):
    make.member(channel="website", openid="openid-of-ming")
    assert doors.mini_program("openid-of-ming").json()["created"]


def test_the_session_key_is_kept_nowhere(doors):
    doors.mini_program("openid-of-ming")
    assert "never kept" not in "".join(make.snapshot().values())


def test_a_code_belongs_to_its_kind_of_channel(outside, agreed):
    given = {"code": "x", "consents": agreed}
    assert make.client("website").post("auth/wechat/mini-program", given).json()["code"] == "forbidden"
    assert make.client("mini-program").post("auth/wechat/website/start").json()["code"] == "forbidden"


def test_one_access_token_serves_everybody_and_is_kept_sealed(app, outside):
    assert wechat.access_token(app) == wechat.access_token(app) == outside.tokens[0]
    assert len(outside.tokens) == 1
    assert outside.tokens[0] not in make.snapshot()["members_wechattoken"]


def test_an_access_token_that_wechat_forgot_is_fetched_once_more(app, outside):
    wechat.access_token(app)
    outside.tokens.append("another process asked")
    assert wechat.phone(app, outside.phone_code("+8613800138000")) == "+8613800138000"
    assert outside.calls.count("/cgi-bin/stable_token") == 2


def test_an_access_token_refused_twice_is_wechats_trouble(app, outside):
    outside.answers["/wxa/business/getuserphonenumber"] = [(200, {"errcode": 40001})] * 2
    with pytest.raises(Problem, match="wechat_unavailable"):
        wechat.phone(app, "code")


def test_an_expired_access_token_is_fetched_anew(app, outside):
    wechat.access_token(app)
    WechatToken.objects.update(expires_at=make.LONG_AGO)
    assert wechat.access_token(app) == outside.tokens[1]


def test_a_phone_of_another_app_is_refused(app, outside):
    with pytest.raises(Problem, match="wechat_code_invalid"):
        wechat.phone(app, outside.phone_code("+8613800138000", app_id="wx-of-somebody-else"))


def test_a_used_phone_code_changes_nothing(doors, outside):
    client = make.member_client(channel="mini-program")
    before = make.snapshot()
    outside.tokens.append("")
    answer = client.post("auth/wechat/phone", {"code": "used"})
    assert (answer.status_code, answer.json()["code"]) == (400, "wechat_code_invalid")
    assert {**make.snapshot(), "members_wechattoken": 0} == {**before, "members_wechattoken": 0}


def test_a_channel_without_an_app_cannot_ask(outside):
    with pytest.raises(Problem, match="wechat_unavailable"):
        wechat.mini_program(make.channel("till", app_id="", app_secret=None), "code")


def test_nothing_is_asked_within_an_act(app):
    with pytest.raises(calling.CalledInsideAnAct):
        act(wechat.mini_program)(app, "code")
