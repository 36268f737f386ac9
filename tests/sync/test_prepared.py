"""Prepared statements on Django's connection: its values, its errors, its transactions."""

import gc
import signal
import weakref
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

import pghistory
import pytest
from django.db import (
    DataError,
    IntegrityError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    connection,
    transaction,
)
from pghistory.core import event_models
from psycopg.pq import TransactionStatus

from orders.models import Order
from sync import prepared
from sync.ids import uuid7
from sync.models import Stream
from sync.rows import Rows
from tests.orders import make_orders as o
from tests.statements import ROUND_TRIPS, sent
from tests.sync.patience import until

WRITE = "INSERT INTO sync_stream (subject, head) VALUES (%s, %s)"
SLEEP = "SELECT pg_sleep(30) AS of_who_is_interrupted"
SOME_ID = UUID("0192d0f0-0000-7000-8000-000000000001")
NOON = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)


class Interrupted(Exception):
    """Something happens while an answer is awaited."""


def written() -> list[str]:
    return list(Stream.objects.order_by("subject").values_list("subject", flat=True))


@pytest.mark.django_db
class TestValues:
    @pytest.mark.parametrize(
        ("type", "value"),
        [
            ("bigint", 2**40),
            ("integer", -1),
            ("smallint", 7),
            ("boolean", True),
            ("text", "积分 ' \\ $1 %"),
            ("text", ""),
            ("varchar(9)", "x"),
            ("uuid", SOME_ID),
            ("timestamptz", NOON),
            ("bigint[]", [1, 2**40, None]),
            ("text[]", ["a", "", 'b"{,}', None]),
            ("uuid[]", [SOME_ID]),
            ("timestamptz[]", [NOON]),
            ("text[]", []),
        ],
    )
    def test_come_back_as_they_were_given(self, type, value):
        assert prepared.run(f"SELECT %s::{type}, %s::{type}", [value, None]) == [(value, None)]

    def test_have_the_width_that_the_statement_wants(self):
        sql = "SELECT pg_typeof(%s::bigint)::text, pg_typeof(%s::smallint)::text"
        assert prepared.run(sql, [1, 1]) == [("bigint", "smallint")]

    def test_may_have_names_and_be_named_twice(self):
        sql = "SELECT %(n)s::integer, %(word)s::text, %(n)s + 1, 7 %% 4"
        assert prepared.run(sql, {"word": "a", "n": 5, "other": 1}) == [(5, "a", 6, 3)]

    def test_are_read_at_the_hubs_time(self):
        ((at,),) = prepared.run("SELECT %s::timestamptz", [NOON])
        with connection.cursor() as cursor:
            cursor.execute("SELECT %s::timestamptz", [NOON])
            assert (at, at.tzinfo) == (NOON, cursor.fetchone()[0].tzinfo)

    def test_come_in_rows_or_not_at_all(self):
        assert prepared.run("SELECT n FROM generate_series(1, %s) n", [3]) == [(1,), (2,), (3,)]
        assert prepared.run(WRITE, ["member/1", 1]) == []

    @pytest.mark.parametrize(("type", "value"), [("text", "a\0b"), ("text[]", ["a\0b"])])
    def test_with_a_nul_are_refused_as_by_a_cursor_before_they_are_sent(self, type, value):
        with pytest.raises(DataError, match="NUL"):
            prepared.run(f"SELECT %s::{type}", [value])
        assert prepared.run("SELECT 1") == [(1,)]  # the transaction is as it was

    @pytest.mark.parametrize(
        ("sql", "values"), [("SELECT %s::integer", []), ("SELECT %s::integer", [1, 2]), ("SELECT 1", [1])]
    )
    def test_of_another_number_are_refused(self, sql, values):
        with pytest.raises(ProgrammingError, match="parameters are taken"):
            prepared.run(sql, values)


