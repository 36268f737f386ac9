"""What `up` promises about a single program, shown with the shell's."""

import io
import os
import signal
import time
from pathlib import Path

import pytest

from config.children import Program, end_orphans, read_pid, spawn, started_at, write_pid
from config.supervisor import Journal, Supervisor
from tests.processes import await_that


@pytest.fixture
def said():
    return io.StringIO()


@pytest.fixture
def supervisor(tmp_path, said):
    found = Supervisor(tmp_path, Journal(said))
    yield found
    found.stop(list(found.children), patience=0)


def shell(name: str, script: str) -> Program:
    return Program(name, ["/bin/sh", "-c", script])


def until(holds):
    deadline = time.monotonic() + 30
    return lambda: holds() or time.monotonic() > deadline


def test_each_line_of_a_program_is_passed_on_with_its_name(supervisor, said):
    child = supervisor.start(shell("web", "echo one; echo two >&2; printf three; exec sleep 60"))
    running = Path(f"/proc/{child.process.pid}/comm")
    supervisor.serve(until(lambda: running.read_text() == "sleep\n"))
    supervisor.stop(["web"], patience=2)
    assert said.getvalue() == "web      | one\nweb      | two\nweb      | three\n"


def test_a_program_that_is_killed_is_started_again_and_what_it_had_started_ends(supervisor, said, tmp_path):
    child = supervisor.start(shell("web", "sleep 60 & echo $!; wait"))
    supervisor.serve(until(lambda: "\n" in said.getvalue()))
    grandchild = int(said.getvalue().split("|")[1])
    os.kill(child.process.pid, signal.SIGKILL)
    supervisor.serve(until(lambda: supervisor.children.get("web") not in {None, child}))
    assert "web was ended by SIGKILL: starting it again in 0.5 s" in said.getvalue()
    await_that(lambda: started_at(grandchild) is None, 30, lambda: "its own child still runs")
    assert read_pid(tmp_path / "web.pid") == supervisor.children["web"].process.pid


def test_a_program_that_closed_its_output_is_still_watched(supervisor, said):
    supervisor.start(shell("web", "exec >&- 2>&-; sleep 0.3; exit 7"))
    supervisor.serve(until(lambda: "exit code 7" in said.getvalue()))
    assert "web ended with exit code 7: starting it again" in said.getvalue()


def test_a_program_that_does_not_listen_is_ended_by_force(supervisor, said):
    child = supervisor.start(shell("web", "trap '' TERM; echo ready; while :; do sleep 60; done"))
    supervisor.serve(until(lambda: "ready" in said.getvalue()))
    supervisor.stop(["web"], patience=0.2)
    assert "web does not stop: ended by force" in said.getvalue()
    assert started_at(child.process.pid) is None


def test_what_a_killed_run_left_behind_is_ended_by_the_next_one(tmp_path):
    child = spawn(shell("web", "exec sleep 60"), tmp_path)
    assert end_orphans(tmp_path) == ["web"]
    assert child.wait() == -signal.SIGTERM
    assert not list(tmp_path.glob("*.pid"))


def test_a_number_that_now_belongs_to_another_program_is_left_alone(tmp_path):
    path = tmp_path / "web.pid"
    write_pid(path, os.getpid())
    path.write_text(f"{os.getpid()} 1\n")
    assert read_pid(path) is None
    assert end_orphans(tmp_path) == []
