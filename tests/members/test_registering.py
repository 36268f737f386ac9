"""Registering by phone and by WeChat: consent first, one member, the same one on every channel."""

import pytest

from members.models import Consent, Identity, Member, Registration, Session
from tests import make

pytestmark = pytest.mark.django_db

SESSION = {"tokens", "member", "head", "created", "linked", "absorbed_member_id", "link_case", "assurance"}
ME = {
    "id", "number", "nickname", "avatar_url", "gender", "birthday", "email", "phone", "identities",
    "consents_required", "status", "version", "created_at", "updated_at",
}  # fmt: skip


def test_a_new_phone_with_consent_becomes_a_member(doors):
    answer = doors.sms("138 0013-8000")

    body = answer.json()
    assert answer.status_code == 200, body
    assert set(body) == SESSION
    assert set(body["member"]) == ME
    assert (body["created"], body["linked"], body["absorbed_member_id"], body["link_case"]) == (True, False, None, None)
    assert body["assurance"] == 3
    assert body["member"]["phone"] == "138****8000"
    assert body["member"]["consents_required"] == []
    assert [i["kind"] for i in body["member"]["identities"]] == ["phone"]
    assert body["tokens"]["token_type"] == "Bearer"
    assert body["tokens"]["expires_in"] == 7200
    assert body["tokens"]["refresh_expires_in"] == 30 * 24 * 3600
    assert answer["Cache-Control"] == "no-store"


def test_registering_is_told_once_with_the_consents(doors):
    body = doors.sms(make.mobile()).json()
    member = Member.objects.get(pk=body["member"]["id"])

    assert make.types_of(member) == ["member.registered", "member.consent_granted", "member.consent_granted"]
    assert body["head"] == 3
    assert member.version == 1


def test_the_same_phone_on_another_channel_is_the_same_member(doors):
    phone = make.mobile()
    first, second = doors.sms(phone).json(), doors.sms(phone, "mini-program", consents=[]).json()

    assert first["member"]["id"] == second["member"]["id"]
    assert not second["created"]
    assert Session.objects.count() == 2
    assert make.types_of(Member.objects.get()) == ["member.registered"] + ["member.consent_granted"] * 2


def test_whoever_agrees_to_what_the_refusal_lists_is_registered(doors):
    asked = doors.sms(make.mobile(), consents=make.policies()[:1]).json()
    given = [{"purpose": policy["purpose"], "version": policy["version"]} for policy in asked["required"]]

    body = {"registration_token": asked["registration_token"], "consents": given}
    answer = make.client().post("auth/register", body)

    assert (answer.status_code, answer.json()["created"]) == (200, True)
    assert answer.json()["member"]["consents_required"] == []


def test_without_consent_nothing_of_the_person_is_kept(doors):
    answer = doors.sms("13800138000", consents=[])

    body = answer.json()
    assert (answer.status_code, body["code"]) == (422, "consent_required")
    assert [set(policy) for policy in body["required"]] == [{"purpose", "version", "title", "text_url"}] * 2
    assert Member.objects.count() == Identity.objects.count() == Session.objects.count() == 0
    assert Registration.objects.count() == 1


@pytest.mark.parametrize("given", [[], [("terms", "1")], [("terms", "1"), ("privacy", "0")], [("marketing", "1")]])
def test_half_a_consent_is_none(doors, given):
    consents = [{"purpose": purpose, "version": version} for purpose, version in given]
    assert doors.sms(make.mobile(), consents=consents).json()["code"] == "consent_required"


def test_a_registration_token_registers_once(doors, agreed):
    phone, client = make.mobile(), make.client()
    token = doors.sms(phone, consents=[]).json()["registration_token"]
    waiting = {"registration_token": token, "consents": agreed}

    assert client.post("auth/register", waiting | {"consents": []}).json()["registration_token"] == token
    answer = client.post("auth/register", waiting)
    before = make.snapshot()
    again = client.post("auth/register", waiting)

    assert answer.json()["member"]["phone"] == f"{phone[3:6]}****{phone[-4:]}"
    assert answer.json()["created"]
    assert (again.status_code, again.json()["code"]) == (400, "code_invalid")
    assert make.snapshot() == before


def test_a_registration_token_is_bound_to_its_channel_and_its_time(doors, agreed):
    token = doors.sms(make.mobile(), consents=[]).json()["registration_token"]
    waiting = {"registration_token": token, "consents": agreed}
    other = doors.sms(make.mobile(), consents=[]).json()["registration_token"]
    spliced = f"{token.partition('.')[0]}.{other.partition('.')[2]}"
    before = make.snapshot()

    assert make.client("mini-program").post("auth/register", waiting).json()["code"] == "code_invalid"
    for forged in ("", "hub_rg_x.y", token[:-4], spliced):
        assert make.client().post("auth/register", waiting | {"registration_token": forged}).status_code == 400
    assert make.snapshot()["members_member"] == before["members_member"] == "[]"
    Registration.objects.update(expires_at=make.LONG_AGO)
    assert make.client().post("auth/register", waiting).json()["code"] == "code_invalid"


def test_somebody_else_registered_the_phone_while_the_token_waited(doors, agreed):
    phone = make.mobile()
    token = doors.sms(phone, consents=[]).json()["registration_token"]
    owner = doors.sms(phone, "mini-program").json()["member"]["id"]

    answer = make.client().post("auth/register", {"registration_token": token, "consents": agreed})

    assert answer.json()["member"]["id"] == owner
    assert not answer.json()["created"]


def test_a_wechat_sign_in_registers_and_finds_again(doors):
    first, second = doors.mini_program("openid-of-ming").json(), doors.mini_program("openid-of-ming").json()

    assert first["created"]
    assert not second["created"]
    assert first["member"]["id"] == second["member"]["id"]
    assert first["member"]["phone"] is None
    assert first["assurance"] == 2


def test_an_optional_consent_is_recorded_when_given(doors, agreed):
    given = [*agreed, {"purpose": "marketing", "version": "1"}, {"purpose": "unheard", "version": "9"}]
    doors.sms(make.mobile(), consents=given)
    assert sorted(Consent.objects.values_list("purpose", flat=True)) == ["marketing", "privacy", "terms"]


def test_a_frozen_member_stays_outside(doors):
    phone = make.mobile()
    make.member(phone=phone, **make.FROZEN)
    before = make.snapshot()
    answer = doors.sms(phone)
    assert (answer.status_code, answer.json()["code"]) == (403, "member_frozen")
    assert make.snapshot()["members_session"] == before["members_session"]
