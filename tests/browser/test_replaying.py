"""Sending and trying again in a real browser: a range of what was delivered; a message in quarantine once it can be."""

import json

import psycopg
import pytest
from playwright.sync_api import expect

from tests.browser.test_order_page import sold
from tests.browser.test_staff_pages import desk  # noqa: F401 - the desk is theirs
from tests.journeys.clients import OPEN, Backend, Client
from tests.processes import await_that

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def website(hub):
    """Somebody at the website."""
    yield Client(hub.url, "website")
    OPEN.close()


def arrived(client: Client, number: str) -> list[str]:
    """Ids of what the mini-program's backend was told of an order, each time that it was."""
    found = client.sandbox("GET", "channels/mini-program/received")["results"]
    return [json.loads(each["body"])["id"] for each in found if number in each["body"]]


def first_position(hub, number: str) -> int:
    """Where the relay put the first event of an order."""
    with psycopg.connect(hub.database_url) as database:
        rows = "SELECT min(position) FROM sync_delivery WHERE subject = %s"
        return database.execute(rows, [f"order/{number}"]).fetchone()[0]


def test_a_range_of_deliveries_goes_again_under_the_same_ids(desk, hub, website):  # noqa: F811
    number = sold(hub, "AGAIN-1")
    await_that(lambda: len(arrived(website, number)) >= 2, 60, lambda: f"not told: {arrived(website, number)}")
    before = arrived(website, number)

    page = desk("admin").page
    page.goto(f"{hub.url}/admin/sync/endpoint/")
    page.click("#result_list tbody tr:has-text('mini-program') a >> nth=0")
    page.click("a:has-text('按范围补发')")
    assert page.locator("#submit-row button").all_inner_texts() == ["按范围补发"]
    page.fill("[name=start]", str(first_position(hub, number)))
    page.locator("[name=is_whole]").check(force=True)
    page.fill("[name=reason]", "对方恢复了备份")
    page.click("#submit-row button")
    expect(page.locator("#result_list")).to_contain_text("对方恢复了备份")
    await_that(lambda: len(arrived(website, number)) >= 2 * len(before), 60, lambda: "not told again")
    assert set(arrived(website, number)) == set(before)
    page.reload()
    expect(page.locator("#result_list .hub-tag-good")).to_have_text("100 %")


def test_a_message_in_quarantine_is_tried_again_once_nothing_speaks_against_it(desk, hub, website):  # noqa: F811
    member = website.sign_in_by_phone("13900139777")["member"]["id"]
    shop = Backend(hub.url, "website")
    told = {"member_id": member, "points": 50, "reason": "抵现", "reference": "bill-7"}
    shop.tell({"id": "spent-7", "type": "points.spent", "data": told})

    page = desk("admin").page
    inbox = f"{hub.url}/admin/sync/inboxmessage/"
    page.goto(f"{inbox}?state__exact=quarantined")
    expect(page.locator("#result_list tbody tr:has-text('spent-7')")).to_contain_text("积分不足")
    earned = {"kind": "earn", "points": 80, "reason": "补记", "reference": "late-7"}
    shop.call("POST", f"members/{member}/points/entries", 201, json=earned)
    page.click("#result_list tbody tr:has-text('spent-7') th a")
    page.click(".hub-standing a:has-text('重试')")
    expect(page.locator("#replay")).to_contain_text("积分不足")
    page.fill("[name=reason]", "积分已补记")
    page.click("button:has-text('重试')")
    expect(page.locator(".hub-panel:has-text('积分已补记')")).to_contain_text("积分不足")  # what was wrong stays known
    expect(page.locator("body")).to_contain_text("已处理")
    assert page.locator(".hub-standing a:has-text('重试')").count() == 0
    assert website.call("GET", "me/points", 200).json()["available"] == 30
