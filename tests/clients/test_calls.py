"""Calls of both clients against a hub that is scripted: errors, keys, repeats, tokens, lists, limits."""

import threading
import time

import pytest

from tests.clients.driving import Client, RefusedError
from tests.clients.scripted import GONE, Answer, problem, session, tokens

pytestmark = pytest.mark.slow

ORDER = Answer(200, {"number": "D1"})


def expiring(hub, *, generation: int = 2, code: str = "token_expired"):
    """An answer to members: 401 for every token but that of a generation; what it held at once is in `most`."""

    def answer(asked):
        return ORDER if asked.token == f"access-{generation}" else problem(401, code)

    hub.answers["auth/refresh"] = [Answer(200, tokens(generation))]
    return answer


def test_a_refusal_tells_its_code_its_fields_and_how_long_to_wait(client, scripted):
    errors = [{"field": "reason", "code": "required", "detail": "Say why"}]
    scripted.answers["me/orders/D1/refunds"] = [problem(429, "too_many_attempts", 7, errors=errors, left=0)]
    with pytest.raises(RefusedError) as refused:
        client.call("requestRefund", "D1", {"items": [], "reason": ""})
    told = refused.value.told
    assert (told["name"], told["status"], told["code"], told["retryAfter"]) == ("HubError", 429, "too_many_attempts", 7)
    assert (told["message"], told["errors"], told["requestId"]) == ("about too_many_attempts", errors, "r-1")
    assert told["problem"]["left"] == 0
    assert not told["isPassing"]


def test_what_is_no_problem_document_has_a_code_all_the_same(client, scripted):
    scripted.answers["me/points"] = [Answer(500, None, {"Content-Type": "text/html"})]
    with pytest.raises(RefusedError, match="HTTP 500") as refused:
        client.call("points")
    assert refused.value.code == "internal"


def test_consent_that_is_missing_leads_to_registration(place, scripted):
    client = Client(place, channel="website", base=scripted.base)
    required = [{"purpose": "terms", "version": "1", "title": "T", "text_url": "/t"}]
    scripted.answers["auth/phone"] = [problem(422, "consent_required", required=required, registration_token="rt")]
    scripted.answers["auth/register"] = [session(head=4)]
    with pytest.raises(RefusedError) as refused:
        client.call("signInByPhone", "c-1", "123456", [])
    asked = refused.value.told["problem"]
    client.call("register", asked["registration_token"], [{"purpose": "terms", "version": "1"}])
    (register,) = scripted.to("auth/register")
    assert register.json == {"registration_token": "rt", "consents": [{"purpose": "terms", "version": "1"}]}
    assert register.headers["x-channel"] == "website"
    assert place.see()["clients"]["one"]["signedIn"]


def test_a_post_that_got_no_answer_is_repeated_with_its_key(client, scripted):
    scripted.answers["me/orders/D1/payments"] = [GONE, problem(504, "timeout"), Answer(201, {"payment_id": "p"})]
    assert client.call("pay", "D1", "wechat_h5") == {"payment_id": "p"}
    keys = {asked.headers["idempotency-key"] for asked in scripted.to("me/orders/D1/payments")}
    assert len(scripted.to("me/orders/D1/payments")) == 3
    assert len(keys) == 1


def test_every_post_has_a_key_of_its_own_or_the_callers(client, scripted):
    scripted.answers["me/orders/D1/cancel"] = [ORDER]
    client.call("cancelOrder", "D1")
    client.call("cancelOrder", "D1")
    client.call("cancelOrder", "D1", {"key": "mine"})
    first, second, third = (asked.headers["idempotency-key"] for asked in scripted.to("me/orders/D1/cancel"))
    assert first != second
    assert third == "mine"


def test_a_key_that_is_in_flight_is_awaited_as_long_as_the_hub_says(client, scripted):
    scripted.answers["me/orders/D1/cancel"] = [problem(409, "idempotency_key_in_flight", 1), ORDER]
    began = time.monotonic()
    assert client.call("cancelOrder", "D1") == {"number": "D1"}
    assert time.monotonic() - began >= 1


