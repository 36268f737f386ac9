"""Freezes: what each scope stops, that they end, who laid them, and what was told of it."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from loyalty.services import earn
from members import freezing, sessions, tasks
from members.models import Freeze, Member, MemberCode, Request, SmsChallenge
from sync import clock
from sync.act import SYSTEM, act
from sync.http import Problem
from tests import make
from tests.members.make_freezes import OTHER, frozen, lifted

pytestmark = pytest.mark.django_db


@pytest.fixture
def client():
    return make.member_client(make.member(phone=make.mobile()))


def refusal(answer) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def refresh(client):
    return make.client().post("auth/refresh", {"refresh_token": client.session.tokens.refresh})


def placing(member, **more) -> dict:
    item = {"sku": "TEA-01", "name": "龙井", "quantity": 1, "unit_price_fen": 100}
    plain = {"items": [item], "shipping_fen": 0, "discounts": [], "points_to_redeem": 0}
    return plain | {"external_id": "1", "member_id": str(member.pk)} | more


def test_frozen_for_signing_in_every_session_ends_at_once(client, doors):
    elsewhere = make.member_client(client.member, "mini-program")
    client.post("me/codes")
    frozen(client.member, "sign_in")

    for each in (client, elsewhere):
        assert refusal(each.get("me")) == (403, "member_frozen")
        assert refusal(refresh(each)) == (403, "member_frozen")
    assert sessions.revoked([str(client.session.pk)]) == {str(client.session.pk)}
    assert refusal(doors.sms(client.member.phone)) == (403, "member_frozen")
    assert not MemberCode.objects.exists()
    lifted(client.member)
    assert refusal(client.get("me")) == (401, "token_revoked")
    assert doors.sms(client.member.phone).status_code == 200


def test_codes_on_their_way_end_with_the_sessions(client, doors, outside):
    sent = client.post("auth/sms-codes", {"purpose": "step_up"}).json()
    frozen(client.member, "sign_in")
    lifted(client.member)
    again = make.member_client(client.member)
    given = {"challenge_id": sent["challenge_id"], "code": outside.sms_code(sent["challenge_id"])}
    assert refusal(again.post("auth/step-up", given)) == (400, "code_invalid")
    assert SmsChallenge.objects.filter(used_at=None).count() == 0


def test_frozen_for_points_only_a_member_signs_in_and_spends_nothing(client, doors):
    earn(member=client.member.pk, points=100, reference="start", by=SYSTEM)
    frozen(client.member, "points")
    till = make.backend_client()
    entry = {"kind": "spend", "points": 10, "reason": "", "reference": "1"}

    assert client.get("me").json()["status"] == "frozen"
    assert doors.sms(client.member.phone).status_code == 200
    assert sessions.revoked([str(client.session.pk)]) == set()
    assert refusal(till.post(f"members/{client.member.pk}/points/entries", entry)) == (403, "member_frozen")
    assert till.post(f"members/{client.member.pk}/points/entries", entry | {"kind": "earn"}).status_code == 201
    assert till.post("orders", placing(client.member)).status_code == 201


def test_a_member_frozen_for_points_still_shows_a_code(client):
    frozen(client.member, "points")
    code = client.post("me/codes").json()["code"]
    shown = {"identities": [{"kind": "member_code", "value": code}]}
    assert make.backend_client().post("members/resolve", shown).json()["member"]["id"] == str(client.member.pk)


def test_frozen_for_orders_nothing_is_placed_and_what_was_placed_is_answered_again(client):
    shop = make.backend_client()
    first = shop.post("orders", placing(client.member))
    frozen(client.member, "orders")
    before = make.snapshot()

    assert refusal(shop.post("orders", placing(client.member, external_id="2"))) == (403, "member_frozen")
    assert make.snapshot() == before
    assert shop.post("orders", placing(client.member)).json() == first.json()
    assert client.get("me").status_code == 200


def test_who_is_on_the_blacklist_does_not_register_anew_however_late(doors):
    member = make.member(phone=make.mobile())
    frozen(member)
    Freeze.objects.update(at=make.LONG_AGO)
    member.identities.update(last_seen_at=make.LONG_AGO)
    before = make.snapshot()["members_member"]
    assert refusal(doors.sms(member.phone)) == (403, "member_frozen")
    assert make.snapshot()["members_member"] == before


def test_a_frozen_phone_that_only_a_channel_knew_registers_nobody(doors):
    phone = make.mobile()
    known = make.backend_client().post("members/resolve", {"identities": [{"kind": "phone", "value": phone}]})
    frozen(Member.objects.get(pk=known.json()["member"]["id"]))
    assert refusal(doors.sms(phone)) == (403, "member_frozen")
    assert Member.objects.count() == 1


def test_it_is_told_with_its_scopes_and_raises_the_version(client):
    frozen(client.member, "orders", "sign_in")
    lifted(client.member)
    told = [(each.type, each.data["scopes"]) for each in make.events_of(client.member)]
    assert told == [("member.frozen", ["sign_in", "orders"]), ("member.unfrozen", ["sign_in", "orders"])]
    assert Member.objects.get(pk=client.member.pk).version == 3


def test_other_scopes_replace_those_before_in_one_act(client):
    frozen(client.member, "points", "orders")
    frozen(client.member, "points", "sign_in")
    rows = Freeze.objects.order_by("at").values_list("scopes", "lifted_by", "by", "approved_by")
    assert list(rows) == [
        (["points", "orders"], "staff/1", "staff/1", "staff/2"),
        (["sign_in", "points"], "", "staff/1", "staff/2"),
    ]
    told = [(each.type, each.data["scopes"]) for each in make.events_of(client.member)]
    assert told[1:] == [("member.unfrozen", ["orders"]), ("member.frozen", ["sign_in", "points"])]
    assert Member.objects.get(pk=client.member.pk).frozen_scopes == ["sign_in", "points"]


def test_lifting_what_is_not_frozen_changes_nothing(client):
    before = make.snapshot()
    assert lifted(client.member) == []
    assert make.snapshot() == before


def test_a_freeze_runs_out_by_itself_and_only_when_due(client):
    other = make.member()
    frozen(client.member, "points", until=clock.now() + timedelta(hours=1))
    frozen(other, "points")
    tasks.lift_freezes()
    assert Freeze.objects.filter(lifted_at=None).count() == 2
    Freeze.objects.filter(member=client.member).update(expires_at=clock.now())

    assert [freezing.lift_expired(), freezing.lift_expired()] == [1, 0]

    assert Freeze.objects.get(member=client.member).lifted_by == "system/hub"
    assert Member.objects.get(pk=client.member.pk).status == "active"
    assert make.types_of(client.member) == ["member.frozen", "member.unfrozen"]
    assert Member.objects.get(pk=other.pk).status == "frozen"


@pytest.mark.parametrize(
    ("scopes", "until", "standing"),
    [
        (["points"], timedelta(seconds=-1), {}),
        ([], None, {}),
        (["points"], None, {"status": "erased"}),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(scopes, until, standing):
    member = make.member(**standing)
    terms = {"scopes": scopes, "reason": "fraud", "note": "", "until": until and (clock.now() + until).isoformat()}
    asked = asked_for(member, "freeze", terms)
    before = make.snapshot()
    with pytest.raises(Problem, match="case_closed"):
        act(freezing.freeze_asked)(asked, OTHER)
    assert make.snapshot() == before


def asked_for(member, kind, terms=None) -> Request:
    user, _made = User.objects.get_or_create(username="asks")
    return Request.objects.create(kind=kind, member=member, terms=terms or {}, reason="fraud", asked_by=user)


def test_what_was_asked_for_is_laid_and_lifted_as_asked(client):
    until = clock.now() + timedelta(days=1)
    terms = {"scopes": ["points"], "reason": "abuse", "note": "薅羊毛", "until": until.isoformat()}
    asked = asked_for(client.member, "freeze", terms)
    laid = act(freezing.freeze_asked)(asked, OTHER)
    assert (laid.scopes, laid.reason, laid.note, laid.expires_at) == (["points"], "abuse", "薅羊毛", until)
    assert (laid.by, laid.approved_by) == (f"staff/{asked.asked_by_id}", "staff/2")

    lifting = asked_for(client.member, "unfreeze", {"held": str(laid.pk)})
    assert act(freezing.unfreeze_asked)(lifting, OTHER) == ["points"]
    with pytest.raises(Problem, match="case_closed"):
        act(freezing.unfreeze_asked)(lifting, OTHER)


def test_of_two_that_become_one_the_survivor_bears_what_both_bore():
    source, target = make.member(), make.member()
    frozen(source, "sign_in", until=clock.now() + timedelta(days=1))
    frozen(target, "points")

    @act
    def join():
        held = [Member.objects.get(pk=each.pk) for each in (source, target)]
        return freezing.join(*held, by=OTHER)

    assert join() == ["sign_in"]
    left, borne = (Member.objects.get(pk=each.pk) for each in (source, target))
    assert (left.status, left.frozen_scopes) == ("active", [])
    assert borne.frozen_scopes == ["sign_in", "points"]
    assert Freeze.objects.get(lifted_at=None).expires_at is None


@pytest.mark.parametrize(
    ("fields", "constraint"),
    [
        ({"scopes": []}, "freeze_scopes_known"),
        ({"scopes": ["breathing"]}, "freeze_scopes_known"),
        ({"lifted_by": "staff/1"}, "freeze_lifted_by_somebody"),
        ({"lifted_at": make.NOON}, "freeze_lifted_by_somebody"),
        ({}, "freeze_open_once"),
    ],
)
def test_the_database_refuses(fields, constraint):
    member = make.member()
    known = {"member": member, "scopes": ["points"], "reason": "fraud", "by": "staff/1", "approved_by": "staff/2"}
    Freeze.objects.create(**known)
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        Freeze.objects.create(**known | fields)
