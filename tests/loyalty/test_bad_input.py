"""What nobody should send: the declared answer, and nothing changed."""

import pytest

from tests import make
from tests.loyalty.make_points import holder

pytestmark = pytest.mark.django_db

GOOD = {"kind": "earn", "points": 20, "reason": "签到", "reference": "ref-1"}
BAD = [
    *(("kind", value) for value in (None, "", "EARN", "hold", 1, [], {})),
    *(("points", value) for value in (None, 0, -1, 1.0, 0.1 + 0.2, 10**9 + 1, 2**63, True, "20", "１２", [20])),
    *(("reason", value) for value in (None, 1, "长" * 201, ["x"])),
    *(("reference", value) for value in (None, "", "  ", 7, "r" * 121, {"a": 1})),
    *(("occurred_at", value) for value in ("yesterday", "2026-11-22T06:08:31", "2999-01-01T00:00:00Z", 1)),
    *(("pending_until", value) for value in ("soon", 1, "2026-13-01T00:00:00Z")),
    *(("expires_at", value) for value in ("never", 1, "2020-01-01T00:00:00Z")),
    *(("proof", value) for value in ("123456", [], {}, {"kind": "phone", "value": "1"}, {"kind": "member_code"})),
]


@pytest.mark.parametrize(("field", "value"), BAD)
def test_a_field_that_is_wrong_is_named_and_nothing_changes(field, value):
    client = make.member_client(holder(100))
    backend = make.backend_client()
    before = make.snapshot()

    response = backend.post(f"members/{client.member.pk}/points/entries", GOOD | {field: value})

    assert (response.status_code, response.json()["code"]) == (400, "invalid")
    assert {error["field"].split(".")[0] for error in response.json()["errors"]} == {field}
    assert make.snapshot() == before


@pytest.mark.parametrize("field", GOOD)
def test_a_field_that_is_missing_is_named(field):
    member, backend = make.member(), make.backend_client()
    sent = {name: value for name, value in GOOD.items() if name != field}
    response = backend.post(f"members/{member.pk}/points/entries", sent)
    assert (response.status_code, [error["field"] for error in response.json()["errors"]]) == (400, [field])


@pytest.mark.parametrize(
    "times",
    [
        {"kind": "spend", "pending_until": "2999-01-01T00:00:00Z"},
        {"kind": "spend", "expires_at": "2999-01-01T00:00:00Z"},
        {"pending_until": "2998-01-01T00:00:00Z", "expires_at": "2998-01-01T00:00:00Z"},
    ],
)
def test_times_that_make_no_sense_together_are_refused(times):
    client, backend = make.member_client(holder(100)), make.backend_client()
    before = make.snapshot()
    response = backend.post(f"members/{client.member.pk}/points/entries", GOOD | times)
    assert (response.status_code, response.json()["code"]) == (400, "invalid")
    assert make.snapshot() == before


@pytest.mark.parametrize("sent", [[GOOD], "earn", 1, None])
def test_a_body_that_is_no_object_is_refused(sent):
    member, backend = make.member(), make.backend_client()
    response = backend.http.post(
        f"/api/v1/members/{member.pk}/points/entries", sent, content_type="application/json", headers=backend.headers
    )
    assert (response.status_code, response.json()["code"]) == (400, "invalid")


@pytest.mark.parametrize("query", [{"limit": "0"}, {"limit": "101"}, {"limit": "１"}, {"cursor": "?"}, {"cursor": ""}])
def test_a_list_asked_wrongly_is_refused(query):
    response = make.member_client().get("me/points/entries", **query)
    assert (response.status_code, response.json()["code"]) == (400, "invalid")


@pytest.mark.parametrize(
    ("method", "path", "caller", "expected"),
    [
        ("get", "me/points", "nobody", (401, "not_authenticated")),
        ("get", "me/points", "web client", (401, "not_authenticated")),
        ("get", "me/points", "backend", (403, "forbidden")),
        ("get", "me/points/entries", "backend", (403, "forbidden")),
        ("post", "me/points", "member", (405, "method_not_allowed")),
        ("get", "members/{id}/points", "member", (403, "forbidden")),
        ("get", "members/{id}/points", "writer", (403, "scope_missing")),
        ("get", "members/{id}/points/entries", "writer", (405, "method_not_allowed")),
        ("post", "members/{id}/points/entries", "member", (403, "forbidden")),
        ("post", "members/{id}/points/entries", "reader", (403, "scope_missing")),
        ("post", "members/{id}/points/entries", "nobody", (401, "not_authenticated")),
        ("post", "points/entries/{id}/reverse", "member", (403, "forbidden")),
        ("post", "points/entries/{id}/reverse", "reader", (403, "scope_missing")),
        ("get", "points/entries/{id}/reverse", "writer", (405, "method_not_allowed")),
    ],
)
def test_callers_come_in_only_where_they_may(method, path, caller, expected):
    member = make.member()
    client = {
        "nobody": lambda: make.Caller({}, channel=None),
        "web client": make.client,
        "member": lambda: make.member_client(member),
        "backend": make.backend_client,
        "reader": lambda: make.backend_client(scopes=["points:read"]),
        "writer": lambda: make.backend_client(scopes=["points:write"]),
    }[caller]()
    before = make.snapshot()
    response = getattr(client, method)(path.format(id=member.pk))
    assert (response.status_code, response.json()["code"]) == expected
    assert make.snapshot() == before
