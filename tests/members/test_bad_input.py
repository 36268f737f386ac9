"""What is not well formed is refused by name, as a problem, and leaves nothing behind."""

import pytest

from tests import make

pytestmark = pytest.mark.django_db

CHALLENGE = "0193a8f0-0000-7000-8000-000000000000"
CONSENT = {"purpose": "terms", "version": "1"}
BODIES = [
    ("auth/sms-codes", {}),
    ("auth/sms-codes", {"purpose": "sign_in"}),
    ("auth/sms-codes", {"phone": "13800138000"}),
    ("auth/sms-codes", {"phone": "13800138000", "purpose": "other"}),
    ("auth/sms-codes", {"phone": "13800138000", "purpose": ["sign_in"]}),
    ("auth/sms-codes", {"phone": 13800138000, "purpose": "sign_in"}),
    ("auth/sms-codes", {"phone": "12345678901", "purpose": "sign_in"}),
    ("auth/sms-codes", {"phone": "0571-88888888", "purpose": "sign_in"}),
    ("auth/sms-codes", {"phone": "1٣٨٠٠١٣٨٠٠٠x", "purpose": "sign_in"}),
    ("auth/sms-codes", {"phone": "1" * 300, "purpose": "sign_in"}),
    ("auth/sms-codes", {"phone": None, "purpose": "sign_in"}),
    ("auth/phone", {"code": "123456"}),
    ("auth/phone", {"challenge_id": CHALLENGE}),
    ("auth/phone", {"challenge_id": "nonsense", "code": "123456"}),
    ("auth/phone", {"challenge_id": 7, "code": "123456"}),
    ("auth/phone", {"challenge_id": CHALLENGE, "code": 123456}),
    ("auth/phone", {"challenge_id": CHALLENGE, "code": "1" * 21}),
    ("auth/phone", {"challenge_id": CHALLENGE, "code": ""}),
    ("auth/phone", {"challenge_id": CHALLENGE, "code": "123456", "consents": {}}),
    ("auth/phone", {"challenge_id": CHALLENGE, "code": "123456", "consents": "terms"}),
    ("auth/phone", {"challenge_id": CHALLENGE, "code": "123456", "consents": ["terms"]}),
    ("auth/phone", {"challenge_id": CHALLENGE, "code": "123456", "consents": [{"purpose": "terms"}]}),
    ("auth/phone", {"challenge_id": CHALLENGE, "code": "123456", "consents": [CONSENT | {"version": 1}]}),
    ("auth/phone", {"challenge_id": CHALLENGE, "code": "123456", "consents": [CONSENT] * 21}),
    ("auth/phone", {"challenge_id": CHALLENGE, "code": "123456", "consents": None}),
    ("auth/wechat/mini-program", {}),
    ("auth/wechat/mini-program", {"code": 1}),
    ("auth/wechat/mini-program", {"code": "x" * 129}),
    ("auth/wechat/mini-program", {"code": None}),
    ("auth/wechat/website", {"code": "x", "state": "y"}),
    ("auth/wechat/website", {"code": "x", "verifier": "y"}),
    ("auth/register", {}),
    ("auth/register", {"registration_token": 1}),
    ("auth/register", {"registration_token": "x" * 4001}),
    ("auth/refresh", {}),
    ("auth/refresh", {"refresh_token": None}),
    ("auth/refresh", {"refresh_token": ["x"]}),
    ("auth/refresh", {"refresh_token": "x" * 201}),
]
MEMBER_BODIES = [
    ("auth/wechat/phone", {}),
    ("auth/wechat/phone", {"code": {}}),
    ("auth/phone/link", {"code": "123456"}),
    ("auth/phone/link", {"challenge_id": True, "code": "123456"}),
    ("auth/step-up", {"challenge_id": CHALLENGE}),
    ("auth/step-up", {"challenge_id": CHALLENGE, "code": []}),
]
RAW = [b"", b"{", b"[]", b'"text"', b"null", b'{"a": NaN}', b'{"a": 1, "a": 2}', b'{"a": "\\u0000"}', b"\xff"]


def holds(answer, status, code):
    body = answer.json()
    assert (answer.status_code, body["code"]) == (status, code), body
    assert answer["Content-Type"] == "application/problem+json"
    assert {"type", "title", "status", "detail", "errors", "request_id"} <= set(body)


@pytest.fixture
def before(agreed):
    """The tables as they are once every channel is there."""
    make.channel("mini-program"), make.channel("website")
    return make.snapshot()


@pytest.mark.parametrize(("path", "body"), BODIES)
def test_a_body_out_of_shape_is_named_before_sign_in(before, path, body):
    channel = "mini-program" if path.endswith("mini-program") else "website"
    answer = make.client(channel).post(path, body)
    holds(answer, 400, "invalid")
    assert answer.json()["errors"]
    assert make.snapshot() == before


@pytest.mark.parametrize(("path", "body"), MEMBER_BODIES)
def test_a_body_out_of_shape_is_named_after_sign_in(before, path, body):
    client = make.member_client(channel="mini-program")
    before = make.snapshot()
    holds(client.post(path, body), 400, "invalid")
    assert make.snapshot() == before


@pytest.mark.parametrize("raw", RAW)
@pytest.mark.parametrize("path", ["auth/sms-codes", "auth/refresh", "auth/wechat/mini-program"])
def test_what_is_no_json_object_is_refused(before, path, raw):
    client = make.client("mini-program")
    answer = client.http.post(f"/api/v1/{path}", raw, content_type="application/json", headers=client.headers)
    holds(answer, 400, "invalid")
    assert make.snapshot() == before


@pytest.mark.parametrize("path", sorted({path for path, _body in BODIES} - {"auth/refresh"}))
def test_before_sign_in_a_known_and_active_channel_must_be_named(before, path):
    make.channel("app", is_active=False)
    nobody, unknown, inactive = ({}, {"X-Channel": "nowhere"}, {"X-Channel": "app"})
    client = make.client()
    for headers, status, code in (
        (nobody, 400, "channel_required"),
        (unknown, 400, "channel_unknown"),
        (inactive, 403, "channel_inactive"),
    ):
        client.headers = headers
        holds(client.post(path, {}), status, code)


@pytest.mark.parametrize("path", sorted({path for path, _body in MEMBER_BODIES} | {"auth/logout"}))
def test_after_sign_in_only_a_members_token_opens(path):
    holds(make.client().post(path, {}), 401, "not_authenticated")
    holds(make.backend_client().post(path, {}), 403, "forbidden")
    holds(make.bearing("hub_at_nobody").post(path, {}), 401, "not_authenticated")
    client = make.client()
    client.headers = {}
    holds(client.post(path, {}), 401, "not_authenticated")


@pytest.mark.parametrize("path", ["auth/phone", "auth/sms-codes", "auth/refresh", "me/sessions"])
def test_a_method_that_is_not_there_is_said_so(path):
    holds(make.member_client().put(path, {}), 405, "method_not_allowed")


def test_a_form_is_no_json(agreed):
    client = make.client()
    answer = client.http.post("/api/v1/auth/phone", {"code": "1"}, headers=client.headers)
    holds(answer, 415, "unsupported_media_type")
