"""Bad input at every endpoint of the contract: the declared refusal, as a problem, and nothing changed."""

import json
import re
from datetime import timedelta

import pytest
from django.utils import timezone

from members.models import Session
from sync import auth
from sync.http.problems import CODES
from sync.models import ChannelKey, IdempotentAnswer
from sync.signatures import signature
from tests import contract, make
from tests.config.endpoints import BODIES, Endpoint, all_of_them, foreign

pytestmark = pytest.mark.django_db
ENDPOINTS = all_of_them()
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "FOO", "INITIAL"]
HAN = re.compile(r"[\u4e00-\u9fff]")
JSON = "application/json"
MEBIBYTE = 1024 * 1024


def each(endpoints):
    return pytest.mark.parametrize("endpoint", endpoints, ids=str)


SEALED = re.compile(rb'"cursor":"[^"]+"')  # of the feed: another text for the same place at each look


@pytest.fixture(autouse=True)
def world(db):
    """The channels of the sandbox, one of them switched off."""
    for code in ("website", "mini-program"):
        make.channel(code)
    make.channel("app", is_active=False)
    make.policies()


def ask(endpoint: Endpoint, headers: dict, body=b"", *, kind: str = JSON, method: str = "", url: str = ""):
    """One call; a body that is no bytes is sent as JSON. What must be signed is."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    method = method or endpoint.method
    sent = {"data": raw, "content_type": kind} if raw or kind != JSON else {}
    return make.Http(raise_request_exception=False).generic(method, url or endpoint.url(), headers=headers, **sent)


def rightly(endpoint: Endpoint, caller: make.Caller, body=b"", headers=None, **how):
    """A call by somebody who may, with a signature where one is asked for."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    known = {**caller.headers, **(signed(caller.channel, raw) if endpoint.is_signed else {}), **(headers or {})}
    return ask(endpoint, known, raw, **how)


def signed(channel, raw: bytes) -> dict:
    """Standard Webhooks over bytes that may be no text."""
    seconds = str(int(timezone.now().timestamp()))
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": seconds,
        "webhook-signature": signature("msg_1", seconds, raw, channel.inbound_secret),
    }


def refused(answer, status: int, code: str, *, chinese: bool = True) -> dict:
    """The answer is this problem, whole; returns its body."""
    body = answer.json()
    assert (answer.status_code, body["code"]) == (status, code), body
    assert CODES[code][0] == status
    assert body["type"] == f"/problems/{code}"
    assert body["status"] == status
    assert body["request_id"] == answer["X-Request-ID"]
    assert answer["Content-Type"] == "application/problem+json"
    assert bool(HAN.search(body["title"])) == chinese, body["title"]
    assert bool(body["errors"]) or code != "invalid"
    return body


@pytest.fixture
def unchanged():
    """Called once all is set up; at the end everything must be as it was then."""
    before = []
    yield lambda: before.append(make.snapshot())
    assert before == [make.snapshot()]


@each([e for e in ENDPOINTS if e.callers])
def test_who_proves_nothing_gets_nowhere(endpoint, unchanged):
    unchanged()
    needs_channel = auth.CLIENT in endpoint.callers
    refused(
        ask(endpoint, {}, endpoint.body or b""),
        *((400, "channel_required") if needs_channel else (401, "not_authenticated")),
    )
    refused(ask(endpoint, {"X-Channel": "nowhere"}), 400, "channel_unknown")
    refused(ask(endpoint, {"X-Channel": "app"}), 403, "channel_inactive")
    if endpoint.is_signed:
        refused(ask(endpoint, {"X-Channel": "website"}, endpoint.body), 401, "signature_invalid")
    elif not needs_channel:
        refused(ask(endpoint, {"X-Channel": "website"}), 401, "not_authenticated")


GARBAGE = ["", "Bearer", "Bearer ", "Basic YTpi", "hub_at_x", "Bearer hub_at_x", "Bearer hub_sk_x", "Bearer hub_rt_x"]
GARBAGE += ["Bearer hub_wt_x", "Bearer  hub_at_x", "Bearer hub_at_\xe9", "Bearer hub_at_" + "x" * 5000, "\x00"]


