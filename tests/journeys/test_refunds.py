"""Money back, from asking to the points: asked for by a member or a backend, approved by staff, given by the provider;
both channels and both backends see it. Real processes."""

import re

import pytest

from tests.journeys.clients import Backend, both_doors
from tests.journeys.staff import Staff
from tests.processes import await_that

pytestmark = [pytest.mark.timeout(300), pytest.mark.slow]
PHONE = "13600136111"
USED = 100  # points, each worth a fen


@pytest.fixture(scope="module")
def sides(hub):
    """Somebody on both channels, with 1,000 points."""
    website, mini, member = both_doors(hub.url, PHONE)
    earned = {"kind": "earn", "points": 1_000, "reason": "签到", "reference": "welcome"}
    Backend(hub.url, "website").call("POST", f"members/{member['id']}/points/entries", 201, json=earned)
    return website, mini, member


@pytest.fixture(scope="module")
def shop(hub) -> Backend:
    return Backend(hub.url, "mini-program")


def bought(shop: Backend, sides, external_id: str) -> dict:
    """An order of two pieces for 129 yuan, a hundred points of it used, paid by WeChat."""
    _website, mini, member = sides
    shown = {"kind": "member_code", "value": mini.call("POST", "me/codes", 201).json()["code"]}
    order = shop.place(member["id"], external_id, points_to_redeem=USED, proof=shown, total_fen=12_900 - USED)
    mini.pay(order["number"])
    return order


def points(side) -> tuple[int, int]:
    seen = side.call("GET", "me/points", 200).json()
    return seen["available"], seen["pending"]


def await_points(side, *right: int) -> None:
    await_that(lambda: points(side) == right, 20, lambda: f"the points are {points(side)}")


def approve(hub, refund: dict) -> None:
    """Staff find the request, look at it and say yes."""
    finance = Staff(hub.url, "finance")
    shown = finance.http.get(f"/admin/orders/refund/{refund['id']}/change/").text
    (way,) = re.findall(r'href="([^"]+/do/approve/[^"]+)"', shown)
    finance.send(way, reason="照片清楚", sure="1")


def told_of(side, channel: str, order: dict) -> list[str]:
    """Bodies of `order.refunded` that a channel's backend was pushed for an order."""
    results = side.sandbox("GET", f"channels/{channel}/received")["results"]
    found = [each["body"] for each in results if each["verified"] and order["number"] in each["body"]]
    return [body for body in found if '"order.refunded"' in body]


def await_told(side, channel: str, order: dict) -> None:
    await_that(lambda: told_of(side, channel, order), 60, lambda: f"{channel}'s backend was not told")


def refunded(sides, sockets, refund: dict, order: dict) -> dict:
    """The stand-in gives the money back: the order as both sockets are told of it, and both backends."""
    website, mini, _member = sides
    path = f"/sandbox/wechat-pay/refunds/{refund['id']}/succeed"
    await_that(lambda: mini.http.post(path, json={}).is_success, 60, lambda: "WeChat Pay knows nothing of the refund")
    left, right = [socket.until("order.refunded") for socket in sockets]
    assert left == right
    for channel in ("website", "mini-program"):
        await_told(website, channel, order)
    return left["data"]


def test_what_a_member_asks_for_is_approved_refunded_and_seen_everywhere(hub, sides, shop):
    website, mini, _member = sides
    sockets = website.socket(), mini.socket()
    order = bought(shop, sides, "BACK-1")
    for socket in sockets:
        assert socket.until("order.paid")["data"]["paid_fen"] == 12_800
        socket.until("points.earned")
    assert points(website) == (900, 128)

    asked = website.ask_back(order["number"], 2)
    assert (asked["state"], asked["amount_fen"]) == ("requested", 12_800)
    for socket in sockets:
        assert socket.until("order.refund_requested")["data"]["status"] == "refunding"
    approve(hub, asked)
    seen = refunded(sides, sockets, asked, order)

    assert (seen["refunded_fen"], seen["refund_status"], seen["lines"][0]["refunded_quantity"]) == (12_800, "full", 2)
    for side, socket in ((website, sockets[0]), (mini, sockets[1])):
        await_points(side, 1_000, 0)
        assert side.order(order["number"])["refunded_fen"] == 12_800
        socket.kill()


def test_what_the_backend_asks_for_is_refunded_in_part_once(hub, sides, shop):
    website, mini, _member = sides
    sockets = website.socket(), mini.socket()
    order = bought(shop, sides, "BACK-2")
    for socket in sockets:
        socket.until("points.earned")
    line = order["lines"][0]["id"]
    items = [{"line_id": line, "quantity": 1, "amount_fen": 6_400}]
    body = {"external_id": "AS-1", "items": items, "shipping_fen": 0, "reason": "少发一件", "executed": None}
    told = shop.call("POST", f"orders/{order['number']}/refunds", 201, json=body).json()
    assert (told["state"], told["provider"]) == ("processing", "wechat_pay")
    assert shop.call("POST", f"orders/{order['number']}/refunds", 200, json=body).json() == told
    seen = refunded(sides, sockets, told, order)

    assert (seen["refunded_fen"], seen["refund_status"], seen["status"]) == (6_400, "partial", "partially_refunded")
    for side, socket in ((website, sockets[0]), (mini, sockets[1])):
        await_points(side, 950, 64)
        socket.kill()
