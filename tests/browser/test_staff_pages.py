"""Staff in a real browser: the dashboard lives, the admin's pages work under their policy, nobody else is asked."""

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PATIENCE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
PAGES = ("", "members/member/", "orders/order/", "loyalty/entry/", "sync/event/", "sync/channel/", "auth/user/")
POINTS = ("account", "entry", "lot", "hold", "draw")


class Desk:
    """A browser of one member of staff, and all it complained about."""

    def __init__(self, browser, hub, name: str):
        self.hub, self.complaints, self.elsewhere = hub, [], []
        self.page = browser.new_context(viewport={"width": 1440, "height": 900}, locale="zh-CN").new_page()
        self.page.set_default_timeout(PATIENCE)
        self.page.on("console", lambda said: said.type in {"error", "warning"} and self.complaints.append(said.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.note(request.url))
        self.page.goto(f"{hub.url}/admin/login/")
        self.page.fill("#id_username", name)
        self.page.fill("#id_password", "sandbox")
        self.page.click("button[type=submit]")
        self.page.wait_for_url(f"{hub.url}/admin/")

    def note(self, url: str) -> None:
        if not url.startswith((self.hub.url, self.hub.live_url, "data:")):
            self.elsewhere.append(url)

    def close(self) -> None:
        self.page.context.close()
        assert (self.complaints, self.elsewhere) == ([], [])


@pytest.fixture
def desk(browser, hub):
    expect.set_options(timeout=PATIENCE)
    desks = []

    def sit(name: str) -> Desk:
        desks.append(Desk(browser, hub, name))
        return desks[-1]

    yield sit
    for each in desks:
        each.close()


def place_an_order(hub) -> None:
    with httpx.Client(base_url=hub.url, trust_env=False, timeout=20) as client:
        key = client.get("/sandbox/credentials").json()["channels"]["website"]["api_key"]
        item = {"sku": "TEA-1", "name": "明前龙井", "quantity": 1, "unit_price_fen": 12_900}
        body = {"external_id": "BROWSER-1", "items": [item], "shipping_fen": 0, "discounts": [], "points_to_redeem": 0}
        answer = client.post("/api/v1/orders", json=body, headers={"Authorization": f"Bearer {key}"})
        assert answer.status_code in {200, 201}, answer.text


def test_the_dashboard_shows_a_new_order_by_itself(desk, hub):
    page = desk("manager").page
    page.goto(f"{hub.url}/dashboard/")
    expect(page.locator("#live")).to_have_attribute("data-state", "live")
    before = page.locator("[data-of=orders]").inner_text()
    place_an_order(hub)
    expect(page.locator("[data-of=orders]")).not_to_have_text(before)
    page.click("text=English")
    expect(page.locator("h1")).to_have_text("Dashboard")
    expect(page.locator("#live")).to_have_attribute("data-state", "live")


def test_without_the_live_process_the_dashboard_asks_for_itself(desk, hub):
    manager = desk("manager")
    with hub.without("beat"):
        manager.page.goto(f"{hub.url}/dashboard/")
        expect(manager.page.locator("#live")).to_have_attribute("data-state", "asking")
    expect(manager.page.locator("#live")).to_have_attribute("data-state", "live")


def test_the_admins_pages_open_in_chinese_and_english(desk, hub):
    page = desk("admin").page
    for path in PAGES:
        page.goto(f"{hub.url}/admin/{path}")
        expect(page.locator("h1")).to_be_visible()
    page.goto(f"{hub.url}/admin/orders/order/")
    page.click("#result_list tbody tr th a, #result_list tbody tr td a")
    expect(page.locator(".hub-panel").first).to_be_visible()
    page.click("nav#nav-sidebar-inner .truncate >> nth=-1")
    page.click("button:has-text('English')")
    expect(page.locator(".hub-panel h2").first).to_contain_text("The whole story")


def test_a_balance_is_explained_and_every_way_leads_on(desk, hub):
    page = desk("operator").page
    for name in POINTS:
        page.goto(f"{hub.url}/admin/loyalty/{name}/")
        expect(page.locator("h1")).to_be_visible()
    page.goto(f"{hub.url}/admin/loyalty/account/")
    page.click("#result_list tbody tr th a >> nth=0")
    expect(page.locator(".hub-checks li")).to_have_count(4)
    expect(page.locator(".hub-check-bad")).to_have_count(0)
    page.click(".hub-panel:has-text('积分明细') tbody tr:last-child td:first-child a")
    expect(page.locator(".hub-said")).to_be_visible()
    page.click("text=查看余额")
    expect(page.locator(".hub-figures >> nth=0").locator(".hub-card")).to_have_count(4)


def test_an_operator_finds_no_way_to_save(desk, hub):
    page = desk("operator").page
    page.goto(f"{hub.url}/admin/sync/channel/")
    page.click("#result_list tbody tr a >> nth=0")
    expect(page.locator("h1")).to_be_visible()
    assert page.locator("[name=_save]").count() == 0
    page.goto(f"{hub.url}/admin/")
    assert page.locator("a[href='/dashboard/']").count() == 0
