"""A proof just given decides: the phone is mine, or I turn out to be its owner, or a case opens and nothing moves."""

from datetime import timedelta

import pytest
from django.utils import timezone

from members.models import Identity, LinkCase, Member, Merge, Session
from sync.models import Audience
from tests import make
from tests.orders import make_orders

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner(agreed):
    """Who registered on the website with a phone."""
    return make.member(phone=make.mobile(), nickname="店主")


@pytest.fixture
def newcomer(doors, bearer):
    """A client just signed in from the mini-program, of a member with nothing."""
    answer = doors.mini_program("openid-of-newcomer")
    client = bearer(answer)
    client.member = Member.objects.get(pk=answer.json()["member"]["id"])
    client.session = Session.objects.get(member=client.member)
    return client


def days_ago(days: float):
    return timezone.now() - timedelta(days=days)


@pytest.mark.parametrize("way", ["link_by_sms", "link_by_wechat"])
def test_a_free_phone_becomes_mine(doors, newcomer, way):
    phone = make.mobile()

    body = getattr(doors, way)(newcomer, phone).json()

    assert body["member"]["id"] == str(newcomer.member.id)
    assert body["member"]["phone"] == f"{phone[3:6]}****{phone[-4:]}"
    assert (body["linked"], body["absorbed_member_id"], body["link_case"]) == (False, None, None)
    assert body["assurance"] == (3 if way == "link_by_sms" else 2)
    assert make.types_of(newcomer.member)[-2:] == ["member.identity_linked", "member.updated"]
    assert body["member"]["version"] == 2
    assert newcomer.get("me").status_code == 401
    assert make.bearing(body["tokens"]["access_token"]).get("me").status_code == 200


def test_proving_my_own_phone_again_tells_nobody(doors, newcomer):
    phone = make.mobile()
    client = make.bearing(doors.link_by_sms(newcomer, phone).json()["tokens"]["access_token"])
    told = make.types_of(newcomer.member)

    body = doors.link_by_sms(client, phone).json()

    assert body["member"]["version"] == 2
    assert make.types_of(newcomer.member) == told


@pytest.mark.parametrize("way", ["link_by_sms", "link_by_wechat"])
def test_a_newcomer_folds_into_the_owner_of_the_phone(doors, newcomer, owner, way):
    body = getattr(doors, way)(newcomer, owner.phone).json()

    assert body["member"]["id"] == str(owner.id)
    assert (body["linked"], body["created"], body["link_case"]) == (True, False, None)
    assert body["absorbed_member_id"] == str(newcomer.member.id)
    assert sorted(i["kind"] for i in body["member"]["identities"]) == ["phone", "wechat_openid"]
    absorbed = Member.objects.get(pk=newcomer.member.id)
    assert (absorbed.status, absorbed.merged_into) == ("merged", owner)
    told = make.types_of(owner)
    assert (told[0], told[-1]) == ("member.merged", "member.updated")
    assert make.types_of(absorbed)[-1] == "member.merged"
    assert body["head"] == len(told)
    merge = Merge.objects.get()
    assert (merge.kind, merge.source, merge.target) == ("fold", absorbed, owner)


def test_after_a_fold_the_old_session_is_over_and_the_new_one_is_the_owners(doors, newcomer, owner):
    tokens = doors.link_by_sms(newcomer, owner.phone).json()["tokens"]

    assert newcomer.get("me").json()["code"] == "token_revoked"
    assert make.bearing(tokens["access_token"]).get("me").json()["id"] == str(owner.id)
    assert doors.mini_program("openid-of-newcomer").json()["member"]["id"] == str(owner.id)


def test_a_fold_lets_the_newcomers_channel_see_the_owner(doors, newcomer, owner):
    Audience.objects.filter(channel__code="mini-program", subject=f"member/{owner.id}").delete()
    doors.link_by_sms(newcomer, owner.phone)
    assert Audience.objects.filter(channel__code="mini-program", subject=f"member/{owner.id}").exists()


def test_an_identity_planted_before_does_not_move(doors, newcomer, owner):
    planted = make.identity(newcomer.member, "wechat_unionid", "unionid-planted-before")

    doors.link_by_sms(newcomer, owner.phone)

    assert sorted(Identity.objects.values_list("kind", flat=True)) == ["phone", "wechat_openid"]
    assert Merge.objects.get().journal["dropped"][0]["id"] == str(planted.id)
    assert "unionid-planted-before" not in str(Merge.objects.get().journal)