@pytest.mark.django_db(transaction=True)
class TestAConnection:
    def test_prepares_a_statement_once(self):
        sql = "SELECT %s::integer + 40"
        for n in range(3):
            assert prepared.run(sql, [n]) == [(n + 40,)]
        assert prepared_here("SELECT $1::integer + 40") == 1

        connection.close()
        assert prepared.run(sql, [1]) == [(41,)]
        assert prepared_here("SELECT $1::integer + 40") == 1

    def test_that_is_gone_is_forgotten(self):
        prepared.run("SELECT 1")
        gone = weakref.ref(connection.connection)
        connection.close()
        gc.collect()
        assert gone() is None

    def test_that_lost_its_statements_fails_once(self):
        prepared.run("SELECT 1")
        with connection.cursor() as cursor:
            cursor.execute("DEALLOCATE ALL")
        with pytest.raises(ProgrammingError):
            prepared.run("SELECT 1")
        assert prepared.run("SELECT 1") == [(1,)]

    def test_whose_tables_changed_fails_once(self):
        with connection.cursor() as cursor:
            cursor.execute("CREATE TEMPORARY TABLE changing (a integer)")
            prepared.run("SELECT * FROM changing")
            cursor.execute("ALTER TABLE changing ADD b integer; INSERT INTO changing VALUES (1, 2)")
        with pytest.raises(NotSupportedError):
            prepared.run("SELECT * FROM changing")
        assert prepared.run("SELECT * FROM changing") == [(1, 2)]

    def test_that_is_broken_says_so_and_is_replaced_as_any_other(self):
        prepared.run("SELECT 1")
        with pytest.raises(OperationalError):
            prepared.run("SELECT pg_terminate_backend(pg_backend_pid())")
        with pytest.raises(OperationalError):
            prepared.run("SELECT 1")
        connection.close_if_unusable_or_obsolete()
        assert prepared.run("SELECT 1") == [(1,)]

    def test_that_was_broken_between_acts_says_so(self):
        ((pid,),) = prepared.run("SELECT pg_backend_pid()")
        other = connection.copy()
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
        other.close()
        with pytest.raises(OperationalError), transaction.atomic():
            prepared.run("SELECT 1")
        connection.close_if_unusable_or_obsolete()
        assert prepared.run("SELECT 1") == [(1,)]


@pytest.mark.django_db(transaction=True)
class TestATransaction:
    def test_is_committed_at_once_in_autocommit(self):
        prepared.run(WRITE, ["member/1", 1])
        assert not connection.in_atomic_block
        connection.close()
        assert written() == ["member/1"]

    def test_is_opened_by_the_first_statement_of_a_block(self):
        with transaction.atomic():
            prepared.run(WRITE, ["member/1", 1])
            transaction.set_rollback(True)
        assert written() == []

        with transaction.atomic():
            prepared.run(WRITE, ["member/1", 1])
            assert written() == ["member/1"]  # by Django's cursor, in the same transaction
        assert written() == ["member/1"]

    def test_gives_up_what_a_savepoint_did(self):
        with transaction.atomic():
            prepared.run(WRITE, ["member/1", 1])
            with transaction.atomic():
                prepared.run(WRITE, ["member/2", 1])
                transaction.set_rollback(True)
            prepared.run(WRITE, ["member/3", 1])
        assert written() == ["member/1", "member/3"]

    @pytest.mark.parametrize(
        ("sql", "error", "sqlstate"),
        [
            ("SELECT 1 / 0", DataError, "22012"),
            ("SELEC", ProgrammingError, "42601"),
            ("SELECT * FROM nowhere", ProgrammingError, "42P01"),
            ("INSERT INTO sync_stream (subject, head) VALUES ('member/1', 1)", IntegrityError, "23505"),
        ],
    )
    def test_is_over_after_an_error_which_is_djangos_own(self, sql, error, sqlstate):
        prepared.run(WRITE, ["member/1", 1])
        with pytest.raises(error) as raised:
            in_a_block(lambda: prepared.run(WRITE, ["member/2", 1]), lambda: prepared.run(sql))
        assert raised.value.__cause__.sqlstate == sqlstate
        assert raised.value.__cause__.diag.sqlstate == sqlstate
        assert written() == ["member/1"]

    def test_that_is_broken_goes_on_after_its_savepoint(self):
        with transaction.atomic():
            prepared.run(WRITE, ["member/1", 1])
            with pytest.raises(ProgrammingError), transaction.atomic():
                prepared.run("SELEC")
            prepared.run(WRITE, ["member/2", 1])
        assert written() == ["member/1", "member/2"]

    def test_is_not_counted_by_django(self, django_assert_num_queries):
        with django_assert_num_queries(0):
            prepared.run("SELECT 1")


