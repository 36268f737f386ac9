"""The feed: everything a channel may see, in one order, page by page; nothing is skipped and nothing repeated."""

import pytest
from django.db import connection

from sync import events, prepared, queries, retention
from sync.api import feed
from sync.models import Event, Settled
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


def place(backend, cursor: str) -> int:
    return feed.position(cursor, backend.channel)


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
    assert place(backend, last["cursor"]) == place(backend, second["cursor"])


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


def forget(events: list[Event]) -> None:
    """Make these older than is kept, and drop what is."""
    with connection.cursor() as sql:
        sql.execute("SET LOCAL session_replication_role = replica")
        old = "UPDATE sync_event SET time = time - interval '91 days' WHERE id = ANY (%s)"
        sql.execute(old, [[each.pk for each in events]])
        sql.execute("SET LOCAL session_replication_role = origin")
    retention.drop_events()


class TestWhatIsNoLongerKept:
    """Three events, of which the first two are forgotten, read by somebody who was away."""

    @pytest.fixture
    def cursors(self, backend) -> list[str]:
        """Of a reader who had read nothing, one, two, all three."""
        found = [read(backend)["cursor"]]
        settled(backend.channel, "order.placed", "order.paid", "order.shipped")
        for _event in range(3):
            found.append(read(backend, after=found[-1], limit=1)["cursor"])
        forget(Event.objects.order_by("written")[:2])
        return found

    @pytest.mark.parametrize("read_so_far", [0, 1])
    def test_is_missed_by_who_has_not_read_it_and_they_are_told_each_time(self, backend, cursors, read_so_far):
        for _time in range(2):
            answer = backend.get("feed", after=cursors[read_so_far])
            assert (answer.status_code, answer.json()["code"]) == (410, "resync_required")
            assert "重新读取各列表" in answer.json()["detail"]
        assert place(backend, answer.json()["head"]) == place(backend, cursors[2])
        assert pages(backend, after=answer.json()["head"]) == ["order.shipped"]

    def test_is_followed_by_what_lists_may_not_show_yet(self, backend, cursors):
        """A list ends before the oldest change that is still being written."""
        with connection.cursor() as sql:
            sql.execute("SET LOCAL session_replication_role = replica")
            sql.execute("UPDATE sync_settled SET at = at - interval '16 minutes'")
            sql.execute("SET LOCAL session_replication_role = origin")
        settled(backend.channel, "order.delivered")
        head = backend.get("feed", after=cursors[0]).json()["head"]
        assert place(backend, head) == place(backend, cursors[3])
        assert pages(backend, after=head) == ["order.delivered"]

    def test_is_missed_by_nobody_who_has_read_it(self, backend, cursors):
        assert place(backend, read(backend, after=cursors[2])["cursor"]) == place(backend, cursors[3])
        assert pages(backend, after=cursors[2]) == ["order.shipped"]
        assert pages(backend, after=cursors[3]) == []

    def test_is_left_out_by_who_begins(self, backend, cursors):
        assert pages(backend) == ["order.shipped"]

    def test_may_be_all_there_was(self, backend, cursors):
        forget(Event.objects.all())
        begun = read(backend)
        assert (begun["results"], begun["has_more"]) == ([], False)
        assert place(backend, begun["cursor"]) == place(backend, cursors[3])
        assert pages(backend, after=begun["cursor"]) == []
        head = backend.get("feed", after=cursors[2]).json()["head"]
        assert place(backend, head) == place(backend, cursors[3])

    def test_of_others_counts_as_well(self, backend, cursors):
        """Whom it was for is forgotten with it."""
        stranger = make.backend_client(make.channel("stranger", group="elsewhere"))
        read_one, read_two = (feed.cursor(place(backend, each), stranger.channel) for each in cursors[1:3])
        assert stranger.get("feed", after=read_one).status_code == 410
        assert pages(stranger, after=read_two) == []

    def test_does_not_come_back_with_what_waits_to_be_delivered(self, backend):
        settled(backend.channel, "order.placed")
        settled(backend.channel, "order.paid", subject="member/2")
        kept, gone = Event.objects.order_by("written")
        make_deliveries.delivery(make_deliveries.endpoint(backend.channel), kept)
        forget([kept, gone])
        assert Event.objects.get() == kept
        begun = read(backend, limit=1)
        assert begun["results"] == []
        assert backend.get("feed", after=begun["cursor"]).status_code == 200

    @pytest.mark.parametrize("rows", [1, 3])
    def test_costs_the_same_to_say_however_much_it_was(self, backend, django_assert_num_queries, rows):
        start = read(backend)["cursor"]
        settled(backend.channel, *["order.paid"] * rows)
        forget(Event.objects.all())
        settled(backend.channel, *["order.paid"] * rows)
        with django_assert_num_queries(3):  # how far to look, the page, where to go on; the key is a prepared statement
            assert backend.get("feed", after=start).status_code == 410


def test_a_place_that_was_never_given_is_no_cursor_to_go_on_with(backend):
    settled(backend.channel, "order.placed")
    for beyond in (0, 1):
        answer = backend.get("feed", after=feed.cursor(Settled.objects.get().position + beyond, backend.channel))
        assert answer.status_code == (410 if beyond else 200)
    assert pages(backend, after=answer.json()["head"]) == ["order.placed"]


def test_what_happened_before_it_saw_the_member_is_not_told(backend):
    make_deliveries.event("member/1", "member.updated")
    settled(backend.channel, "points.earned")
    assert pages(backend) == ["points.earned"]


class TestACursor:
    """It names a place in the order of all, and tells nobody how many others there are."""

    def test_is_another_at_every_look_and_leads_to_the_same_place(self, backend):
        settled(backend.channel, "order.placed")
        one, other = (read(backend)["cursor"] for _turn in range(2))
        assert one != other
        settled(backend.channel, "order.paid")
        assert pages(backend, after=one) == pages(backend, after=other) == ["order.paid"]

    def test_leads_a_channel_of_the_same_group_on_and_no_other(self, backend):
        settled(backend.channel, "order.placed")
        given = read(backend)["cursor"]
        assert make.backend_client("mini-program").get("feed", after=given).status_code == 200
        stranger = make.backend_client(make.channel("stranger", group="elsewhere"))
        answer = stranger.get("feed", after=given)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid")

    def test_sealed_by_a_key_that_is_gone_means_reading_anew(self, backend, settings):
        settled(backend.channel, "order.placed")
        given, (number, key) = read(backend)["cursor"], next(iter(settings.FIELD_KEYS.items()))
        settings.FIELD_KEYS = {number + 1: key}
        answer = backend.get("feed", after=given)
        assert (answer.status_code, answer.json()["code"]) == (410, "resync_required")
        assert backend.get("feed", after=answer.json()["head"]).status_code == 200


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
