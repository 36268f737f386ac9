"""`manage.py up`: one terminal, one hub; what cannot start says so in one line, and what ends leaves nothing."""

import signal
import socket
import subprocess
import sys
import time

import pytest

from config import embedded
from config.children import started_at
from tests.engines import ROOT
from tests.processes import HubProcesses, await_that, descendants

pytestmark = pytest.mark.slow


def words_of(processes: HubProcesses, **environment: str) -> tuple[int, list[str]]:
    """Run an `up` that ends by itself: its exit code and its lines."""
    ended = subprocess.run(
        [sys.executable, "manage.py", "up"],
        cwd=ROOT,
        env=processes.environment | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return ended.returncode, (ended.stdout + ended.stderr).splitlines()


def await_end(family: dict[int, str]) -> None:
    """Return when none of these runs. PostgreSQL's processes see by themselves, a moment later, that it was ended."""

    def alive() -> list[int]:
        return [pid for pid, started in family.items() if started_at(pid) == started]

    await_that(lambda: not alive(), 5, lambda: f"{alive()} outlive it")


@pytest.mark.parametrize("name", ["PORT", "LIVE_PORT", "SANDBOX_PORT"])
def test_a_busy_port_is_named_with_the_variable_that_moves_it(tmp_path, name):
    processes = HubProcesses(tmp_path, None)
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = str(busy.getsockname()[1])
        code, lines = words_of(processes, **{name: port})
    assert code == 1
    assert len(lines) == 1
    assert f"Port {port}" in lines[0]
    assert f"set {name} " in lines[0]
    assert not (tmp_path / "postgres").exists()


def test_two_variables_with_the_same_port_are_named(tmp_path):
    processes = HubProcesses(tmp_path, None)
    code, lines = words_of(processes, LIVE_PORT=processes.environment["PORT"])
    assert code == 1
    assert len(lines) == 1
    assert "PORT and LIVE_PORT are both" in lines[0]


def test_a_folder_that_cannot_be_written_is_named_in_one_line(tmp_path):
    (tmp_path / "file").touch()
    code, lines = words_of(HubProcesses(tmp_path, None), HUB_DATA_DIR=str(tmp_path / "file" / "data"))
    assert code == 1
    assert len(lines) == 1
    assert "set HUB_DATA_DIR" in lines[0]


def test_production_without_its_secrets_says_what_is_missing_in_a_few_lines(tmp_path):
    code, lines = words_of(HubProcesses(tmp_path, None), HUB_MODE="production", HUB_SANDBOX="0")
    assert code == 1
    assert any("SECRET_KEY is missing" in line for line in lines)
    assert not any("Traceback" in line for line in lines)


class TestARunningHub:
    """One hub for all of these, in this order: the last one ends it."""

    def test_a_second_one_is_refused_in_one_line(self, hub):
        code, lines = words_of(hub)
        assert code == 1
        assert len(lines) == 1
        assert f"pid {hub.up.pid}" in lines[0]
        assert hub.url in lines[0]

    @pytest.mark.parametrize("name", ["web", "live", "relay", "worker", "valkey"])
    def test_a_process_that_is_killed_is_started_again_and_said_so(self, hub, name):
        hub.await_again(name, hub.kill(name))
        await_that(lambda: f"{name} was ended by SIGKILL: starting it again" in hub.log(), 30, hub.log)
        hub.await_ready()

    def test_nothing_outlives_an_up_that_is_killed_and_the_next_one_starts_at_once(self, hub):
        family = descendants(hub.up.pid)
        hub.up.kill()
        hub.up.wait()
        hub.start()
        await_end(family)

    def test_sigterm_ends_everything_within_ten_seconds(self, hub):
        family = descendants(hub.up.pid)
        began = time.monotonic()
        hub.up.send_signal(signal.SIGTERM)
        assert hub.up.wait(timeout=60) == 0
        assert time.monotonic() - began < 10
        await_end(family)
        assert not list(hub.run.glob("*.pid"))


def test_a_hub_with_engines_of_its_own_keeps_its_data_from_run_to_run(tmp_path):
    processes = HubProcesses(tmp_path / "data", None)
    for _ in range(2):
        processes.start()
        family = descendants(processes.up.pid)
        assert processes.pid("postgres")
        processes.stop()
        await_end(family)
    assert processes.log().count("applying") == 1
    embedded.wipe(processes.folder)
