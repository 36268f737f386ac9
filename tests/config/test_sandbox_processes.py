"""The sandbox around a running hub: real processes, real servers."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import count

import httpx
import pytest

from tests.journeys.clients import Backend, Client
from tests.processes import await_that

pytestmark = pytest.mark.slow
numbers = count(1)


@pytest.fixture
def sandbox(hub):
    with httpx.Client(base_url=f"{hub.url}/sandbox", timeout=30, trust_env=False) as client:
        yield client
        client.delete("/faults")
        for code in ("website", "mini-program"):
            client.put(f"/channels/{code}/mode", json={"mode": "ok"})


def ok(answer: httpx.Response) -> dict:
    assert answer.is_success, answer.text
    return answer.json() if answer.content else {}


@pytest.fixture
def member(hub, sandbox):
    """A member of the mini-program, just registered."""
    client = Client(hub.url, "mini-program")
    user = ok(sandbox.post("/wechat/users", json={}))
    client.sign_in_by_wechat(user["openid"])
    return client


def pay(hub, member) -> str:
    """An order of the member with an open payment; returns the payment's id."""
    me = member.call("GET", "me", 200).json()
    order = Backend(hub.url, "mini-program").place(me["id"], f"X{next(numbers)}-{me['number']}")
    path = f"me/orders/{order['number']}/payments"
    return member.call("POST", path, 201, json={"method": "wechat_jsapi"}).json()["payment_id"]


def test_fifty_notifications_at_once_are_all_answered(hub, sandbox, member):
    path, named = f"/wechat-pay/{pay(hub, member)}/succeed", {"X-Request-ID": "the-one-that-paid"}
    answer = ok(sandbox.post(path, json={"times": 50}, headers=named))
    assert answer["delivered"] == 50, answer
    await_that(lambda: _points(member) == 129, 60, lambda: "the payment did not earn")
    events = member.call("GET", "me/events", 200).json()["results"]
    assert [e["correlationid"] for e in events if e["type"] == "order.paid"] == ["the-one-that-paid"]


def test_many_payments_succeeding_at_once_do_not_wait_for_each_other(hub, sandbox, member):
    payments = [pay(hub, member) for _ in range(12)]
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda payment: ok(sandbox.post(f"/wechat-pay/{payment}/succeed", json={})), payments))
    assert [answer["delivered"] for answer in answers] == [1] * 12


def test_both_backends_receive_what_happens_signed(sandbox, member):
    me = member.call("GET", "me", 200).json()["id"]

    def told(code: str) -> bool:
        results = ok(sandbox.get(f"/channels/{code}/received"))["results"]
        return any(me in each["body"] and each["verified"] for each in results)

    for code in ("website", "mini-program"):
        await_that(lambda code=code: told(code), 60, lambda: "no webhook came")


def test_a_backend_that_drops_gives_no_answer(hub, sandbox):
    ok(sandbox.put("/channels/website/mode", json={"mode": "drop"}))
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.post(f"{hub.sandbox_url}/stand-ins/backends/website", content=b"{}", timeout=30, trust_env=False)
    assert ok(sandbox.get("/channels/website/received"))["results"][0]["body"] == "{}"


def test_slow_backends_do_not_hold_up_wechat(hub, sandbox):
    ok(sandbox.put("/channels/website/mode", json={"mode": "slow"}))
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(8))
        url = f"{hub.sandbox_url}/stand-ins/backends/website"
        waiting = [pool.submit(httpx.post, url, content=b"{}", timeout=3, trust_env=False) for _ in range(8)]
        assert Client(hub.url, "website").sign_in_by_phone("19911112222")["created"]
        assert any(isinstance(each.exception(), httpx.ReadTimeout) for each in waiting)


def test_a_failing_backend_is_told_once_and_so_is_that_it_is_over(sandbox, member):
    def told() -> list[str]:
        return [json.loads(each["body"])["type"] for each in ok(sandbox.get("/channels/alerts/received"))["results"]]

    ok(sandbox.put("/channels/website/mode", json={"mode": "fail"}))
    for nickname in ("一", "二", "三", "四"):
        tag = {"If-Match": member.call("GET", "me", 200).headers["ETag"]}
        member.call("PATCH", "me", 200, json={"nickname": nickname}, headers=tag)
    await_that(lambda: told() == ["alert.opened"], 60, lambda: f"no alert: {told()}")
    ok(sandbox.put("/channels/website/mode", json={"mode": "ok"}))
    await_that(lambda: told() == ["alert.resolved", "alert.opened"], 60, lambda: f"not resolved: {told()}")


def test_a_reset_under_way_leaves_a_hub_that_works(hub, sandbox, member):
    ok(sandbox.post("/reset"))
    assert member.call("GET", "me").status_code == 401
    assert ok(sandbox.get("/sms"))["results"] == []
    again = Client(hub.url, "mini-program")
    again.sign_in_by_wechat(ok(sandbox.post("/wechat/users", json={}))["openid"])
    me = again.call("GET", "me", 200).json()["id"]
    feed = Backend(hub.url, "website")
    await_that(lambda: any(me in str(each) for each in feed.feed()), 60, lambda: "the relay does not settle any more")
    test_both_backends_receive_what_happens_signed(sandbox, again)
    assert httpx.get(f"{hub.url}/readyz", trust_env=False).status_code == 200


def _points(member) -> int:
    """What the payment earned: it waits until the goods can no longer come back."""
    return member.call("GET", "me/points", 200).json()["pending"]
