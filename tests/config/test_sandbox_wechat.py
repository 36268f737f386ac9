"""The stand-in for WeChat, asked as the real one would be, and by the hub itself."""

import json
import time

import httpx
import pytest

from config.sandbox import faults, people
from config.sandbox.stand_ins import wechat
from members import sms
from members import wechat as hub
from sync.http import Problem
from sync.models import Channel
from tests import make
from tests.config import make_sandbox
from tests.config.make_sandbox import MINI_PROGRAM, WEBSITE
from tests.config.sandbox_servers import stand_ins  # noqa: F401 - a fixture

API = "/stand-ins/wechat"
APP = {"appid": MINI_PROGRAM, "secret": "app-secret-of-mini-program"}


@pytest.fixture
def user(stand_ins):  # noqa: F811 - the fixture
    make_sandbox.apps()
    return people.put(app_id=MINI_PROGRAM, openid="o-somebody", unionid="u-somebody", phone="13800138000")


@pytest.fixture
def api(user, settings):
    with httpx.Client(base_url=settings.WECHAT_API_URL) as client:
        yield client


def session(api, code, **other):
    return api.get("/sns/jscode2session", params=APP | {"js_code": code, "grant_type": "authorization_code"} | other)


def test_a_login_code_becomes_openid_and_session_key_once(api):
    code = people.give_code("o-somebody", "login")
    answer = session(api, code)
    assert answer.headers["Content-Type"] == "text/plain"
    assert answer.json().keys() == {"openid", "unionid", "session_key"}
    assert session(api, code).json()["errcode"] == 40163


@pytest.mark.parametrize(
    ("other", "errcode"),
    [
        ({"js_code": "0nothing"}, 40029),
        ({"appid": "wx-nobody"}, 40013),
        ({"secret": "wrong"}, 40125),
        ({"appid": WEBSITE, "secret": "app-secret-of-website"}, 40029),
        ({"grant_type": "else"}, 47001),
    ],
)
def test_wrong_login_calls_are_refused_and_the_code_lives(api, other, errcode):
    code = people.give_code("o-somebody", "login")
    refused = session(api, code, **other)
    assert refused.status_code == 200
    assert refused.json()["errcode"] == errcode
    assert "rid: " in refused.json()["errmsg"]
    assert session(api, code).json()["openid"] == "o-somebody"


def test_who_has_no_unionid_shows_none(api):
    people.put(app_id=MINI_PROGRAM, openid="o-alone", unionid=None)
    assert session(api, people.give_code("o-alone", "login")).json().keys() == {"openid", "session_key"}


def test_an_access_token_is_given_to_an_app(api):
    asked = APP | {"grant_type": "client_credential"}
    answer = api.post("/cgi-bin/stable_token", json=asked).json()
    assert answer["expires_in"] == 7200
    assert wechat.app_of_token(answer["access_token"]) == MINI_PROGRAM
    assert api.post("/cgi-bin/stable_token", json=asked | {"secret": "x"}).json()["errcode"] == 40125
    assert api.post("/cgi-bin/stable_token", content=b"{").json()["errcode"] == 47001
    assert api.post("/cgi-bin/stable_token", json=asked | {"grant_type": "x"}).json()["errcode"] == 47001


def test_an_access_token_that_was_changed_opens_nothing(api):
    token = wechat.token_for(MINI_PROGRAM)
    for wrong in ("", "x", token + "0", token.replace(MINI_PROGRAM, WEBSITE)):
        code = {"code": people.give_code("o-somebody", "phone")}
        answer = api.post("/wxa/business/getuserphonenumber", params={"access_token": wrong}, json=code)
        assert answer.json()["errcode"] == 40001


def test_a_phone_code_becomes_the_phone_once(api):
    code = {"code": people.give_code("o-somebody", "phone")}
    token = {"access_token": wechat.token_for(MINI_PROGRAM)}
    began = int(time.time())
    told = api.post("/wxa/business/getuserphonenumber", params=token, json=code).json()
    assert told["errcode"] == 0
    info = told["phone_info"]
    assert began <= info.pop("watermark")["timestamp"] <= time.time()
    assert info == {"phoneNumber": "13800138000", "purePhoneNumber": "13800138000", "countryCode": "86"}
    assert api.post("/wxa/business/getuserphonenumber", params=token, json=code).json()["errcode"] == 40163


def test_the_hub_signs_in_by_all_three_codes(user):
    mini, website = Channel.objects.get(code="mini-program"), Channel.objects.get(code="website")
    assert hub.mini_program(mini, people.give_code("o-somebody", "login")) == hub.Person("o-somebody", "u-somebody")
    assert hub.phone(mini, people.give_code("o-somebody", "phone")) == "+8613800138000"
    found = hub.website(website, people.give_code("o-somebody", "qr"))
    assert found.unionid == "u-somebody"
    assert found.openid == people.in_app(user, WEBSITE).openid
    with pytest.raises(Problem, match="wechat_code_invalid"):
        hub.mini_program(mini, "0nothing")


def test_a_phone_of_another_country_keeps_its_country(user):
    people.put(app_id=MINI_PROGRAM, openid="o-abroad", phone="+85251234567")
    assert hub.phone(make.channel("mini-program"), people.give_code("o-abroad", "phone")) == "+85251234567"


