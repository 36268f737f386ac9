"""Two-phase spending over HTTP."""

import pytest

from loyalty.models import Entry, Hold
from sync.http import instant
from sync.ids import uuid7
from tests import make
from tests.loyalty.make_holds import hold, run_out
from tests.loyalty.make_points import at_once, balance, drifted, holder

pytestmark = pytest.mark.django_db
ELSEWHERE = make.Actor("channel", "mini-program", "mini-program")


def body(**fields) -> dict:
    return {"points": 40, "reference": "cart-1", "expires_in": 600} | fields


def refusal(response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


@pytest.fixture
def backend():
    return make.backend_client()


@pytest.fixture
def member():
    """Somebody with 100 points, signed in on the website."""
    return make.member_client(holder(100)).member


def ask(backend, member, **fields):
    return backend.post(f"members/{member.pk}/points/holds", body(**fields))


def act(backend, hold_id, what: str, **fields):
    return backend.post(f"points/holds/{hold_id}/{what}", fields)


def test_points_are_held_once(backend, member):
    first = ask(backend, member)
    before = make.snapshot()
    again = ask(backend, member)

    held = Hold.objects.get()
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json() == {
        "id": str(held.pk),
        "points": 40,
        "captured": 0,
        "reference": "cart-1",
        "state": "held",
        "expires_at": instant(held.expires_at),
    }  # fmt: skip
    assert 599 < (held.expires_at - held.created_at).total_seconds() <= 600
    assert balance(member) == (60, 0, 40, 0)
    assert make.snapshot() == before
    assert make.types_of(member) == ["points.earned", "points.held"]


@pytest.mark.parametrize("other", [{"points": 41}, {"points": 39}, {"expires_in": 601}])
def test_another_hold_under_the_same_reference_is_a_conflict(backend, member, other):
    ask(backend, member)
    before = make.snapshot()
    assert refusal(ask(backend, member, **other)) == (409, "reference_conflict")
    assert make.snapshot() == before


def test_more_than_there_is_cannot_be_held(backend, member):
    before = make.snapshot()
    refused = ask(backend, member, points=101)
    assert refusal(refused) == (409, "points_insufficient")
    assert refused.json()["available"] == 100
    assert make.snapshot() == before


def test_holding_needs_the_member(backend):
    absent = holder(100)
    before = make.snapshot()
    assert refusal(ask(backend, absent)) == (403, "member_proof_required")
    assert refusal(ask(backend, absent, proof={"kind": "member_code", "value": "1"})) == (403, "member_proof_required")
    assert make.snapshot() == before


def test_a_code_shown_at_the_till_is_enough_to_hold(member):
    till = make.backend_client(make.channel("till"))
    code = make.member_client(member, "mini-program").post("me/codes").json()["code"]
    assert ask(till, member, proof={"kind": "member_code", "value": code}).status_code == 201
    assert balance(member) == (60, 0, 40, 0)


def test_part_is_captured_and_the_rest_released(backend, member):
    held = ask(backend, member).json()["id"]
    first = act(backend, held, "capture", points=30)
    before = make.snapshot()
    again = act(backend, held, "capture", points=30)

    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == again.json()
    assert (first.json()["state"], first.json()["captured"], first.json()["points"]) == ("captured", 30, 40)
    assert balance(member) == (70, 0, 0, 0)
    assert make.snapshot() == before
    assert make.types_of(member) == ["points.earned", "points.held", "points.spent", "points.released"]


def test_without_a_number_all_of_it_is_captured(backend, member):
    held = ask(backend, member).json()["id"]
    assert act(backend, held, "capture").json()["captured"] == 40
    assert act(backend, held, "capture", points=40).status_code == 200
    assert balance(member) == (60, 0, 0, 0)


def test_what_was_released_is_available_again(backend, member):
    held = ask(backend, member).json()["id"]
    first = act(backend, held, "release")
    before = make.snapshot()
    assert act(backend, held, "release").json() == first.json()
    assert (first.json()["state"], first.json()["captured"]) == ("released", 0)
    assert balance(member) == (100, 0, 0, 0)
    assert make.snapshot() == before


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (("capture", {}), ("release", {})),
        (("release", {}), ("capture", {})),
        (("capture", {"points": 10}), ("capture", {"points": 11})),
        (("capture", {"points": 10}), ("capture", {})),
    ],
)
def test_a_closed_hold_stays_as_it_was_closed(backend, member, first, then):
    held = ask(backend, member).json()["id"]
    act(backend, held, first[0], **first[1])
    before = make.snapshot()
    refused = act(backend, held, then[0], **then[1])
    assert refusal(refused) == (409, "reference_conflict")
    assert refused.json()["detail"] != refused.json()["title"]
    assert make.snapshot() == before


