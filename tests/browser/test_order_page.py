"""An order in a real browser: its story is read and narrowed; parcels go out by hand and by file, money goes back."""

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.test_staff_pages import desk  # noqa: F401 - the desk is theirs
from tests.journeys.clients import OPEN, Backend, Client

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


@pytest.fixture
def buyer(hub):
    """Somebody in WeChat, in the mini-program."""
    mini = Client(hub.url, "mini-program")
    openid = mini.sandbox("POST", "wechat/users", json={"phone": "13900139888"})["openid"]
    mini.id = mini.sign_in_by_wechat(openid)["member"]["id"]
    yield mini
    OPEN.close()


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


def test_a_refund_is_declined_then_asked_for_again_and_approved(desk, hub, buyer):  # noqa: F811
    number = Backend(hub.url, "mini-program").place(buyer.id, "PAGE-3")["number"]
    buyer.pay(number)
    page = desk("finance").page
    first = buyer.ask_back(number, 1)
    find(page, hub, number)
    page.click(".hub-alarm a:has-text('拒绝退款')")
    expect(page.locator("#work")).to_contain_text("包装破损")
    page.fill("[name=reason]", "照片不清楚")
    page.click("button[name=sure]")
    expect(page.locator(".hub-alarm")).to_have_count(0)
    expect(page.locator(".hub-story")).to_contain_text("照片不清楚")

    second = buyer.ask_back(number, 1)
    assert first["amount_fen"] == second["amount_fen"] == 6_450
    page.reload()
    page.click(".hub-alarm a:has-text('同意退款')")
    expect(page.locator(".hub-goods input >> nth=0")).to_be_disabled()
    page.fill(".hub-goods input >> nth=1", "50")
    page.fill("[name=reason]", "照片清楚了")
    page.click("button:has-text('查看效果')")
    expect(page.locator("#effect")).to_contain_text("你同意退 ¥50.00")
    page.fill(".hub-goods input >> nth=1", "60")
    expect(page.locator("#effect")).to_have_count(0)
    assert page.locator("button[name=sure]").count() == 0  # what is done is what was shown
    page.click("button:has-text('重新计算')")
    expect(page.locator("#effect")).to_contain_text("¥60.00")
    page.click("button[name=sure]")
    expect(page.locator(".hub-story")).to_contain_text("照片清楚了")


def test_the_amounts_of_a_refund_follow_the_pieces_until_all_is_taken(desk, hub):  # noqa: F811
    number = sold(hub, "PAGE-4")
    page = desk("admin").page
    find(page, hub, number)
    page.click(".hub-standing a:has-text('退款')")
    quantity, amount = (page.locator(f".hub-goods input >> nth={nth}") for nth in range(2))
    quantity.fill("1")
    expect(amount).to_have_value("129.00")
    amount.fill("100")
    quantity.fill("2")
    expect(page.locator("[name=shipping]")).to_have_value("0.00")
    expect(amount).to_have_value("100")  # what somebody typed stays
    page.click("#all")
    expect(amount).to_have_value("258.00")
    page.fill("[name=transaction_id]", "退-1")
    page.fill("[name=reason]", "客户拒收")
    page.click("button:has-text('查看效果')")
    expect(page.locator("#effect")).to_contain_text("¥258.00")
    page.click("button[name=sure]")
    expect(page.locator(".hub-standing-head")).to_contain_text("已全额退款")


def test_what_staff_are_not_granted_has_no_button(desk, hub):  # noqa: F811
    number = sold(hub, "PAGE-2")
    page = desk("operator").page
    find(page, hub, number)
    expect(page.locator(".hub-story")).to_be_visible()
    assert page.locator(".hub-standing a.hub-button").count() == 0
