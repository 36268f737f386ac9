"""An administrator's way with an earn rule in a real browser: the next version, compared, in force."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PATIENCE
from tests.browser.test_staff_pages import Desk

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def figure(page, name: str) -> int:
    return int(page.locator(f"#{name}").inner_text().split()[0].replace(",", ""))


def test_the_next_version_of_a_rule_is_drafted_compared_and_activated(browser, hub):
    expect.set_options(timeout=PATIENCE)
    desk = Desk(browser, hub, "admin")
    page = desk.page
    page.goto(f"{hub.url}/admin/loyalty/earnrule/")
    page.click("#result_list a")
    page.get_by_role("button", name="起草下一版本").click()

    page.fill("#id_points_per_yuan", "2")
    page.get_by_text("添加另一个 倍率").click()
    page.fill("#id_boosts-0-name", "金卡")
    page.fill("#id_boosts-0-multiplier", "1.5")
    page.select_option("#id_boosts-0-tier", label="金卡")
    page.locator("button[name=_save]").click()

    before, after = figure(page, "before"), figure(page, "after")
    assert 2 * before <= after <= 3 * before
    expect(page.locator("#losing")).to_have_text("0")
    page.get_by_role("button", name="启用 per-yuan v2").click()

    expect(page.get_by_text("per-yuan v2 已生效")).to_be_visible()
    expect(page.locator("#id_points_per_yuan")).to_have_count(0)  # what is in force is only looked at
    desk.close()
