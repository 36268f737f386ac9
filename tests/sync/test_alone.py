"""One at a time, wherever it runs."""

import pytest

from loyalty import tasks
from loyalty.models import Entry
from sync import postgres
from sync.alone import alone
from tests.loyalty.make_points import execute, holder

pytestmark = pytest.mark.django_db(transaction=True)


def test_who_comes_second_is_told_so_until_the_first_is_done():
    with postgres.connect("test") as other:
        other.execute("SELECT pg_advisory_lock(hashtextextended('work', 0))")
        with alone("work") as first, alone("other work") as first_there:
            assert (first, first_there) == (False, True)
        other.execute("SELECT pg_advisory_unlock_all()")

    with alone("work") as first:
        assert first
        with postgres.connect("test") as other:
            assert other.execute("SELECT pg_try_advisory_lock(hashtextextended('work', 0))").fetchone() == (False,)
    with postgres.connect("test") as other:
        assert other.execute("SELECT pg_try_advisory_lock(hashtextextended('work', 0))").fetchone() == (True,)


def test_what_is_due_is_settled_by_one_worker_at_a_time():
    holder(10)
    execute("UPDATE loyalty_lot SET expires_at = now()")
    execute("UPDATE loyalty_account SET due_at = now()")

    with postgres.connect("test") as other:
        other.execute("SELECT pg_advisory_lock(hashtextextended('settle points', 0))")
        tasks.settle_points()
        assert not Entry.objects.filter(kind="expired").exists()
        other.execute("SELECT pg_advisory_unlock_all()")

    tasks.settle_points()
    assert Entry.objects.filter(kind="expired").count() == 1
