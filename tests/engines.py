"""The engines of a test run: one PostgreSQL for all of it, one Valkey for each of its processes.

They are embedded, in memory-like haste (no fsync), under `.data/test/`, apart from those of a running hub. Their
addresses go into the environment, so this must be started before Django reads its settings.
"""

import fcntl
import os
import subprocess
from pathlib import Path

from config import embedded
from config.children import end_group, spawn, started_at

ROOT = Path(__file__).resolve().parent.parent
RUNS = ROOT / ".data" / "test"
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
ENVIRONMENT = {
    "HUB_MODE": "development",
    "HUB_SANDBOX": "1",
    "DATABASE_POOL": "0",
    "LOG_LEVEL": "WARNING",
    "NO_PROXY": "127.0.0.1,localhost",
}


class Engines:
    """What one process of the run has started."""

    def __init__(self):
        self.folder = Path(os.environ.get("HUB_TEST_FOLDER") or RUNS / f"{os.getpid()}-{started_at(os.getpid())}")
        self.started: list[tuple[subprocess.Popen, embedded.Program]] = []

    def start(self) -> None:
        """Start what is missing and put the addresses into the environment; workers inherit PostgreSQL's."""
        os.environ |= ENVIRONMENT
        if not WORKER:
            forget_ended_runs()
            self.folder.mkdir(parents=True)
            postgres = self._start(embedded.postgres(self.folder, durable=False))
            embedded.await_postgres(self.folder, died=lambda: postgres.poll() is not None)
            os.environ["HUB_TEST_FOLDER"] = str(self.folder)
            os.environ["DATABASE_URL"] = embedded.database_url(self.folder, "hub")
        own = self.folder / (WORKER or "main")
        own.mkdir()
        valkey = self._start(embedded.valkey(own))
        embedded.await_valkey(own, died=lambda: valkey.poll() is not None)
        os.environ["REDIS_URL"] = embedded.redis_url(own)
        os.environ["HUB_DATA_DIR"] = str(own)

    def stop(self) -> None:
        """End them, and after the last one delete all they kept."""
        for child, program in reversed(self.started):
            end_group(child.pid, program.farewell)
            child.wait(timeout=60)
        if not WORKER:
            embedded.wipe(self.folder)

    def _start(self, program: embedded.Program) -> subprocess.Popen:
        with program.log.open("wb") as log:
            child = spawn(program, program.log.parent, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self.started.append((child, program))
        return child


def forget_ended_runs() -> None:
    """Delete the folders of runs that were killed; their engines ended with them. One run cleans up at a time."""
    RUNS.mkdir(parents=True, exist_ok=True)
    with (RUNS / "cleaning.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for folder in RUNS.glob("*-*"):
            pid, _, started = folder.name.partition("-")
            if started_at(int(pid)) != started:
                embedded.wipe(folder)
