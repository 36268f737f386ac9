"""Tokens: what they open, when they end, and what happens when one is used twice."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from uuid import uuid4

import pytest
from django.db import connections
from django.utils import timezone

from members import auth, sessions
from members.models import Member, MemberCode, Session, SmsChallenge
from sync.http import Problem
from sync.models import Channel, Ticket
from tests import make
from tests.members.make_freezes import frozen
from tests.statements import sent

pytestmark = pytest.mark.django_db


@pytest.fixture
def client():
    return make.member_client(make.member(phone=make.mobile()))


def refresh(token, **headers):
    return make.client().post("auth/refresh", {"refresh_token": token}, headers=headers)


def ago(**units):
    return timezone.now() - timedelta(**units)


def test_a_token_tells_member_channel_and_session():
    member, channel = make.member(), make.channel("mini-program")
    session = make.session(member, channel)

    proof = auth.by_token(session.tokens.access)

    assert (proof.member, proof.channel, proof.session) == (member.id, channel, session.id)
    assert str(proof.actor) == f"member/{member.id}"
    assert proof.actor.source == "/channels/mini-program"


def test_a_token_costs_one_statement(client):
    auth.by_token(client.session.tokens.access)
    with sent() as statements:
        auth.by_token(client.session.tokens.access)
    assert len(statements) == 1


def test_looking_changes_nothing(client):
    before = make.snapshot()
    auth.by_token(client.session.tokens.access)
    assert make.snapshot() == before


def test_a_visit_is_noted_once_a_minute(client):
    seen = ago(seconds=90)
    Session.objects.filter(pk=client.session.id).update(last_seen_at=seen)
    client.get("me")
    noted = Session.objects.get(pk=client.session.id).last_seen_at
    client.get("me")
    assert seen < noted == Session.objects.get(pk=client.session.id).last_seen_at


@pytest.mark.parametrize(
    ("state", "code", "status"),
    [
        ({"access_expires_at": "past"}, "token_expired", 401),
        ({"revoked_at": "past"}, "token_revoked", 401),
    ],
)
def test_a_session_that_is_over_opens_nothing(client, state, code, status):
    Session.objects.filter(pk=client.session.id).update(**dict.fromkeys(state, ago(seconds=1)))
    answer = client.get("me")
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("token", ["hub_at_unknown", "hub_rt_unknown", "", "x" * 201])
def test_an_unknown_token_opens_nothing(token):
    assert make.bearing(token).get("me").json()["code"] == "not_authenticated"


def test_a_frozen_member_and_a_channel_switched_off_are_refused(client):
    client.channel.is_active = False
    client.channel.save()
    assert client.get("me").json()["code"] == "channel_inactive"
    assert refresh(client.session.tokens.refresh).json()["code"] == "channel_inactive"
    client.member.status, client.member.frozen_scopes = make.FROZEN.values()
    client.member.save()
    assert (client.get("me").status_code, client.get("me").json()["code"]) == (403, "member_frozen")
    assert refresh(client.session.tokens.refresh).json()["code"] == "member_frozen"


def test_refreshing_gives_new_tokens_and_ends_the_old(client):
    answer = refresh(client.session.tokens.refresh)

    tokens = answer.json()
    assert set(tokens) == {"access_token", "token_type", "expires_in", "refresh_token", "refresh_expires_in"}
    assert answer["Cache-Control"] == "no-store"
    assert make.bearing(tokens["access_token"]).get("me").status_code == 200
    assert client.get("me").json()["code"] == "not_authenticated"
    assert refresh(tokens["refresh_token"]).status_code == 200


def test_a_lost_answer_is_given_again_while_its_successor_is_unused(client):
    used = client.session.tokens.refresh
    first, second = refresh(used).json(), refresh(used).json()
    assert {**first, "expires_in": 0, "refresh_expires_in": 0} == {**second, "expires_in": 0, "refresh_expires_in": 0}


def test_a_used_token_ends_the_session_once_its_successor_was_used(client):
    tokens = refresh(client.session.tokens.refresh).json()
    make.bearing(tokens["access_token"]).get("me")

    answer = refresh(client.session.tokens.refresh)

    assert (answer.status_code, answer.json()["code"]) == (401, "token_reused")
    assert make.bearing(tokens["access_token"]).get("me").json()["code"] == "token_revoked"
    assert refresh(tokens["refresh_token"]).json()["code"] == "token_revoked"
    assert Session.objects.get().revoked_reason == "token_reused"


def test_a_used_token_ends_the_session_after_a_minute(client):
    refresh(client.session.tokens.refresh)
    Session.objects.update(rotated_at=ago(seconds=61))
    assert refresh(client.session.tokens.refresh).json()["code"] == "token_reused"


def test_an_older_token_of_the_family_ends_the_session(client):
    oldest = client.session.tokens.refresh
    refresh(refresh(oldest).json()["refresh_token"])
    assert refresh(oldest).json()["code"] == "token_reused"


def test_a_forged_token_ends_nothing(client):
    token = client.session.tokens.refresh
    forged = [token[:-2] + ("AA" if token[-2:] != "AA" else "BB"), token[:-1], token + "A", token + "=", token[7:]]
    for attempt in [*forged, "hub_rt_", "hub_rt_????", "hub_at_" + token[7:]]:
        assert refresh(attempt).json()["code"] in {"not_authenticated", "invalid"}
    assert client.get("me").status_code == 200


def test_a_refresh_token_expires(client):
    Session.objects.update(expires_at=ago(seconds=1))
    assert refresh(client.session.tokens.refresh).json()["code"] == "token_expired"


def test_refreshing_needs_no_channel_and_answers_its_origin(client):
    place = client.channel
    answer = client.http.post(
        "/api/v1/auth/refresh",
        {"refresh_token": client.session.tokens.refresh},
        content_type="application/json",
        headers={"Origin": place.origins[0]},
    )
    assert answer["Access-Control-Allow-Origin"] == place.origins[0]


def test_signing_out_ends_the_session_at_once(client):
    assert client.post("auth/logout").status_code == 204
    assert client.get("me").json()["code"] == "token_revoked"


def test_my_sessions_are_told_with_the_current_one(client):
    make.session(client.member, "mini-program")
    make.session(client.member, revoked_at=timezone.now())

    rows = client.get("me/sessions").json()["results"]

    assert [row["channel"] for row in rows] == ["mini-program", "website"]
    assert [row["is_current"] for row in rows] == [False, True]
    assert set(rows[0]) == {"id", "channel", "device", "assurance", "is_current", "created_at", "last_seen_at"}


@pytest.mark.parametrize("rows", [1, 3])
def test_my_sessions_cost_the_same_however_many(client, django_assert_num_queries, rows):
    for _ in range(rows - 1):
        make.session(client.member)
    with django_assert_num_queries(1):  # the page; the session at hand is a prepared statement
        assert len(client.get("me/sessions").json()["results"]) == rows


def test_my_sessions_come_in_pages(client):
    for _ in range(2):
        make.session(client.member)
    first = client.get("me/sessions", limit=2).json()
    last = client.http.get(first["next"], headers=client.headers).json()
    assert (len(first["results"]), len(last["results"]), last["next"]) == (2, 1, None)


def test_a_session_of_mine_ends_at_once(client):
    other = make.session(client.member, "mini-program")
    assert client.delete(f"me/sessions/{other.id}").status_code == 204
    assert make.bearing(other.tokens.access).get("me").json()["code"] == "token_revoked"
    assert client.delete(f"me/sessions/{other.id}").status_code == 404


def test_a_session_of_somebody_else_is_not_mine_to_end(client):
    other = make.member_client()
    for session_id in (other.session.id, uuid4(), "nonsense"):
        assert client.delete(f"me/sessions/{session_id}").json()["code"] == "not_found"
    assert other.get("me").status_code == 200


def test_the_live_process_learns_in_one_query_which_sessions_are_over(client, django_assert_num_queries):
    over = [make.session(client.member, revoked_at=timezone.now()), make.session(client.member, expires_at=ago(days=1))]
    unknown, alive = str(uuid4()), str(client.session.id)
    with django_assert_num_queries(1):
        assert sessions.revoked([alive, unknown, *(str(s.id) for s in over)]) == {unknown, *(str(s.id) for s in over)}
    assert sessions.revoked([]) == set()


def test_revoking_everything_of_a_member_leaves_others(client):
    other = make.member_client()
    make.session(client.member)
    assert sessions.revoke_all(client.member.id, reason="test") == 2
    with pytest.raises(Problem, match="token_revoked"):
        auth.by_token(client.session.tokens.access)
    assert other.get("me").status_code == 200


@pytest.mark.parametrize("end", ["frozen", "switched off"])
def test_sockets_end_with_whatever_a_token_would_be_refused_for(end):
    client, other = make.member_client(), make.member_client(channel="mini-program")
    if end == "frozen":
        Member.objects.filter(pk=client.member.pk).update(**make.FROZEN)
    else:
        Channel.objects.filter(code="website").update(is_active=False)
    asked = [str(client.session.id), str(other.session.id)]
    assert sessions.revoked(asked) == {str(client.session.id)}


def test_a_token_read_before_a_refresh_does_not_end_the_grace_of_the_next(client):
    first = refresh(client.session.tokens.refresh).json()
    read_before = Session.objects.select_related("channel").get(pk=client.session.id)
    second = refresh(first["refresh_token"]).json()
    auth._seen(read_before, timezone.now())  # what is left to do for the request that came with the old token
    assert refresh(first["refresh_token"]).json()["refresh_token"] == second["refresh_token"]


def seconds(**units) -> int:
    return int(timedelta(**units).total_seconds())


def living(channel="website", **fields):
    """Set how long sessions of a channel live."""
    place = make.channel(channel)
    Channel.objects.filter(pk=place.pk).update(**fields)


def test_tokens_last_as_long_as_their_channel_says(doors):
    living(access_minutes=5, session_idle_days=2, session_max_days=9)
    tokens = doors.sms(make.mobile()).json()["tokens"]
    assert (tokens["expires_in"], tokens["refresh_expires_in"]) == (seconds(minutes=5), seconds(days=2))


def test_no_refresh_takes_a_session_beyond_its_end(client):
    ends = timezone.now() + timedelta(minutes=10)
    Session.objects.filter(pk=client.session.id).update(ends_at=ends)
    tokens = refresh(client.session.tokens.refresh).json()
    assert 590 <= tokens["expires_in"] <= 600
    assert 590 <= tokens["refresh_expires_in"] <= 600
    Session.objects.update(ends_at=ago(seconds=1))
    assert refresh(tokens["refresh_token"]).json()["code"] == "token_expired"


def test_a_session_refreshed_every_day_ends_after_its_longest_time(client):
    Session.objects.update(created_at=ago(days=179, hours=23), ends_at=ago(days=-1 / 24))
    left = refresh(client.session.tokens.refresh).json()["refresh_expires_in"]
    assert left <= seconds(hours=1)


def test_a_channel_that_allows_less_now_ends_what_is_older(client):
    Session.objects.update(created_at=ago(days=3))
    living(session_idle_days=1, session_max_days=2)
    assert refresh(client.session.tokens.refresh).json()["code"] == "token_expired"
    living(session_idle_days=1, session_max_days=400)
    assert refresh(client.session.tokens.refresh).json()["refresh_expires_in"] == seconds(days=1)


def test_a_session_of_before_there_was_an_end_gets_one(client):
    Session.objects.update(ends_at=None)
    refresh(client.session.tokens.refresh)
    session = Session.objects.get()
    assert session.ends_at == session.created_at + timedelta(days=180)


def test_what_a_session_could_open_ends_with_it(client, outside):
    other = make.member_client(client.member)
    for each in (client, other):
        each.post("me/codes")
    SmsChallenge.objects.create(
        purpose="step_up", phone=client.member.phone, code_digest=b"1", channel=client.channel,
        session=client.session, expires_at=ago(minutes=-5),
    )  # fmt: skip
    assert client.post("auth/logout").status_code == 204
    assert list(MemberCode.objects.values_list("session", flat=True)) == [other.session.pk]
    assert not SmsChallenge.objects.filter(used_at=None).exists()


def test_a_ticket_of_a_session_that_ended_opens_nothing(client):
    client.post("ws-tickets")
    sessions.revoke_all(client.member.id, reason="test")
    ticket = Ticket.objects.get()
    assert sessions.revoked([ticket.session]) == {ticket.session}


@pytest.mark.django_db(transaction=True)
def test_a_refresh_and_a_freeze_at_once_leave_no_session_alive():
    member = make.member(phone=make.mobile())
    barrier = Barrier(2)

    def at_once(work, given):
        try:
            barrier.wait()
            return work(given)
        finally:
            connections.close_all()

    for _turn in range(5):
        Member.objects.filter(pk=member.pk).update(status="active", frozen_scopes=[])
        client = make.member_client(member)
        with ThreadPoolExecutor(2) as pool:
            freezes = pool.submit(at_once, lambda who: frozen(who, "sign_in"), member)
            refreshed = pool.submit(at_once, refresh, client.session.tokens.refresh)
        freezes.result()
        assert refreshed.result().status_code in {200, 403}
        assert not Session.objects.filter(revoked_at=None).exists()
        assert make.bearing(refreshed.result().json().get("access_token", "")).get("me").status_code in {401, 403}
