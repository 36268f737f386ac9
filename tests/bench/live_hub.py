"""The processes of the live chain as a bench starts, stops and kills them; members who hold tickets."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import redis
from django.conf import settings

from config import embedded
from config.children import read_pid, spawn
from config.programs import programs
from sync import events, tickets
from sync.models import Heartbeat
from tests import make

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = os.sysconf("SC_PAGE_SIZE")


@contextmanager
def process(name: str):
    """`relay`, `live` or `courier` as `manage.py up` runs it, ready; killed on leaving."""
    known = next(program for program in programs() if program.name == name)
    Heartbeat.objects.filter(name=name).delete()
    started = spawn(known, Path(settings.DATA_DIR) / "run")  # ends with us, however we end
    try:
        await_that(
            is_listening if name == "live" else Heartbeat.objects.filter(name=name).exists, f"{name} is not ready"
        )
        yield started
    finally:
        kill(started)


def kill(process: subprocess.Popen) -> None:
    """`kill -9`, also of one that is stopped or gone."""
    process.kill()
    process.wait(timeout=30)


def is_listening() -> bool:
    """Whether the live process answers."""
    return not is_closed(settings.LIVE_PORT)


def is_closed(port: int) -> bool:
    """Whether nobody listens there."""
    with socket.socket() as line:
        return line.connect_ex(("127.0.0.1", port)) != 0


def await_that(holds, otherwise: str, seconds: float = 60, *, every: float = 0.01) -> None:
    """Return as soon as `holds()`. Raises RuntimeError."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise RuntimeError(otherwise)
        time.sleep(every)  # another process: nothing tells us


def kill_valkey() -> None:
    """`kill -9` Valkey, and start it again where it was; the new one ends with us."""
    folder = Path(settings.DATA_DIR)
    pid = read_pid(folder / "run" / "valkey.pid")
    os.killpg(pid, signal.SIGKILL)
    program = embedded.valkey(folder)
    again = spawn(program, folder / "run", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    embedded.await_valkey(folder, died=lambda: again.poll() is not None)


class Writer:
    """`tests/bench/live_writer.py` for a subject."""

    def __init__(self, subject: str):
        words = [sys.executable, "-m", "tests.bench.live_writer", subject]
        self.process = subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, *_raised) -> None:
        self.process.stdin.close()
        self.process.wait(timeout=30)

    def begin(self, how: str, count: int, rate: float, facts: int = 1) -> None:
        """Have it told so often; returns at once."""
        self.process.stdin.write(json.dumps({"how": how, "count": count, "rate": rate, "facts": facts}) + "\n")
        self.process.stdin.flush()

    def end(self) -> int:
        """Wait until it has."""
        return int(self.process.stdout.readline())


def member():
    """Somebody with a session: what tickets are made of."""
    return make.session(make.member())


def subject(session) -> str:
    return events.of_member(session.member_id)


def urls(session, count: int) -> list[str]:
    """Addresses with tickets for so many sockets."""
    known = {"subject": subject(session), "session": str(session.id), "channel": session.channel}
    place = f"ws://127.0.0.1:{settings.LIVE_PORT}/ws/v1/me?ticket="
    return [place + tickets.issue(**known) for _ in range(count)]


def publisher() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL)


def kilobytes(pid: int) -> float:
    """The memory a process has now."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE / 1024
