"""Spending for a member who is there, and writing to one whom the channel may not read."""

import pytest

from members import codes
from members.models import Identity
from sync import clock
from tests import make
from tests.loyalty.make_points import balance, holder

pytestmark = pytest.mark.django_db


def spend(backend, member, **fields):
    body = {"kind": "spend", "points": 20, "reason": "抵现", "reference": "bill-1"} | fields
    return backend.post(f"members/{member.pk}/points/entries", body)


def proof(code: str) -> dict:
    return {"proof": {"kind": "member_code", "value": code}}


def code_of(client) -> str:
    return client.post("me/codes").json()["code"]


def refusal(response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


@pytest.fixture
def till():
    return make.backend_client(make.channel("till"))


@pytest.fixture
def client():
    """Somebody with 100 points, who holds the mini-program out to the till."""
    return make.member_client(holder(100), "mini-program")


def test_a_code_shown_at_the_till_is_enough_to_spend_once(client, till):
    code = code_of(client)
    first = spend(till, client.member, **proof(code))
    before = make.snapshot()
    again = spend(till, client.member, **proof(code))
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["balance"]["available"] == 80
    assert make.snapshot() == before


def test_what_the_till_resolves_it_then_spends_with_the_same_code(client, till):
    code = code_of(client)
    named = {"identities": [{"kind": "member_code", "value": code}]}
    member_id = till.post("members/resolve", named).json()["member"]["id"]
    assert member_id == str(client.member.pk)
    assert spend(till, client.member, **proof(code)).status_code == 201


@pytest.mark.parametrize("is_signed_in", [False, True])
def test_the_code_of_somebody_else_or_of_nobody_proves_nothing_even_beside_a_session(client, till, is_signed_in):
    other = make.member_client(channel="mini-program")
    if is_signed_in:
        make.member_client(client.member, till.channel)
    codes = [code_of(other), "123456", "912345678901234567"]
    before = make.snapshot()
    for code in codes:
        assert refusal(spend(till, client.member, **proof(code))) == (403, "member_proof_required")
    assert {name: rows for name, rows in make.snapshot().items() if name != "members_membercode"} == {
        name: rows for name, rows in before.items() if name != "members_membercode"
    }


def test_a_code_that_another_channel_has_presented_is_none_here(client, till):
    code = code_of(client)
    assert spend(till, client.member, **proof(code)).status_code == 201
    website = make.backend_client("website")
    assert refusal(spend(website, client.member, **proof(code))) == (403, "member_proof_required")


def test_a_spending_is_answered_again_when_the_code_is_long_over(client, till):
    code = code_of(client)
    first = spend(till, client.member, **proof(code)).json()
    client.session.code.expires_at = clock.now()
    client.session.code.save()
    again = spend(till, client.member, **proof(code))
    assert (again.status_code, again.json()) == (200, first)
    assert refusal(spend(till, client.member, **proof(code), reference="bill-2")) == (403, "member_proof_required")


def test_a_key_replays_the_spending_and_its_refusal_counts_as_a_guess(client, till, settings, still_windows):
    settings.QUOTA_FACTOR = 1
    keyed, code = {"headers": {"Idempotency-Key": "k"}}, code_of(client)
    body = {"kind": "spend", "points": 20, "reason": "", "reference": "1"} | proof(code)
    first, again = (till.post(f"members/{client.member.pk}/points/entries", body, **keyed) for _ in range(2))
    assert (first.status_code, again.status_code, again["Idempotency-Replayed"]) == (201, 201, "true")

    wrong = proof(codes._checked(9 * 10**15))
    answers = [refusal(spend(till, client.member, reference="2", **wrong)) for _ in range(61)]
    assert answers == [(403, "member_proof_required")] * 60 + [(429, "rate_limited")]
    assert balance(client.member) == (80, 0, 0, 0)


def asserted(backend, **fields) -> str:
    """A member whom the channel names by its own customer number."""
    named = {"identities": [{"kind": "external", "value": "C-1"}, *fields.get("also", [])]}
    return backend.post("members/resolve", named).json()["member"]["id"]


def earn(backend, member_id: str, **fields):
    body = {"kind": "earn", "points": 20, "reason": "签到", "reference": "e-1"} | fields
    return backend.post(f"members/{member_id}/points/entries", body)


def test_whom_a_channel_named_itself_it_may_give_points_and_hear_what_is_its_own(till):
    member_id = asserted(till)
    first = earn(till, member_id)
    assert (first.status_code, first.json()["balance"]["available"]) == (201, 20)
    assert refusal(till.get(f"members/{member_id}/points")) == (404, "not_found")
    stranger = make.backend_client(make.channel("elsewhere", group="others"))
    assert refusal(earn(stranger, member_id)) == (404, "not_found")


def test_of_who_proved_an_identity_elsewhere_write_only_reach_tells_no_balance():
    elsewhere = make.channel("elsewhere", group="others")
    member = holder(100, channel=elsewhere, phone="+8613800138000")
    backend = make.backend_client("website")
    member_id = asserted(backend, also=[{"kind": "phone", "value": "13800138000"}])
    assert member_id == str(member.pk)

    first, again = earn(backend, member_id), earn(backend, member_id)

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert (first.json()["balance"], first.json()["entry"]["available_after"]) == (None, None)
    assert first.json()["entry"]["points"] == 20
    undone = backend.post(f"points/entries/{first.json()['entry']['id']}/reverse").json()
    assert (undone["balance"], undone["entry"]["available_after"]) == (None, None)
    assert balance(member) == (100, 0, 0, 0)


def test_spending_for_whom_the_channel_only_named_needs_them_there():
    member = holder(100, phone="+8613800138000", channel=make.channel("elsewhere", group="others"))
    backend = make.backend_client("website")
    asserted(backend, also=[{"kind": "phone", "value": "13800138000"}])
    before = make.snapshot()
    assert refusal(spend(backend, member)) == (403, "member_proof_required")
    assert refusal(spend(backend, member, points=1_000)) == (403, "member_proof_required")
    assert make.snapshot() == before

    code = code_of(make.member_client(member, "elsewhere"))
    told = spend(backend, member, **proof(code)).json()
    assert told["balance"]["available"] == 80
    assert Identity.objects.filter(member=member, channel=backend.channel).count() == 1
