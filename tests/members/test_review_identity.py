"""Who may not come in does not: a channel's word, a number's next holder, a merge that was wrong, an open link."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from members import consent, exporting, privacy
from members.models import Consent, ExportFile, Identity, LinkCase, Member, PrivacyRequest, Session
from sync.http import Problem
from sync.models import IdempotentAnswer
from tests import make
from tests.members import make_freezes, make_merging, make_privacy
from tests.members.make_proofs import case_of, client_of, prove, put_phone
from tests.orders import make_orders

pytestmark = pytest.mark.django_db
HERE = "http://127.0.0.1:8000"


def refused(answer, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.json()


def vouched(channel: str, identity: dict, agreed) -> make.Caller:
    """A client that the channel's backend let in as whom it names."""
    grant = make.backend_client(channel).post("sign-in-grants", {"identity": identity, "consents": agreed})
    return client_of(make.client(channel).post("auth/grant", {"grant": grant.json()["grant"]}), channel)


def openid(value: str) -> dict:
    return {"kind": "wechat_openid", "value": value, "app_id": "wx-mini-program"}


def stranger() -> make.Caller:
    """The backend of a channel of somebody else's sharing group."""
    return make.backend_client(make.channel("store", group="strangers"))


# A channel's word opens a member; it makes nobody's phone theirs and folds them into nobody.


def test_a_channels_word_ties_no_phone_to_a_member_with_proofs_of_their_own(doors, agreed):
    victim = make.member(channel="mini-program", openid="openid-of-victim", unionid="unionid-of-victim")
    make_orders.order(member=victim)
    thief = vouched("mini-program", openid("openid-of-victim"), agreed)

    answer = doors.link_by_sms(thief, make.mobile())

    refused(answer, 403, "step_up_required")
    assert Member.objects.get(pk=victim.pk).phone is None
    assert Session.objects.get(member=victim).assurance == 1


def test_a_channels_word_folds_nobody_into_the_owner_of_a_phone(doors, agreed):
    victim = make.member(channel="mini-program", openid="openid-of-victim")
    thief = make.member(phone=make.mobile())
    client = vouched("mini-program", openid("openid-of-victim"), agreed)

    answer = doors.link_by_sms(client, thief.phone)

    assert Identity.objects.get(kind="wechat_openid").member == victim, answer.json()
    assert Member.objects.get(pk=victim.pk).status == "active"
    assert doors.mini_program("openid-of-victim").json()["member"]["id"] == str(victim.pk)


def test_whom_only_a_channel_knows_proves_a_phone_from_its_session_still(doors, agreed):
    client = vouched("website", {"kind": "external", "value": "C-1"}, agreed)
    assert doors.link_by_sms(client, make.mobile()).status_code == 200


# A number that has another holder.


def test_who_is_restricted_and_known_by_a_channels_word_alone_keeps_the_phone(doors, agreed):
    phone = make.mobile()
    known = make.backend_client().post("members/resolve", {"identities": [{"kind": "phone", "value": phone}]})
    blocked = Member.objects.get(pk=known.json()["member"]["id"])
    make_freezes.frozen(blocked)
    refused(doors.sms(phone), 403, "member_frozen")
    around = client_of(doors.mini_program("openid-of-blocked"))

    doors.link_by_sms(around, phone)

    assert not Identity.objects.filter(kind="phone", proof="verified").exists()
    refused(doors.sms(phone), 403, "member_frozen")


# Channels of other sharing groups.


def test_a_stranger_channels_word_does_not_keep_a_person_from_what_is_theirs(doors, agreed):
    phone = make.mobile()
    named = {"identities": [{"kind": "phone", "value": phone}]}
    own = make.backend_client().post("members/resolve", named).json()["member"]["id"]
    other = stranger().post("members/resolve", named).json()["member"]["id"]
    assert own != other

    assert doors.sms(phone).json()["member"]["id"] == own


def test_a_stranger_channel_finds_no_masked_phone_out_by_placing_orders(settings):
    settings.QUOTA_FACTOR = 1
    make.member(phone="+8613800138000")
    backend = stranger()
    codes = []
    for guess in range(30):
        phone = f"138{guess:04d}8000"
        codes.append(backend.post("orders", make_orders.body(identity={"kind": "phone", "value": phone})).status_code)
    assert 429 in codes


def test_a_stranger_channel_agrees_to_nothing_for_somebody_it_does_not_see(agreed):
    victim = make.member(phone=make.mobile())
    granted = {"purpose": "marketing", "version": "1", "granted_at": "2026-01-01T00:00:00Z", "evidence": "said so"}
    named = {"identities": [{"kind": "phone", "value": victim.phone}], "consents": [granted]}

    assert stranger().post("members/resolve", named).status_code == 200

    assert not consent.allows(victim.pk, "marketing")
    assert not Consent.objects.filter(member=victim).exists()


