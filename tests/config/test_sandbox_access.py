"""Who may touch the sandbox, its pages, and what is not there."""

from io import BytesIO

import pytest
from django.test import Client

from config.sandbox import policies, wsgi
from tests.config import make_sandbox

pytestmark = pytest.mark.django_db


def test_another_machine_may_not(client):
    for path in ("/sandbox/sms", "/sandbox/"):
        assert client.get(path, REMOTE_ADDR="10.0.0.9").status_code == 403


def test_a_page_of_another_site_may_not(client):
    for origin in ("https://evil.example", "null", "http://testserver.evil.example", "http://[testserver"):
        refused = client.post("/sandbox/reset", headers={"Origin": origin})
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")


def test_the_sandbox_s_own_page_may(client):
    assert client.get("/sandbox/faults", headers={"Origin": "http://testserver"}).status_code == 200


def test_another_host_may_not(client):
    assert client.get("/sandbox/sms", headers={"Host": "evil.example"}).status_code == 400


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({}, "404 Not Found"),
        ({"HTTP_ORIGIN": "http://127.0.0.1:1"}, "404 Not Found"),
        ({"REMOTE_ADDR": "10.0.0.9"}, "403 Forbidden"),
        ({"HTTP_ORIGIN": "https://evil.example"}, "403 Forbidden"),
        ({"HTTP_ORIGIN": "null"}, "403 Forbidden"),
        ({"HTTP_HOST": "evil.example", "HTTP_ORIGIN": "http://evil.example"}, "403 Forbidden"),
        ({"HTTP_HOST": "evil.example"}, "403 Forbidden"),
    ],
)
def test_the_stand_ins_answer_this_machine_only_and_no_page_of_another_site(said, status):
    answers = []
    environ = {"REQUEST_METHOD": "POST", "PATH_INFO": "/", "SERVER_NAME": "127.0.0.1", "SERVER_PORT": "1"}
    environ |= {"REMOTE_ADDR": "127.0.0.1", "wsgi.input": BytesIO(), "wsgi.url_scheme": "http"} | said
    wsgi.application(environ, lambda status, headers: answers.append(status)).close()
    assert answers == [status]


@pytest.mark.parametrize("path", ["nowhere", "wechat-pay/x/succeed", "carrier/SF1", "channels/website"])
def test_what_is_not_there_is_a_problem(client, path):
    answer = client.post(f"/sandbox/{path}", {}, content_type="application/json")
    assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")


def test_another_method_is_a_problem(client):
    answer = client.delete("/sandbox/sms")
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")


def test_bodies_are_read_strictly(client):
    for body in (b"{", b'{"openid": "a", "openid": "b"}', b"[NaN]", b'"\\u0000"'):
        answer = client.post("/sandbox/wechat/users", body, content_type="application/json")
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid")


def test_the_page_of_two_channels_lets_nothing_in_from_elsewhere(client):
    page = client.get("/sandbox/")
    assert page.status_code == 200
    assert "default-src 'self'" in page["Content-Security-Policy"]
    assert "unsafe" not in page["Content-Security-Policy"]


def test_the_page_is_opened_where_its_sockets_open(client, settings):
    settings.PUBLIC_URL = "http://127.0.0.1:8000"
    elsewhere = client.get("/sandbox/", headers={"Host": "localhost:8000"})
    assert (elsewhere.status_code, elsewhere["Location"]) == (302, "http://127.0.0.1:8000/sandbox/")
    assert client.get("/sandbox/", headers={"Host": "127.0.0.1:8000"}).status_code == 200
    assert client.get("/sandbox/", headers={"Host": "localhost:9000"}).status_code == 200
    settings.PUBLIC_URL = "https://hub.example"
    assert client.get("/sandbox/", headers={"Host": "localhost:8000"}).status_code == 200


@pytest.mark.parametrize("purpose", policies.REQUIRED)
@pytest.mark.parametrize("locale", policies.LOCALES)
def test_each_policy_is_a_page(client, purpose, locale):
    page = client.get(f"/sandbox/policies/{purpose}/1/{locale}")
    assert page.status_code == 200
    assert policies.find(purpose, "1", locale).title in page.content.decode()


@pytest.mark.parametrize("path", ["terms/2/en", "terms/1/fr", "nothing/1/en"])
def test_no_other_policy_is_a_page(client, path):
    assert client.get(f"/sandbox/policies/{path}").status_code == 404


def test_what_wechat_was_told_is_nothing_yet(client):
    assert (
        client.get("/sandbox/wechat/uploads").json() == client.get("/sandbox/wechat/notices").json() == {"results": []}
    )


def test_calls_need_no_csrf_token():
    make_sandbox.apps()
    client = Client(enforce_csrf_checks=True)
    assert client.post("/sandbox/wechat/users", {}, content_type="application/json").status_code == 200


def test_what_is_not_a_sandbox_is_not_reset(client):
    answer = client.post("/sandbox/reset")
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
