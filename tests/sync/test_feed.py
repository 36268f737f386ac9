"""The feed: everything a channel may see, in one order, page by page; nothing is skipped and nothing repeated."""

import pytest

from sync import events, prepared, queries
from sync.models import Event
from sync.services import admit
from tests import make
from tests.sync import make_deliveries

pytestmark = pytest.mark.django_db


@pytest.fixture
def backend():
    return make.backend_client("website")


def settled(channel, *types: str, subject: str = "member/1") -> None:
    """Settled events of a subject that this channel may see."""
    admit(subject, channel)
    for type in types:
        make_deliveries.event(subject, type)


def read(backend, **query) -> dict:
    answer = backend.get("feed", **query)
    assert answer.status_code == 200, answer.content
    return answer.json()


def pages(backend, **query) -> list[str]:
    """The types of all events, page by page."""
    found, cursor = [], None
    while True:
        page = read(backend, **query, **({"after": cursor} if cursor else {}))
        found, cursor = found + [event["type"] for event in page["results"]], page["cursor"]
        if not page["has_more"]:
            return found


def test_an_event_is_told_in_the_envelope_of_the_contract(backend):
    settled(backend.channel, "order.paid")
    (told,) = read(backend)["results"]
    kept = Event.objects.get()
    assert told == {
        "specversion": "1.0",
        "id": str(kept.id),
        "source": "/hub",
        "type": "order.paid",
        "subject": "member/1",
        "time": told["time"],
        "datacontenttype": "application/json",
        "sequence": "1",
        "data": {},
    }


def test_the_cursor_is_never_null_and_goes_on_where_the_page_ended(backend):
    empty = read(backend)
    assert (empty["results"], empty["has_more"]) == ([], False)
    assert empty["cursor"]
    settled(backend.channel, "order.placed", "order.paid")
    first = read(backend, after=empty["cursor"], limit=1)
    assert (first["results"][0]["type"], first["has_more"]) == ("order.placed", True)
    second = read(backend, after=first["cursor"], limit=1)
    assert (second["results"][0]["type"], second["has_more"]) == ("order.paid", False)
    last = read(backend, after=second["cursor"])
    assert (last["results"], last["has_more"]) == ([], False)
    assert last["cursor"] == second["cursor"]


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_pages_of_any_size_give_the_same(backend, limit):
    settled(backend.channel, *["order.placed", "order.paid", "order.shipped"] * 2)
    assert pages(backend, limit=limit) == ["order.placed", "order.paid", "order.shipped"] * 2


def test_a_channel_sees_what_its_sharing_group_may_see_and_nothing_else(backend):
    settled(make.channel("mini-program"), "order.placed", subject="member/1")
    settled(make.channel("stranger", group="elsewhere"), "order.paid", subject="member/2")
    make_deliveries.event("member/3", "order.shipped")
    assert pages(backend) == ["order.placed"]


def test_an_order_is_told_to_the_group_of_its_channel_whoever_sees_the_member(backend):
    stranger = make.backend_client(make.channel("stranger", group="elsewhere"))
    for channel in (backend.channel, stranger.channel):
        admit("member/1", channel)
    make_deliveries.event("member/1", "member.updated")
    make_deliveries.event("member/1", "order.paid", {"channel": "stranger"})
    make_deliveries.event("member/1", "order.placed", {"channel": "mini-program"})
    make_deliveries.event("member/2", "order.shipped", {"channel": "website"})
    make.channel("mini-program")
    assert pages(backend) == ["member.updated", "order.placed", "order.shipped"]
    assert pages(stranger) == ["member.updated", "order.paid"]


def test_what_it_wrote_itself_is_told_as_well(backend):
    admit("member/1", backend.channel)
    fact = events.Recorded("order.placed", "member/1", {}, make.BACKEND)
    prepared.run(*events.written([fact.row()]))
    make_deliveries.Settled.objects.create(event_id=fact.id)
    assert pages(backend) == ["order.placed"]


def test_types_are_filtered(backend):
    settled(backend.channel, "order.placed", "order.paid", "points.earned")
    assert pages(backend, types="order.paid,points.earned") == ["order.paid", "points.earned"]
    assert pages(backend, types="order.danced") == []


def test_a_channel_that_sees_little_goes_on_in_bounded_steps(backend, monkeypatch):
    monkeypatch.setattr(queries, "WINDOW", 3)
    for _ in range(7):
        make_deliveries.event()
    settled(backend.channel, "order.paid")
    page = read(backend)
    assert (page["results"], page["has_more"]) == ([], True)
    assert pages(backend) == ["order.paid"]


def test_an_event_that_is_not_settled_is_not_told(backend):
    admit("member/1", backend.channel)
    prepared.run(*events.written([events.Recorded("order.placed", "member/1", {}, make.BACKEND).row()]))
    assert pages(backend) == []


@pytest.mark.parametrize("rows", [1, 3])
def test_a_page_costs_the_same_however_many(backend, django_assert_num_queries, rows):
    settled(backend.channel, *["order.paid"] * rows)
    read(backend)
    with django_assert_num_queries(2):  # how far to look, the page; the key is a prepared statement
        assert len(read(backend)["results"]) == rows


@pytest.mark.parametrize(
    "query",
    [
        {"after": ""},
        {"after": "x"},
        {"after": "cA"},
        {"after": "cDE="},
        {"after": "cDAx"},
        {"after": "积分"},
        {"after": "cDE" * 99},
        {"limit": 0},
        {"limit": 101},
        {"limit": "1e1"},
        {"types": "x"},
        {"types": "order.paid;drop"},
        {"types": ",".join(["order.paid"] * 51)},
    ],
)
def test_what_makes_no_sense_is_400(backend, query):
    answer = backend.get("feed", **query)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")


def test_it_needs_its_scope():
    answer = make.backend_client("website", scopes=["orders:read"]).get("feed")
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")


def test_a_member_is_no_backend():
    assert make.member_client().get("feed").status_code == 403
    assert make.client().get("feed").status_code == 401
