"""Who lies in wait for an account, or carries off a token, gets in nowhere.

The five ways of pre-hijacking (Sudhodanan & Paverd, 2022): classic-federated merge, unexpired session, trojan
identifier, unexpired change, non-verifying provider. Then what clients and stolen tokens try.
"""

from datetime import timedelta

import pytest
from django.utils import timezone

from members.models import Identity, LinkCase, Member, Merge, Session
from tests import make
from tests.members import make_proofs
from tests.members.make_proofs import case_of, client_of, code_of, prove, put_phone, step_up
from tests.orders import make_orders

pytestmark = pytest.mark.django_db


def ago(**units):
    return timezone.now() - timedelta(**units)


def refused(answer, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.json()


def by_grant(value: str, agreed, channel="mini-program") -> make.Caller:
    """The attacker's own login on a channel, carried over."""
    named = {"identity": {"kind": "external", "value": value}, "consents": agreed}
    grant = make.backend_client(channel).post("sign-in-grants", named).json()["grant"]
    return client_of(make.client(channel).post("auth/grant", {"grant": grant}), channel)


@pytest.fixture
def victim(agreed):
    """Who has a phone, a WeChat account and an order."""
    made = make.member(phone=make.mobile(), openid="openid-of-victim", unionid="unionid-of-victim", nickname="受害者")
    made.order = make_orders.order(member=made)
    return made


# 1. classic-federated merge: the attacker makes an account in the victim's name and waits for the victim's own door


def test_an_account_made_with_the_victims_phone_unproven_is_not_where_the_victim_lands(doors, agreed):
    phone = make.mobile()
    attacker = client_of(doors.mini_program("openid-of-attacker"))
    planted = Member.objects.get()
    make.backend_client("mini-program").post(
        "members/resolve",
        {"identities": [{"kind": "wechat_openid", "value": "openid-of-attacker", "app_id": "wx-mini-program"},
                        {"kind": "phone", "value": phone}]},
    )  # fmt: skip

    victim = client_of(doors.sms(phone), "website")

    assert victim.get("me").json()["id"] != str(planted.id)
    assert victim.get("me/addresses").json()["results"] == []
    assert attacker.get("me").json()["id"] == str(planted.id)
    assert attacker.get("me").json()["phone"] is None


def test_what_a_channel_said_of_the_victim_joins_no_account_of_the_attacker(doors, agreed):
    phone = make.mobile()
    attacker = by_grant("C-attacker", agreed)
    number = {"kind": "external", "value": "C-attacker"}
    make.backend_client("mini-program").post(
        "members/resolve", {"identities": [number, {"kind": "phone", "value": phone}]}
    )

    victim = client_of(doors.sms(phone), "website")  # the first live proof takes what was only said of them

    assert attacker.get("me").status_code == 401
    named = {"identity": number, "consents": agreed}
    grant = make.backend_client("mini-program").post("sign-in-grants", named).json()["grant"]
    refused(make.client("mini-program").post("auth/grant", {"grant": grant}), 403, "step_up_required")
    assert victim.get("me").status_code == 200


# 2. unexpired session: the attacker keeps a session through the victim's linking


@pytest.mark.parametrize("way", ["link_by_sms", "link_by_wechat"])
def test_a_session_from_before_a_fold_opens_nothing_after_it(doors, victim, way):
    attacker = client_of(doors.mini_program("openid-shared"))  # a device that was once the attacker's
    refresh = doors.mini_program("openid-shared").json()["tokens"]["refresh_token"]
    unwitting = client_of(doors.mini_program("openid-shared"))
    ticket = attacker.post("ws-tickets").json()

    folded = getattr(doors, way)(unwitting, victim.phone)

    assert folded.json()["member"]["id"] == str(victim.id)
    refused(attacker.get("me"), 401, "token_revoked")
    refused(make.client().post("auth/refresh", {"refresh_token": refresh}), 401, "token_revoked")
    refused(attacker.post("ws-tickets"), 401, "token_revoked")
    assert ticket["ticket"]
    assert Session.objects.filter(revoked_at=None).count() == 1


def test_a_session_from_before_a_merge_opens_nothing_after_it(outside, victim):
    owner = make.member(phone=make.mobile(), created_at=ago(days=9))
    attackers = [make.member_client(member) for member in (owner, victim)]
    client = make.member_client(owner, stepped_up_at=timezone.now())
    case = case_of(owner, victim, proofs=[{"kind": "phone", "assurance": 3, "at": ago(minutes=1).isoformat()}])

    merged = prove(client, case, kind="order_fact", number=victim.order.number, total_fen=victim.order.total_fen)

    assert merged.json()["linked"]
    for attacker in attackers:
        refused(attacker.get("me"), 401, "token_revoked")


def test_a_session_from_before_a_change_of_phone_opens_nothing_after_it(outside, victim):
    attacker, client = make.member_client(victim), make.member_client(victim, stepped_up_at=timezone.now())
    assert put_phone(client, outside, make.mobile()).status_code == 200
    refused(attacker.get("me"), 401, "token_revoked")


# 3. trojan identifier: the attacker adds a way in of their own and waits


def test_a_way_in_planted_before_a_fold_leads_nowhere_after_it(doors, victim):
    unwitting = client_of(doors.mini_program("openid-shared"))
    planted = Member.objects.exclude(pk=victim.id).get()
    make.identity(planted, "wechat_unionid", "unionid-of-attacker")

    assert doors.link_by_sms(unwitting, victim.phone).json()["linked"]

    attacker = doors.mini_program("openid-of-attacker", "unionid-of-attacker")
    assert attacker.json()["member"]["id"] != str(victim.id)
    assert attacker.json()["created"]


def test_a_customer_number_planted_before_the_first_proof_leads_nowhere_after_it(doors, agreed):
    phone = make.mobile()
    identities = [{"kind": "external", "value": "C-trojan"}, {"kind": "phone", "value": phone}]
    make.backend_client("mini-program").post("members/resolve", {"identities": identities})
    doors.sms(phone)

    named = {"identity": identities[0], "consents": agreed}
    grant = make.backend_client("mini-program").post("sign-in-grants", named).json()["grant"]

    refused(make.client("mini-program").post("auth/grant", {"grant": grant}), 403, "step_up_required")


# 4. unexpired change: the attacker has a change under way when the victim takes the account back


def test_a_change_of_phone_under_way_dies_with_the_session_that_asked_for_it(outside, victim):
    attacker = make.member_client(victim, stepped_up_at=timezone.now())
    pending = code_of(outside, attacker.post("auth/sms-codes", {"phone": make.mobile(), "purpose": "link"}))
    mine = make.member_client(victim, stepped_up_at=timezone.now())
    assert put_phone(mine, outside, fresh := make.mobile()).status_code == 200
    before = make.snapshot()

    refused(attacker.put("me/phone", pending), 401, "token_revoked")
    refused(attacker.post("auth/phone/link", pending), 401, "token_revoked")
    later = make.member_client(victim, stepped_up_at=timezone.now())
    refused(later.put("me/phone", pending), 400, "code_invalid")  # nor in another session
    assert Member.objects.get(pk=victim.id).phone == fresh
    assert before["members_member"] == make.snapshot()["members_member"]


def test_proofs_under_way_in_a_case_die_with_the_session(outside, victim):
    attacker = make.member(phone=make.mobile(), created_at=ago(days=9))
    client, case = make.member_client(attacker, stepped_up_at=timezone.now()), case_of(attacker, victim)
    pending = code_of(outside, client.post(f"link-cases/{case.id}/challenges", {"kind": "sms"}))
    client.post("auth/logout")
    again = make.member_client(attacker, stepped_up_at=timezone.now())
    refused(prove(again, case, kind="sms", **pending), 400, "code_invalid")


# 5. a provider that does not verify: somebody else's word about the victim


@pytest.mark.parametrize("kind", ["phone", "wechat_unionid"])
def test_no_channel_vouches_for_a_phone_or_a_unionid(victim, agreed, kind):
    value = victim.phone if kind == "phone" else "unionid-of-victim"
    named = {"identity": {"kind": kind, "value": value}, "consents": agreed}
    backend, before = make.backend_client(), make.snapshot()
    refused(backend.post("sign-in-grants", named), 400, "invalid")
    assert make.snapshot() == before


def test_no_channel_vouches_for_the_openid_of_another_app(victim, agreed):
    named = {"identity": {"kind": "wechat_openid", "value": "openid-of-victim", "app_id": "wx-website"}}
    refused(make.backend_client("mini-program").post("sign-in-grants", named), 400, "invalid")


def test_a_channels_word_about_the_victim_opens_no_session_of_theirs(victim, agreed):
    identities = [{"kind": "external", "value": "C-attacker"}, {"kind": "phone", "value": victim.phone}]
    make.backend_client("mini-program").post("members/resolve", {"identities": identities})

    named = {"identity": identities[0], "consents": agreed}
    grant = make.backend_client("mini-program").post("sign-in-grants", named).json()["grant"]

    refused(make.client("mini-program").post("auth/grant", {"grant": grant}), 403, "step_up_required")
    assert Session.objects.filter(member=victim).count() == 0


def test_a_session_handed_over_confirms_nothing(outside, victim, agreed):
    attacker = by_grant("C-attacker", agreed)
    member = Member.objects.exclude(pk=victim.id).get()
    case = case_of(member, victim)
    order = {"number": victim.order.number, "total_fen": victim.order.total_fen}

    refused(prove(attacker, case, kind="order_fact", **order), 403, "step_up_required")
    refused(attacker.delete(f"me/identities/{member.identities.get().id}"), 403, "step_up_required")
    assert Merge.objects.count() == 0


def test_the_same_openid_of_two_apps_is_two_people(doors):
    here = make.member(channel="website", openid="openid-in-two-apps")
    assert doors.mini_program("openid-in-two-apps").json()["member"]["id"] != str(here.id)


# a token that was carried off


def test_a_stolen_token_changes_no_phone(outside, victim):
    thief = make.member_client(victim)
    given = code_of(outside, thief.post("auth/sms-codes", {"phone": make.mobile(), "purpose": "link"}))
    before = make.snapshot()

    refused(thief.put("me/phone", given), 403, "step_up_required")
    refused(thief.post("auth/phone/link", given), 403, "step_up_required")
    assert make.snapshot() == before

    sent = thief.post("auth/sms-codes", {"purpose": "step_up", "phone": make.mobile()})
    assert outside.messages[-1]["phone"] == victim.phone  # whatever the client says
    code = code_of(outside, sent)
    for guess in range(5):
        wrong = f"{(int(code['code']) + 1 + guess) % 10**6:06d}"
        refused(thief.post("auth/step-up", code | {"code": wrong}), 400, "code_invalid")
    refused(thief.post("auth/step-up", code), 429, "too_many_attempts")
    refused(thief.post("auth/step-up", given), 400, "code_invalid")  # the thief's own phone confirms nothing
    refused(thief.put("me/phone", given), 403, "step_up_required")


def test_a_stolen_token_takes_no_way_in_away(victim):
    thief = make.member_client(victim)
    before = make.snapshot()
    for row in victim.identities.all():
        refused(thief.delete(f"me/identities/{row.id}"), 403, "step_up_required")
    assert make.snapshot() == before


def test_a_step_up_of_another_session_confirms_nothing_here(outside, victim):
    thief, owner = make.member_client(victim), make.member_client(victim)
    step_up(owner, outside)
    assert put_phone(thief, outside, make.mobile()).status_code == 403


def test_a_stolen_token_of_the_victim_is_not_enough_to_swallow_them(outside, victim):
    stolen = make.member_client(victim)
    thief = make.member_client(make.member(phone=make.mobile(), created_at=ago(days=9)), stepped_up_at=timezone.now())
    given = {"kind": "old_sign_in", "access_token": stolen.session.tokens.access}
    assert LinkCase.objects.count() == 0  # without a proof of the victim's phone or unionid there is no case at all

    case = case_of(thief.member, victim, proofs=[{"kind": "phone", "assurance": 2, "at": ago().isoformat()}])
    assert prove(thief, case, **given).json()["link_case"]["id"] == str(case.id)
    assert Member.objects.get(pk=victim.id).status == "active"


# what a client says of itself


CLAIMS = {
    "openid": "openid-of-victim", "unionid": "unionid-of-victim", "openId": "openid-of-victim",
    "unionId": "unionid-of-victim", "wechat_openid": "openid-of-victim", "external": "C-victim", "assurance": 3,
    "encryptedData": "x", "iv": "x", "session_key": "x", "verified": True, "stepped_up_at": "2099-01-01T00:00:00Z",
}  # fmt: skip


def claims(victim) -> dict:
    """Everything that might tempt a careless server."""
    return CLAIMS | {"member_id": str(victim.id), "member": {"id": str(victim.id)}, "phone": victim.phone}


def test_what_a_client_claims_beside_its_proof_is_not_heard(doors, outside, agreed, victim):
    code = outside.code(openid="openid-of-attacker", session_key="never kept")
    body = claims(victim) | {"code": code, "consents": agreed}

    attacker = client_of(make.client("mini-program").post("auth/wechat/mini-program", body))

    me = attacker.get("me").json()
    assert me["id"] != str(victim.id)
    assert [row["kind"] for row in me["identities"]] == ["wechat_openid"]
    assert me["phone"] is None


def test_a_phone_in_the_body_is_not_the_phone_that_was_proven(doors, outside, victim):
    attacker = client_of(doors.mini_program("openid-of-attacker"))
    own = make.mobile()
    given = code_of(outside, attacker.post("auth/sms-codes", {"phone": own, "purpose": "link"}))

    body = attacker.post("auth/phone/link", claims(victim) | given).json()

    assert body["member"]["id"] != str(victim.id)
    assert body["link_case"] is None
    assert body["member"]["phone"][-4:] == own[-4:]


def test_a_code_for_ones_own_phone_signs_nobody_else_in(outside, agreed, victim):
    client = make.client()
    given = code_of(outside, client.post("auth/sms-codes", {"phone": make.mobile(), "purpose": "sign_in"}))
    body = client.post("auth/phone", claims(victim) | given | {"consents": agreed}).json()
    assert body["member"]["id"] != str(victim.id)
    assert body["created"]


def test_claims_in_the_profile_change_no_way_in(victim):
    client = make.member_client(make.member(openid="openid-of-attacker"))
    tag = {"If-Match": client.get("me")["ETag"]}
    before = set(Identity.objects.values_list("member", "kind", "mask"))
    assert client.patch("me", claims(victim) | {"nickname": "我"}, headers=tag).status_code == 200
    assert set(Identity.objects.values_list("member", "kind", "mask")) == before
    assert Member.objects.get(pk=client.member.id).phone is None


def test_a_new_holder_of_the_number_does_not_become_who_had_it(doors, victim, outside):
    victim.identities.update(last_seen_at=ago(days=91))
    victim.order.placed_at = ago(days=92)
    victim.order.save()

    holder = doors.sms(victim.phone)
    client, case = client_of(holder, "website"), LinkCase.objects.get()
    step_up(client, outside)

    assert holder.json()["member"]["id"] != str(victim.id)
    refused(client.post(f"link-cases/{case.id}/challenges", {"kind": "sms"}), 400, "invalid")
    linked = code_of(outside, client.post("auth/sms-codes", {"phone": victim.phone, "purpose": "link"}))
    refused(prove(client, case, kind="sms", **linked), 400, "code_invalid")
    assert client.get("me/orders").json()["results"] == []
    assert Merge.objects.count() == 0
    assert make_proofs.client_of(doors.mini_program("openid-back", "unionid-of-victim")).get("me").json()["id"] == str(
        victim.id
    )


def test_waiting_for_consent_opens_no_member_long_unseen(doors, victim, agreed):
    Identity.objects.update(last_seen_at=ago(days=91))
    victim.order.placed_at = ago(days=92)
    victim.order.save()

    waiting = doors.sms(victim.phone, consents=[]).json()["registration_token"]
    body = make.client().post("auth/register", {"registration_token": waiting, "consents": agreed}).json()

    assert body["created"]
    assert body["link_case"]["kind"] == "recycled_phone"
