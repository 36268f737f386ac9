"""WeChat: codes that work once, an access token for everybody, and days on which it does not answer."""

import pytest

from members import wechat
from members.models import Session, WebsiteLogin, WechatToken
from sync.act import act
from sync.http import Problem
from tests import make

pytestmark = pytest.mark.django_db


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
    [(200, {"errcode": -1}), (200, {"errcode": 45011}), (500, {}), (200, "<html>"), (200, []), (200, {}), (302, {})],
)
def test_everything_else_is_wechats(app, outside, answer):
    outside.answers["/sns/jscode2session"] = [answer]
    with pytest.raises(Problem, match="wechat_unavailable") as refused:
        wechat.mini_program(app, "code")
    assert refused.value.retry_after


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
    with pytest.raises(wechat.CalledInsideAnAct):
        act(wechat.mini_program)(app, "code")


@pytest.fixture
def begun(outside, agreed):
    return make.client().post("auth/wechat/website/start", headers={"Origin": "https://website.example"}).json()


def finish(begun, outside, channel="website", **changed):
    given = {"code": outside.code(openid="openid-on-website", unionid="unionid-of-ming"), "consents": make.policies()}
    given |= {"state": begun["state"], "verifier": begun["verifier"]} | changed
    return make.client(channel).post("auth/wechat/website", given)


def test_the_page_is_sent_to_wechat(begun, settings):
    assert set(begun) == {"authorize_url", "state", "verifier", "expires_in"}
    assert begun["authorize_url"].startswith(f"{settings.WECHAT_OPEN_URL}/connect/qrconnect?appid=wx-website&")
    assert "redirect_uri=https%3A%2F%2Fwebsite.example%2F" in begun["authorize_url"]
    assert begun["authorize_url"].endswith(f"scope=snsapi_login&state={begun['state']}#wechat_redirect")
    assert begun["verifier"] not in begun["authorize_url"]


def test_who_scans_is_signed_in_once(begun, outside):
    answer = finish(begun, outside)
    assert answer.json()["created"]
    assert sorted(i["kind"] for i in answer.json()["member"]["identities"]) == ["wechat_openid", "wechat_unionid"]
    before = make.snapshot()
    assert finish(begun, outside).json()["code"] == "code_invalid"
    assert make.snapshot() == before


@pytest.mark.parametrize("changed", [{"verifier": "hub_wv_other"}, {"state": "hub_ws_other"}])
def test_a_state_opens_only_for_the_page_that_began(begun, outside, changed):
    assert finish(begun, outside, **changed).json()["code"] == "code_invalid"
    assert Session.objects.count() == 0
    assert WebsiteLogin.objects.get().used_at is None


def test_a_state_that_is_too_old_opens_nothing(begun, outside):
    WebsiteLogin.objects.update(expires_at=make.LONG_AGO)
    assert finish(begun, outside).json()["code"] == "code_invalid"


def test_the_website_and_the_app_know_each_other_by_unionid(begun, outside, doors):
    on_website = finish(begun, outside).json()["member"]["id"]
    in_app = doors.mini_program("openid-in-app", "unionid-of-ming").json()
    assert (in_app["member"]["id"], in_app["linked"]) == (on_website, True)
