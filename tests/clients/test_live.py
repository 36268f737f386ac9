"""The live socket of both clients against a hub that is scripted: gaps, repeats, closing codes, silence, background."""

import time
from itertools import pairwise

import pytest

from tests.clients.driving import Client
from tests.clients.scripted import GONE, Answer, event, problem, session, tokens
from tests.sync.patience import until

pytestmark = pytest.mark.slow


@pytest.fixture
def live(client, scripted):
    """Its socket is open, at head 0."""
    client.call("live.start")
    line = scripted.line(1).hello(0)
    client.await_live()
    return line


def stored(*sequences: int, head: int):
    """What me/events answers."""

    def answer(asked):
        after = int(asked.query["after"])
        return Answer(200, {"results": [event(n) for n in sequences if n > after], "head": head})

    return answer


def test_it_begins_at_the_head_that_came_with_the_tokens(client, scripted):
    scripted.answers["auth/phone"] = [session("m-2", head=41)]
    client.call("signInByPhone", "c", "1", [])
    client.call("live.start")
    line = scripted.line(1)
    assert line.query == {"ticket": "t", "after": "41"}
    line.hello(43, "m-2").events(42, 43)
    client.await_heard("event", 2)
    assert client.sequences() == [42, 43]


def test_what_was_told_is_acknowledged_and_a_ping_is_answered(live, client):
    live.events(1, 2, 3)
    live.tell("ping", head=3)
    live.await_heard("pong")
    assert live.await_heard("ack", lambda acks: acks and acks[-1]["sequence"] == 3)
    assert client.position == 3


def test_repeats_are_told_once(live, client):
    live.events(1, 2, 2, 1, 3)
    client.await_heard("event", 3)
    live.tell("ping", head=3)
    live.await_heard("pong")
    assert client.sequences() == [1, 2, 3]


def test_a_gap_is_filled_from_the_store_before_what_comes_after_it(live, client, scripted):
    scripted.answers["me/events"] = stored(1, 2, 3, 4, 5, head=5)
    live.events(1, 4, 5, 6)
    client.await_heard("event", 6)
    assert client.sequences() == [1, 2, 3, 4, 5, 6]
    assert [asked.query["after"] for asked in scripted.to("me/events")] == ["1"]
    assert len(scripted.lines) == 1


def test_a_head_that_was_not_reached_is_a_gap(live, client, scripted):
    scripted.answers["me/events"] = stored(1, 2, head=2)
    live.tell("ping", head=2)
    client.await_heard("event", 2)
    assert client.sequences() == [1, 2]


def test_a_gap_that_cannot_be_filled_now_is_asked_for_again_over_a_new_line(live, client, scripted):
    scripted.answers["me/events"] = [problem(500, "internal")]
    live.events(1, 4)
    again = scripted.line(2)
    assert again.query["after"] == "1"
    again.hello(4).events(2, 3, 4)
    client.await_heard("event", 4)
    assert client.sequences() == [1, 2, 3, 4]


def test_what_is_no_longer_kept_means_reading_anew(live, client, scripted):
    live.tell("resync", head=70)
    live.events(71)
    client.await_heard("event")
    scripted.answers["me/events"] = [problem(410, "resync_required", head=90)]
    live.events(90, 91)
    client.await_heard("event", 2)
    assert (client.heard("resync"), client.sequences()) == ([70, 90], [71, 91])


def test_one_event_is_done_with_before_the_next_is_told(live, client, place):
    place.do("dawdle", ms=150)
    began = time.monotonic()
    live.events(1, 2, 3)
    client.await_heard("event", 3)
    assert time.monotonic() - began >= 0.29
    assert client.position < 3
    until(lambda: client.position == 3)


def test_a_line_that_was_cut_is_opened_again_where_it_was(live, client, place, scripted):
    live.events(1, 2)
    client.await_heard("event", 2)
    for number in range(2, 7):
        stood = 2 * (number - 1)
        until(lambda stood=stood: client.position == stood)
        place.happen("cut")
        line = scripted.line(number)
        assert line.query["after"] == str(stood)
        line.hello(2 * number).events(2 * number - 1, 2 * number)
        client.await_heard("event", 2 * number)
    assert client.sequences() == list(range(1, 13))
    assert place.see()["lines"] == 1


@pytest.mark.parametrize("code", [4401, 4408, 4413, 1013, 1001])
def test_after_these_codes_it_comes_back_with_a_new_ticket(live, client, scripted, code):
    live.close(code)
    scripted.line(2).hello(0)
    client.await_live()
    assert len(scripted.to("ws-tickets")) == 2
    assert client.heard("signedout") == []


def test_too_many_sockets_are_no_reason_to_hurry(live, client, place, scripted):
    place.do("hurry", factor=20)
    began = time.monotonic()
    live.close(4429)
    scripted.line(2)
    assert (time.monotonic() - began) * 20 >= 30


def test_a_line_that_says_nothing_is_given_up(live, client, place, scripted):
    """Of a socket that WeChat cut, or a network that changed, a phone may hear nothing."""
    place.do("hurry", factor=40)
    live.tell("ping", head=0)
    live.await_heard("pong")
    began = time.monotonic()
    scripted.line(2)
    assert (time.monotonic() - began) * 40 >= 20
    live.await_over()


def test_a_line_that_never_says_hello_is_given_up(client, place, scripted):
    place.do("hurry", factor=20)
    client.call("live.start")
    assert scripted.line(2).query["after"] == "0"


