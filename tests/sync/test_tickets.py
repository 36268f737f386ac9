"""A member's own events, and the ticket that opens a socket."""

import pytest

from sync import events, tickets
from sync.models import Event, Stream, Ticket
from tests import make
from tests.sync import make_deliveries

pytestmark = pytest.mark.django_db


@pytest.fixture
def mine():
    return make.member_client()


def happened(mine, count: int) -> None:
    for _ in range(count):
        make_deliveries.event(events.of_member(mine.member.id))


def sequences(mine, **query) -> list[int]:
    answer = mine.get("me/events", **query)
    assert answer.status_code == 200, answer.content
    return [int(event["sequence"]) for event in answer.json()["results"]]


class TestTickets:
    def test_a_ticket_comes_with_a_complete_address(self, mine):
        answer = mine.post("ws-tickets")
        assert answer.status_code == 201
        told = answer.json()
        assert told["expires_in"] == 30
        assert told["url"] == f"ws://testserver:8001/ws/v1/me?ticket={told['ticket']}"

    def test_it_is_kept_as_a_hash_for_the_session_that_asked(self, mine):
        ticket = mine.post("ws-tickets").json()["ticket"]
        kept = Ticket.objects.get()
        assert bytes(kept.digest) == tickets.digest(ticket)
        assert (kept.subject, kept.session) == (events.of_member(mine.member.id), str(mine.session.id))
        assert ticket not in str(make.snapshot())

    def test_each_is_another_even_with_an_idempotency_key(self, mine):
        given = {mine.post("ws-tickets", headers={"Idempotency-Key": "k"}).json()["ticket"] for _ in range(2)}
        assert len(given) == 2

    def test_live_url_wins(self, mine, settings):
        settings.LIVE_URL = "wss://hub.example"
        assert mine.post("ws-tickets").json()["url"].startswith("wss://hub.example/ws/v1/me?ticket=")

    def test_too_many_are_429(self, mine, settings, still_windows):
        settings.QUOTA_FACTOR = 0.05
        answers = [mine.post("ws-tickets") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [201, 201, 201, 429]
        assert int(answers[-1]["Retry-After"]) > 0

    def test_only_a_member_gets_one(self):
        assert make.client().post("ws-tickets").status_code == 401
        assert make.backend_client().post("ws-tickets").status_code == 403

    def test_old_ones_are_forgotten(self, mine):
        mine.post("ws-tickets")
        assert tickets.drop_expired() == 0
        Ticket.objects.update(expires_at=make.LONG_AGO)
        assert tickets.drop_expired() == 1


class TestMyEvents:
    def test_without_after_they_begin_with_the_oldest_kept(self, mine):
        happened(mine, 5)
        Event.objects.filter(sequence=1).delete()
        assert sequences(mine) == [2, 3, 4, 5]

    def test_they_go_on_after_a_position_and_tell_the_head(self, mine):
        happened(mine, 5)
        assert sequences(mine, after=2, limit=2) == [3, 4]
        assert mine.get("me/events", after=5).json() == {"results": [], "head": 5}

    def test_before_the_first_event_there_is_nothing(self, mine):
        assert mine.get("me/events").json() == {"results": [], "head": 0}
        assert mine.get("me/events", after=0).json() == {"results": [], "head": 0}

    @pytest.mark.parametrize("after", [0, 1, 6])
    def test_a_position_that_is_not_kept_or_not_there_yet_is_410_with_the_head(self, mine, after):
        happened(mine, 5)
        Event.objects.filter(sequence__lte=2).delete()
        answer = mine.get("me/events", after=after)
        assert (answer.status_code, answer.json()["code"], answer.json()["head"]) == (410, "resync_required", 5)
        assert sequences(mine, after=2) == [3, 4, 5]

    def test_a_head_advanced_after_a_restore_is_410(self, mine):
        happened(mine, 2)
        Event.objects.all().delete()
        Stream.objects.update(head=1_000_002)
        assert mine.get("me/events", after=2).json()["head"] == 1_000_002

    def test_they_are_the_members_own(self, mine):
        make_deliveries.event(events.of_member(make.member().id))
        assert sequences(mine) == []

    @pytest.mark.parametrize(
        "query", [{"after": "x"}, {"after": "-1"}, {"after": ""}, {"after": "1" * 19}, {"limit": 0}]
    )
    def test_what_makes_no_sense_is_400(self, mine, query):
        answer = mine.get("me/events", **query)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid")

    @pytest.mark.parametrize("rows", [1, 3])
    def test_a_page_costs_the_same_however_many(self, mine, django_assert_num_queries, rows):
        happened(mine, rows)
        mine.get("me/events")
        with django_assert_num_queries(1):  # the page; the session is a prepared statement
            assert len(sequences(mine)) == rows
