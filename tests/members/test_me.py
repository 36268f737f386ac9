"""The member's own view: read with a tag, changed only by who read the newest."""

import pytest

from tests import make

pytestmark = pytest.mark.django_db


@pytest.fixture
def client():
    return make.member_client(make.member(phone="+8613800138000", openid="openid-long-enough"))


def change(client, body, tag=None):
    tag = tag or client.get("me")["ETag"]
    return client.patch("me", body, headers={"If-Match": tag})


def test_me_is_shown_with_masks(client):
    body = client.get("me").json()
    assert body["phone"] == "138****8000"
    assert [i["masked"] for i in body["identities"]] == ["138****8000", "open****ough"]
    assert set(body["identities"][0]) == {"id", "kind", "channel", "masked", "proof", "verified_at"}
    assert "13800138000" not in client.get("me").content.decode()


def test_a_change_is_kept_told_and_gets_a_new_tag(client):
    before = client.get("me")
    answer = change(
        client, {"nickname": " 阿明 ", "gender": "male", "birthday": "1990-05-17", "email": "ming@example.cn"}
    )

    body = answer.json()
    assert [body[f] for f in ("nickname", "gender", "birthday", "email")] == [
        "阿明",
        "male",
        "1990-05-17",
        "ming@example.cn",
    ]
    assert body["version"] == 2
    assert answer["ETag"] == client.get("me")["ETag"] != before["ETag"]
    assert make.types_of(client.member) == ["member.updated"]


def test_the_fact_says_what_changed_and_not_to_what(client):
    from_event = change(client, {"nickname": "秘密", "gender": "unknown"})
    assert from_event.status_code == 200
    data = make.events_of(client.member)[-1].data
    assert data == {"id": str(client.member.id), "version": 2, "changed": ["nickname"]}


def test_changing_to_what_is_so_tells_nobody(client):
    before = make.snapshot()
    assert change(client, {}).status_code == 200
    assert make.snapshot() == before
    assert change(client, {"nickname": "小明"}).json()["version"] == 1
    assert make.snapshot() == before | {"members_fieldwrite": make.snapshot()["members_fieldwrite"]}


def test_post_with_the_override_is_patch(client):
    headers = {"X-HTTP-Method-Override": "PATCH", "If-Match": client.get("me")["ETag"]}
    assert client.post("me", {"nickname": "阿明"}, headers=headers).json()["nickname"] == "阿明"
    assert client.post("me", {"nickname": "阿明"}).json()["code"] == "method_not_allowed"


def test_without_the_tag_or_with_an_old_one_nothing_changes(client):
    tag = client.get("me")["ETag"]
    change(client, {"nickname": "先"})
    before = make.snapshot()

    missing, stale = client.patch("me", {"nickname": "后"}), change(client, {"nickname": "后"}, tag)

    assert (missing.status_code, missing.json()["code"]) == (428, "precondition_required")
    assert (stale.status_code, stale.json()["code"]) == (412, "version_conflict")
    assert stale.json()["current"]["nickname"] == "先"
    assert make.snapshot() == before


def test_a_weak_tag_of_a_proxy_is_taken(client):
    assert change(client, {"nickname": "阿明"}, f"W/{client.get('me')['ETag']}").status_code == 200


def test_values_can_be_taken_back(client):
    change(client, {"birthday": "1990-05-17", "email": "ming@example.cn"})
    body = change(client, {"birthday": None, "email": ""}).json()
    assert (body["birthday"], body["email"]) == (None, None)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("nickname", 1), ("nickname", None), ("nickname", "长" * 41), ("nickname", "a\0b"), ("nickname", ["x"]),
        ("gender", "other"), ("gender", True), ("gender", None), ("birthday", "1990-5-17"), ("birthday", "19900517"),
        ("birthday", "2990-01-01"), ("birthday", "1899-12-31"), ("birthday", 19900517), ("birthday", ""),
        ("email", "nobody"), ("email", 1), ("email", "a@" + "b" * 260 + ".cn"),
    ],
)  # fmt: skip
def test_what_is_not_a_value_is_refused_by_name(client, field, value):
    before = make.snapshot()
    answer = change(client, {field: value})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert make.snapshot() == before


def test_what_a_client_may_not_write_stays(client):
    body = change(client, {"phone": "+8613900139000", "status": "frozen", "version": 9, "number": "M1"}).json()
    assert (body["phone"], body["status"], body["version"]) == ("138****8000", "active", 1)


def test_me_costs_the_same_however_many_identities(client, django_assert_num_queries):
    for n in range(3):
        make.identity(client.member, "wechat_unionid", f"unionid-number-{n}")
    with django_assert_num_queries(4):  # member, identities, policies, consents; the session is prepared
        client.get("me")


@pytest.mark.parametrize("path", ["me", "me/sessions"])
def test_only_members_have_a_self(path):
    assert make.client().get(path).json()["code"] == "not_authenticated"
    assert make.backend_client().get(path).json()["code"] == "forbidden"


def test_policies_are_read_before_signing_in():
    make.policies()
    rows = make.client().get("policies").json()["results"]
    assert {row["purpose"]: row["required"] for row in rows} == {"terms": True, "privacy": True, "marketing": False}
    assert set(rows[0]) == {"purpose", "version", "title", "text_url", "required"}
