"""What only one of the places has: a phone's limits and its background, a browser's other tabs."""

import json
import threading

import pytest

from tests.clients.driving import Client, Place, RefusedError
from tests.clients.scripted import Answer, problem, session, tokens
from tests.sync.patience import until


@pytest.fixture
def phone():
    place = Place("wx")
    yield place
    place.close()


@pytest.fixture
def browser():
    place = Place("browser")
    yield place
    place.close()


def at(place, scripted, name: str = "one", **settings) -> Client:
    client = Client(place, name, channel="website", base=scripted.base, **settings)
    if not place.see()["clients"][name]["signedIn"]:
        client.call("signInByPhone", "c-1", "123456", [])
    return client


def test_a_phone_sends_ten_requests_at_once_and_the_refresh_goes_first(phone, scripted):
    client, crowd, order = at(phone, scripted), threading.Semaphore(0), []

    def answer(asked):
        order.append(asked.path)
        crowd.acquire(timeout=20)
        return Answer(200, {}) if asked.token == "access-2" else problem(401, "token_expired")

    def refresh(asked):
        order.append(asked.path)
        return Answer(200, tokens(2))

    scripted.answers |= {"me/points": answer, "auth/refresh": refresh}
    calls = [client.begin("points") for _ in range(25)]
    until(lambda: len(order) == 10)
    for _ in range(60):
        crowd.release()
    assert [call.result(20) for call in calls] == [{}] * 25
    assert order.count("auth/refresh") == 1
    assert order.index("auth/refresh") < 25  # not behind all that waited
    seen = phone.see()
    assert (seen["requests"], seen["refused"]) == (10, [])


def test_wx_login_brings_the_code(phone, scripted):
    phone.happen("login", "wx-code-7")
    scripted.answers["auth/wechat/mini-program"] = [session()]
    client = Client(phone, channel="mini-program", base=scripted.base)
    client.call("signInByMiniProgram", [])
    (asked,) = scripted.to("auth/wechat/mini-program")
    assert asked.json == {"code": "wx-code-7", "consents": []}


def test_what_the_background_interrupts_is_repeated_in_front(phone, scripted):
    client, here, go = at(phone, scripted), threading.Event(), threading.Event()

    def points(_asked):
        if not here.is_set():
            here.set()
            go.wait(20)
        return Answer(200, {"available": 1})

    scripted.answers["me/points"] = points
    running = client.begin("points")
    assert here.wait(20)
    phone.happen("hide")
    waiting = client.begin("order", "D1")
    scripted.answers["me/orders/D1"] = [Answer(200, {"number": "D1"})]
    phone.await_rest()  # interrupted, and the pause before the next try is over
    assert (len(scripted.to("me/points")), scripted.to("me/orders/D1"), running.done()) == (1, [], False)
    phone.happen("show")
    assert (running.result(20), waiting.result(20)) == ({"available": 1}, {"number": "D1"})
    assert (len(scripted.to("me/points")), len(scripted.to("me/orders/D1"))) == (2, 1)
    go.set()
    assert phone.see()["refused"] == []


def test_a_sign_in_that_the_background_interrupts_is_the_callers_to_repeat(phone, scripted):
    go = threading.Event()
    scripted.answers["auth/phone"] = lambda _asked: go.wait(20) and session()
    client = Client(phone, channel="mini-program", base=scripted.base)
    signing_in = client.begin("signInByPhone", "c", "1", [])
    until(lambda: scripted.to("auth/phone"))
    phone.happen("hide")
    with pytest.raises(RefusedError) as refused:
        signing_in.result(20)
    go.set()
    assert refused.value.code == "network"
    assert "interrupted" in str(refused.value)


def test_tabs_share_one_refresh(browser, scripted):
    one, two = at(browser, scripted, "one"), at(browser, scripted, "two")
    both = threading.Barrier(2)

    def order(asked):
        if asked.token == "access-2":
            return Answer(200, {})
        both.wait(20)
        return problem(401, "token_expired")

    scripted.answers |= {"me/orders/D1": order, "auth/refresh": [Answer(200, tokens(2))]}
    assert [call.result(20) for call in (one.begin("order", "D1"), two.begin("order", "D1"))] == [{}, {}]
    assert len(scripted.to("auth/refresh")) == 1


def test_a_tab_hears_that_another_signed_out_and_in(browser, scripted):
    one, two = at(browser, scripted, "one"), at(browser, scripted, "two")
    scripted.answers |= {"auth/logout": [Answer(204)], "auth/phone": [session("m-2", head=9)]}
    one.call("signOut")
    assert two.await_heard("signedout") == ["elsewhere"]
    assert one.heard("signedout") == ["signed_out"]
    one.call("signInByPhone", "c", "1", [])
    assert two.await_heard("session") == [None]
    assert browser.see()["clients"]["two"]["memberId"] == "m-2"


def test_a_page_keeps_the_verifier_until_wechat_sends_the_visitor_back(browser, scripted):
    begun = {"authorize_url": "https://wechat.example", "state": "s", "verifier": "v", "expires_in": 600}
    scripted.answers |= {"auth/wechat/website/start": [Answer(200, begun)], "auth/wechat/website": [session()]}
    Client(browser, "leaving", channel="website", base=scripted.base).call("startWebsiteSignIn")
    back = Client(browser, "back", channel="website", base=scripted.base)
    back.call("finishWebsiteSignIn", {"code": "c", "state": "s"}, [])
    (asked,) = scripted.to("auth/wechat/website")
    assert asked.json == {"code": "c", "state": "s", "verifier": "v", "consents": []}
    assert "verifier" not in json.dumps(browser.see()["stored"])
