"""Acts: one transaction, its events written last, a deadlock retried; what is rolled back is not told."""

import threading
from contextlib import suppress

import pytest
from django.db import DatabaseError, IntegrityError, InternalError, OperationalError, connection, transaction

from sync import act, events, postgres, prepared
from sync.act import SYSTEM, NotAnAct
from sync.ids import uuid7
from sync.models import Audience, Event, Stream
from tests.sync import make_deliveries

DEADLOCK = "DO $$ BEGIN RAISE EXCEPTION 'as if' USING ERRCODE = '40P01'; END $$"


def record(type: str = "order.placed", subject: str = "member/1", **fields) -> None:
    events.record(type, subject=subject, data=fields or {"version": 1}, by=SYSTEM)


def told(subject: str = "member/1") -> list[tuple[int, str]]:
    return list(Event.objects.filter(subject=subject).order_by("sequence").values_list("sequence", "type"))


@act.act
def place(*types: str) -> None:
    for type in types:
        record(type)


@pytest.fixture(autouse=True)
def connected(request):
    """As nearly all acts find it: the first one on a connection goes Django's way."""
    if request.node.get_closest_marker("django_db"):
        request.getfixturevalue("transactional_db")
        connection.ensure_connection()


@pytest.mark.django_db(transaction=True)
class TestAnActOfItsOwn:
    def test_writes_its_events_in_the_order_they_were_recorded(self):
        place("order.placed", "order.paid")
        place("order.shipped")
        assert told() == [(1, "order.placed"), (2, "order.paid"), (3, "order.shipped")]
        assert Stream.objects.get().head == 3

    def test_writes_nothing_when_it_fails(self):
        @act.act
        def fails():
            record()
            raise LookupError

        with pytest.raises(LookupError):
            fails()
        assert told() == []
        assert not Stream.objects.exists()

    def test_asks_for_data_at_its_end(self):
        state = {"version": 1}

        @act.act
        def changes():
            events.record("order.placed", subject="member/1", data=lambda: dict(state), by=SYSTEM)
            state["version"] = 2

        changes()
        assert Event.objects.get().data == {"version": 2}

    def test_writes_events_of_several_subjects_in_one_statement(self, django_assert_num_queries):
        @act.act
        def both():
            record("member.merged", "member/2")
            record("member.merged", "member/1")
            record("order.paid", "member/2")

        with django_assert_num_queries(2):  # BEGIN, COMMIT: the events go past Django's cursor
            both()
        assert told("member/1") == [(1, "member.merged")]
        assert told("member/2") == [(1, "member.merged"), (2, "order.paid")]

    def test_rings_the_relay_that_sleeps_after_the_commit(self):
        with make_sleeper() as listener:
            place("order.placed")
            assert [ring.channel for ring in listener.notifies(timeout=30, stop_after=1)] == ["sync"]

    def test_rings_nobody_while_no_relay_sleeps(self):
        with make_sleeper() as listener:
            listener.execute("SELECT pg_advisory_unlock_all()")
            place("order.placed")
            listener.execute("NOTIFY sync, 'by hand'")
            assert [ring.payload for ring in listener.notifies(timeout=30, stop_after=1)] == ["by hand"]
        assert told() == [(1, "order.placed")]

    def test_is_refused_inside_a_transaction_of_somebody_else(self):
        with pytest.raises(NotAnAct), transaction.atomic():
            place("order.placed")
        assert told() == []

    def test_whose_data_swallowed_a_refusal_is_not_taken_for_done(self):
        @act.act
        def refuses():
            raise LookupError

        def data() -> dict:
            with suppress(LookupError):
                refuses()
            return {}

        with pytest.raises(transaction.TransactionManagementError):
            act.outermost(lambda: events.record("order.placed", subject="member/1", data=data, by=SYSTEM))
        assert told() == []

    def test_is_undone_by_what_only_the_commit_refuses(self):
        @act.act
        def names_nobody():
            record()
            Audience.objects.create(subject="member/1", channel_id=uuid7())
            transaction.on_commit(lambda: pytest.fail("It was not committed"))

        with pytest.raises(IntegrityError, match="channel_id"):
            names_nobody()
        assert told() == []
        place("order.placed")
        assert told() == [(1, "order.placed")]

    def test_runs_what_waits_for_its_commit_after_it(self):
        seen = []

        @act.act
        def waits():
            record()
            transaction.on_commit(lambda: seen.append((connection.in_atomic_block, told())))

        waits()
        assert seen == [(False, [(1, "order.placed")])]

    def test_whose_connection_is_lost_says_so_and_tells_nothing(self):
        with pytest.raises(OperationalError):
            act.outermost(lambda: (record(), lose_connection()))
        connection.close_if_unusable_or_obsolete()
        assert told() == []

    @pytest.mark.parametrize("way", ["cursor", "prepared"])
    def test_is_tried_again_after_a_deadlock(self, way):
        tries = []

        @act.act
        def deadlocks():
            tries.append(1)
            record()
            if len(tries) < 3:
                raise_deadlock(way)

        deadlocks()
        assert len(tries) == 3
        assert told() == [(1, "order.placed")]

    def test_is_not_run_again_for_what_comes_after_its_commit(self):
        tries = []

        @act.act
        def commits():
            tries.append(1)
            record()
            transaction.on_commit(raise_deadlock)

        with pytest.raises(OperationalError):
            commits()
        assert len(tries) == 1
        assert told() == [(1, "order.placed")]

    def test_rings_the_relay_whatever_comes_after_its_commit(self):
        @act.act
        def commits():
            record()
            transaction.on_commit(raise_deadlock)

        with make_sleeper() as listener:
            with pytest.raises(OperationalError):
                commits()
            assert [ring.channel for ring in listener.notifies(timeout=30, stop_after=1)] == ["sync"]

    @pytest.mark.parametrize("tells", [True, False])
    @pytest.mark.parametrize("way", ["cursor", "prepared"])
    def test_whose_failure_was_swallowed_is_not_taken_for_done(self, tells, way):
        @act.act
        def goes_on():
            transaction.on_commit(lambda: pytest.fail("It was not committed"))
            if tells:
                record()
            with suppress(OperationalError):
                raise_deadlock(way)

        with pytest.raises(InternalError):
            goes_on()
        assert told() == []
        place("order.placed")
        assert told() == [(1, "order.placed")]

    def test_whose_part_refused_is_not_taken_for_done(self):
        @act.act
        def refuses():
            raise LookupError

        @act.act
        def goes_on():
            record()
            with suppress(LookupError):
                refuses()

        with pytest.raises(transaction.TransactionManagementError):
            goes_on()
        assert told() == []

    def test_is_tried_again_when_what_it_prepared_is_out_of_date(self):
        place("order.placed")
        with connection.cursor() as cursor:
            cursor.execute("DEALLOCATE ALL")
        place("order.paid")
        with connection.cursor() as cursor:
            cursor.execute("CREATE TEMPORARY TABLE changing (a integer)")
        looks = act.act(lambda: prepared.run("SELECT * FROM changing"))
        looks()
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE changing ADD b integer")
        assert looks() == []
        assert told() == [(1, "order.placed"), (2, "order.paid")]

    def test_that_swallows_that_it_could_not_begin_is_not_taken_for_done(self):
        place("order.placed")
        with connection.cursor() as cursor:
            cursor.execute("DEALLOCATE ALL")

        @act.act
        def goes_on():
            with suppress(DatabaseError):
                prepared.run("SELECT 1")
            record()

        with pytest.raises(transaction.TransactionManagementError):
            goes_on()
        assert told() == [(1, "order.placed")]

    def test_keeps_the_hooks_of_whoever_is_asked_what_it_recorded(self):
        called = []

        def data() -> dict:
            transaction.on_commit(lambda: called.append(1))
            return {}

        act.outermost(lambda: events.record("order.placed", subject="member/1", data=data, by=SYSTEM))
        assert (called, told()) == ([1], [(1, "order.placed")])

    def test_may_not_record_after_a_savepoint_either_when_it_is_asked_what_it_recorded(self):
        def data() -> dict:
            with suppress(LookupError), transaction.atomic():
                raise LookupError
            record()
            return {}

        with pytest.raises(events.NotInAnAct):
            act.outermost(lambda: events.record("order.placed", subject="member/1", data=data, by=SYSTEM))
        assert told() == []

    def test_may_not_record_when_it_is_asked_what_it_recorded(self):
        @act.act
        def asks():
            events.record("order.placed", subject="member/1", data=lambda: record() or {}, by=SYSTEM)

        with pytest.raises(events.NotInAnAct):
            asks()
        assert told() == []

    def test_gives_up_after_three_more_tries(self):
        tries = []

        @act.act
        def deadlocks():
            tries.append(1)
            raise_deadlock()

        with pytest.raises(OperationalError):
            deadlocks()
        assert len(tries) == 4

    def test_two_of_opposite_order_do_not_deadlock(self):
        def write(*subjects):
            def work():
                for subject in subjects:
                    record(subject=subject)

            for _ in range(50):
                act.outermost(work)
            connection.close()

        pair = [threading.Thread(target=write, args=names) for names in (("a", "b"), ("b", "a"))]
        for thread in pair:
            thread.start()
        for thread in pair:
            thread.join()
        assert [sequence for sequence, _type in told("a")] == list(range(1, 101))
        assert [sequence for sequence, _type in told("b")] == list(range(1, 101))