@each([e for e in ENDPOINTS if e.callers and not e.is_signed])
def test_a_bearer_that_means_nothing_is_no_proof(endpoint, unchanged):
    unchanged()
    for bearer in GARBAGE:
        answer = ask(endpoint, {"Authorization": bearer, "X-Channel": "website"})
        refused(answer, 401, "not_authenticated")
        assert answer["WWW-Authenticate"] == "Bearer"


@each([e for e in ENDPOINTS if auth.MEMBER in e.callers])
def test_a_session_that_has_ended_opens_nothing(endpoint, unchanged):
    past = timezone.now() - timedelta(seconds=1)
    held = {
        (401, "token_expired"): make.member_client(access_expires_at=past),
        (401, "token_revoked"): make.member_client(revoked_at=past),
        (403, "member_frozen"): make.member_client(make.member(**make.FROZEN)),
        (403, "channel_inactive"): make.member_client(channel="app"),
    }
    unchanged()
    for expected, client in held.items():
        refused(ask(endpoint, client.headers, endpoint.body or b""), *expected)


@each([e for e in ENDPOINTS if e.callers and not e.is_signed])
def test_a_valid_proof_of_the_wrong_kind_is_forbidden(endpoint, unchanged):
    member, backend, revoked = make.member_client(), make.backend_client(), make.backend_client("mini-program")
    bare, elsewhere = make.backend_client(scopes=[]), make.backend_client("app")
    ChannelKey.objects.filter(channel__code="mini-program").update(revoked_at=timezone.now())
    unchanged()
    if auth.MEMBER not in endpoint.callers:
        refused(ask(endpoint, member.headers, endpoint.body or b""), 403, "forbidden")
        refused(ask(endpoint, bare.headers, endpoint.body or b""), 403, "scope_missing")
        refused(ask(endpoint, revoked.headers), 401, "not_authenticated")
        refused(ask(endpoint, elsewhere.headers), 403, "channel_inactive")
    else:
        refused(ask(endpoint, backend.headers, endpoint.body or b""), 403, "forbidden")


@pytest.mark.parametrize("path", sorted({e.path for e in ENDPOINTS}))
def test_only_the_methods_of_the_contract_are_answered(path, unchanged):
    known = {e.method: e for e in ENDPOINTS if e.path == path}
    endpoint = next(iter(known.values()))
    caller = endpoint.caller()
    unchanged()
    for method in set(METHODS) - set(known):
        for headers in ({}, caller.headers):
            answer = ask(endpoint, headers, method=method)
            refused(answer, 405, "method_not_allowed")
            assert set(known) <= set(answer["Allow"].split(", "))
        refused(ask(endpoint, {"Accept-Language": "en"}, method=method), 405, "method_not_allowed", chinese=False)
    options = ask(endpoint, {}, method="OPTIONS")
    assert (options.status_code, set(known) <= set(options["Allow"].split(", "))) == (204, True)
    refused(ask(endpoint, caller.headers, url=endpoint.url() + "/"), 404, "not_found")


DEEP = b'{"a": ' + b"[" * 32 + b"]" * 32 + b"}"
NOT_JSON = [
    b"{",
    b"[]",
    b"[{}]",
    b'"text"',
    b"1",
    b"null",
    b"\xff",
    b"\xef\xbb\xbf{}",
    b'{"a": 1, "a": 2}',
    b"{}{}",
    DEEP,
]
NOT_JSON += [
    b'{"a": NaN}',
    b'{"a": -Infinity}',
    b'{"a": 1e400}',
    b'{"a": "\\u0000"}',
    b'{"\\u0000": 1}',
    b"[" * 100_000,
]
NOT_JSON += [b'{"a": "\\ud800"}', b"{'a': 1}", b'{"a": ' + b"9" * 5000 + b"}", b'{"a": 1,}', b"\x00", b" "]


@each([e for e in ENDPOINTS if e.takes_body])
def test_a_body_that_is_not_sound_is_refused(endpoint, unchanged):
    caller = endpoint.caller()
    unchanged()
    for body in NOT_JSON:
        refused(rightly(endpoint, caller, body), 400, "invalid")
    if endpoint.operation["requestBody"].get("required"):
        refused(rightly(endpoint, caller, b"{}"), 400, "invalid")
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "nonsense", ""):
        refused(rightly(endpoint, caller, endpoint.body, kind=kind), 415, "unsupported_media_type")


