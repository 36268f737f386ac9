"""The real processes of a hub, as `manage.py up` starts them, for tests that look at it from outside.

A hub here has free ports, a database of its own on the suite's PostgreSQL, a Valkey of its own, and the sandbox's seed.
"""

import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
import pytest

from config.children import read_pid, started_at
from tests.engines import ROOT

START = 180.0  # seconds within which a hub is ready on a busy machine
NAMES = ("web", "live", "relay", "courier", "worker", "beat", "sandbox")


class HubProcesses:
    """One `manage.py up` in a folder of its own."""

    def __init__(self, folder: Path, database_url: str | None, **environment: str):
        ports = free_ports(3)
        self.folder, self.run = folder, folder / "run"
        self.url, self.live_url = f"http://127.0.0.1:{ports[0]}", f"ws://127.0.0.1:{ports[1]}"
        self.sandbox_url = f"http://127.0.0.1:{ports[2]}"
        self.database_url = database_url
        names = ("PORT", "LIVE_PORT", "SANDBOX_PORT")
        inherited = {key: value for key, value in os.environ.items() if key not in {"REDIS_URL", "DATABASE_URL"}}
        self.environment = inherited | {name: str(port) for name, port in zip(names, ports, strict=True)}
        self.environment |= {"PUBLIC_URL": self.url, "HUB_DATA_DIR": str(folder), "DATABASE_POOL": "8"}
        self.environment |= {"DATABASE_URL": database_url} if database_url else {}
        self.environment |= environment
        self.up: subprocess.Popen | None = None

    def launch(self) -> None:
        """Start `up` and return at once."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "up.log").open("ab") as log:
            self.up = subprocess.Popen(
                [sys.executable, "manage.py", "up"], cwd=ROOT, env=self.environment, stdout=log, stderr=log
            )

    def start(self) -> None:
        """Start `up` and return when the hub is ready."""
        self.launch()
        self.await_ready()

    def await_ready(self) -> None:
        """Return when the web process of this `up` answers /readyz with 200."""
        await_that(self.is_ready, START, lambda: f"the hub is not ready:\n{self.log()[-6000:]}")

    def is_ready(self) -> bool:
        """Whether the web process of this `up` answers /readyz with 200 now. Fails at once when `up` has ended.

        That of one killed before may still answer: it ends its requests in order.
        """
        assert self.up.poll() is None, f"up ended with {self.up.returncode}:\n{self.log()[-6000:]}"
        if self.pid("web") not in descendants(self.up.pid):
            return False
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=10):  # noqa: S310 - loopback
                return True
        except OSError:
            return False

    def stop(self) -> None:
        """Ask `up` to end everything, and wait for it."""
        if self.up and self.up.poll() is None:
            self.up.terminate()
            self.up.wait(timeout=60)

    def log(self) -> str:
        """All that the hub, its processes and its engines have said."""
        logs = [self.folder / "up.log", *sorted(self.run.glob("*.log"))]
        return "\n".join(log.read_text(errors="replace") for log in logs)

    def pid(self, name: str) -> int | None:
        """The pid of a running process: web, live, relay, courier, worker, beat, sandbox or valkey."""
        return read_pid(self.run / f"{name}.pid")

    def kill(self, name: str) -> int:
        """`kill -9` a process with all it started. Returns the pid it had; `up` starts it again."""
        pid = self.pid(name)
        os.killpg(pid, signal.SIGKILL)
        return pid

    def pause(self, name: str) -> None:
        """SIGSTOP a process with all it started."""
        os.killpg(self.pid(name), signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """Let a paused process go on."""
        os.killpg(self.pid(name), signal.SIGCONT)

    def await_again(self, name: str, old: int) -> int:
        """Return the new pid of a process that was ended, as soon as `up` has started it again."""
        await_that(lambda: self.pid(name) not in {None, old}, 60, lambda: f"{name} was not started again")
        return self.pid(name)

    @contextmanager
    def without(self, name: str) -> Iterator[None]:
        """A hub in which this process does not move; on leaving it goes on."""
        self.pause(name)
        try:
            yield
        finally:
            self.resume(name)


def await_that(holds: Callable[[], bool], seconds: float, otherwise: Callable[[], str]) -> None:
    """Return as soon as `holds()`; fail with what `otherwise()` says after `seconds`."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            pytest.fail(otherwise())
        time.sleep(0.05)  # another process: nothing tells us


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on now, below those that systems give to whoever asks for any."""
    with ExitStack() as stack:
        found = []
        while len(found) < count:
            with suppress(OSError):
                port = random.randrange(15_000, 32_000)
                stack.enter_context(socket.create_server(("127.0.0.1", port)))
                found.append(port)
        return found


def descendants(pid: int) -> dict[int, str]:
    """A process' children, their children and so on: pid → start time."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it ended meanwhile
    found, looking = {}, {pid}
    while looking:
        looking = {child for child, parent in parents.items() if parent in looking}
        found |= {child: started_at(child) for child in looking}
    return found


@contextmanager
def database() -> Iterator[str]:
    """A new database on the suite's PostgreSQL: its URL."""
    name, url = f"hub_{uuid4().hex[:12]}", urlsplit(os.environ["DATABASE_URL"])
    with psycopg.connect(urlunsplit(url._replace(path="/postgres")), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield urlunsplit(url._replace(path=f"/{name}"))
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def hub_running(**environment: str) -> Iterator[HubProcesses]:
    """A hub that is ready; ended with all it kept on leaving."""
    with database() as url:
        processes = HubProcesses(Path(os.environ["HUB_TEST_FOLDER"]) / f"up-{uuid4().hex[:8]}", url, **environment)
        try:
            processes.start()
            yield processes
        finally:
            processes.stop()


@pytest.fixture(scope="module")
def hub() -> Iterator[HubProcesses]:
    """One ready hub for the tests of a module."""
    with hub_running() as processes:
        yield processes
