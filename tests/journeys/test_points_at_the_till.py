"""Points of one channel are money at another's till, on the real processes: shown by a code, held, captured, told."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.journeys.clients import Backend, Client

pytestmark = [pytest.mark.timeout(300), pytest.mark.slow]
PHONE = "13900139111"


@pytest.fixture(scope="module")
def person(hub):
    """Somebody who signed in on the website, and whose backend there gave them 100 points."""
    website = Client(hub.url, "website")
    website.member = website.sign_in_by_phone(PHONE)["member"]["id"]
    earned = {"kind": "earn", "points": 100, "reason": "签到", "reference": "welcome"}
    Backend(hub.url, "website").call("POST", f"members/{website.member}/points/entries", 201, json=earned)
    return website


@pytest.fixture(scope="module")
def till(hub):
    return Backend(hub.url, "mini-program")


def code_of(person) -> str:
    return person.call("POST", "me/codes", 201).json()["code"]


def points(person) -> tuple[int, int]:
    seen = person.call("GET", "me/points", 200).json()
    return seen["available"], seen["held"]


def test_a_code_names_the_member_and_stands_for_them(person, till):
    spending = {"kind": "spend", "points": 30, "reason": "抵现", "reference": "bill-1"}
    path = f"members/{person.member}/points/entries"
    assert till.call("POST", path, 403, json=spending).json()["code"] == "member_proof_required"

    code = code_of(person)
    shown = {"kind": "member_code", "value": code}
    assert till.call("POST", "members/resolve", 200, json={"identities": [shown]}).json() == {
        "member": {"id": person.member},
        "created": False,
    }
    socket = person.socket()
    told = till.call("POST", path, 201, json=spending | {"proof": shown}).json()
    assert till.call("POST", path, 200, json=spending | {"proof": shown}).json() == told
    assert socket.until("points.spent")["data"] == told
    assert points(person) == (70, 0)


def test_what_is_held_is_captured_in_part_once_however_often_it_is_asked(person, till):
    proof = {"proof": {"kind": "member_code", "value": code_of(person)}}
    asked = {"points": 50, "reference": "cart-1", "expires_in": 600} | proof
    quoted = till.call("POST", "points/quote", 200, json={"member_id": person.member, "items_fen": 4_000}).json()
    assert (quoted["redeemable_points"], quoted["discount_fen"]) == (70, 70)
    with ThreadPoolExecutor(8) as pool:
        path = f"members/{person.member}/points/holds"
        holds = list(pool.map(lambda _turn: till.call("POST", path, json=asked), range(8)))
        assert sorted(hold.status_code for hold in holds) == [200] * 7 + [201]
        assert points(person) == (20, 50)
        capture = f"points/holds/{holds[0].json()['id']}/capture"
        closed = list(pool.map(lambda _turn: till.call("POST", capture, 200, json={"points": 40}).json(), range(8)))
    assert {(hold["state"], hold["captured"]) for hold in closed} == {("captured", 40)}
    assert points(person) == (30, 0)
    entries = person.call("GET", "me/points/entries", 200).json()["results"]
    newest = [(entry["kind"], entry["points"]) for entry in entries[:3]]
    assert newest == [("released", 10), ("spent", -40), ("held", -50)]