def test_an_unmerge_shows_the_survivor_to_nobody_new(agreed):
    target, source = make.member(phone=make.mobile()), make.member(phone=make.mobile())
    backend = stranger()
    backend.post("orders", make_orders.body(identity={"kind": "phone", "value": target.phone}))
    refused(backend.get(f"members/{target.pk}"), 404, "not_found")

    make_merging.unmerge(make_merging.merge(source, target))

    refused(backend.get(f"members/{target.pk}"), 404, "not_found")


# What was under way when two became one, or two again, or the phone another's.


def ready(client) -> tuple[str, str]:
    """A copy that was asked for and made: its id and its link."""
    key = client.post("me/exports").json()["id"]
    exporting.make_due()
    return key, exporting.link(key).removeprefix(HERE)


def test_a_copy_made_of_two_as_one_is_nobodys_when_they_part():
    source, target = (make.member(phone=make.mobile()) for _ in range(2))
    make_privacy.stepped_up(source).post("me/exports")
    merge = make_merging.merge(source, target)
    exporting.make_due()  # asked for by the source, made of the survivor
    made = PrivacyRequest.objects.get()
    assert (made.member, made.state) == (target, "done")

    make_merging.unmerge(merge)

    assert Client().get(exporting.link(made.pk).removeprefix(HERE)).status_code == 410
    answer = make_privacy.stepped_up(source).get(f"me/exports/{made.pk}")
    assert answer.status_code == 404 or "url" not in answer.json()


@pytest.mark.parametrize("act", ["merge", "freeze", "phone"])
def test_a_link_to_a_copy_ends_with_the_sessions(outside, act):
    client = make_privacy.stepped_up(make.member(phone=make.mobile()))
    _key, link = ready(client)
    if act == "merge":
        make_merging.merge(client.member, make.member(phone=make.mobile()))
    elif act == "freeze":
        make_freezes.frozen(client.member)
    else:
        assert put_phone(client, outside, make.mobile()).status_code == 200
    assert Client().get(link).status_code == 410
    assert not ExportFile.objects.filter(content__isnull=False).exists()


def test_answers_kept_for_a_member_go_with_them():
    client = make_privacy.stepped_up(make.member(phone=make.mobile()))
    address = {"receiver": "林小溪", "phone": "13800138000", "province": "浙江省", "city": "杭州市"}
    address |= {"district": "西湖区", "street": "龙井路1号", "postcode": "310000"}
    assert client.post("me/addresses", address, headers={"Idempotency-Key": "k"}).status_code == 201
    assert IdempotentAnswer.objects.count() == 1

    assert make_privacy.erase(client) == 1

    assert IdempotentAnswer.objects.count() == 0


@pytest.mark.parametrize("ask", [privacy.ask_export, privacy.ask_erasure])
def test_who_was_absorbed_meanwhile_asks_nothing_for_the_survivor(ask):
    source, target = (make.member(phone=make.mobile()) for _ in range(2))
    client = make.member_client(source)
    make_merging.merge(source, target)
    with pytest.raises(Problem, match="token_revoked"):
        ask(member=source.pk, channel=client.channel, by=make.BACKEND)
    assert not PrivacyRequest.objects.filter(member=target).exists()


def test_an_address_written_anew_after_a_wrong_merge_stays_with_who_wrote_it(agreed):
    source, target = (make.member(phone=make.mobile()) for _ in range(2))
    theirs = make_merging.address(source, is_default=True)
    merge = make_merging.merge(source, target)
    client = make.member_client(target)
    assert client.patch(f"me/addresses/{theirs.pk}", {"street": "survivor's own street"}).status_code == 200

    make_merging.unmerge(merge)

    shown = make.member_client(source).get("me/addresses").json()["results"]
    assert "survivor's own street" not in [each["street"] for each in shown]


def test_an_order_that_a_shop_put_down_to_a_phone_is_no_sign_of_its_owner(doors, agreed):
    """The number's next holder buys something as a guest, and signs in: not to whom the number was before."""
    phone = make.mobile()
    former = make.member(phone=phone)
    former.identities.update(last_seen_at=timezone.now() - timedelta(days=120))
    ordered = make_orders.body(identity={"kind": "phone", "value": phone})
    assert make.backend_client().post("orders", ordered).status_code == 201

    assert doors.sms(phone).json()["member"]["id"] != str(former.pk)


def test_an_order_put_down_to_a_phone_proves_nothing_to_the_numbers_next_holder(outside):
    former, holder = make.member(openid="openid-of-former"), make.member(phone=make.mobile())
    client = make.member_client(holder, stepped_up_at=timezone.now())
    case = case_of(former, holder)
    LinkCase.objects.update(kind="recycled_phone", member=holder, other=former)
    named, own = make_orders.order(member=former, is_by_phone=True), make_orders.order(member=former)

    facts = [{"number": each.number, "total_fen": each.total_fen} for each in (named, own)]

    assert [prove(client, case, kind="order_fact", **fact).status_code for fact in facts] == [400, 200]