@each([e for e in ENDPOINTS if e.method != "GET"])
def test_a_body_beyond_a_mebibyte_is_refused(endpoint, unchanged):
    caller, body = endpoint.caller(), b'{"a": "' + b"x" * MEBIBYTE + b'"}'
    unchanged()
    refused(rightly(endpoint, caller, body), 413, "too_large")
    for length in ("-1", "1e3", "１"):
        refused(ask(endpoint, caller.headers | {"Content-Length": length}), 400, "invalid")


@each([e for e in ENDPOINTS if e.parameters])
def test_what_is_not_there_is_not_found(endpoint, unchanged):
    caller = endpoint.caller()
    unchanged()
    headers = {"If-Match": "*"}
    refused(rightly(endpoint, caller, endpoint.body or b"", headers), 404, "not_found")
    for value in (
        "x",
        "0",
        "-",
        "%20",
        "..",
        "x" * 5000,
        "%E9%BE%99",
        "%FF",
        "0193a8f0-0000-7000-8000-00000000000",
        "a b",
    ):
        url = endpoint.url(**dict.fromkeys(endpoint.parameters, value))
        refused(rightly(endpoint, caller, endpoint.body or b"", headers, url=url), 404, "not_found")
    url = endpoint.url(**dict.fromkeys(endpoint.parameters, "a%00b"))
    refused(rightly(endpoint, caller, endpoint.body or b"", headers, url=url), 400, "invalid")


@each([e for e in ENDPOINTS if e.parameters])
def test_what_is_somebody_elses_is_not_there(endpoint, unchanged):
    caller, url = endpoint.caller(), endpoint.url(**foreign())
    unchanged()
    refused(rightly(endpoint, caller, endpoint.body or b"", {"If-Match": "*"}, url=url), 404, "not_found")


WRONG = {
    "limit": ["", "0", "101", "-1", "a", "1.0", "１２", "1e2", "99999999999", " 1", "+1", "%00"],
    "cursor": ["", "x", "%FF", "é", "W10", "bnVsbA", "WzEsW11d", "a" * 5000, "%00"],
    "after": ["", "x", "-1", "1.5", "１", "%FF", "9" * 30, "cDE=", "%00"],
    "types": ["order", "order.paid;", "*", "a.b," * 51, "%27"],
    "updated_after": ["", "x", "2026-11-22", "2026-11-22T06:08:31", "9999-12-31T23:59:59Z", "1"],
    "placed_after": ["", "x", "2026-11-22T06:08:31+08:00"],
    "placed_before": ["0001-01-01T00:00:00Z"],
    "status": ["", "PAID", "paid,shipped"],
}


@each([e for e in ENDPOINTS if e.takes("limit")])
def test_a_list_asked_wrongly_is_refused(endpoint, unchanged):
    caller = endpoint.caller()
    unchanged()
    for name in (name for name in WRONG if endpoint.takes(name)):
        for value in WRONG[name]:
            body = refused(rightly(endpoint, caller, url=f"{endpoint.url()}?{name}={value}"), 400, "invalid")
            assert [error["field"] for error in body["errors"]] == ([name] if value != "%00" else [""])
    answer = rightly(endpoint, caller, url=f"{endpoint.url()}?limit=1&unknown=1")
    assert answer.status_code == 200


IDS = {"": False, "a b": False, "é": False, "x" * 129: False, "a/b": False, "x" * 128: True, "A.b_c-1": True}


@each(ENDPOINTS)
def test_headers_that_are_out_of_shape_do_no_harm(endpoint, unchanged):
    caller = endpoint.caller()
    unchanged()
    for given, is_kept in IDS.items():
        answer = ask(endpoint, {"X-Channel": "nowhere", "X-Request-ID": given}, b"{")
        assert (answer["X-Request-ID"] == given) == is_kept
        assert re.fullmatch(r"[A-Za-z0-9._-]{1,128}", answer["X-Request-ID"])
    for key in ("", "x" * 256, "schlüssel", "a\tb") if endpoint.method == "POST" else ():
        body = refused(rightly(endpoint, caller, endpoint.body or b"", {"Idempotency-Key": key}), 400, "invalid")
        assert body["errors"][0]["field"] == "Idempotency-Key"
    for host in ("evil.example", "testserver.evil.example", "a b", "testserver:x", "é"):
        refused(ask(endpoint, caller.headers | {"Host": host}), 400, "invalid")