@pytest.mark.parametrize("points", [41, 0, -1, 1.5, "40", True, None, 10**10])
def test_no_more_than_is_held_is_captured(backend, member, points):
    held = ask(backend, member).json()["id"]
    before = make.snapshot()
    refused = act(backend, held, "capture", points=points)
    assert (refused.status_code, [error["field"] for error in refused.json()["errors"]]) == (400, ["points"])
    assert make.snapshot() == before


@pytest.mark.parametrize("what", ["capture", "release"])
def test_a_hold_that_ran_out_has_released_itself_though_nothing_ran(backend, member, what):
    held = ask(backend, member)
    run_out(Hold.objects.get())
    for _turn in range(2):
        assert refusal(act(backend, held.json()["id"], what)) == (409, "hold_expired")
    assert backend.get(f"members/{member.pk}/points").json()["available"] == 100
    assert make.types_of(member) == ["points.earned", "points.held", "points.released"]
    again = ask(backend, member)
    assert (again.status_code, again.json()["state"], again.json()["id"]) == (200, "expired", held.json()["id"])
    assert drifted() == []


def test_the_hold_of_another_channel_is_not_there(backend, member):
    foreign = hold(member, 40, by=ELSEWHERE)
    before = make.snapshot()
    for what in ("capture", "release"):
        for known in (foreign.pk, uuid7(), Entry.objects.earliest("created_at").pk, "nonsense"):
            assert refusal(act(backend, known, what)) == (404, "not_found")
    assert make.snapshot() == before


def test_a_member_out_of_reach_is_not_there(backend):
    stranger = make.member(channel=make.channel("elsewhere", group="others"))
    before = make.snapshot()
    assert refusal(ask(backend, stranger)) == (404, "not_found")
    assert make.snapshot() == before


BAD = [
    *(("points", value) for value in (None, 0, -1, 1.0, True, "20", 10**9 + 1)),
    *(("reference", value) for value in (None, "", " ", 7, "r" * 121)),
    *(("expires_in", value) for value in (None, 0, -1, 86_401, 60.5, True, "600", 10**20)),
    *(("proof", value) for value in ("1", [], {}, {"kind": "phone", "value": "1"}, {"kind": "member_code"})),
]


@pytest.mark.parametrize(("field", "value"), BAD)
def test_a_field_that_is_wrong_is_named_and_nothing_changes(backend, member, field, value):
    before = make.snapshot()
    response = ask(backend, member, **{field: value})
    assert refusal(response) == (400, "invalid")
    assert {error["field"].split(".")[0] for error in response.json()["errors"]} == {field}
    assert make.snapshot() == before


def test_a_day_is_the_longest(backend, member):
    assert ask(backend, member, expires_in=86_400).status_code == 201


@pytest.mark.parametrize("path", ["members/{member}/points/holds", "points/holds/{hold}/capture"])
def test_callers_come_in_only_where_they_may(member, path):
    held = hold(member)
    reader, signed_in = make.backend_client(scopes=["points:read"]), make.member_client(member)
    clients = {(403, "forbidden"): signed_in, (403, "scope_missing"): reader}
    before = make.snapshot()
    for refused, caller in clients.items():
        assert refusal(caller.post(path.format(member=member.pk, hold=held.pk), body())) == refused
    assert make.snapshot() == before


@pytest.mark.django_db(transaction=True)
def test_of_captures_and_releases_at_once_one_wins():
    member, backend = make.member_client(holder(100)).member, make.backend_client()
    held = ask(backend, member).json()["id"]

    answers = at_once(20, lambda turn: act(backend, held, "capture" if turn % 2 else "release"))

    won = Hold.objects.get().state
    assert {answer.status_code for answer in answers} == {200, 409}
    assert {answer.json()["state"] for answer in answers if answer.status_code == 200} == {won}
    assert sum(answer.status_code == 200 for answer in answers) == 10
    assert balance(member) == ((60, 0, 0, 0) if won == "captured" else (100, 0, 0, 0))
    assert make.types_of(member)[2:] == ["points.spent" if won == "captured" else "points.released"]
    assert drifted() == []
