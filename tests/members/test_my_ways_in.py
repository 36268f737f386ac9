"""A phone is replaced and a way in removed: after a step-up, with an end to what hung on it."""

from datetime import timedelta

import pytest
from django.utils import timezone

from members.models import Identity, LinkCase, Member, Merge, Session
from tests import make
from tests.members import make_proofs
from tests.members.make_proofs import put_phone, step_up

pytestmark = pytest.mark.django_db


def ago(**units):
    return timezone.now() - timedelta(**units)


@pytest.fixture
def client(outside, agreed):
    """Somebody with a phone and a WeChat account, confirmed just now."""
    mine = make.member(phone=make.mobile(), openid="openid-of-ming")
    return make.member_client(mine, stepped_up_at=timezone.now())


def identity(member, kind: str) -> Identity:
    return Identity.objects.get(member=member, kind=kind)


def refused(answer, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.json()


def test_the_new_phone_takes_the_place_of_the_old_and_all_other_sessions_end(client, outside):
    elsewhere, old, fresh = make.session(client.member), identity(client.member, "phone"), make.mobile()

    answer = put_phone(client, outside, fresh)

    body = answer.json()
    assert answer.status_code == 200, body
    assert body["member"]["phone"][-4:] == fresh[-4:]
    assert [i["kind"] for i in body["member"]["identities"]] == ["wechat_openid", "phone"]
    assert not Identity.objects.filter(pk=old.pk).exists()
    assert make.bearing(elsewhere.tokens.access).get("me").json()["code"] == "token_revoked"
    assert client.get("me").status_code == 401
    assert make_proofs.client_of(answer).get("me").status_code == 200
    assert make.types_of(client.member) == [
        "member.identity_unlinked",
        "member.updated",
        "member.identity_linked",
        "member.updated",
    ]


def test_the_old_phone_opens_the_member_no_more(client, outside, doors):
    old = client.member.phone
    put_phone(client, outside, make.mobile())
    assert doors.sms(old).json()["member"]["id"] != str(client.member.id)


@pytest.mark.parametrize("stepped_up", [None, 11])
def test_a_phone_is_changed_after_a_step_up_only(client, outside, stepped_up):
    Session.objects.filter(pk=client.session.id).update(stepped_up_at=stepped_up and ago(minutes=stepped_up))
    given = make_proofs.code_of(outside, client.post("auth/sms-codes", {"phone": make.mobile(), "purpose": "link"}))
    before = make.snapshot()

    refused(client.put("me/phone", given), 403, "step_up_required")
    assert make.snapshot() == before

    step_up(client, outside)
    assert client.put("me/phone", given).status_code == 200


@pytest.mark.parametrize(("minutes", "assurance", "status"), [(9, 2, 200), (11, 2, 403), (1, 1, 403)])
def test_who_has_no_phone_yet_must_have_signed_in_just_now(outside, agreed, minutes, assurance, status):
    client = make.member_client(make.member(), created_at=ago(minutes=minutes), assurance=assurance)
    elsewhere = make.session(client.member)
    assert put_phone(client, outside, make.mobile()).status_code == status
    assert (Session.objects.get(pk=elsewhere.pk).revoked_at is not None) == (status == 200)


def test_putting_the_phone_that_is_there_changes_nothing(client, outside):
    elsewhere = make.session(client.member)
    assert put_phone(client, outside, client.member.phone).status_code == 200
    assert make.types_of(client.member) == []
    assert Session.objects.get(pk=elsewhere.pk).revoked_at is None


def test_a_phone_that_another_holds_is_not_taken(client, outside):
    holder = make.member(phone=make.mobile())

    body = put_phone(client, outside, holder.phone).json()

    assert body["member"]["phone"] == client.member.phone_mask
    assert body["link_case"]["kind"] == "merge"
    assert Member.objects.get(pk=holder.id).phone == holder.phone
    assert make.types_of(holder) == []
    assert Merge.objects.count() == 0


def test_a_phone_whose_holder_was_long_unseen_is_taken_in_the_open(client, outside):
    holder = make.member(phone=make.mobile())
    holder.identities.update(last_seen_at=ago(days=91))

    body = put_phone(client, outside, holder.phone).json()

    assert body["member"]["phone"] == holder.phone_mask
    assert body["link_case"]["kind"] == "recycled_phone"
    assert make.types_of(holder) == ["member.identity_unlinked", "member.updated"]


def test_wechats_word_takes_no_number_from_a_holder_long_unseen(doors, bearer):
    holder = make.member(phone=make.mobile())
    holder.identities.update(last_seen_at=ago(days=91))
    client = bearer(doors.mini_program("openid-of-newcomer"))

    body = doors.link_by_wechat(client, holder.phone).json()

    assert body["link_case"]["kind"] == "recycled_phone"
    assert body["member"]["phone"] is None
    assert Member.objects.get(pk=holder.id).phone == holder.phone


def test_a_wrong_code_changes_no_phone(client, outside):
    given = make_proofs.code_of(outside, client.post("auth/sms-codes", {"phone": make.mobile(), "purpose": "link"}))
    before = make.snapshot()
    refused(client.put("me/phone", given | {"code": f"{(int(given['code']) + 1) % 10**6:06d}"}), 400, "code_invalid")
    assert make.snapshot() == before


def test_a_further_phone_from_a_merge_becomes_the_first(client, outside):
    further = make.mobile()
    make.identity(client.member, "phone", further)

    body = put_phone(client, outside, further).json()

    assert body["member"]["phone"][-4:] == further[-4:]
    assert [i["kind"] for i in body["member"]["identities"]].count("phone") == 1


def test_proving_a_further_phone_again_replaces_nothing(client, doors):
    further = make.mobile()
    make.identity(client.member, "phone", further)
    Session.objects.filter(pk=client.session.id).update(stepped_up_at=None)
    body = doors.link_by_sms(client, further).json()
    assert body["member"]["phone"] == client.member.phone_mask
    assert make.types_of(client.member) == []


def test_removing_the_phone_leaves_the_member_with_wechat(client):
    phone = identity(client.member, "phone")
    by_phone = make.session(client.member, proven=[phone.id])
    by_wechat = make.session(client.member, proven=[identity(client.member, "wechat_openid").id])

    assert client.delete(f"me/identities/{phone.id}").status_code == 204

    body = client.get("me").json()
    assert (body["phone"], [i["kind"] for i in body["identities"]], body["version"]) == (None, ["wechat_openid"], 2)
    assert make.types_of(client.member) == ["member.identity_unlinked", "member.updated"]
    assert Session.objects.get(pk=by_phone.pk).revoked_at is not None
    assert Session.objects.get(pk=by_wechat.pk).revoked_at is None


def test_removing_wechat_ends_what_it_alone_opened_and_spares_who_stepped_up_by_phone(client, outside):
    openid = identity(client.member, "wechat_openid")
    calling = make.member_client(client.member, "mini-program", proven=[openid.id], assurance=2)
    step_up(calling, outside)
    alone = make.session(client.member, proven=[openid.id])

    assert calling.delete(f"me/identities/{openid.id}").status_code == 204

    assert calling.get("me").status_code == 200
    assert Session.objects.get(pk=alone.pk).revoked_at is not None
    assert make.types_of(client.member) == ["member.identity_unlinked"]


def test_the_session_that_only_the_removed_way_opened_ends_with_it(client):
    phone = identity(client.member, "phone")
    Session.objects.filter(pk=client.session.id).update(proven=[phone.id])
    assert client.delete(f"me/identities/{phone.id}").status_code == 204
    refused(client.get("me"), 401, "token_revoked")


@pytest.mark.parametrize("beside", [None, "asserted", "claimed"])
def test_the_last_way_in_stays(outside, beside):
    mine = make.member(phone=make.mobile())
    if beside:
        make.identity(mine, "external", "C-1", proof=beside)
    client = make.member_client(mine, stepped_up_at=timezone.now())
    before = make.snapshot()
    refused(client.delete(f"me/identities/{identity(mine, 'phone').id}"), 409, "last_identity")
    assert make.snapshot() == before


def test_what_a_channel_asserted_can_be_removed(client):
    said = make.identity(client.member, "external", "C-1", proof="asserted")
    assert client.delete(f"me/identities/{said.id}").status_code == 204


def test_a_further_phone_takes_the_place_of_the_one_removed(client):
    further = make.mobile()
    first = identity(client.member, "phone")
    make.identity(client.member, "phone", further)
    client.delete(f"me/identities/{first.id}")
    assert client.get("me").json()["phone"][-4:] == further[-4:]


def test_removing_takes_a_step_up(client):
    Session.objects.filter(pk=client.session.id).update(stepped_up_at=ago(minutes=11))
    before = make.snapshot()
    refused(client.delete(f"me/identities/{identity(client.member, 'phone').id}"), 403, "step_up_required")
    assert make.snapshot() == before


def test_nobody_removes_what_is_anothers_and_twice_is_once(client):
    stranger = make.member(phone=make.mobile(), openid="openid-of-stranger")
    before = make.snapshot()
    refused(client.delete(f"me/identities/{identity(stranger, 'phone').id}"), 404, "not_found")
    assert make.snapshot() == before

    mine = identity(client.member, "wechat_openid")
    assert client.delete(f"me/identities/{mine.id}").status_code == 204
    refused(client.delete(f"me/identities/{mine.id}"), 404, "not_found")
    assert LinkCase.objects.count() == 0
