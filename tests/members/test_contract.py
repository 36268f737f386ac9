"""Every answer of this floor is what the served OpenAPI says of it."""

import pytest

from tests import contract, make

pytestmark = pytest.mark.django_db


class Held:
    """A client whose every answer is held against the contract."""

    def __init__(self, client):
        self.client = client

    def __getattr__(self, method):
        send = getattr(self.client, method)

        def held(path, *args, **kwargs):
            answer = send(path, *args, **kwargs)
            contract.hold(answer, method, f"/api/v1/{path}")
            return answer

        return held


@pytest.fixture
def nobody(outside, agreed):
    return Held(make.client())


@pytest.fixture
def member(outside, agreed):
    return Held(make.member_client(make.member(phone=make.mobile(), channel="mini-program"), "mini-program"))


def test_registering_by_phone(nobody, outside, agreed):
    assert nobody.get("policies").status_code == 200
    for consents, status in (([], 422), (agreed, 200)):
        sent = nobody.post("auth/sms-codes", {"phone": "13800138000", "purpose": "sign_in"})
        given = {"challenge_id": sent.json()["challenge_id"], "code": outside.sms_code(sent.json()["challenge_id"])}
        answer = nobody.post("auth/phone", given | {"consents": consents})
        assert (sent.status_code, answer.status_code) == (202, status)
    tokens = answer.json()["tokens"]
    assert nobody.post("auth/refresh", {"refresh_token": tokens["refresh_token"]}).status_code == 200


def test_registering_what_waited(nobody, doors, agreed):
    token = doors.sms(make.mobile(), consents=[]).json()["registration_token"]
    assert nobody.post("auth/register", {"registration_token": token, "consents": agreed}).status_code == 200


def test_by_wechat_on_both_channels(nobody, outside, agreed):
    app = Held(make.client("mini-program"))
    given = {"consents": agreed, "code": outside.code(openid="openid-in-app")}
    assert app.post("auth/wechat/mini-program", given).status_code == 200
    begun = nobody.post("auth/wechat/website/start").json()
    given = given | {"code": outside.code(openid="openid-on-website"), "unheard": 1}
    given |= {"state": begun["state"], "verifier": begun["verifier"]}
    assert nobody.post("auth/wechat/website", given).status_code == 200


def test_within_a_session(member, outside):
    sent = member.post("auth/sms-codes", {"purpose": "step_up"}).json()
    given = {"challenge_id": sent["challenge_id"], "code": outside.sms_code(sent["challenge_id"])}
    assert member.post("auth/step-up", given).status_code == 200
    tag = member.get("me")["ETag"]
    assert member.patch("me", {"birthday": "1990-05-17"}, headers={"If-Match": tag}).status_code == 200
    assert member.patch("me", {}).status_code == 428
    assert member.get("me/sessions").status_code == 200
    other = make.session(member.client.member)
    assert member.delete(f"me/sessions/{other.id}").status_code == 204
    assert member.delete(f"me/sessions/{other.id}").status_code == 404


@pytest.mark.parametrize("way", ["wechat", "sms"])
def test_a_case_and_a_phone(member, outside, way):
    owner = make.member(phone=make.mobile())
    if way == "wechat":
        answer = member.post("auth/wechat/phone", {"code": outside.phone_code(owner.phone)})
    else:
        sent = member.post("auth/sms-codes", {"purpose": "link", "phone": owner.phone}).json()
        given = {"challenge_id": sent["challenge_id"], "code": outside.sms_code(sent["challenge_id"])}
        answer = member.post("auth/phone/link", given)
    assert answer.json()["link_case"]["kind"] == "merge"
    assert Held(make.bearing(answer.json()["tokens"]["access_token"])).post("auth/logout").status_code == 204