def test_the_owners_other_sessions_live_on(doors, newcomer, owner):
    at_home = make.member_client(owner, "website")
    doors.link_by_sms(newcomer, owner.phone)
    assert at_home.get("me").status_code == 200


def test_who_signed_in_long_ago_is_not_folded(doors, newcomer, owner):
    Session.objects.filter(pk=newcomer.session.id).update(created_at=timezone.now() - timedelta(minutes=11))

    body = doors.link_by_sms(newcomer, owner.phone).json()

    assert body["member"]["id"] == str(newcomer.member.id)
    assert (body["linked"], body["absorbed_member_id"]) == (False, None)
    assert set(body["link_case"]) == {"id", "kind", "proofs_needed"}
    assert body["link_case"]["kind"] == "merge"
    assert all(set(proof) == {"kind", "hint"} for proof in body["link_case"]["proofs_needed"])
    assert make.types_of(owner) == []


def test_who_has_a_phone_is_not_folded_and_the_case_opens_once(doors, newcomer, owner):
    client = make.bearing(doors.link_by_sms(newcomer, make.mobile()).json()["tokens"]["access_token"])

    first = doors.link_by_sms(client, owner.phone).json()
    client = make.bearing(first["tokens"]["access_token"])
    second = doors.link_by_sms(client, owner.phone).json()

    assert first["link_case"]["id"] == second["link_case"]["id"]
    assert LinkCase.objects.count() == 1
    assert Member.objects.get(pk=owner.id).phone == owner.phone
    assert Merge.objects.count() == 0


def test_a_frozen_newcomer_or_owner_is_never_folded(doors, newcomer, owner):
    Member.objects.filter(pk=owner.id).update(**make.FROZEN)
    assert doors.link_by_sms(newcomer, owner.phone).json()["link_case"]["kind"] == "merge"


def test_wechats_word_alone_opens_no_phone_that_was_not_proven_for_90_days(doors, newcomer, owner):
    owner.identities.update(last_seen_at=days_ago(91))
    make.session(owner)  # seen lately all the same

    assert doors.link_by_wechat(newcomer, owner.phone).json()["link_case"]["kind"] == "merge"
    client = make.bearing(newcomer_tokens(doors))
    assert doors.link_by_sms(client, owner.phone).json()["linked"]


def newcomer_tokens(doors) -> str:
    return doors.mini_program("openid-of-newcomer").json()["tokens"]["access_token"]


def test_a_phone_long_unseen_opens_no_old_member(doors, owner):
    owner.identities.update(last_seen_at=days_ago(91))

    body = doors.sms(owner.phone).json()

    assert body["created"]
    assert body["member"]["id"] != str(owner.id)
    assert body["link_case"]["kind"] == "recycled_phone"
    assert Member.objects.get(pk=owner.id).phone is None
    assert make.types_of(owner) == ["member.identity_unlinked", "member.updated"]
    assert doors.sms(owner.phone).json()["member"]["id"] == body["member"]["id"]


def test_an_owner_who_was_seen_keeps_the_phone(doors, owner):
    owner.identities.update(last_seen_at=days_ago(91))
    make.session(owner, last_seen_at=days_ago(30))
    assert doors.sms(owner.phone).json()["member"]["id"] == str(owner.id)


@pytest.mark.parametrize(("days", "keeps"), [(30, True), (91, False)])
def test_an_owner_who_bought_keeps_the_phone(doors, owner, days, keeps):
    make_orders.order(member=owner, placed_at=days_ago(days))
    owner.identities.update(last_seen_at=days_ago(91))
    assert (doors.sms(owner.phone).json()["member"]["id"] == str(owner.id)) is keeps


def test_waiting_lifts_no_restriction(doors, owner):
    owner.identities.update(last_seen_at=days_ago(91))
    Member.objects.filter(pk=owner.id).update(**make.FROZEN)
    assert doors.sms(owner.phone).json()["code"] == "member_frozen"


def test_linking_a_phone_long_unseen_takes_the_number_and_leaves_the_member(doors, newcomer, owner):
    owner.identities.update(last_seen_at=days_ago(91))

    body = doors.link_by_sms(newcomer, owner.phone).json()

    assert body["member"]["id"] == str(newcomer.member.id)
    assert body["member"]["phone"] == owner.phone_mask
    assert body["link_case"]["kind"] == "recycled_phone"


