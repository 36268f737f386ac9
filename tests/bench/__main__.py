"""`make bench`: each bench in a process of its own, on engines of its own.

`python -m tests.bench [name …]`; `SCALE=0.01` makes a quick one. A missed target is printed and no error.
"""

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from config import embedded
from config.children import end_group, spawn

ROOT = Path(__file__).resolve().parent.parent.parent
BENCHES = ("ledger", "expiry", "orders", "live", "delivery")
POOLED = {"orders": "1", "live": "8", "delivery": "2"}  # connections come from a pool, as in production
ENVIRONMENT = {
    "HUB_MODE": "development",
    "HUB_SANDBOX": "1",
    "DATABASE_POOL": "0",
    "DATABASE_STATEMENT_TIMEOUT": "10min",
    "LOG_LEVEL": "WARNING",
    "DJANGO_SETTINGS_MODULE": "tests.bench.settings",
    "NO_PROXY": "127.0.0.1,localhost",
    "HUB_BENCH_RESULTS": str(ROOT / ".data" / "bench"),
}


@contextmanager
def engines() -> Iterator[dict[str, str]]:
    """A PostgreSQL that syncs as a production one does and a Valkey, both empty; the environment that names them."""
    (ROOT / ".data").mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=ROOT / ".data"))
    folder.chmod(0o755)  # PostgreSQL may run as an account of its own
    started = []
    try:
        for program in (embedded.postgres(folder), embedded.valkey(folder)):
            with program.log.open("wb") as log:
                started.append((spawn(program, folder / "run", stdout=log, stderr=log), program))
        embedded.await_postgres(folder, died=lambda: started[0][0].poll() is not None)
        embedded.await_valkey(folder, died=lambda: started[1][0].poll() is not None)
        embedded.create_database(folder)
        addresses = {"DATABASE_URL": embedded.database_url(folder), "REDIS_URL": embedded.redis_url(folder)}
        yield ENVIRONMENT | addresses | {"HUB_DATA_DIR": str(folder), "LIVE_PORT": str(free_port())}
    finally:
        for child, program in reversed(started):
            end_group(child.pid, program.farewell)
            child.wait(timeout=30)
        embedded.wipe(folder)


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as place:
        return place.getsockname()[1]


def main(names: list[str]) -> int:
    """Run the benches named, or all; 1 when one could not be run."""
    if unknown := set(names) - set(BENCHES):
        print(f"No such bench: {', '.join(sorted(unknown))}; there are {', '.join(BENCHES)}", file=sys.stderr)  # noqa: T201
        return 1
    failed = 0
    for name in names or BENCHES:
        with engines() as environment:
            environment["DATABASE_POOL"] = POOLED.get(name, "0")
            words = [sys.executable, "-m", "tests.bench.one", name]
            failed |= subprocess.run(words, cwd=ROOT, env=os.environ | environment, check=False).returncode != 0
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
