"""Points over HTTP, as the contract has them."""

from datetime import timedelta

import pytest

from loyalty import services
from loyalty.models import Entry
from members.models import Member, Session
from sync import clock
from sync.http import instant
from sync.ids import uuid7
from tests import make
from tests.loyalty.make_points import balance, execute, holder

pytestmark = pytest.mark.django_db


def body(**fields) -> dict:
    return {"kind": "earn", "points": 20, "reason": "签到", "reference": "ref-1"} | fields


def entries_path(member) -> str:
    return f"members/{member.pk}/points/entries"


def refusal(response) -> tuple[int, str]:
    assert response["Content-Type"] == "application/problem+json"
    return response.status_code, response.json()["code"]


def test_a_backend_books_an_earning_once():
    member = make.member()
    backend = make.backend_client()

    first = backend.post(entries_path(member), body())
    again = backend.post(entries_path(member), body())

    entry = Entry.objects.get()
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert first.json()["entry"]["id"] == str(entry.pk)
    assert first.json()["entry"]["kind"] == "earned"
    assert first.json()["balance"] == {"available": 20, "pending": 0, "held": 0, "debt": 0, "version": 1}
    assert (entry.source, entry.reason, entry.channel.code) == ("channel/website", "签到", "website")
    assert make.types_of(member) == ["points.earned"]


@pytest.mark.parametrize(
    "other", [{"points": 21}, {"reason": "x"}, {"kind": "spend"}, {"expires_at": "2999-01-01T00:00:00Z"}]
)
def test_another_entry_under_the_same_reference_is_a_conflict(other):
    client = make.member_client()
    backend = make.backend_client()
    backend.post(entries_path(client.member), body())
    before = make.snapshot()
    assert refusal(backend.post(entries_path(client.member), body(**other))) == (409, "reference_conflict")
    assert make.snapshot() == before


def test_times_are_kept_and_shown():
    member, later = make.member(), clock.now() + timedelta(days=7)
    asked = body(pending_until=instant(later), expires_at=instant(later + timedelta(days=365)))

    answer = make.backend_client().post(entries_path(member), asked).json()

    assert answer["entry"]["available_at"] == asked["pending_until"]
    assert answer["entry"]["expires_at"] == asked["expires_at"]
    assert answer["balance"]["pending"] == 20


def test_what_exceeds_the_channels_limit_waits_for_staff():
    make.channel(earn_per_entry=100)
    member = make.member()
    backend = make.backend_client()

    over = backend.post(entries_path(member), body(points=101, reference="over"))
    backend.post(entries_path(member), body(points=100, reference="at"))

    assert over.status_code == 201
    assert (over.json()["entry"]["points"], over.json()["entry"]["available_at"]) == (101, None)
    assert balance(member) == (100, 101, 0, 0)
    assert backend.post(entries_path(member), body(points=101, reference="over")).status_code == 200


@pytest.mark.parametrize(("limit", "elsewhere"), [("earn_per_member", 100), ("earn_per_day", 0)])
def test_what_exceeds_the_limit_of_a_day_waits_for_staff(limit, elsewhere):
    make.channel(**{limit: 150})
    member, other, backend = make.member(), make.member(), make.backend_client()

    backend.post(entries_path(member), body(points=60, reference="1"))
    backend.post(entries_path(member), body(points=60, reference="2", pending_until="2036-01-01T00:00:00Z"))
    over = backend.post(entries_path(member), body(points=31, reference="3", pending_until="2036-01-01T00:00:00Z"))
    backend.post(entries_path(member), body(points=30, reference="4"))
    backend.post(entries_path(other), body(points=100, reference="1"))

    assert over.json()["entry"]["available_at"] is None
    assert balance(member) == (90, 91, 0, 0)
    assert balance(other)[0] == elsewhere
    for reference, points in (("1", 60), ("4", 30)):
        again = backend.post(entries_path(member), body(points=points, reference=reference))
        assert again.status_code == 200
    assert balance(member) == (90, 91, 0, 0)


def test_what_was_given_yesterday_does_not_count_today():
    make.channel(earn_per_day=150)
    member, backend = make.member(), make.backend_client()
    backend.post(entries_path(member), body(points=150, reference="1"))
    execute("SET LOCAL session_replication_role = replica")
    execute("UPDATE loyalty_entry SET created_at = created_at - interval '1 day'")
    execute("SET LOCAL session_replication_role = DEFAULT")
    backend.post(entries_path(member), body(points=150, reference="2"))
    assert balance(member) == (300, 0, 0, 0)


