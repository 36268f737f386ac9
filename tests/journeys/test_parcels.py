"""A parcel from the shop's desk to the buyer's door, seen on both channels within moments: real processes."""

import time

import pytest

from tests.journeys.clients import Backend, Client, both_doors

pytestmark = [pytest.mark.timeout(300), pytest.mark.slow]
PHONE, WAYBILL = "13700137000", "SF2026112200001"


@pytest.fixture(scope="module")
def sides(hub):
    """Somebody on the website and in the mini-program."""
    return both_doors(hub.url, PHONE)


def push(side: Client, **told) -> float:
    """The courier tells; when that began."""
    began = time.monotonic()
    assert side.sandbox("POST", f"carrier/{WAYBILL}/push", json=told) == {"delivered": 1, "statuses": [200]}
    return began


def test_a_parcel_is_followed_to_the_door_on_both_channels(hub, sides):
    website, mini, member = sides
    sockets = website.socket(), mini.socket()
    shop = Backend(hub.url, "website")
    order = shop.place(member["id"], "PARCEL-1")
    money = {"provider": "offline", "transaction_id": "PARCEL-1", "amount_fen": 12_900}
    path = f"orders/{order['number']}"
    shop.call("POST", f"{path}/payments", 201, json=money | {"paid_at": order["placed_at"]})
    sent = shop.call("POST", f"{path}/shipments", 201, json={"carrier": "SF", "tracking_number": WAYBILL}).json()
    for socket in sockets:
        assert socket.until("order.shipped")["data"]["shipments"][0]["id"] == sent["id"]

    push(
        website, state="collected", text="顺丰速运已收取快件", place="浙江,杭州市"
    )  # waits until the parcel is followed
    for state, number in (("in_transit", "in_transit"), ("5", "out_for_delivery")):
        for socket in sockets:
            assert socket.until("order.tracking_updated")["data"]["number"] == order["number"]
        began = push(mini, state=state, text="快件在途", place="上海,上海市")
        for socket in sockets:
            told = socket.until("order.tracking_updated")["data"]["shipments"][0]
            assert (told["state"], "text" in told["events"][0]) == (number, False)
        assert time.monotonic() - began < 2
        push(website, state="2", text="电话无人接听")

    push(website, state="3", text="已签收,签收人:本人")
    for socket in sockets:
        assert socket.until("order.delivered")["data"]["status"] == "delivered"
    assert sockets[0].events == sockets[1].events
    read = [side.call("GET", f"me/orders/{order['number']}", 200) for side in (website, mini)]
    assert read[0].headers["ETag"] == read[1].headers["ETag"]
    shown = read[0].json()["shipments"][0]
    assert (shown["carrier_name"], shown["state"]) == ("顺丰速运", "delivered")
    assert [each["text"] for each in shown["events"]][-1] == "顺丰速运已收取快件"
    assert shown["events"] == sorted(shown["events"], key=lambda each: each["at"], reverse=True)

    for side, kept in ((website, sockets[0]), (mini, sockets[1])):
        kept.kill()
        assert side.call("GET", f"me/orders/{order['number']}", 200).json()["completed_at"] is None
    mini.call("POST", f"me/orders/{order['number']}/receipt", 200)
    assert website.call("GET", f"me/orders/{order['number']}", 200).json()["status"] == "completed"