@pytest.mark.django_db(transaction=True)
class TestStatementsTogether:
    def test_give_each_its_rows_in_one_round_trip(self):
        asked = ("SELECT %s::integer", [1]), ("SELECT n FROM generate_series(1, %(n)s) n", {"n": 2}), (WRITE, ["a", 1])
        prepared.together(*asked[:2])
        with sent() as statements:
            assert prepared.together(*asked[:2]) == [[(1,)], [(1,), (2,)]]
        with sent(ROUND_TRIPS) as waits:
            assert prepared.together(*asked[:2]) == [[(1,)], [(1,), (2,)]]
        assert (len(statements), len(waits)) == (2, 1)
        assert prepared.together(*asked) == [[(1,)], [(1,), (2,)], []]
        assert prepared.together() == []
        assert written() == ["a"]

    @pytest.mark.parametrize("place", [0, 1, 2])
    def test_are_run_all_or_none(self, place):
        asked = [(WRITE, ["a", 1]), (WRITE, ["b", 1])]
        asked.insert(place, ("SELECT 1 / %s::integer", [0]))
        with pytest.raises(DataError, match="division"):
            prepared.together(*asked)
        assert written() == []
        assert prepared.together(("SELECT 1", []), ("SELECT 2", [])) == [[(1,)], [(2,)]]

    def test_may_ask_and_answer_more_than_fits_between_the_two(self):
        asked = [("SELECT %s::text", [letter * 3_000_000]) for letter in "ab"]
        assert prepared.together(*asked) == [[(text,)] for _sql, (text,) in asked]

    def test_that_are_half_answered_let_other_threads_go_on(self):
        half = ("SELECT repeat('x', 20_000)", []), ("SELECT pg_advisory_xact_lock(77)", [])  # 8 kB are sent at once
        prepared.run("SELECT pg_advisory_lock(77)")
        with ThreadPoolExecutor(1) as other:
            waiting = other.submit(apart, prepared.together, ("SET lock_timeout = '10s'", []), *half)
            until(lambda: prepared.run("SELECT count(*) FROM pg_locks WHERE objid = 77 AND NOT granted") == [(1,)])
            prepared.run("SELECT pg_advisory_unlock(77)")
            assert [len(rows) for rows in waiting.result()] == [0, 1, 1]

    def test_open_their_transaction_on_the_way(self):
        with transaction.atomic():
            prepared.run(WRITE, ["a", 1])
        with transaction.atomic(), sent(ROUND_TRIPS) as waits:
            prepared.run(WRITE, ["b", 1])
            assert connection.connection.info.transaction_status == TransactionStatus.INTRANS
        assert len(waits) == 1
        assert written() == ["a", "b"]

    def test_end_it_on_the_way(self):
        with transaction.atomic():
            prepared.run(WRITE, ["a", 1])
            prepared.together((WRITE, ["b", 1]), commit=True)
            assert connection.connection.info.transaction_status == TransactionStatus.IDLE
        assert written() == ["a", "b"]

    def test_may_be_followed_by_one_whose_failure_is_only_logged(self, caplog):
        with transaction.atomic():
            prepared.together((WRITE, ["a", 1]), commit=True, after="SELECT 1 / 0")
        assert "division by zero" in caplog.text
        assert (written(), prepared.run("SELECT 1")) == (["a"], [(1,)])

    @pytest.mark.parametrize("after", [False, True])
    def test_may_fail_at_the_end_of_a_transaction_of_their_own(self, after, caplog):
        with connection.cursor() as cursor:
            cursor.execute("CREATE TEMPORARY TABLE doubts (a integer UNIQUE DEFERRABLE INITIALLY DEFERRED)")
            doubt = "INSERT INTO doubts VALUES (1)"
            cursor.execute(f"CREATE FUNCTION pg_temp.doubt() RETURNS void LANGUAGE sql AS '{doubt}'; {doubt}")
        if after:
            with transaction.atomic():
                prepared.together((WRITE, ["a", 1]), commit=True, after="SELECT pg_temp.doubt()")
            assert "doubts_a_key" in caplog.text
        else:
            with pytest.raises(IntegrityError, match="doubts_a_key"):
                prepared.together((WRITE, ["a", 1]), ("SELECT pg_temp.doubt()", []))
        assert written() == (["a"] if after else [])
        assert prepared.together(("SELECT 1", []), ("SELECT 2", [])) == [[(1,)], [(2,)]]

    def test_that_fail_are_not_followed(self):
        with connection.cursor() as cursor:
            cursor.execute("CREATE TEMPORARY SEQUENCE calls")
        ending = partial(prepared.together, (WRITE, [None, 1]), commit=True, after="SELECT nextval('calls')")
        with pytest.raises(IntegrityError):
            in_a_block(ending)
        assert prepared.run("SELECT nextval('calls')") == [(1,)]

    def test_that_fail_end_nothing(self):
        ending = partial(prepared.together, ("SELECT 1 / %s::integer", [0]), commit=True)
        with pytest.raises(DataError):
            in_a_block(lambda: prepared.run(WRITE, ["a", 1]), ending)
        assert written() == []

    def test_that_are_interrupted_leave_no_answers_behind(self):
        def interrupt(*_signal):
            raise Interrupted

        before = signal.signal(signal.SIGALRM, interrupt)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            with pytest.raises(Interrupted), transaction.atomic():
                prepared.together((WRITE, ["a", 1]), (SLEEP, []), commit=True)
        finally:
            signal.signal(signal.SIGALRM, before)
        connection.close()
        asleep = "SELECT count(*) FROM pg_stat_activity WHERE query = %s AND state = 'active'"
        until(lambda: prepared.run(asleep, [SLEEP]) == [(0,)], seconds=20)  # nothing waits for its end
        assert written() == []
        assert prepared.together(("SELECT 2", []), ("SELECT 3", [])) == [[(2,)], [(3,)]]

    def test_say_so_when_their_connection_goes(self):
        prepared.together(("SELECT 1", []), ("SELECT 2", []))
        with pytest.raises(OperationalError):
            prepared.together(("SELECT pg_terminate_backend(pg_backend_pid())", []), ("SELECT 2", []))
        connection.close_if_unusable_or_obsolete()
        assert prepared.together(("SELECT 1", []), ("SELECT 2", [])) == [[(1,)], [(2,)]]

    def test_that_lost_their_preparation_fail_once(self):
        prepared.together(("SELECT 1", []), ("SELECT 2", []))
        with connection.cursor() as cursor:
            cursor.execute("DEALLOCATE ALL")
        with pytest.raises(ProgrammingError):
            prepared.together(("SELECT 1", []), ("SELECT 2", []))
        assert prepared.together(("SELECT 1", []), ("SELECT 2", [])) == [[(1,)], [(2,)]]