def test_codes_and_tokens_are_never_asked_for_twice(client, scripted):
    """The hub keeps no such answer: a code would be spent, a second SMS sent."""
    calls = {
        "auth/sms-codes": ("sendCode", "sign_in", "13800138000"),
        "auth/phone": ("signInByPhone", "c", "1", []),
        "me/codes": ("memberCode",),
        "auth/step-up": ("stepUp", "c", "1"),
    }
    for path, call in calls.items():
        before = len(scripted.to(path))
        scripted.answers[path] = [problem(503, "unavailable", 0)]
        with pytest.raises(RefusedError, match="unavailable"):
            client.call(*call)
        assert len(scripted.to(path)) == before + 1, path
        assert "idempotency-key" not in scripted.to(path)[-1].headers


@pytest.mark.parametrize("call", [("updateAddress", "a", {"city": "x"}), ("removeAddress", "a")])
def test_what_has_no_key_is_not_repeated(client, scripted, call):
    scripted.answers["me/addresses/a"] = [GONE]
    with pytest.raises(RefusedError) as refused:
        client.call(*call)
    assert (refused.value.code, refused.value.status) == ("network", 0)
    assert refused.value.told["isPassing"]
    assert len(scripted.to("me/addresses/a")) == 1


def test_who_is_to_wait_long_is_told_so_instead(client, scripted):
    scripted.answers["me/points"] = [problem(429, "rate_limited", 60)]
    with pytest.raises(RefusedError) as refused:
        client.call("points")
    assert refused.value.told["retryAfter"] == 60
    assert len(scripted.to("me/points")) == 1


def test_a_change_names_what_was_read(client, scripted, place):
    scripted.answers["me"] = [
        Answer(200, {"nickname": "a"}, {"ETag": '"1"'}),
        Answer(200, {"nickname": "b"}, {"ETag": '"2"'}),
        problem(412, "version_conflict", current={"nickname": "c"}),
    ]
    assert client.call("updateMe", {"nickname": "b"}) == {"nickname": "b"}
    with pytest.raises(RefusedError) as refused:
        client.call("updateMe", {"nickname": "d"})
    assert refused.value.told["problem"]["current"] == {"nickname": "c"}
    _read, first, second = scripted.to("me")
    assert [first.headers["if-match"], second.headers["if-match"]] == ['"1"', '"2"']
    assert first.method == ("POST" if place.platform == "wx" else "PATCH")
    assert first.headers.get("x-http-method-override") == ("PATCH" if place.platform == "wx" else None)


def test_ten_calls_that_meet_an_expired_token_refresh_it_once(client, scripted):
    answer, all_here = expiring(scripted), threading.Barrier(10)

    def together(asked):
        if asked.token == "access-1":
            all_here.wait(20)
        return answer(asked)

    scripted.answers["me/orders/D1"] = together
    assert [call.result(20) for call in [client.begin("order", "D1") for _ in range(10)]] == [ORDER.body] * 10
    (refresh,) = scripted.to("auth/refresh")
    assert refresh.json == {"refresh_token": "refresh-1"}
    assert "authorization" not in refresh.headers


def test_a_refresh_whose_answer_was_lost_gets_the_same_successor(client, scripted):
    scripted.answers["me/orders/D1"] = expiring(scripted)
    scripted.answers["auth/refresh"] = [GONE, Answer(200, tokens(2))]
    assert client.call("order", "D1") == ORDER.body
    assert [asked.json["refresh_token"] for asked in scripted.to("auth/refresh")] == ["refresh-1", "refresh-1"]
    scripted.answers["me/orders/D1"] = expiring(scripted, generation=3)
    client.call("order", "D1")
    assert scripted.to("auth/refresh")[-1].json == {"refresh_token": "refresh-2"}


def test_new_tokens_are_stored_before_anything_uses_them(client, scripted, place):
    stored = []

    def order(asked):
        if asked.token == "access-2":
            stored.append(any("refresh-2" in text for _key, text in place.see()["stored"]))
        return expiring(scripted)(asked)

    scripted.answers["me/orders/D1"] = order
    client.call("order", "D1")
    assert stored == [True]


