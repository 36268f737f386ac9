"""A link case: proofs from a confirmed session join two members; too few, too weak or too old ones move nothing."""

from datetime import timedelta

import pytest
from django.utils import timezone

from members.models import LinkCase, Member, Merge, PrivacyRequest, Session, SmsChallenge
from tests import make
from tests.members import make_proofs
from tests.members.make_proofs import by_sms, case_of, prove
from tests.orders import make_orders

pytestmark = pytest.mark.django_db


def ago(**units):
    return timezone.now() - timedelta(**units)


def shown(kind: str, assurance: int = 3, **units) -> dict:
    return {"kind": kind, "assurance": assurance, "at": ago(**units).isoformat()}


@pytest.fixture
def other():
    """Who registered later, with a phone and an order."""
    made = make.member(phone=make.mobile(), nickname="后来")
    made.order = make_orders.order(member=made)
    return made


@pytest.fixture
def client(outside, agreed):
    """Somebody with a phone, registered first, confirmed just now."""
    mine = make.member(phone=make.mobile(), created_at=ago(days=9))
    return make.member_client(mine, stepped_up_at=timezone.now())


@pytest.fixture
def case(client, other):
    return case_of(client.member, other)


def fact(other) -> dict:
    return {"kind": "order_fact", "number": other.order.number, "total_fen": other.order.total_fen}


def old_sign_in(other, assurance: int = 2, **fields) -> dict:
    return {
        "kind": "old_sign_in",
        "access_token": make.session(other, "mini-program", assurance=assurance, **fields).tokens.access,
    }


