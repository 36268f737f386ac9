"""Runs of `tests/bench/nightly.py`: waited for, or killed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

from tests.bench.expiry_data import database_url, left
from tests.bench.ledger_data import execute

OTHERS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


class Run:
    """One run of `settle_due` in another process."""

    def __init__(self):
        environment = os.environ | {"DATABASE_URL": database_url(os.environ["DATABASE_URL"]), "DATABASE_POOL": "0"}
        words = [sys.executable, "-m", "tests.bench.nightly"]
        self.process = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True)

    def end(self) -> tuple[int, float, float]:
        """Wait for it: how many accounts it settled, in how many seconds, with how many MB at most."""
        said = self.process.communicate()[0]
        if self.process.returncode:
            raise RuntimeError(f"The run ended with {self.process.returncode}")
        return tuple(json.loads(said.splitlines()[-1]))

    def kill_when(self, holds: Callable[[int], bool]) -> int:
        """`kill -9` it as soon as so many accounts are left; returns how many are."""
        while not holds(left()):
            if self.process.poll() is not None:
                raise RuntimeError("The run ended before it could be killed")
            time.sleep(0.01)  # another process: nothing tells us
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()
        while execute(OTHERS)[0][0]:  # what it had sent PostgreSQL may still be done
            time.sleep(0.01)
        return left()
