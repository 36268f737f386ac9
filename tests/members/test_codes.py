"""Codes to show at a till: who gets one, whom it finds, on which channel, for how long."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import connections

from members import codes, forgetting, sessions
from members.models import Identity, Member, MemberCode, Session
from sync import clock, events
from sync.models import Audience, Channel, IdempotentAnswer
from tests import make

pytestmark = pytest.mark.django_db


def code_for(client) -> str:
    return client.post("me/codes").json()["code"]


def shown(code: str, **more) -> dict:
    return {"identities": [{"kind": "member_code", "value": code}]} | more


def refusal(answer) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


@pytest.fixture
def till():
    return make.backend_client(make.channel("till"))


@pytest.fixture
def client():
    return make.member_client(channel="mini-program")


def test_a_code_is_eighteen_digits_for_a_minute_and_kept_only_as_a_keyed_hash(client):
    answer = client.post("me/codes", headers={"Idempotency-Key": "k"})
    code = answer.json()["code"]

    assert (answer.status_code, answer.json()["expires_in"]) == (201, 60)
    assert (len(code), code[0], int(code) % 97) == (18, "9", 1)
    assert answer["Cache-Control"] == "no-store"
    row = MemberCode.objects.get()
    assert (row.member_id, row.session_id, row.channel) == (client.member.pk, client.session.pk, None)
    assert abs(row.expires_at - row.created_at - timedelta(seconds=60)) < timedelta(seconds=1)
    assert not any(code in table for table in make.snapshot().values())
    assert not IdempotentAnswer.objects.exists()


def test_the_till_finds_the_member_and_sees_them_from_then_on(client, till):
    Channel.objects.filter(pk=till.channel.pk).update(group=make.channel("elsewhere", group="others").group)
    assert till.get(f"members/{client.member.pk}").status_code == 404

    first, again = (till.post("members/resolve", shown(code)) for code in [code_for(client)] * 2)

    assert first.json() == again.json() == {"member": {"id": str(client.member.pk)}, "created": False}
    assert till.get(f"members/{client.member.pk}").status_code == 200
    assert Audience.objects.filter(subject=events.of_member(client.member.pk), channel=till.channel).count() == 1
    assert make.types_of(client.member) == ["member.updated"]  # all of them, told to the till


def test_what_the_till_says_beside_the_code_is_noted_of_that_member(client, till):
    code = code_for(client)
    body = shown(code)
    body["identities"].append({"kind": "external", "value": "CARD-7"})
    assert till.post("members/resolve", body).json()["member"]["id"] == str(client.member.pk)
    assert Identity.objects.get(member=client.member).kind == "external"

    stranger = make.member()
    make.identity(stranger, "external", "CARD-8", channel=till.channel, proof="asserted")
    body["identities"][1]["value"] = "CARD-8"
    before = make.snapshot()
    assert refusal(till.post("members/resolve", body)) == (409, "identity_conflict")
    assert make.snapshot() == before


@pytest.mark.parametrize(
    "value", ["x", "123456", "9" * 18, "9" * 30, "９" * 18, "912345678901234501", "8" + "0" * 15 + "01"]
)
def test_what_is_no_code_finds_nobody_and_makes_nobody(till, value, django_assert_num_queries):
    before = make.snapshot()
    assert refusal(till.post("members/resolve", shown(value))) == (400, "code_invalid")
    assert make.snapshot() == before
    with django_assert_num_queries(0):
        assert codes.holder(till.channel, value) is None


def test_every_single_wrong_digit_and_every_swap_of_neighbours_is_noticed():
    code = codes._checked(9 * 10**15 + 123_456_789_012_345)
    wrong = [f"{code[:at]}{digit}{code[at + 1 :]}" for at in range(18) for digit in "0123456789"]
    wrong += [f"{code[:at]}{code[at + 1]}{code[at]}{code[at + 2 :]}" for at in range(17)]
    assert {int(each) % 97 == 1 for each in set(wrong) - {code}} == {False}


def test_a_cashier_may_type_it_in_groups(client, till):
    code = code_for(client)
    assert codes.holder(till.channel, f"{code[:6]} {code[6:12]}-{code[12:]}") == client.member


def test_a_code_belongs_to_the_channel_that_presented_it_first(client, till):
    other, code = make.backend_client("website"), code_for(client)
    assert till.post("members/resolve", shown(code)).status_code == 200
    before = make.snapshot()
    assert refusal(other.post("members/resolve", shown(code))) == (400, "code_invalid")
    assert make.snapshot() == before
    assert codes.holder(till.channel, code) == client.member


def test_a_new_code_ends_the_one_before_of_the_same_session_only(client, till):
    elsewhere = make.member_client(client.member, "website")
    first, other = code_for(client), code_for(elsewhere)
    assert codes.holder(till.channel, first) == client.member
    second = code_for(client)
    assert codes.holder(till.channel, first) is None
    assert [codes.holder(till.channel, code) for code in (second, other)] == [client.member] * 2


def end_session(client):
    sessions.revoke([client.session.pk], reason="signed_out")


def freeze(client):
    Member.objects.filter(pk=client.member.pk).update(**make.FROZEN)


def run_out(client):
    MemberCode.objects.update(expires_at=clock.now())


def outlive(client):
    Session.objects.update(expires_at=clock.now())


def switch_off(client):
    Channel.objects.filter(pk=client.channel.pk).update(is_active=False)


@pytest.mark.parametrize("end", [end_session, freeze, run_out, outlive, switch_off])
def test_a_code_lives_no_longer_than_what_it_stands_for(client, till, end):
    code = code_for(client)
    end(client)
    before = make.snapshot()
    assert refusal(till.post("members/resolve", shown(code))) == (400, "code_invalid")
    assert make.snapshot() == before


def test_guesses_are_counted_though_refused_and_codes_of_members_are_not(client, till, settings, still_windows):
    settings.QUOTA_FACTOR = 1
    wrong = shown(codes._checked(9 * 10**15))
    for turn in range(60):
        keyed = {"Idempotency-Key": str(turn)}
        assert refusal(till.post("members/resolve", wrong, headers=keyed)) == (400, "code_invalid")
        assert codes.holder(make.channel("website"), code_for(client)) == client.member if not turn else True
    refused = till.post("members/resolve", wrong)
    assert refusal(refused) == (429, "rate_limited")
    assert int(refused["Retry-After"]) > 0
    code = code_for(client)
    assert refusal(till.post("members/resolve", shown(code))) == (429, "rate_limited")
    assert codes.holder(make.channel("website"), code) == client.member


def test_a_till_that_is_busy_is_no_guesser(client, till, settings, still_windows):
    settings.QUOTA_FACTOR = 1
    code = code_for(client)
    assert {codes.holder(till.channel, code) for _ in range(70)} == {client.member}
    run_out(client)
    assert {codes.holder(till.channel, code) for _ in range(70)} == {None}


def test_a_member_asks_for_so_many_codes_only(client, settings, still_windows):
    settings.QUOTA_FACTOR = 1
    for _ in range(10):
        code_for(client)
    assert refusal(client.post("me/codes")) == (429, "rate_limited")


def test_codes_that_ended_are_forgotten(client):
    code_for(client)
    assert forgetting.forget_expired() == 0
    MemberCode.objects.update(expires_at=clock.now() - timedelta(minutes=61))
    assert (forgetting.forget_expired(), MemberCode.objects.count()) == (1, 0)


@pytest.mark.django_db(transaction=True)
def test_of_many_channels_that_present_a_code_at_once_one_has_it():
    client = make.member_client()
    code, tills = code_for(client), [make.channel(f"till-{number}") for number in range(8)]
    barrier = Barrier(len(tills))

    def present(channel):
        try:
            barrier.wait()
            return codes.holder(channel, code)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(tills)) as pool:
        found = list(pool.map(present, tills))
    assert [holder for holder in found if holder] == [client.member]


def test_who_may_neither_ask_nor_present(till):
    assert refusal(till.post("me/codes")) == (403, "forbidden")
    bare = make.backend_client(till.channel, scopes=[])
    assert refusal(bare.post("members/resolve", shown(codes._checked(9 * 10**15)))) == (403, "scope_missing")