def refused(answer, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.json()


def joined(answer, survivor: Member, absorbed: Member) -> dict:
    body = answer.json()
    assert answer.status_code == 200, body
    assert body["member"]["id"] == str(survivor.id)
    assert (body["linked"], body["absorbed_member_id"], body["link_case"]) == (True, str(absorbed.id), None)
    assert Member.objects.get(pk=absorbed.id).merged_into == survivor
    assert make.bearing(body["tokens"]["access_token"]).get("me").json()["id"] == str(survivor.id)
    return body


def test_a_case_shows_what_it_takes_and_only_the_mask_of_the_others_phone(client, case, other):
    answer = client.get(f"link-cases/{case.id}")

    assert answer.status_code == 200
    assert answer.json()["proofs_needed"][0] == {"kind": "sms", "hint": other.phone_mask}
    assert [proof["kind"] for proof in answer.json()["proofs_needed"]] == ["sms", "old_sign_in", "order_fact"]
    assert other.phone not in answer.text


def test_a_code_goes_to_the_other_members_phone_and_the_caller_sees_a_mask_at_most(client, case, other, outside):
    answer = client.post(f"link-cases/{case.id}/challenges", {"kind": "sms"})

    assert answer.status_code == 202
    assert set(answer.json()) == {"challenge_id", "expires_in", "resend_in"}
    assert outside.messages[-1]["phone"] == other.phone


@pytest.mark.parametrize("second", ["order_fact", "old_sign_in"])
def test_two_proofs_join_two_members_of_value_and_the_elder_survives(client, case, other, outside, second):
    first = by_sms(client, outside, case)
    assert first.status_code == 200
    assert first.json()["member"]["id"] == str(client.member.id)
    assert "sms" not in [proof["kind"] for proof in first.json()["link_case"]["proofs_needed"]]
    assert Merge.objects.count() == 0
    client = make_proofs.client_of(first)

    answer = prove(client, case, **(fact(other) if second == "order_fact" else old_sign_in(other)))

    joined(answer, Member.objects.get(pk=case.member_id), other)
    closed = LinkCase.objects.get()
    assert (closed.state, closed.closed_by) == ("merged", f"member/{case.member_id}")
    assert Merge.objects.get().why == f"link case {case.id}"
    assert [make.types_of(member).count("member.merged") for member in (case.member, other)] == [1, 1]


def test_the_survivor_may_be_the_other_and_the_sessions_of_both_end(outside, agreed):
    elder = make.member(phone=make.mobile(), created_at=ago(days=99))
    client = make.member_client(make.member(phone=make.mobile()), stepped_up_at=timezone.now())
    elder.order = make_orders.order(member=elder)
    at_home, elsewhere = make.member_client(elder), make.session(client.member)
    case = case_of(client.member, elder, proofs=[shown("phone")])

    joined(prove(client, case, **fact(elder)), elder, client.member)

    assert at_home.get("me").json()["code"] == "token_revoked"
    assert client.get("me").json()["code"] == "token_revoked"
    assert make.bearing(elsewhere.tokens.access).get("me").json()["code"] == "token_revoked"
    assert Session.objects.filter(revoked_at=None).count() == 1


def test_one_proof_is_enough_when_only_one_side_holds_value(other, outside, agreed):
    empty = make.member(created_at=ago(days=9))
    client = make.member_client(empty, channel="mini-program", assurance=2)  # no phone: signed in just now counts
    joined(prove(client, case_of(empty, other), **fact(other)), empty, other)


def test_the_sms_that_opened_the_case_counts_for_ten_minutes(client, other):
    young = case_of(client.member, other, proofs=[shown("phone", minutes=9)])
    joined(prove(client, young, **fact(other)), client.member, other)


@pytest.mark.parametrize(
    "before",
    [
        [], [shown("phone", minutes=11)], [shown("phone", assurance=2)], [shown("wechat_unionid", assurance=2)],
        [shown("order_fact", minutes=1)], [shown("old_sign_in", minutes=11)],
    ],
)  # fmt: skip
def test_what_is_old_weak_or_the_same_again_is_no_second_proof(client, other, before):
    answer = prove(client, case_of(client.member, other, proofs=before), **fact(other))
    assert answer.status_code == 200
    assert answer.json()["link_case"] is not None
    assert Merge.objects.count() == 0


def test_the_same_phone_twice_is_one_proof(client, other, outside):
    case = case_of(client.member, other, proofs=[shown("phone")])
    answer = by_sms(client, outside, case)
    assert answer.json()["link_case"]["id"] == str(case.id)
    assert Merge.objects.count() == 0


def test_each_proof_brings_new_tokens_and_the_old_ones_end(client, case, other):
    answer = prove(client, case, **fact(other))
    assert answer.json()["tokens"]["access_token"] != client.session.tokens.access
    assert client.get("me").status_code == 401


def test_proofs_hold_nothing_of_a_person(client, case, other):
    prove(client, case, **fact(other))
    kept = LinkCase.objects.get().proofs
    assert [set(proof) for proof in kept] == [{"kind", "assurance", "at"}]
    assert other.order.number not in str(kept)


@pytest.mark.parametrize("wrong", ["number", "total_fen", "both", "a stranger's"])
def test_a_wrong_number_and_a_wrong_total_are_the_same_answer(client, case, other, wrong):
    given, stranger = fact(other), make_orders.order(member=make.member())
    if wrong in {"number", "both"}:
        given["number"] = "D2026112200000000"
    if wrong in {"total_fen", "both"}:
        given["total_fen"] += 1
    if wrong == "a stranger's":
        given |= {"number": stranger.number, "total_fen": stranger.total_fen}
    unknown = prove(client, case, kind="order_fact", number="D2026112200000001", total_fen=1).json()
    before = without_guesses()

    answer = prove(client, case, **given)

    refused(answer, 400, "code_invalid")
    assert answer.json() | {"request_id": 0} == unknown | {"request_id": 0}
    assert without_guesses() == before


def without_guesses() -> dict:
    LinkCase.objects.update(guesses=0)
    return make.snapshot()


def test_guesses_at_an_order_are_counted_though_they_are_refused(client, case, other, settings, still_windows):
    settings.QUOTA_FACTOR = 100
    for number in range(10):
        refused(prove(client, case, **fact(other) | {"total_fen": number}), 400, "code_invalid")
    refused(prove(client, case, **fact(other)), 429, "too_many_attempts")
    assert LinkCase.objects.get().guesses == 10


def test_guesses_are_counted_by_the_day_whatever_case_they_are_made_in(
    client, case, other, settings, still_windows, agreed
):
    settings.QUOTA_FACTOR = 1
    for number in range(10):
        refused(prove(client, case, **fact(other) | {"total_fen": number}), 400, "code_invalid")
    assert client.post(f"link-cases/{case.id}/decline").status_code == 204
    answer = prove(client, case_of(client.member, other), **fact(other))
    refused(answer, 429, "rate_limited")
    assert int(answer["Retry-After"]) > 0


@pytest.mark.parametrize(
    "how",
    [
        {"assurance": 1}, {"revoked_at": timezone.now()}, {"access_expires_at": ago(seconds=1)},
        {"expires_at": ago(seconds=1), "access_expires_at": ago(seconds=1)},
    ],
)  # fmt: skip
def test_a_token_that_is_weak_or_over_shows_nothing(client, case, other, how):
    how = dict(how)
    given = old_sign_in(other, how.pop("assurance", 3), **how)
    before = make.snapshot()
    refused(prove(client, case, **given), 400, "code_invalid")
    assert make.snapshot() == before


def test_a_token_of_somebody_else_or_of_oneself_shows_nothing(client, case, other):
    own = {"kind": "old_sign_in", "access_token": client.session.tokens.access}
    backend = {"kind": "old_sign_in", "access_token": make.backend_client().headers["Authorization"].split()[1]}
    for given in (old_sign_in(make.member()), own, backend, {"kind": "old_sign_in", "access_token": "hub_at_nothing"}):
        refused(prove(client, case, **given), 400, "code_invalid")


def test_a_code_of_another_case_session_or_purpose_shows_nothing(client, case, other, outside):
    second = case_of(client.member, make.member(phone=make.mobile()))
    sent = client.post(f"link-cases/{second.id}/challenges", {"kind": "sms"})
    linked = client.post("auth/sms-codes", {"phone": other.phone, "purpose": "link"})
    again = make.member_client(client.member, stepped_up_at=timezone.now())
    elsewhere = again.post(f"link-cases/{case.id}/challenges", {"kind": "sms"})
    before = make.snapshot()
    for wrong in (sent, linked, elsewhere):
        refused(prove(client, case, kind="sms", **make_proofs.code_of(outside, wrong)), 400, "code_invalid")
    assert make.snapshot() == before
    as_link = client.post("auth/phone/link", make_proofs.code_of(outside, sent))
    refused(as_link, 400, "code_invalid")


def test_the_purpose_of_a_case_cannot_be_asked_for_by_a_phone(client):
    answer = client.post("auth/sms-codes", {"phone": make.mobile(), "purpose": "link_case"})
    refused(answer, 400, "invalid")
    assert SmsChallenge.objects.count() == 0


@pytest.mark.parametrize("stepped_up", [None, 11])
def test_proofs_take_a_step_up_of_ten_minutes(client, case, other, outside, stepped_up):
    at = stepped_up and ago(minutes=stepped_up)
    Session.objects.filter(pk=client.session.id).update(stepped_up_at=at)
    before = make.snapshot()

    refused(prove(client, case, **fact(other)), 403, "step_up_required")
    assert make.snapshot() == before  # not even a guess

    make_proofs.step_up(client, outside)
    assert prove(client, case, **fact(other)).status_code == 200


@pytest.mark.parametrize(("minutes", "assurance", "opens"), [(9, 2, True), (11, 2, False), (1, 1, False)])
def test_who_has_no_phone_to_step_up_with_must_have_signed_in_just_now(other, minutes, assurance, opens):
    client = make.member_client(make.member(), created_at=ago(minutes=minutes), assurance=assurance)
    answer = prove(client, case_of(client.member, other), **fact(other))
    assert answer.status_code == (200 if opens else 403)
    assert Merge.objects.count() == opens


@pytest.mark.parametrize("caller", ["the other", "a stranger"])
def test_a_case_is_there_for_who_opened_it_alone(case, other, caller):
    client = make.member_client(other if caller == "the other" else make.member(), stepped_up_at=timezone.now())
    before = make.snapshot()
    refused(client.get(f"link-cases/{case.id}"), 404, "not_found")
    refused(client.post(f"link-cases/{case.id}/challenges", {"kind": "sms"}), 404, "not_found")
    refused(prove(client, case, **fact(other)), 404, "not_found")
    refused(client.post(f"link-cases/{case.id}/decline"), 404, "not_found")
    assert make.snapshot() == before


def test_a_declined_case_is_closed_to_everything_and_a_new_proof_opens_another(client, case, other, doors):
    assert client.post(f"link-cases/{case.id}/decline").status_code == 204
    before = make.snapshot()

    refused(client.get(f"link-cases/{case.id}"), 409, "case_closed")
    refused(client.post(f"link-cases/{case.id}/challenges", {"kind": "sms"}), 409, "case_closed")
    refused(prove(client, case, **fact(other)), 409, "case_closed")
    refused(client.post(f"link-cases/{case.id}/decline"), 409, "case_closed")
    assert make.snapshot() == before
    assert LinkCase.objects.get().closed_by == f"member/{client.member.id}"

    again = doors.link_by_sms(client, other.phone).json()["link_case"]
    assert again["id"] != str(case.id)


def test_after_the_merge_the_survivor_finds_the_case_closed(client, other):
    case = case_of(client.member, other, proofs=[shown("phone")])
    client = make_proofs.client_of(prove(client, case, **fact(other)))
    refused(client.post(f"link-cases/{case.id}/decline"), 409, "case_closed")


def test_a_number_that_changed_holder_shows_nothing(client, other, outside):
    case = case_of(client.member, other, kind="recycled_phone", proofs=[shown("phone")])
    assert [p["kind"] for p in client.get(f"link-cases/{case.id}").json()["proofs_needed"]] == [
        "old_sign_in",
        "order_fact",
    ]
    refused(client.post(f"link-cases/{case.id}/challenges", {"kind": "sms"}), 400, "invalid")

    client = make_proofs.client_of(prove(client, case, **fact(other)))
    assert Merge.objects.count() == 0

    joined(prove(client, case, **old_sign_in(other)), Member.objects.get(pk=case.member_id), other)


def test_a_number_that_may_have_changed_holder_shows_nothing_either(client, case, other):
    other.identities.update(last_seen_at=ago(days=91))
    other.order.placed_at = ago(days=92)
    other.order.save()
    refused(client.post(f"link-cases/{case.id}/challenges", {"kind": "sms"}), 400, "invalid")


def test_a_number_that_left_the_other_member_shows_nothing(client, other, outside):
    case = case_of(client.member, other, proofs=[shown("phone")])
    elsewhere = make.member_client(other, stepped_up_at=timezone.now())
    assert make_proofs.put_phone(elsewhere, outside, make.mobile()).status_code == 200

    needed = client.get(f"link-cases/{case.id}").json()["proofs_needed"]
    refused(client.post(f"link-cases/{case.id}/challenges", {"kind": "sms"}), 400, "invalid")
    prove(client, case, **fact(other))

    assert "sms" not in [proof["kind"] for proof in needed]
    assert Merge.objects.count() == 0


@pytest.mark.parametrize("side", ["mine", "the other's"])
def test_a_restriction_is_joined_by_staff_alone(client, other, side):
    case = case_of(client.member, other, proofs=[shown("phone")])
    who = client.member if side == "mine" else other
    Member.objects.filter(pk=who.id).update(status="frozen", frozen_scopes=["points"])

    answer = prove(client, case, **fact(other))

    assert answer.status_code == 200
    assert answer.json()["link_case"]["id"] == str(case.id)
    assert Merge.objects.count() == 0


def test_who_waits_to_be_erased_is_joined_to_nobody(client, other):
    case = case_of(client.member, other, proofs=[shown("phone")])
    PrivacyRequest.objects.create(member=other, kind="erasure", due_at=timezone.now() + timedelta(days=7))
    before = without_guesses()
    refused(prove(client, case, **fact(other)), 409, "case_closed")
    assert without_guesses() == before


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, "kind"), ({"kind": "mother"}, "kind"), ({"kind": "sms"}, "challenge_id"),
        ({"kind": "sms", "challenge_id": "1", "code": "1"}, "challenge_id"),
        ({"kind": "order_fact", "number": "D1"}, "total_fen"),
        ({"kind": "order_fact", "number": "D1", "total_fen": "1"}, "total_fen"),
        ({"kind": "old_sign_in"}, "access_token"),
    ],
)  # fmt: skip
def test_what_is_no_proof_is_refused_by_name_and_counts_no_guess(client, case, given, field):
    before = make.snapshot()
    answer = prove(client, case, **given)
    refused(answer, 400, "invalid")
    assert answer.json()["errors"][0]["field"] == field
    assert make.snapshot() == before
