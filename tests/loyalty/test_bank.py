"""The bank test: points move between accounts while connections and processes are killed; no read is ever wrong."""

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event as Flag
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import pytest
from django.db import connection, connections

from loyalty.models import Entry
from members.models import Member
from tests import make
from tests.engines import ROOT
from tests.loyalty import audit, bank
from tests.loyalty.make_points import drifted, holder
from tests.processes import await_that

pytestmark = pytest.mark.django_db(transaction=True)
ACCOUNTS, EACH, WRITERS = 6, 200, 8
READ = """
SELECT a.member_id, a.available, a.pending, a.held, a.debt, l.remaining, l.held
FROM loyalty_account a LEFT JOIN (
    SELECT account_id, sum(remaining) AS remaining, sum(held) AS held FROM loyalty_lot GROUP BY account_id
) l ON l.account_id = a.id
"""
KILL = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND application_name = %s ORDER BY random() LIMIT 1
"""


def read_all(members: list[Member]) -> list[str]:
    """What is wrong with all balances at one moment: nothing, if all is well."""
    with connection.cursor() as cursor:
        cursor.execute(READ)
        rows = cursor.fetchall()
    wrong = []
    if {row[0] for row in rows} != {member.pk for member in members}:
        wrong.append("unexpected account")
    if any(figure is None for row in rows for figure in row):
        return [*wrong, "nil"]
    if any(figure < 0 for row in rows for figure in row[1:]):
        wrong.append("negative")
    if sum(available + pending + held - debt for _m, available, pending, held, debt, *_lots in rows) != ACCOUNTS * EACH:
        wrong.append("wrong total")
    if any((available + pending, held) != tuple(lots) for _m, available, pending, held, _debt, *lots in rows):
        wrong.append("lots differ")
    return wrong


class Bank:
    """Accounts that readers look at all the while, and whose writers are killed at random."""

    def __init__(self, folder: Path, pool: ThreadPoolExecutor):
        make.channel()
        self.folder, self.pool, self.over, self.quiet = folder, pool, Flag(), Flag()
        self.members = [holder(EACH) for _ in range(ACCOUNTS)]
        self.names, self.running = [f"w{n}" for n in range(WRITERS)], []
        (folder / "members").write_text("\n".join(str(member.pk) for member in self.members))

    def until(self, flag: Flag, work: Callable[[], object], pause: float) -> Future:
        """Do it again and again on a connection of its own, until the flag: how often, with what findings."""
        return self.pool.submit(self._again, flag, work, pause)

    @staticmethod
    def _again(flag: Flag, work: Callable[[], object], pause: float) -> Counter:
        found = Counter()
        try:
            while not flag.wait(random.random() * pause):
                found[str(work())] += 1
        finally:
            connections.close_all()
        return found

    def write(self, name: str) -> Future:
        """A writer in a thread of this process."""
        members = [member.pk for member in self.members]

        def run():
            try:
                bank.Writer(name, members, self.folder / f"{name}.log").run(self.over.is_set)
            finally:
                connections.close_all()

        return self.pool.submit(run)

    def jobs(self) -> list[dict]:
        """All that was asked for."""
        return [job for name in self.names for job in bank.jobs(self.folder / f"{name}.log")]


def kill_a_connection() -> str:
    """Of a writer, whatever it is doing."""
    with connection.cursor() as cursor:
        cursor.execute(KILL, [bank.NAME])
        return "killed" if cursor.fetchone() else "nobody there"


def spawn(place: Bank, names: list[str]) -> subprocess.Popen:
    """A process of so many writers, on this test's database."""
    url = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}")
    command = [sys.executable, "-m", "tests.loyalty.bank_writers", str(place.folder), *names]
    return subprocess.Popen(command, cwd=ROOT, env=os.environ | {"DATABASE_URL": urlunsplit(url)})


@contextmanager
def watched(place: Bank) -> Iterator[None]:
    """Two readers look all the while, connections are killed until it is over; no read was wrong."""
    readers = [place.until(place.quiet, lambda: read_all(place.members), 0.01) for _ in range(2)]
    killer = place.until(place.over, kill_a_connection, 0.1)
    try:
        yield
    finally:
        place.over.set()  # of the killer; the readers look until the end
        place.quiet.set()
    for reader in readers:
        assert set(reader.result(60)) == {"[]"}, reader.result()
    assert killer.result(60)["killed"]


def check(place: Bank) -> None:
    """Each transfer that was told done is there once, each that was refused is not; the books of all hold."""
    jobs = place.jobs()
    outcomes = Counter(job.get("outcome") for job in jobs)
    assert set(outcomes) <= {bank.DONE, bank.REFUSED}
    assert outcomes[bank.DONE] > 20
    assert not [job for job in jobs if "saw" in job], "a deadlock surfaced"
    posted = Entry.objects.filter(contra__isnull=False).exclude(reference="start")
    spent = Counter(posted.filter(kind="spent").values_list("account__member_id", "source", "reference", "contra"))
    earned = Counter(posted.filter(kind="earned").values_list("account__member_id", "reference", "contra"))
    done = [job for job in jobs if job["outcome"] == bank.DONE]
    moved = [(job, job["points"] if job["way"] == bank.STRAIGHT else job["passed"]) for job in done]
    moved = [(job, points) for job, points in moved if job["way"] != bank.LET_GO]
    assert earned == Counter((UUID(job["taker"]), job["reference"], -points) for job, points in moved)
    straight = [job for job in done if job["way"] == bank.STRAIGHT]
    by = str(bank.BY)
    assert {key: n for key, n in spent.items() if key[1] == by} == Counter(
        (UUID(job["giver"]), by, job["reference"], job["points"]) for job in straight
    )
    assert sum(n for key, n in spent.items() if key[1] != by) == sum(job["way"] == bank.HELD for job in done)
    for member in place.members:
        audit.hold_true(audit.read(member))
    assert drifted() == []
    assert read_all(place.members) == []


@pytest.fixture
def place(tmp_path) -> Iterator[Bank]:
    with ThreadPoolExecutor(WRITERS + 4) as pool:
        found = Bank(tmp_path, pool)
        yield found
        found.over.set()
        found.quiet.set()
        for process in found.running:
            process.kill()
            process.wait(60)


def await_beginning(place: Bank) -> None:
    """Every writer has begun."""
    logs = [place.folder / f"{name}.log" for name in place.names]
    await_that(lambda: all(log.exists() for log in logs), 60, lambda: "some writer never began")


def test_no_read_is_wrong_while_writers_lose_their_connections(place):
    writers = [place.write(name) for name in place.names]
    await_beginning(place)
    with watched(place):
        await_that(lambda: len(place.jobs()) > 100, 60, lambda: "the writers hardly write")
    for writer in writers:
        writer.result(60)
    check(place)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_no_read_is_wrong_while_writers_of_many_processes_are_killed(place):
    teams = [place.names[n : n + 2] for n in range(0, WRITERS, 2)]
    running = place.running = [spawn(place, team) for team in teams]
    await_beginning(place)
    with watched(place):
        for _ in range(4):
            place.over.wait(4)
            n = random.randrange(len(teams))
            running[n].kill()
            assert running[n].wait(60) == -signal.SIGKILL
            running[n] = spawn(place, teams[n])
        place.over.wait(8)
        (place.folder / "over").touch()
        assert [process.wait(60) for process in running] == [0] * len(teams)
    check(place)