@pytest.mark.django_db(transaction=True)
def test_who_stands_behind_a_request_of_staff_is_in_the_history_of_what_it_wrote():
    order = o.order()
    rows = Rows(Order)
    order.pk, order.number, order.external_id = uuid7(), "D1", "W-77"
    with pghistory.context(staff=7, path="/admin/"), sent(ROUND_TRIPS) as waits:
        prepared.run(*rows.insert(order))
    with pghistory.context(staff=7):
        assert prepared.run("SELECT 7") == [(7,)]  # and nothing of what went ahead
    prepared.run("UPDATE orders_order SET version = 2 WHERE id = %s", [order.pk])
    (history,) = event_models(tracks_model=Order)
    kept = history.objects.filter(pgh_obj=order.pk).order_by("pgh_id").values_list("pgh_context__metadata", flat=True)
    assert list(kept) == [{"staff": 7, "path": "/admin/"}, None]
    assert len(waits) == 1 + 2 * 2  # both statements are prepared first


def in_a_block(*works) -> None:
    with transaction.atomic():
        for work in works:
            work()


def apart(work, *asked):
    """Do it on a connection of this thread's own."""
    try:
        return work(*asked)
    finally:
        connection.close()


def prepared_here(statement: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE statement = %s", [statement])
        return cursor.fetchone()[0]
