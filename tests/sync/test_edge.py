"""The edge: pages of which origin may read what, PATCH for clients that cannot send it, what goes wrong inside."""

import json
from io import BytesIO

import psycopg
import pytest
from django.db import connection
from django.test import Client

from tests import make

pytestmark = pytest.mark.django_db
HERE, THERE, FOREIGN = "https://website.example", "https://mini-program.example", "https://evil.example"
EXPOSED = {"ETag", "Retry-After", "X-Request-ID", "Idempotency-Replayed"}


@pytest.fixture(autouse=True)
def channels(db):
    for code in ("website", "mini-program"):
        make.channel(code)
    make.channel("app", is_active=False)


def preflight(origin: str, path: str = "/api/v1/me"):
    headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    return Client().options(path, headers=headers | {"Access-Control-Request-Headers": "x-channel, authorization"})


def may_read(answer, origin: str) -> bool:
    allowed = answer.get("Access-Control-Allow-Origin")
    assert allowed in {None, origin}
    assert "Origin" in answer["Vary"]
    assert (allowed is None) == ("Access-Control-Expose-Headers" not in answer)
    return allowed is not None


@pytest.mark.parametrize("origin", [HERE, THERE, "https://app.example"])
@pytest.mark.parametrize("path", ["/api/v1/me", "/api/v1/auth/refresh", "/api/v1/nothing"])
def test_a_preflight_is_answered_for_the_origins_of_all_channels(origin, path):
    answer = preflight(origin, path)
    assert (answer.status_code, answer["Access-Control-Allow-Origin"]) == (204, origin)
    assert {"PUT", "PATCH", "DELETE"} <= set(answer["Access-Control-Allow-Methods"].split(", "))
    asked = {"authorization", "x-channel", "idempotency-key", "if-match", "content-type", "x-http-method-override"}
    assert asked <= set(answer["Access-Control-Allow-Headers"].lower().split(", "))
    assert "X-Request-ID" in answer


@pytest.mark.parametrize(
    "origin", [FOREIGN, "null", "*", "", HERE + "/", HERE + ".evil.example", "http://website.example"]
)
def test_a_foreign_origin_gets_nothing(origin):
    answers = [preflight(origin)] if origin else []
    for client in (make.client(), make.member_client(), make.bearing("hub_at_nothing"), make.Caller({}, channel=None)):
        answers += [client.get(path, {"Origin": origin}) for path in ("policies", "me", "nothing")]
    assert not [name for answer in answers for name in answer.headers if name.startswith("Access-Control")]


def test_an_answer_is_for_pages_of_its_own_channel():
    for client in (make.client(), make.member_client()):
        answer = client.get("policies", {"Origin": HERE})
        assert may_read(answer, HERE)
        assert set(answer["Access-Control-Expose-Headers"].split(", ")) == EXPOSED
        assert not may_read(client.get("policies", {"Origin": THERE}), THERE)


@pytest.mark.parametrize("origin", [HERE, THERE])
def test_a_refusal_before_the_channel_is_known_can_be_read(origin):
    nobody = make.Caller({}, channel=None)
    for answer in (
        make.bearing("hub_at_gone").get("me", {"Origin": origin}),
        nobody.get("me", {"Origin": origin}),
        nobody.get("nothing", {"Origin": origin}),
        nobody.post("auth/refresh", {"refresh_token": "nothing"}, {"Origin": origin}),
        nobody.post("auth/phone", {"code": "x" * 2**20}, {"Origin": origin}),
    ):
        assert answer.status_code in {400, 401, 404, 413}
        assert may_read(answer, origin)
    served = Client().get("/api/v1/schema", headers={"Origin": origin})
    assert not may_read(served, origin)


