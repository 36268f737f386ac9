"""Fake backends, fault switches and credentials: the sandbox's API and its stand-ins."""

from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from standardwebhooks.webhooks import Webhook

from config.sandbox import faults
from config.sandbox.models import Backend
from config.sandbox.seed import credentials
from config.sandbox.stand_ins import backends
from tests.config import make_sandbox
from tests.config.sandbox_servers import stand_ins  # noqa: F401 - a fixture

BODY = '{"type": "member.updated", "nickname": "小明"}'


@pytest.fixture
def url(stand_ins, settings) -> str:  # noqa: F811 - the fixture
    make_sandbox.backend()
    return f"http://127.0.0.1:{settings.SANDBOX_PORT}/stand-ins/backends/website"


def push(url: str, *, secret: str | None = None, body: str = BODY, late=timedelta(0)) -> httpx.Response:
    """A webhook as the hub sends one."""
    key = secret or credentials.of_channel("website")["outbound_secret"]
    time = datetime.now(UTC) - late
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(int(time.timestamp()))}
    headers["webhook-signature"] = Webhook(key).sign("msg_1", time, body)
    return httpx.post(url, content=body.encode(), headers=headers)


def received(client, code: str = "website") -> list[dict]:
    return client.get(f"/sandbox/channels/{code}/received").json()["results"]


def test_a_backend_takes_and_shows_what_verifies(url, client):
    assert push(url).status_code == 204
    (shown,) = received(client)
    assert shown.keys() == {"received_at", "headers", "body", "verified"}
    assert (shown["body"], shown["verified"]) == (BODY, True)
    assert shown["headers"]["webhook-id"] == "msg_1"


@pytest.mark.parametrize(
    "wrong",
    [
        {"secret": credentials.of_channel("mini-program")["outbound_secret"]},
        {"late": timedelta(minutes=6)},
        {"late": -timedelta(minutes=6)},
    ],
)
def test_what_does_not_verify_is_shown_as_such_and_refused(url, client, wrong):
    assert push(url, **wrong).status_code == 401
    assert [each["verified"] for each in received(client)] == [False]


@pytest.mark.parametrize("headers", [{}, {"webhook-id": "x", "webhook-timestamp": "x", "webhook-signature": "x"}])
def test_what_is_not_signed_does_not_verify(url, client, headers):
    assert httpx.post(url, content=b"\0\xff", headers=headers).status_code == 401
    assert [each["verified"] for each in received(client)] == [False]


def test_who_signs_nothing_is_not_asked_for_a_signature(url, client):
    Backend.objects.create(code="alerts", secret="")
    assert httpx.post(url.replace("website", "alerts"), json={"type": "alert.opened"}).status_code == 204
    assert [each["verified"] for each in received(client, "alerts")] == [False]


def test_the_newest_is_shown_first(url, client):
    for body in ("1", "2", "3"):
        push(url, body=body)
    assert [each["body"] for each in received(client)] == ["3", "2", "1"]


@pytest.mark.parametrize(("mode", "status"), [("ok", 204), ("fail", 500), ("gone", 410), ("slow", 204)])
def test_a_backend_behaves_as_it_is_told(url, client, monkeypatch, mode, status):
    monkeypatch.setattr(backends, "SLOW", 0.05)
    put = client.put("/sandbox/channels/website/mode", {"mode": mode}, content_type="application/json")
    assert (put.status_code, put.json()) == (200, {"mode": mode})
    assert push(url).status_code == status
    assert len(received(client)) == 1


def test_slow_backends_leave_somebody_to_answer(url, client):
    Backend.objects.update(mode="slow")
    with ExitStack() as asleep:
        while backends.SLEEPERS.acquire(blocking=False):
            asleep.callback(backends.SLEEPERS.release)
        assert push(url).status_code == 503


@pytest.mark.parametrize("body", [{"mode": "else"}, {"mode": 1}, {}, {"mode": None}, []])
def test_no_other_mode_is_taken(client, db, body):
    make_sandbox.backend()
    assert client.put("/sandbox/channels/website/mode", body, content_type="application/json").status_code == 400
    assert Backend.objects.get().mode == "ok"


def test_a_channel_without_a_backend_is_not_found(client, db):
    ok = {"mode": "ok"}
    assert client.put("/sandbox/channels/x/mode", ok, content_type="application/json").status_code == 404
    assert client.get("/sandbox/channels/x/received").json()["code"] == "not_found"


def put_faults(client, body):
    return client.put("/sandbox/faults", body, content_type="application/json")


def test_faults_are_all_listed_switched_and_cleared(client, db):
    off = client.get("/sandbox/faults").json()
    assert {"lose_payment_notifications", "wechat_timeout", "wechat_error", "sms_fail"} <= off.keys()
    assert set(off.values()) == {0}

    assert put_faults(client, {"lose_payment_notifications": 0.2, "wechat_timeout": 3}).status_code == 200
    on = put_faults(client, {"lose_payment_notifications": 0.3}).json()
    assert on == off | {"lose_payment_notifications": 0.3, "wechat_timeout": 3}
    assert client.get("/sandbox/faults").json() == on

    assert client.delete("/sandbox/faults").status_code == 204
    assert client.get("/sandbox/faults").json() == off


@pytest.mark.parametrize(
    "body",
    [{"sms_fail": 1.1}, {"sms_fail": -1}, {"sms_fail": "1"}, {"sms_fail": True}, {"wechat_timeout": 61}, {"x": 1}, []],
)
def test_no_other_fault_is_taken(client, db, body):
    put_faults(client, {"wechat_error": 0.5})
    refused = put_faults(client, body)
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid")
    assert faults.all_values() == dict.fromkeys(faults.KNOWN, 0) | {"wechat_error": 0.5}


def test_a_share_of_zero_never_strikes_and_of_one_always(db):
    faults.put({"sms_fail": 1})
    assert all(faults.strikes("sms_fail") for _ in range(20))
    assert not any(faults.strikes("wechat_error") for _ in range(20))


def test_half_a_share_strikes_now_and_then(db):
    faults.put({"sms_fail": 0.5})
    assert 0 < sum(faults.strikes("sms_fail") for _ in range(100)) < 100


def test_credentials_are_the_same_each_time(client, db):
    make_sandbox.apps()
    known = client.get("/sandbox/credentials").json()
    assert known["channels"].keys() == {"website", "mini-program"}
    assert known["channels"]["website"].keys() == {"api_key", "inbound_secret", "outbound_secret", "app_id"}
    assert known["staff"]["operator"] == "sandbox"
    assert known == client.get("/sandbox/credentials").json()
