"""A member's address book: theirs alone, encrypted, with one default as long as there is any."""

import threading

import pytest
from django.db import IntegrityError, connection

from members.models import Address
from tests import make
from tests.members import make_profile
from tests.members.make_profile import PLACE

pytestmark = pytest.mark.django_db
ANYWHERE = {"receiver": "李四", "phone": "138 0013-8000"} | PLACE
SHOWN = {"id", "receiver", "phone", "province", "city", "district", "street", "postcode", "is_default", "version"}


@pytest.fixture
def client():
    return make.member_client()


def add(client, **fields):
    return client.post("me/addresses", ANYWHERE | fields)


def one(client, answer):
    return f"me/addresses/{answer.json()['id']}"


def defaults(client):
    return [row["is_default"] for row in client.get("me/addresses").json()["results"]]


def test_an_address_is_kept_and_shown_with_its_phone_masked(client):
    answer = add(client)
    body = answer.json()
    assert (answer.status_code, set(body)) == (201, SHOWN)
    assert {name: body[name] for name in PLACE} == PLACE
    assert (body["receiver"], body["phone"], body["is_default"], body["version"]) == ("李四", "138****8000", True, 1)
    read = client.get(one(client, answer))
    assert (read.json(), read["ETag"]) == (body, answer["ETag"])
    assert Address.objects.get().phone == "+8613800138000"
    assert make.events_of(client.member)[-1].data["changed"] == ["addresses"]


def test_nothing_of_it_lies_in_clear(client):
    add(client)
    rows = make.snapshot()["members_address"]
    assert not any(word in rows for word in ["李四", "13800138000", *PLACE.values()])


def test_what_is_not_named_stays_the_phone_as_well(client):
    path = one(client, add(client))
    body = client.patch(path, {"street": "南山路 2 号", "district": ""}).json()
    assert (body["street"], body["district"], body["phone"], body["version"]) == ("南山路 2 号", None, "138****8000", 2)
    assert client.patch(path, {"phone": "13900139000"}).json()["phone"] == "139****9000"
    assert make.types_of(client.member) == ["member.updated"] * 3


def test_changing_to_what_is_so_tells_nobody(client):
    path = one(client, add(client))
    before = make.snapshot()
    assert client.patch(path, ANYWHERE | {"is_default": True}).json()["version"] == 1
    assert client.patch(path, {}).status_code == 200
    assert make.snapshot() == before


def test_a_new_default_takes_it_from_the_other_in_the_same_act(client):
    first = add(client)
    second = add(client)
    assert defaults(client) == [False, True]
    assert client.patch(one(client, second), {"is_default": True}).json()["version"] == 2
    assert defaults(client) == [True, False]
    add(client, is_default=True)
    assert defaults(client) == [True, False, False]
    assert client.get(one(client, first)).json()["version"] == 2


def test_a_default_given_up_or_struck_out_goes_to_the_newest_other(client):
    first, second, third = add(client), add(client), add(client)
    assert client.patch(one(client, first), {"is_default": False}).json()["is_default"] is False
    assert defaults(client) == [True, False, False]
    assert client.delete(one(client, third)).status_code == 204
    assert defaults(client) == [True, False]
    client.delete(one(client, second))
    only = client.patch(one(client, first), {"is_default": False}).json()
    assert (only["is_default"], only["version"]) == (True, 3)
    client.delete(one(client, first))
    assert defaults(client) == []


def test_the_book_has_an_end(client, settings):
    settings.ADDRESSES_PER_MEMBER = 2
    add(client), add(client)
    before = make.snapshot()
    refused = add(client)
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (400, "too_many")
    assert make.snapshot() == before


@pytest.mark.parametrize("method", ["get", "patch", "delete"])
def test_anothers_address_is_not_there(client, method):
    theirs = make_profile.address(make.member())
    before = make.snapshot()
    args = [{"city": "北京市"}] if method == "patch" else []
    refused = getattr(client, method)(f"me/addresses/{theirs.id}", *args)
    assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
    assert client.get("me/addresses").json()["results"] == []
    assert make.snapshot() == before


@pytest.mark.parametrize("method", ["patch", "delete"])
def test_a_stale_tag_is_refused_with_what_is_so(client, method):
    answer = add(client)
    path, stale = one(client, answer), {"If-Match": answer["ETag"]}
    client.patch(path, {"city": "宁波市"}, stale)
    before = make.snapshot()
    refused = client.patch(path, {"city": "绍兴市"}, stale) if method == "patch" else client.delete(path, stale)
    assert (refused.status_code, refused.json()["code"]) == (412, "version_conflict")
    assert refused.json()["current"] == client.get(path).json()
    assert make.snapshot() == before


@pytest.mark.parametrize(
    "wrong",
    [
        {"receiver": ""}, {"receiver": None}, {"receiver": 1}, {"receiver": "长" * 61}, {"phone": "138****8000"},
        {"phone": ""}, {"phone": None}, {"phone": "0571-88888888"}, {"street": " "}, {"street": "a\0"},
        {"postcode": "1" * 11}, {"is_default": "true"}, {"is_default": 1}, {"is_default": None}, {"city": ["x"]},
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_by_name(client, wrong):
    path = one(client, add(client))
    before = make.snapshot()
    for refused in (add(client, **wrong), client.patch(path, wrong)):
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid")
        assert wrong.get("street") == "a\0" or refused.json()["errors"][0]["field"] == next(iter(wrong))
    assert make.snapshot() == before


@pytest.mark.parametrize("missing", ["receiver", "phone", "province", "city", "street"])
def test_what_it_takes_to_deliver_is_required(client, missing):
    body = {name: value for name, value in ANYWHERE.items() if name != missing}
    assert client.post("me/addresses", body).json()["errors"][0]["field"] == missing


@pytest.mark.parametrize("rows", [1, 3])
def test_the_list_costs_the_same_however_many(client, rows, django_assert_num_queries):
    for _ in range(rows):
        make_profile.address(client.member)
    with django_assert_num_queries(1):  # the page; the session is a prepared statement
        assert len(client.get("me/addresses").json()["results"]) == rows


def test_pages_are_turned_newest_first(client):
    made = [str(make_profile.address(client.member).id) for _ in range(3)]
    page = client.get("me/addresses", limit=2).json()
    rest = client.http.get(page["next"], headers=client.headers).json()
    assert [row["id"] for row in page["results"] + rest["results"]] == made[::-1]


def test_the_database_refuses_two_defaults():
    member = make.member()
    make_profile.address(member, is_default=True)
    with pytest.raises(IntegrityError, match="address_one_default"):
        make_profile.address(member, is_default=True)


@pytest.mark.django_db(transaction=True)
def test_many_first_addresses_at_once_have_one_default():
    client, answers = make.member_client(), []

    def send():
        answers.append(add(client, is_default=True).status_code)
        connection.close()

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [201] * 6
    assert sorted(defaults(client)) == [False] * 5 + [True]