def test_a_session_that_was_ended_signs_out_and_stays_away(live, client, place, scripted):
    scripted.answers["ws-tickets"] = [problem(401, "token_revoked")]
    live.close(4403)
    assert client.await_heard("signedout") == ["token_revoked"]
    until(lambda: client.heard("connection")[-1] == "closed")
    assert place.see()["clients"]["one"] == {"signedIn": False, "memberId": None, "position": 0, "state": "closed"}
    assert len(scripted.to("ws-tickets")) == 2


def test_the_next_one_to_sign_in_is_live_without_asking(client, place, scripted):
    scripted.answers |= {"auth/logout": [Answer(204)], "auth/phone": [session("m-2", head=7)]}
    client.call("signOut")
    client.call("live.start")
    client.call("signInByPhone", "c", "1", [])
    line = scripted.line(1)
    assert line.query["after"] == "7"
    line.hello(7, "m-2")
    client.await_live()


def test_a_fold_goes_on_as_the_other_member_at_the_new_head(live, client, scripted):
    live.events(1, 2)
    client.await_heard("event", 2)

    def link(_asked):
        live.events(3)
        live.close(4403)  # before the answer with the new tokens is here
        return session("m-2", head=30, generation=2)

    def ticket(asked):
        return scripted.ticket(asked) if asked.token == "access-2" else problem(401, "token_revoked")

    scripted.answers |= {"auth/phone/link": link, "ws-tickets": ticket}
    assert client.call("linkPhone", "c", "1")["member"]["id"] == "m-2"
    line = scripted.line(2)
    assert line.query["after"] == "30"
    line.hello(31, "m-2").events(31)
    client.await_heard("event", 4)
    assert (client.sequences(), client.heard("signedout")) == ([1, 2, 3, 31], [])


def test_an_expired_token_is_renewed_for_the_ticket(client, scripted):
    def ticket(asked):
        return scripted.ticket(asked) if asked.token == "access-2" else problem(401, "token_expired")

    scripted.answers |= {"ws-tickets": ticket, "auth/refresh": [Answer(200, tokens(2))]}
    client.call("live.start")
    scripted.line(1).hello(0)
    client.await_live()
    assert len(scripted.to("auth/refresh")) == 1


def test_a_hub_that_is_away_is_asked_again_and_again(client, scripted):
    away = [GONE, problem(503, "unavailable"), problem(429, "rate_limited", 1)]
    scripted.answers["ws-tickets"] = lambda asked: away.pop(0) if away else scripted.ticket(asked)
    client.call("live.start")
    scripted.line(1).hello(0)
    client.await_live()


def test_pauses_grow_and_differ(client, scripted):
    """Clients that were cut off together must not come back together."""
    at = []

    def ticket(_asked):
        at.append(time.monotonic())
        return problem(503, "unavailable")

    scripted.answers["ws-tickets"] = ticket
    client.call("live.start")
    until(lambda: len(at) >= 5)
    pauses = [later - earlier for earlier, later in pairwise(at)]
    longest = [0.5, 1, 2, 4]
    assert all(0.2 * most - 0.05 <= pause <= most + 1.5 for pause, most in zip(pauses, longest, strict=False)), pauses


def test_in_the_background_it_rests_and_in_front_it_goes_on(live, client, place, scripted):
    live.events(1, 2)
    client.await_heard("event", 2)
    place.happen("hide")
    assert live.await_heard("ack", lambda acks: acks and acks[-1]["sequence"] == 2)
    live.await_over()
    assert client.heard("connection")[-1] == "paused"
    place.await_rest()
    assert (len(scripted.lines), len(scripted.to("ws-tickets"))) == (1, 1)
    place.happen("show")
    line = scripted.line(2)
    assert line.query["after"] == "2"
    line.hello(4).events(3, 4)
    client.await_heard("event", 4)
    assert client.sequences() == [1, 2, 3, 4]
    assert (len(scripted.lines), len(scripted.to("ws-tickets"))) == (2, 2)


def test_going_in_and_out_quickly_leaves_one_socket(live, client, place, scripted):
    for _ in range(12):
        place.happen("hide")
        place.happen("show")
    place.happen("online")
    until(lambda: len([line for line in scripted.lines if not line.is_over]) == 1)
    scripted.lines[-1].hello(1).events(1)
    client.await_heard("event")
    seen = place.see()
    assert seen["lines"] == 1
    if place.platform == "wx":
        assert (seen["refused"], seen["sockets"] <= 5) == ([], True)


def test_starting_twice_opens_one_socket(live, client, scripted):
    client.call("live.start")
    client.call("live.start")
    live.events(1)
    client.await_heard("event")
    assert len(scripted.lines) == 1


def test_stopped_it_stays_closed_and_started_it_goes_on(live, client, scripted):
    live.events(1)
    client.await_heard("event")
    until(lambda: client.position == 1)
    client.call("live.stop")
    live.await_over()
    assert client.heard("connection")[-1] == "closed"
    client.call("live.start")
    assert scripted.line(2).query["after"] == "1"


def test_a_client_that_is_made_anew_goes_on_where_the_last_one_was(live, client, place, scripted):
    live.events(1, 2)
    client.await_heard("event", 2)
    until(lambda: client.position == 2)
    later = Client(place, "later", channel=client.channel, base=scripted.base)
    later.call("live.start")
    assert scripted.line(2).query["after"] == "2"


def test_a_listener_that_is_slow_while_the_line_is_cut_hears_nothing_twice(live, client, place, scripted):
    place.do("dawdle", ms=400)
    live.events(1, 2, 3)
    client.await_heard("event", 2)
    place.happen("cut")
    line = scripted.line(2)
    line.hello(5).events(*range(int(line.query["after"]) + 1, 6))
    client.await_heard("event", 5)  # one after the other: what comes twice would stand before the last
    assert client.sequences() == [1, 2, 3, 4, 5]