SECRETS = re.compile(r"/api/v1/(auth/|ws-tickets|sign-in-grants|me/codes|link-cases/.*/(challenges|proofs))")


@each([e for e in ENDPOINTS if e.method == "POST"])
def test_an_answer_is_kept_for_its_key_unless_it_holds_a_secret(endpoint):
    caller = endpoint.caller()
    first, second = (rightly(endpoint, caller, endpoint.body or b"", {"Idempotency-Key": "key 1"}) for _ in range(2))
    is_secret = bool(SECRETS.match(endpoint.path))
    assert endpoint.takes("Idempotency-Key") == (not is_secret)
    kept = not is_secret and (first.status_code < 300 or first.status_code in {403, 404, 409})
    assert [answer.key for answer in IdempotentAnswer.objects.all()] == (["key 1"] if kept else [])
    assert ("Idempotency-Replayed" in second, "Idempotency-Replayed" in first) == (kept, False)
    assert not kept or (second.status_code, second.content) == (first.status_code, first.content)


@each([e for e in ENDPOINTS if e.method == "POST" and e.takes("Idempotency-Key") and not e.is_signed])
def test_permission_is_asked_before_an_answer_is_given_again(endpoint):
    caller = endpoint.caller()
    rightly(endpoint, caller, endpoint.body or b"", {"Idempotency-Key": "key 1"})
    ChannelKey.objects.update(scopes=[])
    Session.objects.update(revoked_at=timezone.now())
    answer = rightly(endpoint, caller, endpoint.body or b"", {"Idempotency-Key": "key 1"})
    refused(answer, *((401, "token_revoked") if auth.MEMBER in endpoint.callers else (403, "scope_missing")))


@each([e for e in ENDPOINTS if e.method == "GET"])
def test_reading_changes_nothing_however_it_is_asked(endpoint, unchanged):
    caller = endpoint.caller()
    unchanged()
    known = rightly(endpoint, caller)
    told = SEALED.sub(b"", known.content)
    for accept in ("text/html", "application/xml", "*/*;q=0", "nonsense", "", "application/problem+json"):
        answer = rightly(endpoint, caller, headers={"Accept": accept})
        content = SEALED.sub(b"", answer.content)
        assert (answer.status_code, content) == (known.status_code, told) or answer.status_code == 404
    head = rightly(endpoint, caller, method="HEAD")
    assert (head.status_code, head.content, head["Content-Type"]) == (known.status_code, b"", known["Content-Type"])
    assert head.get("ETag") == known.get("ETag")
    assert rightly(endpoint, caller, url=f"{endpoint.url()}?format=xml").status_code == known.status_code


NOWHERE = [
    "/api/",
    "/api/v1",
    "/api/v1/",
    "/api/v2/me",
    "/api/v1/nothing",
    "/api/v1//me",
    "/api/v1/me/",
    "/api/v1/ME",
]
NOWHERE += [
    "/api/v1/schema/",
    "/api/v1/me%2Fpoints/x",
    "/callbacks/",
    "/callbacks/nothing",
    "/callbacks/wechat-pay",
    "/api/é",
]


@pytest.mark.parametrize("path", NOWHERE)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "FOO"])
def test_a_path_that_leads_nowhere_is_a_problem(path, method, unchanged):
    unchanged()
    client = make.Http(raise_request_exception=False)
    refused(client.generic(method, path), 404, "not_found")
    refused(client.generic(method, path, headers={"Accept-Language": "en"}), 404, "not_found", chinese=False)


def test_the_sweep_leaves_no_endpoint_out():
    assert {e.name for e in ENDPOINTS if e.takes_body} == set(BODIES)
    assert len(ENDPOINTS) == len(contract.operations())
