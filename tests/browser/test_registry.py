"""A new channel is a row: `app` is set up in the admin by an administrator, and a member is there a moment later."""

import re
import time

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.test_staff_pages import desk  # noqa: F401 - a fixture
from tests.processes import await_that

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
PROCESSES = ("web", "live", "relay", "courier", "worker")
SCOPES = ("members:read", "orders:read", "feed:read")
PHONE = "13900007777"
MINUTE = 60


@pytest.fixture
def shop(hub):
    with httpx.Client(base_url=hub.url, trust_env=False, timeout=20) as client:
        yield client


def called(channel: str) -> dict:
    return {"X-Channel": channel}


def bearing(key: str) -> dict:
    return {"Authorization": f"Bearer {key}"}


def activate(page, hub) -> None:
    """Find the channel in the list, open it, tick, save."""
    page.goto(f"{hub.url}/admin/sync/channel/")
    page.click("#result_list a:has-text('App')")
    page.check("#id_is_active")
    page.fill("#id_origins", "https://app.example.cn")
    page.click("[name=_continue]")
    expect(page.locator("#id_is_active")).to_be_checked()


def new_key(page) -> str:
    """A key made from the channel's page; it is there once."""
    page.click("text=新建密钥")
    page.fill("#id_label", "App 后端")
    for scope in SCOPES:
        page.check(f"input[value='{scope}']")
    page.click("button:has-text('生成密钥')")
    clear = page.input_value("#secret")
    assert clear.startswith("hub_sk_")
    page.click("text=已保存，返回")
    expect(page.locator("body")).not_to_contain_text(clear)
    expect(page.locator("tr", has_text="App 后端")).to_contain_text(clear[-4:])
    return clear


def rotate_and_test(page) -> None:
    """The address of the fake backend: a new secret, the old one valid still; a test that is answered."""
    page.click(".hub-panel:has-text('推送地址') td a >> nth=0")
    page.click("a:has-text('更换')")
    page.click("button:has-text('更换密钥')")
    expect(page.locator("#secret")).to_have_value(re.compile("^whsec_"))
    page.click("text=已保存，返回")
    expect(page.locator("#secrets")).to_be_visible()
    expect(page.locator("body")).to_contain_text("旧的有效至")
    page.click("a:has-text('测试推送地址')")
    page.select_option("#id_type", "order.paid")
    page.click("button:has-text('立即发送')")
    expect(page.locator(".hub-tag-good")).to_contain_text("成功")


def sign_in(shop, phone: str) -> dict:
    """A member by SMS, new to the hub, on the channel `app`."""
    began = shop.post("/api/v1/auth/sms-codes", json={"phone": phone, "purpose": "sign_in"}, headers=called("app"))
    assert began.status_code == 202, began.text
    challenge = began.json()["challenge_id"]
    code = shop.get("/sandbox/sms", params={"phone": phone}).json()["results"][0]["code"]
    policies = shop.get("/api/v1/policies", headers=called("app")).json()["results"]
    consents = [{"purpose": each["purpose"], "version": each["version"]} for each in policies]
    body = {"challenge_id": challenge, "code": code, "consents": consents}
    answer = shop.post("/api/v1/auth/phone", json=body, headers=called("app"))
    assert answer.status_code == 200, answer.text
    return answer.json()


def events_in_feed(shop, key: str, member: str) -> list[str]:
    """The types of what the channel's feed tells of a member."""
    found, after = [], {}
    while True:
        page = shop.get("/api/v1/feed", params={"limit": 100, **after}, headers=bearing(key)).json()
        found += [each["type"] for each in page["results"] if each["subject"] == f"member/{member}"]
        if not page["has_more"]:
            return found
        after = {"after": page["cursor"]}


def pushed(shop, member: str) -> list[bool]:
    """Whether what the fake backend got of a member was signed with the secret it knows: the old one."""
    results = shop.get("/sandbox/channels/app/received").json()["results"]
    return [each["verified"] for each in results if member in each["body"]]


def test_the_app_is_set_up_in_the_admin_and_a_member_is_there_without_a_restart(desk, hub, shop):  # noqa: F811
    refused = shop.get("/api/v1/policies", headers=called("app"))
    assert (refused.status_code, refused.json()["code"]) == (403, "channel_inactive")
    before, began = {name: hub.pid(name) for name in PROCESSES}, time.monotonic()

    page = desk("admin").page
    activate(page, hub)
    key = new_key(page)
    rotate_and_test(page)
    session = sign_in(shop, PHONE)
    member = session["member"]["id"]

    assert session["created"]
    await_that(lambda: "member.registered" in events_in_feed(shop, key, member), 20, lambda: "nothing in the feed")
    await_that(lambda: pushed(shop, member), 20, lambda: "nothing was pushed")
    assert all(pushed(shop, member))
    assert shop.get(f"/api/v1/members/{member}", headers=bearing(key)).json()["phone"] == "139****7777"
    origin = shop.get("/api/v1/policies", headers=called("app") | {"Origin": "https://app.example.cn"})
    assert origin.headers["Access-Control-Allow-Origin"] == "https://app.example.cn"
    assert time.monotonic() - began < MINUTE
    assert {name: hub.pid(name) for name in PROCESSES} == before


def test_a_revoked_key_and_a_field_taken_away_count_for_the_next_call(desk, hub, shop):  # noqa: F811
    key = shop.get("/sandbox/credentials").json()["channels"]["mini-program"]["api_key"]
    (member, *_others) = [
        each["subject"].removeprefix("member/")
        for each in shop.get("/api/v1/feed", params={"limit": 5}, headers=bearing(key)).json()["results"]
        if each["subject"].startswith("member/")
    ]
    assert "phone" in shop.get(f"/api/v1/members/{member}", headers=bearing(key)).json()

    page = desk("admin").page
    page.goto(f"{hub.url}/admin/sync/channel/")
    page.click("#result_list tr:has-text('mini-program') a >> nth=0")
    page.uncheck("input[name=visible_fields][value=phone]")
    page.click("[name=_continue]")
    expect(page.locator("input[name=visible_fields][value=phone]")).not_to_be_checked()
    assert "phone" not in shop.get(f"/api/v1/members/{member}", headers=bearing(key)).json()

    page.click(".hub-panel:has-text('渠道密钥') td a >> nth=0")
    page.click("summary:has-text('吊销此密钥')")
    page.click("button:has-text('确认吊销')")
    expect(page.locator(".hub-tag-bad >> nth=0")).to_have_text("已吊销")
    assert shop.get(f"/api/v1/members/{member}", headers=bearing(key)).status_code == 401