def test_a_hub_that_is_away_during_a_refresh_signs_nobody_out(client, scripted, place):
    scripted.answers["me/orders/D1"] = expiring(scripted)
    scripted.answers["auth/refresh"] = [problem(503, "unavailable", 60)]
    with pytest.raises(RefusedError, match="unavailable"):
        client.call("order", "D1")
    assert place.see()["clients"]["one"]["signedIn"]
    scripted.answers["auth/refresh"] = [Answer(200, tokens(2))]
    assert client.call("order", "D1") == ORDER.body


@pytest.mark.parametrize("code", ["token_revoked", "token_reused"])
def test_a_session_that_is_over_signs_out_once(client, scripted, place, code):
    scripted.answers["me/orders/D1"] = [problem(401, code)]
    for call in [client.begin("order", "D1") for _ in range(3)]:
        with pytest.raises(RefusedError):
            call.result(20)
    assert client.heard("signedout") == [code]
    assert scripted.to("auth/refresh") == []
    assert place.see()["stored"] == []


def test_a_phone_that_is_linked_meanwhile_replaces_the_tokens_under_running_calls(client, scripted):
    """Calls that meet the end of the old tokens wait for the new ones; nobody refreshes what was replaced."""
    linking, met = threading.Event(), threading.Event()

    def link(_asked):
        linking.set()
        assert met.wait(20)
        return session(generation=2)

    def order(asked):
        if asked.token == "access-2":
            return ORDER
        met.set()
        return problem(401, "token_revoked")

    scripted.answers |= {"auth/phone/link": link, "me/orders/D1": order}
    linked = client.begin("linkPhone", "c-2", "123456")
    assert linking.wait(20)
    assert client.begin("order", "D1").result(20) == ORDER.body
    assert linked.result(20)["tokens"]["access_token"] == "access-2"
    assert (client.heard("signedout"), scripted.to("auth/refresh")) == ([], [])


def test_a_list_is_read_page_by_page_and_its_links_lead_nowhere_else(client, scripted):
    pages = {None: (["a", "b"], "c1"), "c1": (["c"], "c2"), "c2": ([], "c3"), "c3": (["d"], None)}

    def orders(asked):
        names, after = pages[asked.query.get("cursor")]
        link = after and f"https://elsewhere.example/api/v1/me/orders?cursor={after}&limit=2"
        return Answer(200, {"next": link, "previous": None, "results": [{"number": name} for name in names]})

    scripted.answers["me/orders"] = orders
    found = client.call("orders", {"limit": 2, "status": "paid", "channel": None})
    assert [order["number"] for order in found] == ["a", "b", "c", "d"]
    assert [asked.query.get("cursor") for asked in scripted.to("me/orders")] == [None, "c1", "c2", "c3"]
    assert all(asked.query["status"] == "paid" and "channel" not in asked.query for asked in scripted.to("me/orders"))


def test_events_are_read_to_the_head(client, scripted):
    def events(asked):
        after = int(asked.query.get("after", 0))
        told = [{"sequence": str(n)} for n in range(after + 1, min(after + 3, 6))]
        return Answer(200, {"results": told, "head": 5})

    scripted.answers["me/events"] = events
    assert [event["sequence"] for event in client.call("events", 1)] == ["2", "3", "4", "5"]
    assert len(scripted.to("me/events")) == 2


def test_a_picture_is_one_file(client, scripted, tmp_path):
    picture = tmp_path / "me.png"
    picture.write_bytes(b"\x89PNG-pixels")
    scripted.answers["me/avatar"] = [Answer(200, {"avatar_url": "/a"}, {"ETag": '"9"'})]
    assert client.call("uploadAvatar", {"$file": str(picture)}) == {"avatar_url": "/a"}
    (asked,) = scripted.to("me/avatar")
    assert asked.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert (b'name="file"' in asked.body, b"\x89PNG-pixels" in asked.body) == (True, True)
    assert asked.token == "access-1"


def test_where_nothing_can_be_stored_the_newest_tokens_are_used_all_the_same(client, scripted, place):
    place.happen("full", True)
    scripted.answers["me/orders/D1"] = expiring(scripted)
    assert [client.call("order", "D1") for _ in range(2)] == [ORDER.body] * 2
    assert len(scripted.to("auth/refresh")) == 1
    assert client.heard("error")
