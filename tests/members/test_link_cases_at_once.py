"""Proofs and refusals of one case at the same moment: one outcome."""

from datetime import timedelta

import pytest
from django.utils import timezone

from members.models import Identity, LinkCase, Member, Merge, Session
from tests import make
from tests.members.make_proofs import case_of, code_of
from tests.members.test_at_once import at_once
from tests.orders import make_orders

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def world(agreed):
    """Two members of value, and a case of each about the other with one proof given."""
    one, other = (make.member(phone=make.mobile()) for _ in range(2))
    facts = []
    for member in (one, other):
        order = make_orders.order(member=member)
        facts.append({"kind": "order_fact", "number": order.number, "total_fen": order.total_fen})
    at = (timezone.now() - timedelta(minutes=1)).isoformat()
    proofs = [{"kind": "phone", "assurance": 3, "at": at}]
    cases = [case_of(one, other, proofs=proofs), case_of(other, one, proofs=proofs)]
    tokens = [make.session(member, stepped_up_at=timezone.now()).tokens.access for member in (one, other)]
    return one, other, facts, cases, tokens


def proof(token, case, fact):
    return lambda: make.bearing(token).post(f"link-cases/{case.id}/proofs", fact)


def test_the_last_proof_sent_in_six_times_merges_once(world):
    one, other, facts, cases, tokens = world

    answers = at_once(*[proof(tokens[0], cases[0], facts[1])] * 6)

    found = [answer.status_code for answer in answers]
    assert found.count(200) == 1
    assert set(found) <= {200, 401, 409}
    assert Merge.objects.count() == 1
    assert [make.types_of(member).count("member.merged") for member in (one, other)] == [1, 1]
    assert Session.objects.filter(revoked_at=None).count() == 1


def test_each_proving_to_be_the_other_at_once_leaves_one(world):
    one, other, facts, cases, tokens = world

    answers = at_once(proof(tokens[0], cases[0], facts[1]), proof(tokens[1], cases[1], facts[0]))

    assert sorted(answer.status_code for answer in answers) in [[200, 401], [200, 409]]
    assert Merge.objects.count() == 1
    assert Member.objects.get(status="active").id == min(one.id, other.id)
    assert set(LinkCase.objects.values_list("state", flat=True)) == {"merged"}


def test_a_proof_and_a_refusal_at_once_have_one_outcome(world):
    _one, _other, facts, cases, tokens = world

    def decline():
        return make.bearing(tokens[0]).post(f"link-cases/{cases[0].id}/decline")

    proven, declined = at_once(proof(tokens[0], cases[0], facts[1]), decline)

    outcome = (proven.status_code, declined.status_code)
    state = LinkCase.objects.get(pk=cases[0].id).state
    assert (*outcome, state, Merge.objects.count()) in [
        (200, 401, "merged", 1),
        (200, 409, "merged", 1),
        (409, 204, "declined", 0),
    ]


def test_guesses_at_once_are_all_counted(world, settings):
    settings.QUOTA_FACTOR = 100
    _one, _other, facts, cases, tokens = world

    answers = at_once(*[proof(tokens[0], cases[0], facts[1] | {"total_fen": number}) for number in range(14)])

    assert sorted(answer.status_code for answer in answers) == [400] * 10 + [429] * 4
    assert LinkCase.objects.get(pk=cases[0].id).guesses == 10


def test_both_ways_in_removed_at_once_leave_one(agreed):
    mine = make.member(phone=make.mobile(), openid="openid-of-ming")
    token = make.session(mine, stepped_up_at=timezone.now()).tokens.access

    answers = at_once(*[
        lambda row=row: make.bearing(token).delete(f"me/identities/{row.id}") for row in mine.identities.all()
    ])  # fmt: skip

    assert [answer.status_code for answer in answers].count(204) == 1
    assert {answer.status_code for answer in answers} <= {204, 403, 409}
    assert mine.identities.count() == 1


def test_two_members_putting_one_free_phone_at_once_leave_one_holder(outside, agreed):
    phone, calls = make.mobile(), []
    for client in [make.member_client(make.member(phone=make.mobile()), stepped_up_at=timezone.now()) for _ in "12"]:
        sent = client.post("auth/sms-codes", {"phone": phone, "purpose": "link"})
        given = code_of(outside, sent)
        calls.append(lambda client=client, given=given: client.put("me/phone", given))

    answers = at_once(*calls)

    assert [answer.status_code for answer in answers] == [200, 200]
    assert [bool(answer.json()["link_case"]) for answer in answers].count(True) == 1
    assert [row.value for row in Identity.objects.filter(kind="phone")].count(phone) == 1
    assert Member.objects.exclude(phone_mask="").count() == 2
