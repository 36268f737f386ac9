"""An order in a real browser: its story is read and narrowed; a parcel goes out by hand, many by spreadsheet."""

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.test_staff_pages import desk  # noqa: F401 - the desk is theirs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def sold(hub, external_id: str) -> str:
    """An order of the website, paid there; its number."""
    with httpx.Client(base_url=hub.url, trust_env=False, timeout=20) as client:
        key = client.get("/sandbox/credentials").json()["channels"]["website"]["api_key"]
        client.headers["Authorization"] = f"Bearer {key}"
        item = {"sku": "TEA-1", "name": "明前龙井", "quantity": 2, "unit_price_fen": 12_900}
        body = {"external_id": external_id, "items": [item], "shipping_fen": 0, "discounts": [], "points_to_redeem": 0}
        number = client.post("/api/v1/orders", json=body).json()["number"]
        paid = {"provider": "offline", "transaction_id": external_id, "amount_fen": 25_800}
        answer = client.post(f"/api/v1/orders/{number}/payments", json=paid | {"paid_at": "2026-11-20T02:00:00.000Z"})
        assert answer.status_code == 201, answer.text
    return number


def find(page, hub, number: str) -> None:
    page.goto(f"{hub.url}/admin/orders/order/?q={number}")
    page.click("#result_list tbody tr th a")


def test_a_parcel_goes_out_by_hand_and_the_page_tells_it(desk, hub):  # noqa: F811
    number = sold(hub, "PAGE-1")
    page = desk("admin").page
    find(page, hub, number)
    expect(page.locator(".hub-standing-head")).to_contain_text("待发货")
    page.click(".hub-standing a:has-text('发货')")
    page.fill("[name=carrier]", "顺丰速运")
    page.fill("[name=tracking_number]", "SF1234567890123")
    page.fill("[name=reason]", "一号仓")
    page.click("button:has-text('查看效果')")
    expect(page.locator("#effect")).to_contain_text("顺丰速运")
    page.click("button[name=sure]")
    expect(page.locator(".hub-standing-head")).to_contain_text("已全部发出")
    expect(page.locator(".hub-story")).to_contain_text("一号仓")

    page.click(".hub-kind[data-kind=hand]")
    expect(page.locator(".hub-entry[data-kind=hand]").first).to_be_hidden()
    page.reload()
    expect(page.locator(".hub-entry[data-kind=hand]").first).to_be_hidden()
    page.click(".hub-kind[data-kind=hand]")
    expect(page.locator(".hub-entry[data-kind=hand]").first).to_be_visible()


def test_many_parcels_go_out_by_a_spreadsheet(desk, hub):  # noqa: F811
    numbers = [sold(hub, f"SHEET-{n}") for n in range(2)]
    page = desk("admin").page
    page.goto(f"{hub.url}/admin/orders/shippingfile/")
    page.click("a:has-text('批量发货') >> nth=-1")
    rows = "".join(f"{number},顺丰速运,SF99{n},\n" for n, number in enumerate(numbers))
    content = f"订单号,快递公司,运单号,商品\n{rows}D2020010100000001,顺丰速运,SF1,\n"
    page.set_input_files("input[type=file]", {"name": "一批.csv", "mimeType": "text/csv", "buffer": content.encode()})
    page.click("button:has-text('校验文件')")
    expect(page.locator("[data-of=fine]")).to_have_text("2")
    expect(page.locator("[data-of=wrong]")).to_have_text("1")
    page.fill("#reason", "一号仓")
    page.click("button:has-text('发货 2 行')")
    expect(page.locator("[data-of=shipped]")).to_have_text("2", timeout=60_000)
    find(page, hub, numbers[0])
    expect(page.locator(".hub-standing-head")).to_contain_text("已全部发出")


def test_what_staff_are_not_granted_has_no_button(desk, hub):  # noqa: F811
    number = sold(hub, "PAGE-2")
    page = desk("operator").page
    find(page, hub, number)
    expect(page.locator(".hub-story")).to_be_visible()
    assert page.locator(".hub-standing a.hub-button").count() == 0
