"""Sign-in grants: a channel's own login carries over once, on its channel, and opens nobody who proved more."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import IntegrityError, connections
from django.utils import timezone

from members.models import Identity, Member, Session, SignInGrant
from sync.models import Channel, IdempotentAnswer
from tests import make
from tests.members.make_freezes import frozen

pytestmark = pytest.mark.django_db


@pytest.fixture
def backend():
    return make.backend_client("website")


def external(value="C-1"):
    return {"kind": "external", "value": value}


def grant(backend, identity=None, **more) -> str:
    answer = backend.post("sign-in-grants", {"identity": identity or external()} | more)
    assert answer.status_code == 201, answer.json()
    return answer.json()["grant"]


def redeem(given: str, client=None, **headers):
    return (client or make.client()).post("auth/grant", {"grant": given}, headers=headers)


def refusal(answer) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def known(backend, *identities) -> Member:
    """A member that the channel named."""
    answer = backend.post("members/resolve", {"identities": list(identities)})
    return Member.objects.get(pk=answer.json()["member"]["id"])


def test_who_the_channel_knows_is_signed_in_with_the_channels_word(backend, agreed):
    member = known(backend, external())
    answer = redeem(grant(backend, consents=agreed, device="收银台一号"))

    body = answer.json()
    assert answer.status_code == 200, body
    assert (body["member"]["id"], body["assurance"], body["created"]) == (str(member.pk), 1, False)
    assert (body["linked"], body["link_case"], body["absorbed_member_id"]) == (False, None, None)
    session = Session.objects.get()
    assert (session.device, session.channel.code) == ("收银台一号", "website")
    assert make.bearing(body["tokens"]["access_token"]).get("me").status_code == 200
    assert make.types_of(member) == ["member.registered"] + ["member.consent_granted"] * 2 + ["member.updated"]
    assert make.events_of(member)[-1].only_for == [session.channel.group_id]  # it comes to see all that there is
    assert redeem(grant(backend)).json()["member"]["id"] == str(member.pk)  # agreed before


def test_who_nobody_knows_agrees_first_and_is_a_member_by_the_channels_word(backend, agreed):
    asked = redeem(grant(backend))
    assert refusal(asked) == (422, "consent_required")
    assert Member.objects.count() == 0
    token = asked.json()["registration_token"]
    body = make.client().post("auth/register", {"registration_token": token, "consents": agreed}).json()
    assert (body["created"], body["assurance"]) == (True, 1)
    identity = Identity.objects.get()
    assert (identity.proof, identity.namespace, identity.verified_at) == ("asserted", "website", None)
    assert redeem(grant(backend)).json()["member"]["id"] == body["member"]["id"]
    assert known(backend, external()).pk == identity.member_id


def test_a_trusted_channels_word_is_attested(backend, agreed):
    Channel.objects.update(is_trusted=True)
    backend.channel.refresh_from_db()
    assert redeem(grant(backend, consents=agreed)).json()["created"]
    assert Identity.objects.get().proof == "attested"


def test_a_grant_is_sealed_lives_a_minute_and_is_no_stored_answer(backend, agreed):
    answer = backend.post("sign-in-grants", {"identity": external("customer-4711")}, headers={"Idempotency-Key": "k"})
    assert answer.json()["expires_in"] == 60
    assert answer["Cache-Control"] == "no-store"
    row = SignInGrant.objects.get()
    assert abs(row.expires_at - row.created_at - timedelta(seconds=60)) < timedelta(seconds=1)
    stored = "".join(make.snapshot().values())
    assert answer.json()["grant"] not in stored
    assert "customer-4711" not in stored
    assert not IdempotentAnswer.objects.exists()


def test_a_grant_opens_once_on_its_channel_in_its_minute(backend, agreed):
    given, late = grant(backend, consents=agreed), grant(backend, consents=agreed)
    SignInGrant.objects.filter(pk=SignInGrant.objects.latest("id").pk).update(expires_at=timezone.now())
    before = make.snapshot()
    make.channel("mini-program")
    for wrong, client in ((given, make.client("mini-program")), (late, None), ("", None), ("hub_sg_x", None)):
        assert redeem(wrong, client).status_code == 400
    assert make.snapshot()["members_session"] == before["members_session"]
    assert redeem(given).status_code == 200
    assert refusal(redeem(given)) == (400, "code_invalid")
    assert Session.objects.count() == 1


@pytest.mark.parametrize(
    "identity",
    [
        {"kind": "phone", "value": "13800138000"},
        {"kind": "wechat_unionid", "value": "u"},
        {"kind": "wechat_openid", "value": "openid", "app_id": "wx-mini-program"},
        {"kind": "external"},
        None,
    ],
)
def test_a_channel_vouches_only_for_its_own_numbers_and_app(backend, identity):
    before = make.snapshot()
    assert refusal(backend.post("sign-in-grants", {"identity": identity})) == (400, "invalid")
    assert make.snapshot() == before


def test_a_key_needs_the_scope(backend):
    bare = make.backend_client(scopes=["members:write"])
    assert refusal(bare.post("sign-in-grants", {"identity": external()})) == (403, "scope_missing")


def test_an_openid_proven_for_another_app_is_not_opened(backend, agreed):
    owner = make.member(channel="mini-program", openid="openid-of-ming")
    body = redeem(grant(backend, {"kind": "wechat_openid", "value": "openid-of-ming"}, consents=agreed)).json()
    assert body["created"]
    assert body["member"]["id"] != str(owner.pk)


def test_the_openid_of_the_channels_own_app_opens_its_member_with_the_channels_word():
    owner = make.member(channel="mini-program", openid="openid-of-ming", phone=make.mobile())
    shop = make.backend_client("mini-program")
    given = grant(shop, {"kind": "wechat_openid", "value": "openid-of-ming", "app_id": "wx-mini-program"})
    body = redeem(given, make.client("mini-program")).json()
    assert (body["member"]["id"], body["assurance"]) == (str(owner.pk), 1)
    client = make.bearing(body["tokens"]["access_token"])
    assert refusal(client.delete(f"me/identities/{owner.identities.first().pk}")) == (403, "step_up_required")


def test_what_a_channel_adds_to_a_member_with_proofs_signs_nobody_in(backend):
    """A stranger gives the victim's phone to a shop that never checks it, then lets the shop vouch."""
    victim = make.member(phone=make.mobile())
    planted = known(backend, {"kind": "phone", "value": victim.phone}, external("attacker"))
    assert planted == victim
    before = make.snapshot()
    assert refusal(redeem(grant(backend, external("attacker")))) == (403, "step_up_required")
    assert make.snapshot()["members_session"] == before["members_session"] == "[]"
    assert known(backend, external("attacker")) == victim  # facts still find them


