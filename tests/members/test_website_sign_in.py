"""Signing in on the website by WeChat's QR code: once, and only for the page that began it."""

import pytest

from members.models import Session, WebsiteLogin
from tests import make

pytestmark = pytest.mark.django_db


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


def test_nobody_is_signed_in_to_somebody_elses_account_by_a_link(outside, agreed):
    """Login CSRF: the attacker scans with their own WeChat and sends the victim's browser the answer."""
    attackers, victims = (make.client().post("auth/wechat/website/start").json() for _each in range(2))
    code = outside.code(openid="openid-of-attacker")
    before = make.snapshot()

    forged = [
        {"state": attackers["state"], "verifier": victims["verifier"]},  # the link, opened in the victim's page
        {"state": victims["state"], "verifier": attackers["verifier"]},
        {"state": attackers["state"], "verifier": attackers["state"]},
        {"state": victims["verifier"], "verifier": victims["verifier"]},
    ]
    answers = [make.client().post("auth/wechat/website", {"code": code, "consents": agreed} | each) for each in forged]

    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(400, "code_invalid")}
    assert outside.calls == []  # the code was not even exchanged
    assert make.snapshot() == before


def test_a_state_of_another_channel_opens_nothing(begun, outside):
    make.channel("outlet", kind="website", app_id="wx-outlet", app_secret="s")
    assert finish(begun, outside, channel="outlet").json()["code"] == "code_invalid"
    assert Session.objects.count() == 0


def test_a_state_is_spent_whatever_wechat_says(begun, outside):
    outside.answers["/sns/oauth2/access_token"] = [(200, {"errcode": -1})]
    assert finish(begun, outside).json()["code"] == "wechat_unavailable"
    assert finish(begun, outside).json()["code"] == "code_invalid"