@pytest.mark.django_db(transaction=True)
class TestAnActInAnAct:
    def test_joins_it(self):
        @act.act
        def outer():
            record("order.placed")
            place("order.paid")
            assert told() == []
            record("points.earned")

        outer()
        assert told() == [(1, "order.placed"), (2, "order.paid"), (3, "points.earned")]

    def test_whose_savepoint_is_rolled_back_tells_nothing(self):
        @act.act
        def outer():
            record("order.placed")
            rolled_back(lambda: place("order.paid"))
            record("order.shipped")

        outer()
        assert told() == [(1, "order.placed"), (2, "order.shipped")]

    def test_django_drops_hooks_of_a_savepoint_as_we_rely_on(self):
        with transaction.atomic():
            rolled_back(lambda: transaction.on_commit(lambda: None))
            assert connection.run_on_commit == []
            transaction.on_commit(lambda: None)
            ((sids, hook, robust),) = connection.run_on_commit
            assert callable(hook)
            assert not robust
            assert isinstance(sids, set)


@pytest.mark.django_db(transaction=True)
def test_a_fact_outside_an_act_is_refused():
    with pytest.raises(events.NotInAnAct):
        record()
    with pytest.raises(events.NotInAnAct), transaction.atomic():
        record()
    assert told() == []