def test_a_busy_wechat_is_unavailable_and_spends_no_code(user):
    code = people.give_code("o-somebody", "login")
    faults.put({"wechat_error": 1})
    with pytest.raises(Problem, match="wechat_unavailable"):
        hub.mini_program(make.channel("mini-program"), code)
    faults.clear()
    assert hub.mini_program(make.channel("mini-program"), code).openid == "o-somebody"


def test_a_slow_wechat_answers_late(api):
    faults.put({"wechat_timeout": 0.4})
    began = time.monotonic()
    session(api, "0nothing")
    assert time.monotonic() - began >= 0.4


def test_the_qr_page_sends_a_person_back_with_a_code(user, settings):
    known = make.channel("website")
    url = hub.authorize_url(known, redirect_uri="https://website.example/back?x=1", state="s&s")
    page = httpx.get(url)
    assert page.status_code == 200
    person = people.in_app(user, WEBSITE)
    answer = httpx.get(url.partition("#")[0] + f"&openid={person.openid}")
    there = httpx.URL(answer.headers["Location"])
    assert (answer.status_code, there.host) == (302, "website.example")
    assert (there.params["x"], there.params["state"]) == ("1", "s&s")
    assert hub.website(known, there.params["code"]).unionid == "u-somebody"


@pytest.mark.parametrize("place", ["https://evil.example/", "//website.example/", "javascript:alert(1)", ""])
def test_the_qr_page_sends_nobody_elsewhere(user, place):
    url = hub.authorize_url(make.channel("website"), redirect_uri=place, state="s").partition("#")[0]
    answer = httpx.get(f"{url}&openid=o-somebody")
    assert answer.status_code == 400
    assert "Location" not in answer.headers


def test_a_text_message_arrives(user, client):
    sms.send(phone="+8613800138000", code="123456", challenge_id="0193-challenge")
    (message,) = client.get("/sandbox/sms", {"phone": "13800138000"}).json()["results"]
    assert (message["code"], message["challenge_id"]) == ("123456", "0193-challenge")


def test_a_message_that_the_provider_does_not_take_is_not_sent(user):
    with pytest.raises(Problem, match="unavailable"):
        sms.send(phone="+861", code="123456", challenge_id="0193-challenge")


def test_a_provider_that_fails_takes_no_message(user, client):
    faults.put({"sms_fail": 1})
    with pytest.raises(Problem, match="unavailable"):
        sms.send(phone="+8613800138000", code="123456", challenge_id="0193-challenge")
    assert client.get("/sandbox/sms").json() == {"results": []}


def test_a_phone_code_of_somebody_else_is_refused(api):
    code = {"code": people.give_code("o-somebody", "phone"), "openid": "o-other"}
    token = {"access_token": wechat.token_for(MINI_PROGRAM)}
    assert api.post("/wxa/business/getuserphonenumber", params=token, json=code).json()["errcode"] == 40003


def test_a_subscribe_message_arrives_and_is_listed(user, client):
    message = {
        "touser": "o-somebody",
        "template_id": "t-1",
        "page": "pages/order",
        "data": {"thing1": {"value": "到了"}},
    }
    hub.tell(make.channel("mini-program"), message)
    (told,) = client.get("/sandbox/wechat/notices").json()["results"]
    assert told | {"received_at": ""} == {
        "received_at": "",
        "app_id": MINI_PROGRAM,
        "openid": "o-somebody",
        "template_id": "t-1",
        "page": "pages/order",
        "data": {"thing1": {"value": "到了"}},
    }


@pytest.mark.parametrize(
    ("changed", "errcode"),
    [
        ({"touser": "o-nobody"}, 40003),
        ({"template_id": ""}, 40037),
        *[({"data": data}, 47003) for data in ({}, [], {"thing1": "text"}, {"thing1": {"value": ""}}, None)],
    ],
)
def test_a_subscribe_message_in_other_words_is_refused(user, changed, errcode):
    message = {"touser": "o-somebody", "template_id": "t-1", "data": {"thing1": {"value": "到了"}}} | changed
    with pytest.raises(hub.Refused, match=str(errcode)):
        hub.tell(make.channel("mini-program"), message)


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"phone": "12", "code": "1", "challenge_id": "1"}', b'{"code": "1"}'])
def test_a_malformed_message_is_refused(user, settings, body):
    assert httpx.post(f"{settings.SMS_SANDBOX_URL}/messages", content=body).status_code == 400


def test_kuaidi100_takes_a_subscription(user, settings):
    url = f"http://127.0.0.1:{settings.SANDBOX_PORT}/stand-ins/kuaidi100/poll"
    asked = {"company": "shunfeng", "number": "SF1", "key": settings.KUAIDI100_KEY}
    param = json.dumps(asked | {"parameters": {"callbackurl": "https://x.example/"}})
    assert httpx.post(url, data={"schema": "json", "param": param}).json()["returnCode"] == "200"
    for wrong in ({"schema": "json", "param": "{"}, {"param": param}, {"schema": "json", "param": '{"company": "SF"}'}):
        assert httpx.post(url, data=wrong).json()["result"] is False
