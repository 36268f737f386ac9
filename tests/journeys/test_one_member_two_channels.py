"""The main job, from outside, on the real processes: one person at two doors is one member, live in both."""

import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import psycopg
import pytest
from standardwebhooks import Webhook

from tests.journeys.clients import Backend, Client
from tests.processes import await_that
from tests.sync.patience import within

pytestmark = [pytest.mark.timeout(300), pytest.mark.slow]
PHONE = "13900139000"


@pytest.fixture(scope="module")
def sides(hub):
    """The website and the mini-program of one person who has a phone and a WeChat."""
    website, mini = Client(hub.url, "website"), Client(hub.url, "mini-program")
    user = website.sandbox("POST", "wechat/users", json={"phone": PHONE})
    registered = website.sign_in_by_phone(PHONE)
    assert registered["created"]
    mini.sign_in_by_wechat(user["openid"])
    code = mini.sandbox("POST", f"wechat/users/{user['openid']}/phone-code")["code"]
    bound = mini.signed_in(mini.call("POST", "auth/wechat/phone", json={"code": code}))
    return website, mini, registered["member"], bound


def test_the_person_is_one_member_at_both_doors(sides):
    website, mini, registered, bound = sides
    assert bound["linked"]
    assert bound["absorbed_member_id"] not in {None, registered["id"]}
    assert bound["member"]["id"] == registered["id"]
    left, right = (side.call("GET", "me", 200).json() for side in (website, mini))
    assert left == right
    assert left["phone"] == "139****9000"
    assert {identity["kind"] for identity in left["identities"]} >= {"phone", "wechat_openid"}


def test_an_order_paid_by_five_notifications_at_once_is_paid_once_and_seen_on_both_sides(hub, sides):
    website, mini, member, _bound = sides
    left, right = website.socket(), mini.socket()
    assert left.hello["member_id"] == right.hello["member_id"] == member["id"]

    order = Backend(hub.url, "mini-program").place(member["id"], "MP-1")
    mini.pay(order["number"], times=5)

    for socket in (left, right):
        assert socket.until("order.paid")["data"]["number"] == order["number"]
        earned = socket.until("points.earned")
        assert earned["data"]["entry"]["points"] == 129
        balance = earned["data"]["balance"]
        assert (balance["available"], balance["pending"]) == (0, 129)  # until the goods can no longer come back
    assert left.events == right.events
    assert left.sequences() == list(range(left.sequences()[0], left.sequences()[0] + len(left.events)))

    types = [event["type"] for event in mini.call("GET", "me/events", 200, params={"limit": 100}).json()["results"]]
    assert (types.count("order.paid"), types.count("points.earned")) == (1, 1)
    for side in (website, mini):
        read = side.call("GET", f"me/orders/{order['number']}", 200).json()
        assert (read["payment_status"], read["paid_fen"], read["points_earned"]) == ("paid", 12_900, 129)
        points = side.call("GET", "me/points", 200).json()
        assert (points["available"], points["pending"]) == (0, 129)
        entries = side.call("GET", "me/points/entries", 200).json()["results"]
        assert [(entry["kind"], entry["points"]) for entry in entries] == [("earned", 129)]
    left.kill()
    right.kill()


def rename(side: Client, nickname: str) -> dict:
    """As either client does it: read, then change what was read."""
    tag = side.call("GET", "me", 200).headers["ETag"]
    headers = {"If-Match": tag, "X-HTTP-Method-Override": "PATCH"}
    return side.call("POST", "me", 200, json={"nickname": nickname}, headers=headers).json()


