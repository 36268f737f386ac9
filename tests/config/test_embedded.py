"""The engines of a machine that has none."""

import os
import socket
import subprocess
from pathlib import Path

import psycopg
import pytest
import redis
from django.conf import settings
from django.db import connection
from pytest_socket import SocketConnectBlockedError

from config import embedded
from config.children import spawn


def test_the_suite_runs_on_a_postgresql_of_its_own(db):
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('fsync'), current_setting('data_directory')")
        fsync, folder = cursor.fetchone()
    assert fsync == "off"
    assert folder == str(embedded.home(Path(os.environ["HUB_TEST_FOLDER"])) / "postgres" / "data")


def test_each_process_of_the_suite_has_a_valkey_of_its_own():
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        assert client.ping()
        assert "/.data/test/" in client.config_get("unixsocket")["unixsocket"]


def test_the_suite_reaches_loopback_and_nothing_else():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        pass
    with pytest.raises((SocketConnectBlockedError, UserWarning), match=r"192\.0\.2\.1"):
        socket.create_connection(("192.0.2.1", 80), timeout=1)


@pytest.mark.parametrize(("told", "cached"), [("536870912\n", 2**27), ("max\n", None), (None, None)])
def test_postgresql_caches_no_more_than_a_quarter_of_what_a_container_may_have(tmp_path, told, cached):
    if told:
        (tmp_path / "memory.max").write_text(told)
    asked = embedded.cache([tmp_path / "memory.max"])
    assert asked == (cached or embedded.cache([]))
    assert asked <= embedded.MOST_CACHED


@pytest.fixture
def folder(tmp_path):
    """A data folder that an engine may use; what it keeps elsewhere is deleted too."""
    data = tmp_path / "data"
    data.mkdir()
    yield data
    embedded.wipe(data)


def started(program: embedded.Program, await_answer, data: Path) -> subprocess.Popen:
    child = spawn(program, data / "run", stdin=subprocess.DEVNULL)
    await_answer(data, lambda: child.poll() is not None)
    return child


def ended(child: subprocess.Popen, program: embedded.Program) -> None:
    child.send_signal(program.farewell)
    child.wait(timeout=60)


def test_postgresql_runs_in_a_folder_that_others_cannot_enter_and_leaves_its_mode_alone(folder):
    folder.parent.chmod(0o700)
    program = embedded.postgres(folder, durable=False)
    child = started(program, embedded.await_postgres, folder)
    embedded.create_database(folder)
    embedded.create_database(folder)
    with psycopg.connect(embedded.database_url(folder)) as connection:
        assert connection.execute("SHOW max_connections").fetchone() == ("300",)
        assert connection.execute("SELECT datcollate FROM pg_database WHERE datname = 'hub'").fetchone() == ("C.UTF-8",)
    ended(child, program)
    assert folder.parent.stat().st_mode & 0o777 == 0o700


def test_engines_run_in_a_folder_whose_path_is_too_long_for_a_socket(folder):
    deep = folder / ("d" * 100)
    for program, await_answer in (
        (embedded.postgres(deep, durable=False), embedded.await_postgres),
        (embedded.valkey(deep), embedded.await_valkey),
    ):
        ended(started(program, await_answer, deep), program)
    embedded.wipe(deep)
    assert not embedded.home(deep).exists()
    assert not embedded.postgres_sockets(deep).exists()


def test_postgresql_that_was_killed_starts_again_even_when_its_number_went_to_another_program(folder):
    program = embedded.postgres(folder)
    child = started(program, embedded.await_postgres, folder)
    child.kill()
    child.wait()
    lock = embedded.home(folder) / "postgres" / "data" / "postmaster.pid"
    lock.write_text(lock.read_text().replace(str(child.pid), str(os.getpid()), 1))
    program = embedded.postgres(folder)
    ended(started(program, embedded.await_postgres, folder), program)
