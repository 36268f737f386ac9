"""Late commits: in whatever order acts end, a live socket is told everything, once, in the order of its stream."""

import random
import threading
from contextlib import ExitStack, contextmanager

import pytest

from sync import events, postgres
from sync.act import SYSTEM
from sync.rounds import Rounds
from tests.sync.live import live_running, session, subject
from tests.sync.test_feed_gaps import Crowd, Writer
from tests.sync.test_live import happen_elsewhere, no_comparison
from tests.sync.test_relay import relay_running

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

WRITERS = 4


@pytest.fixture(params=["relay", "comparison"])
def told(request, monkeypatch):
    """A live process that hears of events only from the relay, or only by comparing heads."""
    with ExitStack() as stack:
        if request.param == "relay":
            monkeypatch.setattr(Rounds, "heads", no_comparison)
            stack.enter_context(relay_running())
        yield stack.enter_context(live_running())


@contextmanager
def listening(live, *sessions):
    """A client that has said hello for each session."""
    with ExitStack() as stack:
        clients = [stack.enter_context(live.open(each)) for each in sessions]
        for client in clients:
            client.next("hello")
        yield clients


@contextmanager
def writers(count: int):
    with ExitStack() as stack:
        yield [Writer(stack.enter_context(postgres.connect("test"))) for _ in range(count)]


def add(writer: Writer, subject: str) -> None:
    """One fact more in a transaction that is open."""
    row = events.Recorded("order.paid", subject, {}, SYSTEM).row()
    writer.connection.execute(events.WRITE, [[value] for value in row])


def test_ten_commits_after_eleven_and_a_socket_is_told_both_in_their_sequence(told):
    mine, other = session(), session()
    with listening(told, mine, other) as (client, others), writers(2) as (ten, eleven):
        ten.write([subject(other)])
        eleven.write([subject(mine)])
        eleven.end("COMMIT")
        assert client.sequences(1) == [1]
        assert others.is_quiet()
        add(ten, subject(mine))
        ten.end("COMMIT")
        assert client.sequences(1) == [2]
        assert others.sequences(1) == [1]
        assert client.is_quiet()
        assert others.is_quiet()


def test_eleven_waits_for_ten_where_both_tell_of_the_same_member(told):
    mine = session()
    with listening(told, mine) as (client,), writers(1) as (ten,):
        ten.write([subject(mine)])
        eleven = threading.Thread(target=happen_elsewhere, args=(subject(mine), "order.updated"))
        eleven.start()
        assert client.is_quiet()
        ten.end("COMMIT")
        assert [client.next("event")["event"]["type"] for _ in range(2)] == ["order.paid", "order.updated"]
        eleven.join()
        assert client.is_quiet()


def test_ten_undone_after_eleven_leaves_no_gap(told):
    mine, other = session(), session()
    with listening(told, mine, other) as (client, others), writers(2) as (ten, eleven):
        ten.write([subject(other)])
        eleven.write([subject(mine)])
        eleven.end("COMMIT")
        assert client.sequences(1) == [1]
        add(ten, subject(mine))
        ten.end("ROLLBACK")
        eleven.write([subject(mine), subject(other)])
        eleven.end("COMMIT")
        assert client.sequences(1) == [2]
        assert others.sequences(1) == [1]


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_skipped_or_repeated_in_any_order_of_commits(told, seed):
    sessions = [session() for _ in range(6)]
    with listening(told, *sessions) as clients, writers(WRITERS) as all_of_them:
        crowd = Crowd(random.Random(seed), all_of_them, [subject(each) for each in sessions])
        for _step in range(80):
            crowd.step()
        crowd.finish()
        for mine, client in zip(sessions, clients, strict=True):
            count = crowd.committed[subject(mine)]
            assert client.sequences(count) == list(range(1, count + 1)), (seed, subject(mine))
        assert all(client.is_quiet(0.2) for client in clients)
