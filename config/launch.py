"""Starts the whole hub in one terminal and ends it again: engines, schema, roles, sandbox, processes."""

import fcntl
import http.client
import os
import signal
import socket
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from config import checks, embedded
from config.children import end_orphans
from config.programs import programs
from config.supervisor import Journal, Stopped, Supervisor
from sync.models import Heartbeat

PATIENCE_PROGRAMS, PATIENCE_ENGINES = 6.0, 3.0  # seconds to end in order; together less than ten
ENGINES = {"postgres", "valkey"}
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SLOW_START = 60.0  # seconds after which we say what we are waiting for


class CannotStart(Exception):
    """The hub cannot start (or be wiped) here and now; the message says why in one line."""


class Hub:
    """One hub on this machine: its data folder, its programs, its engines."""

    def __init__(self, journal: Journal):
        self.data = Path(settings.DATA_DIR).resolve()
        self.run = self.data / "run"
        self.journal = journal
        self.supervisor = Supervisor(self.run, journal)

    def up(self) -> None:
        """Start everything and keep it running until Stopped is raised. Raises CannotStart."""
        stop_on_signals()
        with alone(self.data, self.run):
            for name in end_orphans(self.run):
                self.journal.say("up", f"ended {name}, left over from a run that was killed")
            check_ports()
            try:
                self._start_engines()
                self._prepare()
                self._start_programs()
                self.supervisor.serve()
            except embedded.EngineFailed as reason:
                raise CannotStart(str(reason)) from reason
            finally:
                self._stop()

    def _start_engines(self) -> None:
        if settings.PRODUCTION:
            return
        if settings.DATABASES["default"]["HOST"] == str(embedded.postgres_sockets(self.data)):
            engine = self.supervisor.start(embedded.postgres(self.data))
            embedded.await_postgres(self.data, engine.has_ended)
            embedded.create_database(self.data)
        if embedded.redis_url(self.data) == settings.REDIS_URL:
            engine = self.supervisor.start(embedded.valkey(self.data))
            embedded.await_valkey(self.data, engine.has_ended)

    def _prepare(self) -> None:
        """Schema, roles, sandbox, static files: here rather than in a process of its own, to start sooner."""
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = 0; SET lock_timeout = '60s'")
        if problem := checks.misplaced(connection):
            raise CannotStart(problem)
        executor = MigrationExecutor(connection)
        if plan := executor.migration_plan(executor.loader.graph.leaf_nodes()):
            self.journal.say("up", f"applying {len(plan)} migrations")
            call_command("migrate", verbosity=0, interactive=False)
        call_command("roles", verbosity=0)
        if settings.SANDBOX:
            call_command("seed", verbosity=0)
        if settings.PRODUCTION:
            call_command("collectstatic", verbosity=0, interactive=False)
        else:
            Heartbeat.objects.all().delete()  # an earlier run's signs of life prove nothing about this one
        connection.close()
        connection.close_pool()

    def _start_programs(self) -> None:
        for program in programs():
            self.supervisor.start(program)
        asked, said = time.monotonic(), SLOW_START

        def ready() -> bool:
            nonlocal said
            missing = unreadiness()
            if missing and time.monotonic() - asked > said:
                self.journal.say("up", f"still not ready: {missing}")
                said += SLOW_START
            return not missing

        self.supervisor.serve(until=ready)
        for line in welcome():
            self.journal.say("up", line)

    def _stop(self) -> None:
        self.journal.say("up", "ending everything")
        names = set(self.supervisor.children)
        self.supervisor.stop(names - ENGINES, PATIENCE_PROGRAMS)
        self.supervisor.stop(names & ENGINES, PATIENCE_ENGINES)


@contextmanager
def alone(data: Path, run: Path):
    """Hold the data folder's lock. Raises CannotStart when another hub holds it or the folder cannot be written."""
    try:
        run.mkdir(parents=True, exist_ok=True)
        lock = (data / "up.lock").open("a+")
    except OSError as reason:
        raise CannotStart(
            f"Cannot write to {data} ({reason.strerror}): set HUB_DATA_DIR to a folder that can be written"
        ) from reason
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            pid, _, url = lock.read().strip().partition(" ")
            raise CannotStart(f"The hub already runs here (pid {pid}) at {url}: end that one first") from None
        lock.truncate(0)
        lock.write(f"{os.getpid()} {settings.PUBLIC_URL}/\n")
        lock.flush()
        yield


def stop_on_signals() -> None:
    """From now on the first Ctrl-C, SIGTERM or SIGHUP raises Stopped; later ones change nothing."""

    def stop(*_):
        for each in STOPPING:
            signal.signal(each, signal.SIG_IGN)
        raise Stopped

    for each in STOPPING:
        signal.signal(each, stop)


def check_ports() -> None:
    """Raise CannotStart naming the first port that is taken and the variable that moves it."""
    wanted = {"PORT": settings.PORT, "LIVE_PORT": settings.LIVE_PORT}
    if settings.SANDBOX:
        wanted["SANDBOX_PORT"] = settings.SANDBOX_PORT
    seen: dict[int, str] = {}
    for name, port in wanted.items():
        if port in seen:
            raise CannotStart(f"{seen[port]} and {name} are both {port}: set {name} to another port")
        seen[port] = name
        family = socket.AF_INET6 if ":" in settings.HOST else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((settings.HOST, port))
            except OSError as reason:
                raise CannotStart(
                    f"Port {port} on {settings.HOST} cannot be had ({reason.strerror}): set {name} to another port"
                ) from reason


def unreadiness() -> str:
    """What /readyz still misses; empty when the hub is ready."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.HOST, settings.HOST)  # noqa: S104 - compared only
    address = f"http://{host}:{settings.PORT}/readyz"
    request = urllib.request.Request(address, headers={"Host": urlsplit(settings.PUBLIC_URL).netloc})
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(request, timeout=2):
            return ""
    except urllib.error.HTTPError as answer:
        return f"{answer.code} {answer.read(500).decode(errors='replace')}"
    except (OSError, http.client.HTTPException) as reason:
        return f"no answer from the web process ({reason})"


def welcome() -> list[str]:
    """Where to go and how to sign in."""
    url = settings.PUBLIC_URL
    lines = ["ready", f"  API           {url}/api/v1/docs", f"  Admin         {url}/admin/"]
    lines.append(f"  Dashboard     {url}/dashboard/")
    if settings.SANDBOX:
        lines.append(f"  Two channels  {url}/sandbox/")
        lines.append("  Sign in as admin, operator or manager, password: sandbox")
    return [*lines, "Ctrl-C ends everything"]


def wipe() -> None:
    """Delete what a hub keeps in its data folder, but for the engines of tests. Raises CannotStart while one runs."""
    data = Path(settings.DATA_DIR).resolve()
    if not (data / "up.lock").exists():
        raise CannotStart(f"No hub has run in {data}: there is nothing to wipe")
    with alone(data, data / "run"):
        end_orphans(data / "run")
        embedded.wipe(data, keep=frozenset({"test", "up.lock"}))
