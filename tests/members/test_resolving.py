"""Members by a channel's word: found or made, never merged, never verified, never read."""

import pytest

from members import queries
from members.models import Identity, Member
from sync.http import Problem
from tests import contract, make

pytestmark = pytest.mark.django_db


@pytest.fixture
def backend():
    return make.backend_client("website")


def resolve(backend, *identities, **more):
    answer = backend.post("members/resolve", {"identities": list(identities)} | more)
    contract.hold(answer, "post", "/api/v1/members/resolve")
    return answer


def phone(value="138 0013 8000"):
    return {"kind": "phone", "value": value}


def external(value="C-1"):
    return {"kind": "external", "value": value}


def test_who_nobody_knows_is_made_once(backend):
    profile = {"nickname": "阿明", "email": "ming@example.cn"}
    first = resolve(backend, phone(), external(), profile=profile).json()
    before = make.snapshot()
    again = resolve(backend, phone("+8613800138000"), profile={"nickname": "别人"}).json()

    assert first["created"]
    assert again == {"member": first["member"], "created": False}
    assert make.snapshot() == before
    member = Member.objects.get(pk=first["member"]["id"])
    assert (member.nickname, member.phone, member.home_channel.code) == ("阿明", None, "website")
    assert set(member.identities.values_list("proof", flat=True)) == {"asserted"}
    assert make.types_of(member) == ["member.registered"]


def test_a_trusted_channel_attests(backend):
    backend.channel.is_trusted = True
    backend.channel.save()
    resolve(backend, external())
    assert Identity.objects.get().proof == "attested"


def test_the_hubs_own_proof_is_found_and_the_channels_word_is_added(backend):
    member = make.member(channel="mini-program", phone="+8613800138000")
    answer = resolve(backend, phone(), external()).json()
    assert answer == {"member": {"id": str(member.id)}, "created": False}
    assert sorted(member.identities.values_list("kind", "proof")) == [("external", "asserted"), ("phone", "verified")]
    assert make.types_of(member) == ["member.identity_linked"]


def test_two_members_are_a_conflict_and_nothing_changes(backend):
    resolve(backend, external())
    make.member(phone="+8613800138000")
    before = make.snapshot()
    refused = resolve(backend, phone(), external())
    assert (refused.status_code, refused.json()["code"]) == (409, "identity_conflict")
    assert make.snapshot() == before


def test_a_number_of_one_channel_is_nothing_to_another():
    here, there = make.backend_client("website"), make.backend_client("mini-program")
    assert resolve(here, external()).json()["member"] != resolve(there, external()).json()["member"]


def test_a_phone_said_within_the_sharing_group_is_one_person():
    here, there = make.backend_client("website"), make.backend_client("mini-program")
    stranger = make.backend_client(make.channel("till", group="another brand"))
    first, second, third = (resolve(backend, phone()).json() for backend in (here, there, stranger))
    assert first["member"] == second["member"] != third["member"]
    assert third["created"]


def test_an_openid_is_of_the_channels_own_app(backend):
    refused = resolve(backend, {"kind": "wechat_openid", "value": "openid", "app_id": "wx-mini-program"})
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid")
    assert resolve(backend, {"kind": "wechat_openid", "value": "openid", "app_id": "wx-website"}).status_code == 200


def test_consents_come_along_with_their_evidence(backend):
    given = {"purpose": "terms", "version": "1", "granted_at": "2026-01-02T03:04:05Z", "evidence": "form 7"}
    member = Member.objects.get(pk=resolve(backend, phone(), consents=[given]).json()["member"]["id"])
    assert member.consents.values_list("purpose", "evidence").get() == ("terms", "form 7")
    assert make.types_of(member) == ["member.registered", "member.consent_granted"]
    resolve(backend, phone(), consents=[given])
    assert member.consents.count() == 1


def test_the_channel_may_write_to_whom_it_named_and_not_read_them(backend):
    member_id = resolve(backend, phone()).json()["member"]["id"]
    assert backend.get(f"members/{member_id}").status_code == 404
    assert str(queries.may_reach(backend.channel, member_id).id) == member_id
    with pytest.raises(Problem, match="not_found"):
        queries.may_reach(make.channel("till", group="another brand"), member_id)


@pytest.mark.parametrize(
    "body",
    [
        {}, {"identities": []}, {"identities": [phone()] * 11}, {"identities": {}}, {"identities": [phone("12345")]},
        {"identities": [{"kind": "phone"}]}, {"identities": [{"kind": "nickname", "value": "x"}]},
        {"identities": [{"kind": "external", "value": 7}]}, {"identities": [external()], "profile": {"gender": "x"}},
        {"identities": [external()], "occurred_at": "2990-01-01T00:00:00Z"},
        {"identities": [external()], "consents": [{"purpose": "terms"}]},
    ],
)  # fmt: skip
def test_a_body_out_of_shape_is_named(backend, body):
    before = make.snapshot()
    answer = backend.post("members/resolve", body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert make.snapshot() == before


def test_a_code_shown_at_a_till_must_be_alive(backend):
    assert resolve(backend, {"kind": "member_code", "value": "x"}).json()["code"] == "code_invalid"


@pytest.mark.parametrize(("method", "path"), [("post", "members/resolve"), ("get", "members/{}")])
def test_a_key_needs_the_scope_and_a_member_is_no_backend(method, path):
    member = make.member()
    path = path.format(member.id)
    send = getattr(make.backend_client(scopes=["feed:read"]), method)
    assert send(path).json()["code"] == "scope_missing"
    assert getattr(make.member_client(member), method)(path).json()["code"] == "forbidden"


def test_a_member_of_the_sharing_group_is_seen_with_masks():
    member = make.member(channel="mini-program", phone="+8613800138000", email="ming@example.cn")
    answer = make.backend_client("website").get(f"members/{member.id}")
    contract.hold(answer, "get", f"/api/v1/members/{member.id}")
    body = answer.json()
    assert (body["id"], body["phone"], body["email"]) == (str(member.id), "138****8000", "m***@example.cn")
    assert body["merged_into"] is None
    assert answer["ETag"]


def test_the_ways_into_another_brand_are_not_shown():
    member = make.member(openid="openid-of-ming")
    till = make.channel("till", group="another brand")
    make.identity(member, "external", "customer-0001", channel=till)
    make.admit(f"member/{member.id}", till)

    def kinds(channel):
        return [each["kind"] for each in make.backend_client(channel).get(f"members/{member.id}").json()["identities"]]

    assert (kinds("website"), kinds(till)) == (["wechat_openid"], ["external"])


def test_a_member_of_another_brand_is_not_there():
    member = make.member()
    stranger = make.backend_client(make.channel("till", group="another brand"))
    assert stranger.get(f"members/{member.id}").status_code == 404
    assert stranger.get("members/nonsense").status_code == 404


def test_an_absorbed_member_answers_with_the_survivor(backend):
    survivor = make.member()
    absorbed = make.member(status="merged", merged_into=survivor)
    body = backend.get(f"members/{absorbed.id}").json()
    assert body["id"] == body["merged_into"] == str(survivor.id)
