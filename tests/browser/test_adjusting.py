"""Adjusting points in a real browser: by the keyboard, hint by hint, to the approval by somebody else."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.test_staff_pages import desk  # noqa: F401 - a fixture

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
ASK = "/admin/loyalty/adjustment/ask/"


def member_of(page, hub) -> str:
    """The number of a member of the sandbox."""
    page.goto(f"{hub.url}/admin/members/member/")
    return page.locator("#result_list tbody a").first.inner_text()


def fill(page, number: str, points: int, reason: str) -> None:
    """What somebody types who adjusts all day: no mouse."""
    page.fill("#find", number)
    page.keyboard.press("Enter")
    expect(page.locator("#points")).to_be_focused()
    page.keyboard.type(str(points))
    page.select_option("#reason", reason)


def test_points_are_adjusted_by_the_keyboard_and_the_next_member_can_be_typed(desk, hub):  # noqa: F811
    page = desk("support").page
    number = member_of(page, hub)
    page.goto(hub.url + ASK)
    expect(page.locator("#find")).to_be_focused()
    fill(page, number, 30, "goodwill")
    expect(page.locator("#hint")).to_have_attribute("data-tone", "good")
    page.press("#note", "Enter")
    expect(page.locator("body")).to_contain_text(re.compile(rf"{number}：\+30 积分已入账"))
    expect(page.locator("#find")).to_be_focused()

    fill(page, number, 999_999, "goodwill")
    expect(page.locator("#hint")).to_have_attribute("data-tone", "bad")
    page.select_option("#reason", "abuse")
    expect(page.locator("[name=way][value=take]")).to_be_checked()
    expect(page.locator("#note")).to_have_attribute("required", "")


def test_somebody_else_approves_what_is_above_the_limit(desk, hub):  # noqa: F811
    asker, approver = desk("support").page, desk("finance").page
    asker.goto(hub.url + ASK)
    fill(asker, member_of(approver, hub), 2_000, "goodwill")
    expect(asker.locator("#hint")).to_have_attribute("data-tone", "busy")
    asker.press("#note", "Enter")
    expect(asker.locator(".hub-tag-busy").first).to_have_text("待审批")

    approver.goto(f"{hub.url}/admin/loyalty/adjustment/?queue=open")
    approver.click("#result_list tbody tr th a, #result_list tbody tr td a")
    approver.click("button:has-text('通过')")
    expect(approver.locator("body")).to_contain_text("积分已入账")