def test_both_proofs_together_open_it_again(backend, doors, bearer):
    victim = make.member(phone=make.mobile())
    known(backend, {"kind": "phone", "value": victim.phone}, external())
    mine = bearer(doors.sms(victim.phone), "website")

    body = redeem(grant(backend), mine).json()

    assert (body["member"]["id"], body["assurance"]) == (str(victim.pk), 1)
    assert Identity.objects.get(kind="external").suspended_at is None
    assert redeem(grant(backend)).status_code == 200


@pytest.mark.parametrize("wrong", ["stranger", "old", "weak", "elsewhere", "ended"])
def test_a_bearer_that_proves_nothing_lifts_nothing(backend, wrong):
    victim = make.member(phone=make.mobile())
    known(backend, {"kind": "phone", "value": victim.phone}, external())
    long_ago = timezone.now() - timedelta(minutes=11)
    client = {
        "stranger": lambda: make.member_client(make.member(phone=make.mobile())),
        "old": lambda: make.member_client(victim, created_at=long_ago),
        "weak": lambda: make.member_client(victim, assurance=1),
        "elsewhere": lambda: make.member_client(victim, "mini-program"),
        "ended": lambda: make.member_client(victim, revoked_at=long_ago),
    }[wrong]()
    code = {"elsewhere": (400, "code_invalid"), "ended": (401, "token_revoked")}.get(wrong, (403, "step_up_required"))
    assert refusal(redeem(grant(backend), client)) == code
    assert Identity.objects.get(kind="external").suspended_at


