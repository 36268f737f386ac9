"""Following one message in a real browser, by keyboard alone: from a request id to what failed, and sent again."""

from collections.abc import Callable, Iterator

import httpx
import psycopg
import pytest
from playwright.sync_api import expect

from tests.browser.screen import SHOWS_FOCUS
from tests.browser.test_staff_pages import desk  # noqa: F401 - the desk is theirs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
NOWHERE = "http://127.0.0.1:9/hook"  # nobody listens


def sold(hub, request: str) -> None:
    """An order of the website's backend, told under this request id: pushed to the other channel."""
    with httpx.Client(base_url=hub.url, trust_env=False, timeout=20) as client:
        key = client.get("/sandbox/credentials").json()["channels"]["website"]["api_key"]
        item = {"sku": "TEA-1", "name": "明前龙井", "quantity": 1, "unit_price_fen": 12_900}
        body = {"external_id": request, "items": [item], "shipping_fen": 0, "discounts": [], "points_to_redeem": 0}
        headers = {"Authorization": f"Bearer {key}", "X-Request-ID": request}
        answer = client.post("/api/v1/orders", json=body, headers=headers)
        assert answer.status_code == 201, answer.text


ITS_ENDPOINT = "SELECT n.id, n.url FROM sync_endpoint n JOIN sync_channel c ON c.id = n.channel_id WHERE c.code = %s"


@pytest.fixture
def lead_back(hub) -> Iterator[Callable[[], None]]:
    """The mini-program's endpoint leads nowhere until this is called, and never after the test."""
    with psycopg.connect(hub.database_url, autocommit=True) as database:
        endpoint, url = database.execute(ITS_ENDPOINT, ["mini-program"]).fetchone()

        def lead(to: str = url) -> None:
            database.execute("UPDATE sync_endpoint SET url = %s WHERE id = %s", [to, endpoint])

        lead(NOWHERE)
        yield lead
        lead()


def tab_to(page, text: str) -> None:
    """Go there by the Tab key alone; every stop on the way shows where the focus is."""
    for _stop in range(80):
        page.keyboard.press("Tab")
        focused = page.locator(":focus")
        if focused.count() and text in focused.inner_text():
            assert focused.evaluate(SHOWS_FOCUS), focused.evaluate("e => e.outerHTML")
            return
    raise AssertionError(f"the Tab key never came to {text}")


def test_from_a_request_id_to_what_failed_and_sent_again_by_keyboard(desk, hub, lead_back):  # noqa: F811
    page = desk("admin").page
    page.goto(f"{hub.url}/admin/sync/event/trace/")
    expect(page.locator(".hub-explained")).to_contain_text("X-Request-ID")
    expect(page.locator("#find")).to_be_focused()
    page.keyboard.type("req-nobody-ever")
    page.keyboard.press("Enter")
    expect(page.locator("[role=status]")).to_contain_text("您能看到的内容里没有它")

    with hub.without("relay"):
        sold(hub, "req-0300")
        page.locator("#find").fill("X-Request-ID: req-0300")
        page.keyboard.press("Enter")
        expect(page.locator("#state")).to_have_text("等待中继")
    expect(page.locator("#state")).to_have_text("失败重试中")  # by itself
    tab_to(page, "请求头与应答")
    page.keyboard.press("Enter")
    expect(page.locator(".hub-tries details").first).to_contain_text("没有发出请求头：未能建立连接。")

    lead_back()
    page.keyboard.press("Escape")
    tab_to(page, "重新推送")
    page.keyboard.press("Enter")
    page.fill("[name=reason]", "接收方已恢复")
    page.keyboard.press("Enter")
    expect(page.locator("#state")).to_have_text("已到达")
    expect(page.locator(".hub-sent").first).to_contain_text("接收方已恢复")
    page.locator(".hub-tries summary").first.click()
    expect(page.locator(".hub-tries pre").first).to_contain_text("webhook-signature: v1,")


def test_it_reads_in_english_and_in_the_dark(desk, hub):  # noqa: F811
    page = desk("admin").page
    sold(hub, "req-0400")
    page.goto(f"{hub.url}/admin/sync/event/trace/?q=req-0400")
    expect(page.locator("#state")).to_have_text("已到达")
    page.click("nav#nav-sidebar-inner .truncate >> nth=-1")
    page.click("button:has-text('English')")
    expect(page.locator("#state")).to_have_text("Arrived")
    page.set_viewport_size({"width": 420, "height": 900})
    page.evaluate("document.documentElement.classList.add('dark')")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_field_has_the_focus_even_when_the_page_appears_late(desk, hub):  # noqa: F811
    page, held = desk("admin").page, []
    page.route("**/alpine/alpine.js", lambda route: held.append(route))  # Unfold hides the page until this has come
    page.goto(f"{hub.url}/admin/sync/event/trace/", wait_until="commit")
    page.locator("#find").wait_for(state="attached")
    page.evaluate("() => new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
    held.pop().continue_()
    expect(page.locator("#find")).to_be_focused()