def test_patch_may_be_sent_as_post():
    client = make.member_client()
    for name in ("PATCH", "patch"):
        tag = client.get("me")["ETag"]
        answer = client.post("me", {"nickname": name}, {"If-Match": tag, "X-HTTP-Method-Override": name})
        assert (answer.status_code, answer.json()["nickname"]) == (200, name)
    stale = client.post("me", {"nickname": "x"}, {"If-Match": tag, "X-HTTP-Method-Override": "PATCH"})
    assert (stale.status_code, stale.json()["current"]["nickname"]) == (412, "patch")
    assert client.post("me", {}, {"X-HTTP-Method-Override": "PATCH"}).json()["code"] == "precondition_required"


def in_chunks(body: bytes, **headers):
    """A body whose length nobody said beforehand, as granian hands it on."""
    told = {"wsgi.input": BytesIO(body), "wsgi.input_terminated": True, "CONTENT_TYPE": "application/json"}
    return make.Http().generic("POST", "/api/v1/auth/refresh", headers=headers, **told)


def test_a_body_of_unknown_length_is_read_and_limited():
    assert in_chunks(b'{"refresh_token": "nothing"}').json()["code"] == "not_authenticated"
    assert in_chunks(b"").json()["errors"][0]["field"] == "refresh_token"
    assert in_chunks(b'{"refresh_token": "' + b"x" * 2**20 + b'"}').json()["code"] == "too_large"


@pytest.mark.parametrize("other", ["PUT", "DELETE", "GET", "", "PATCH, GET"])
def test_nothing_else_is_overridden(other):
    answer = make.member_client().post("me", {}, {"X-HTTP-Method-Override": other})
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    read = make.member_client().get("me", {"X-HTTP-Method-Override": "PATCH"})
    assert read.status_code == 200


def test_the_tag_that_a_proxy_weakened_is_taken_back():
    client = make.member_client()
    tag = client.get("me")["ETag"]
    assert client.patch("me", {"nickname": "弱"}, {"If-Match": f"W/{tag}"}).status_code == 200


BROKEN = [
    ("breaks", 500, "internal", None),
    ("is_slow", 504, "timeout", None),
    ("waits_for_a_lock", 503, "unavailable", "1"),
    ("has_lost_its_database", 503, "unavailable", "1"),
    ("asks_too_often", 429, "rate_limited", "7"),
]


@pytest.fixture
def locked():
    """An advisory lock that somebody else holds."""
    with psycopg.connect(**connection.get_connection_params() | {"cursor_factory": None}) as other:
        other.execute("SELECT pg_advisory_xact_lock(4711)")
        yield


@pytest.mark.parametrize(("how", "status", "code", "retry_after"), BROKEN)
@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_what_goes_wrong_inside_is_a_problem(settings, locked, how, status, code, retry_after, language):
    settings.BEARERS = {"hub_at_": f"tests.sync.broken.{how}"}
    answer = make.bearing("hub_at_x").get("me", {"Accept-Language": language})
    assert (answer.status_code, answer.json()["code"], answer.get("Retry-After")) == (status, code, retry_after)
    assert "secret" not in answer.content.decode()


@pytest.mark.parametrize("path", ["/api/v1/me", "/api/v1/nothing", "/callbacks/wechat-pay/1"])
def test_what_goes_wrong_around_a_view_is_a_problem(settings, path):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "tests.sync.broken.Breaking"]
    answer = Client(raise_request_exception=False).post(path)
    body = json.loads(answer.content)
    assert (answer.status_code, answer["Content-Type"]) == (500, "application/problem+json")
    assert (body["code"], body["request_id"]) == ("internal", answer["X-Request-ID"])
    assert "secret" not in answer.content.decode()


@pytest.mark.parametrize("language", ["fr", "zh-TW", "zh-hans", "*", "", "en;q=x", "a" * 5000])
def test_what_asks_for_no_english_is_answered_in_chinese(language):
    answer = make.Caller({}, channel=None).get("me", {"Accept-Language": language})
    assert answer.json()["title"] == "请先登录"


@pytest.mark.parametrize("language", ["en", "en-GB,en;q=0.9", "fr, en"])
def test_who_asks_for_english_is_answered_in_english(language):
    answer = make.Caller({}, channel=None).get("me", {"Accept-Language": language})
    assert answer.json()["title"] == "Sign in first"
