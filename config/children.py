"""Child processes that cannot outlive us, and that a later run can recognise.

Linux ends a child with its parent (PR_SET_PDEATHSIG), even after `kill -9`. A pid file holds the start time beside the
pid, so that a number used again by somebody else is never taken for ours.
"""

import ctypes
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from pwd import struct_passwd

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None  # loaded here: nothing may be loaded after a fork


@dataclass(frozen=True)
class Program:
    """What to run, under which name, as whom, and which signal makes it stop in order."""

    name: str
    command: Sequence[str | os.PathLike]
    farewell: signal.Signals = signal.SIGTERM
    environment: dict[str, str] = field(default_factory=dict)
    account: struct_passwd | None = None
    cwd: Path | None = None
    log: Path | None = None  # where it talks to, when not to us


def started_at(pid: int) -> str | None:
    """When a process started, in ticks since boot; None when it is gone (or a zombie)."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if after_name[0] in "ZX" else after_name[19]


def write_pid(path: Path, pid: int) -> None:
    """Record a running process. Replaces the file in one step: no reader sees half of it."""
    fresh = path.with_suffix(".new")
    fresh.write_text(f"{pid} {started_at(pid)}\n")
    fresh.replace(path)


def read_pid(path: Path) -> int | None:
    """The pid recorded there, if that very process still runs."""
    try:
        pid, started = path.read_text().split()
    except (OSError, ValueError):
        return None
    return int(pid) if started_at(int(pid)) == started else None


def spawn(program: Program, run: Path, **streams) -> subprocess.Popen:
    """Start a program in a process group of its own, with its pid file in `run`. Raises OSError if it cannot start.

    Call it from a thread that lives as long as the child shall: the parent-death signal follows the thread.
    """
    parent = os.getpid()

    def tie_to_parent():
        resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
        if _libc:
            _libc.prctl(PR_SET_PDEATHSIG, program.farewell)
        if os.getppid() != parent:  # it died before we asked to be told
            os._exit(1)

    account = program.account
    child = subprocess.Popen(  # noqa: S603 - our own programs
        [os.fspath(word) for word in program.command],
        env={**os.environ, **program.environment},
        cwd=program.cwd,
        start_new_session=True,
        preexec_fn=tie_to_parent,
        **({"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}),
        **streams,
    )
    write_pid(run / f"{program.name}.pid", child.pid)
    return child


def end_group(pid: int, with_signal: signal.Signals) -> None:
    """Signal a child and all that it started. Nothing left to signal is fine."""
    try:
        os.killpg(pid, with_signal)
    except (ProcessLookupError, PermissionError):  # Darwin answers the second for a group of zombies
        return


def end_orphans(run: Path, patience: float = 10.0) -> list[str]:
    """End what a killed parent left behind, in order first, by force after `patience` seconds. Returns their names."""
    found = {path.stem: pid for path in run.glob("*.pid") if (pid := read_pid(path))}
    for pid in found.values():
        end_group(pid, signal.SIGTERM)
    deadline = time.monotonic() + patience
    while any(started_at(pid) for pid in found.values()) and time.monotonic() < deadline:
        time.sleep(0.02)  # they are not our children: nothing tells us when they end
    for pid in found.values():
        end_group(pid, signal.SIGKILL)
    for path in run.glob("*.pid"):
        path.unlink(missing_ok=True)
    return sorted(found)