@pytest.mark.django_db
@pytest.mark.parametrize(
    "change", ["UPDATE sync_event SET type = 'order.forged'", "UPDATE sync_settled SET position = position + 1"]
)
def test_the_database_refuses_to_change_what_happened(change):
    make_event()
    with pytest.raises(Exception, match="Cannot update"), connection.cursor() as cursor:
        cursor.execute(change)


@pytest.mark.django_db
def test_the_database_refuses_a_sequence_twice():
    make_event()
    again = """INSERT INTO sync_event (id, subject, sequence, type, source, actor, correlation_id, data)
        SELECT gen_random_uuid(), subject, sequence, type, source, actor, correlation_id, data FROM sync_event"""
    with pytest.raises(IntegrityError, match="event_sequence_once"), connection.cursor() as cursor:
        cursor.execute(again)


def make_event() -> Event:
    return make_deliveries.event("member/1")


def make_sleeper():
    """What a relay is to writers while it sleeps."""
    listener = postgres.connect("test")
    listener.execute("LISTEN sync")
    listener.execute(f"SELECT pg_advisory_lock_shared({events.ASLEEP})")
    return listener


def rolled_back(work) -> None:
    """Run work in a savepoint, and roll that back."""
    with transaction.atomic():
        work()
        transaction.set_rollback(True)


def raise_deadlock(way: str = "cursor") -> None:
    if way == "prepared":
        prepared.run(DEADLOCK)
    with connection.cursor() as cursor:
        cursor.execute(DEADLOCK)


def lose_connection() -> None:
    """As a restart of PostgreSQL would, between two statements that somebody swallowed the error of."""
    with suppress(OperationalError):
        prepared.run("SELECT pg_terminate_backend(pg_backend_pid())")