def test_another_phone_takes_a_step_up(doors, outside, newcomer):
    phone = make.mobile()
    client = make.bearing(doors.link_by_sms(newcomer, phone).json()["tokens"]["access_token"])
    before = make.snapshot()["members_member"]

    refused = doors.link_by_sms(client, make.mobile())
    assert (refused.status_code, refused.json()["code"]) == (403, "step_up_required")
    assert make.snapshot()["members_member"] == before

    elsewhere = make.session(newcomer.member)
    sent = client.post("auth/sms-codes", {"purpose": "step_up"}).json()
    given = {"challenge_id": sent["challenge_id"], "code": outside.sms_code(sent["challenge_id"])}
    assert set(client.post("auth/step-up", given).json()) == {"assurance", "until"}
    changed = doors.link_by_sms(client, fresh := make.mobile()).json()
    assert changed["member"]["phone"][-4:] == fresh[-4:]
    assert [i["kind"] for i in changed["member"]["identities"]].count("phone") == 1
    assert make.bearing(elsewhere.tokens.access).get("me").json()["code"] == "token_revoked"


def test_a_unionid_joins_the_doors_of_one_person(doors):
    website = make.member(unionid="unionid-of-ming", openid="openid-on-website")

    body = doors.mini_program("openid-in-app", "unionid-of-ming").json()

    assert body["member"]["id"] == str(website.id)
    assert not body["created"]
    assert make.types_of(website)[0] == "member.identity_linked"


def test_a_unionid_that_comes_later_is_no_link(doors):
    doors.mini_program("openid-of-ming")
    body = doors.mini_program("openid-of-ming", "unionid-of-ming").json()
    assert (body["created"], body["linked"], body["member"]["version"]) == (False, False, 2)


def test_a_linked_openid_signs_in_to_its_own_member_whatever_the_unionid_says(doors):
    mine = make.member(channel="mini-program", openid="openid-of-ming", phone=make.mobile())
    make.member(unionid="unionid-of-other")

    body = doors.mini_program("openid-of-ming", "unionid-of-other").json()

    assert body["member"]["id"] == str(mine.id)
    assert body["link_case"]["kind"] == "merge"


def test_a_member_with_nothing_folds_into_the_holder_of_its_unionid(doors):
    empty = make.member(channel="mini-program", openid="openid-of-ming")
    other = make.member(unionid="unionid-of-ming")

    body = doors.mini_program("openid-of-ming", "unionid-of-ming").json()

    assert (body["member"]["id"], body["absorbed_member_id"]) == (str(other.id), str(empty.id))


def test_what_a_channel_asserted_is_adopted_by_the_first_live_proof(doors):
    phone, known = make.mobile(), make.member(channel="website")
    make.identity(known, "phone", phone, proof="asserted", assurance=0)

    assert doors.sms(phone, consents=[]).json()["code"] == "consent_required"
    body = doors.sms(phone).json()

    assert (body["member"]["id"], body["created"]) == (str(known.id), False)
    assert [i["proof"] for i in body["member"]["identities"]] == ["verified"]


def test_what_a_channel_asserted_of_a_member_with_proofs_of_its_own_opens_nothing(doors):
    phone, known = make.mobile(), make.member(channel="website", openid="openid-of-somebody")
    make.identity(known, "phone", phone, proof="asserted", assurance=0)

    assert doors.sms(phone).json()["member"]["id"] != str(known.id)


def test_sms_claims_the_member_a_channel_knows_by_this_phone_and_wechat_only_while_its_word_is_fresh(
    doors, bearer, newcomer
):
    phones = make.mobile(), make.mobile()
    known = [make.member(channel="website") for _ in phones]
    for member, phone in zip(known, phones, strict=True):
        make.identity(member, "phone", phone, proof="asserted", assurance=0, last_seen_at=days_ago(91))
    other = bearer(doors.mini_program("openid-of-another"))

    by_sms, by_wechat = doors.link_by_sms(newcomer, phones[0]).json(), doors.link_by_wechat(other, phones[1]).json()

    assert (by_sms["member"]["id"], by_sms["linked"]) == (str(known[0].id), True)
    assert by_sms["member"]["consents_required"] == []
    assert (by_wechat["linked"], by_wechat["link_case"]["kind"]) == (False, "merge")
    assert by_wechat["member"]["phone"][-4:] == phones[1][-4:]