def test_an_old_session_stepped_up_just_now_is_proof_enough(backend):
    victim = make.member(phone=make.mobile())
    known(backend, {"kind": "phone", "value": victim.phone}, external())
    old = timezone.now() - timedelta(days=2)
    client = make.member_client(victim, created_at=old, stepped_up_at=timezone.now())
    assert redeem(grant(backend), client).status_code == 200


def test_the_first_live_proof_ends_what_only_a_channel_vouched_for(backend, doors, agreed):
    """Whoever used the shop's login with somebody's phone before its owner came is out when the owner comes."""
    phone = make.mobile()
    member = known(backend, {"kind": "phone", "value": phone}, external())
    stranger = make.bearing(redeem(grant(backend, consents=agreed)).json()["tokens"]["access_token"])
    assert stranger.get("me").json()["id"] == str(member.pk)

    owner = doors.sms(phone, "mini-program").json()

    assert owner["member"]["id"] == str(member.pk)
    assert refusal(stranger.get("me")) == (401, "token_revoked")
    assert refusal(redeem(grant(backend))) == (403, "step_up_required")
    assert known(backend, external()) == member
    assert Identity.objects.get(kind="phone").suspended_at is None


def test_a_phone_proven_within_the_channels_own_session_keeps_it(backend, doors, bearer, agreed):
    client = bearer(redeem(grant(backend, consents=agreed)), "website")
    answer = doors.link_by_sms(client, make.mobile())
    assert (answer.json()["assurance"], answer.json()["linked"]) == (3, False)
    assert make.bearing(answer.json()["tokens"]["access_token"]).get("me").status_code == 200
    assert redeem(grant(backend)).json()["member"]["id"] == answer.json()["member"]["id"]


def test_a_step_up_raises_what_a_channel_vouched_for(backend, doors, bearer, outside):
    owner = make.member(openid="openid-of-ming", phone=make.mobile())
    client = bearer(redeem(grant(backend, {"kind": "wechat_openid", "value": "openid-of-ming"})), "website")
    sent = client.post("auth/sms-codes", {"purpose": "step_up"}).json()
    given = {"challenge_id": sent["challenge_id"], "code": outside.sms_code(sent["challenge_id"])}
    assert client.post("auth/step-up", given).json()["assurance"] == 3
    assert Session.objects.get(member=owner).assurance == 3


def test_a_frozen_member_is_not_vouched_in_and_the_grant_is_left(backend, agreed):
    frozen(known(backend, external()))
    given = grant(backend, consents=agreed)
    before = make.snapshot()
    assert refusal(redeem(given)) == (403, "member_frozen")
    assert make.snapshot() == before


def at_once(*works):
    barrier = Barrier(len(works))

    def one(work):
        try:
            barrier.wait()
            return work()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(one, works))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_known", [True, False])
def test_of_twenty_redemptions_at_once_one_opens_a_session(is_known):
    backend, agreed = make.backend_client("website"), make.policies()
    if is_known:
        known(backend, external())
    given = grant(backend, consents=agreed)
    answers = at_once(*[lambda: redeem(given)] * 20)
    assert sorted(each.status_code for each in answers) == [200] + [400] * 19
    assert (Session.objects.count(), Member.objects.count()) == (1, 1)


@pytest.mark.django_db(transaction=True)
def test_a_grant_and_a_freeze_at_once_leave_no_session_alive():
    backend, agreed = make.backend_client("website"), make.policies()
    for turn in range(5):
        member = known(backend, external(f"C-{turn}"))
        given = grant(backend, external(f"C-{turn}"), consents=agreed)
        _frozen, answer = at_once(lambda who=member: frozen(who), lambda it=given: redeem(it))
        assert answer.status_code in {200, 403}
        assert not Session.objects.filter(member=member, revoked_at=None).exists()


def test_the_database_forgets_whom_a_used_grant_named(backend):
    grant(backend)
    with pytest.raises(IntegrityError, match="sign_in_grant_used_forgets_identity"):
        SignInGrant.objects.update(used_at=timezone.now())