def test_a_backend_spends_for_a_member_who_is_there():
    client = make.member_client(holder(100))

    response = make.backend_client().post(entries_path(client.member), body(kind="spend"))

    assert response.status_code == 201
    assert (response.json()["entry"]["points"], response.json()["balance"]["available"]) == (-20, 80)


def test_a_backend_that_asks_for_too_much_hears_what_is_available():
    client, backend = make.member_client(holder(10)), make.backend_client()
    before = make.snapshot()

    response = backend.post(entries_path(client.member), body(kind="spend"))

    assert refusal(response) == (409, "points_insufficient")
    assert response.json()["available"] == 10
    assert make.snapshot() == before


@pytest.mark.parametrize("absent", ["never", "elsewhere", "long ago", "ended", "expired"])
def test_a_backend_cannot_spend_for_a_member_who_is_not_there(absent):
    member = holder(100)
    past = clock.now() - timedelta(minutes=31)
    seen = {"long ago": {"last_seen_at": past}, "ended": {"revoked_at": past}, "expired": {"expires_at": past}}
    if absent != "never":
        make.session(member, "mini-program" if absent == "elsewhere" else "website", **seen.get(absent, {}))
    backend = make.backend_client()
    before = make.snapshot()
    for proof in ({}, {"proof": {"kind": "member_code", "value": "123456"}}):
        response = backend.post(entries_path(member), body(kind="spend", **proof))
        assert refusal(response) == (403, "member_proof_required")
    assert make.snapshot() == before


def test_a_repeated_spending_is_answered_when_the_member_has_gone():
    client = make.member_client(holder(100))
    backend = make.backend_client()
    first = backend.post(entries_path(client.member), body(kind="spend")).json()
    Session.objects.update(revoked_at=clock.now())

    again = backend.post(entries_path(client.member), body(kind="spend"))

    assert (again.status_code, again.json()) == (200, first)


def test_a_frozen_member_cannot_be_spent_for():
    client = make.member_client(holder(100))
    Member.objects.update(**make.FROZEN)
    response = make.backend_client().post(entries_path(client.member), body(kind="spend"))
    assert refusal(response) == (403, "member_frozen")


def test_an_absorbed_members_points_are_the_survivors():
    survivor = holder(100)
    absorbed = make.member(status="merged", merged_into=survivor)
    backend = make.backend_client()

    assert backend.get(f"members/{absorbed.pk}/points").json()["available"] == 100
    assert backend.post(entries_path(absorbed), body()).json()["balance"]["available"] == 120


def test_a_backend_reverses_its_own_entry_once():
    member = make.member()
    backend = make.backend_client()
    entry = backend.post(entries_path(member), body()).json()["entry"]

    first = backend.post(f"points/entries/{entry['id']}/reverse")
    again = backend.post(f"points/entries/{entry['id']}/reverse")

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert (first.json()["entry"]["kind"], first.json()["entry"]["points"]) == ("reversed", -20)
    assert first.json()["balance"]["available"] == 0


def test_an_idempotency_key_replays_the_answer():
    member = make.member()
    backend = make.backend_client()
    keyed = {"headers": {"Idempotency-Key": "k"}}
    first = backend.post(entries_path(member), body(), **keyed)
    again = backend.post(entries_path(member), body(), **keyed)
    assert (again.status_code, again.json(), again["Idempotency-Replayed"]) == (201, first.json(), "true")
    assert make.types_of(member) == ["points.earned"]


def test_what_the_channel_may_not_see_is_not_found():
    stranger = make.member(channel=make.channel("elsewhere", group="others"))
    erased = make.member(status="erased")
    website, own = make.backend_client(), holder(100)
    hub_entry = Entry.objects.get()
    foreign = services.earn(
        member=own.pk, points=1, reference="x", by=make.Actor("channel", "mini-program", "mini-program")
    )
    before = make.snapshot()
    for path in [f"members/{m}/points" for m in (stranger.pk, erased.pk, uuid7(), "nonsense")]:
        assert refusal(website.get(path)) == (404, "not_found")
        assert refusal(website.post(f"{path}/entries", body())) == (404, "not_found")
    for entry in (hub_entry.pk, foreign.pk, uuid7(), "nonsense"):
        assert refusal(website.post(f"points/entries/{entry}/reverse")) == (404, "not_found")
    assert make.snapshot() == before