def test_a_socket_that_was_away_gets_exactly_what_it_missed(sides):
    website, mini, _member, _bound = sides
    watching = mini.socket()
    rename(website, "一")
    last = int(watching.until("member.updated")["sequence"])
    watching.kill()

    for name in "二三四五六":
        rename(website, name)
    again = mini.socket(after=last)
    for _ in range(5):
        assert again.until("member.updated")["data"]["changed"] == ["nickname"]
    assert again.sequences() == list(range(last + 1, last + 6))
    assert mini.call("GET", "me", 200).json()["nickname"] == "六"
    rename(mini, "七")
    again.until("member.updated")
    assert again.sequences()[-1] == last + 6
    assert website.call("GET", "me", 200).json()["nickname"] == "七"
    again.kill()


def received(website: Client, kind: str) -> list[dict]:
    results = website.sandbox("GET", "channels/website/received")["results"]
    return [one for one in results if f'"{kind}"' in one["body"]]


def test_the_websites_backend_is_told_by_webhook_and_reads_the_same_in_the_feed(hub, sides):
    website, _mini, member, _bound = sides
    backend = Backend(hub.url, "website")
    await_that(lambda: received(website, "order.paid"), 60, lambda: "the website's backend was not told")
    told = received(website, "order.paid")[0]
    assert told["verified"]
    headers = {name.lower(): value for name, value in told["headers"].items()}
    event = Webhook(backend.secrets["outbound_secret"]).verify(told["body"].encode(), headers)
    assert headers["webhook-id"] == event["id"]

    feed = [one for one in backend.feed() if one["subject"] == f"member/{member['id']}"]
    assert event in feed
    assert [int(one["sequence"]) for one in feed] == sorted(int(one["sequence"]) for one in feed)
    read = backend.call("GET", f"orders/{event['data']['number']}", 200).json()
    assert read["payment_status"] == "paid"


def test_a_notification_nobody_signed_changes_nothing(hub, sides):
    website, _mini, member, _bound = sides
    order = Backend(hub.url, "website").place(member["id"], "WEB-9")
    headers = {
        "Wechatpay-Serial": "x",
        "Wechatpay-Signature": "eA==",
        "Wechatpay-Timestamp": "1",
        "Wechatpay-Nonce": "n",
    }
    with psycopg.connect(hub.database_url) as connection:
        ((mchid,),) = connection.execute("SELECT mchid FROM orders_merchant")
    answer = httpx.post(f"{hub.url}/callbacks/wechat-pay/{mchid}", json={}, headers=headers, trust_env=False)
    assert (answer.status_code, answer.json()["code"]) == (401, "signature_invalid")
    assert website.call("GET", f"me/orders/{order['number']}", 200).json()["payment_status"] == "unpaid"


def test_twenty_registrations_of_one_phone_from_both_doors_make_one_member(hub):
    phone = "13700137000"

    def register(turn: int) -> str:
        client = Client(hub.url, ("website", "mini-program")[turn % 2])
        challenge = client.call("POST", "auth/sms-codes", 202, json={"phone": phone, "purpose": "sign_in"}).json()
        sent = client.sandbox("GET", "sms", params={"phone": phone})["results"]
        code = next(sms["code"] for sms in sent if sms["challenge_id"] == challenge["challenge_id"])
        body = {"challenge_id": challenge["challenge_id"], "code": code, "consents": client.consents()}
        return client.signed_in(client.call("POST", "auth/phone", json=body))["member"]["id"]

    with ThreadPoolExecutor(20) as pool:
        assert len(set(pool.map(register, range(20)))) == 1


def test_a_revoked_session_loses_its_socket_within_two_seconds_without_valkey(hub, sides):
    website, mini, _member, _bound = sides

    def closing() -> float:
        other = Client(hub.url, "website")
        other.sign_in_by_phone(PHONE)
        socket = other.socket()
        with hub.without("valkey"):
            other.call("POST", "auth/logout", 204)
            began = time.monotonic()
            assert socket.ended.wait(30)
            took = time.monotonic() - began
        assert socket.code == 4403
        assert other.call("GET", "me").json()["code"] == "token_revoked"
        return took

    assert within(2.5, closing)
    assert mini.call("GET", "me", 200).json() == website.call("GET", "me", 200).json()
