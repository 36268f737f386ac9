"""The receivers of docs/receivers as processes of their own, as an integrator starts them."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from standardwebhooks import Webhook

from tests.engines import ROOT
from tests.lacking import lacking
from tests.processes import await_that, free_ports
from tests.sync.receiver import SECRET

RECEIVERS = ROOT / "docs" / "receivers"
NAMES = ("python", "node", "php")
OTHER_SECRET = "whsec_" + "c2Vjb25kLXNlY3JldC1vZi10aGUtc2hvcC0wMQ=="


def command(name: str, *arguments: str, port: int = 0) -> list[str]:
    """How a receiver is started; ends the test when its language is not installed."""
    program = {"python": sys.executable, "node": shutil.which("node"), "php": shutil.which("php")}[name]
    if program is None:
        package = "php-cli" if name == "php" else "nodejs"
        lacking(f"The receiver in {name} is", f"{name} is not here: apt-get install {package}")
    if name == "python":
        return [program, "-W", "error", str(RECEIVERS / "python/receiver.py"), *arguments]
    if name == "node":
        return [program, str(RECEIVERS / "node/receiver.mjs"), *arguments]
    script = str(RECEIVERS / "php/receiver.php")
    strict = ["-n", "-d", "error_reporting=-1", "-d", "log_errors=1", "-d", "error_log="]
    return [program, *strict, *([script, *arguments] if arguments else ["-S", f"127.0.0.1:{port}", script])]


@dataclass
class Program:
    """A receiver with a folder for what it keeps; `said` are the lines it has written."""

    name: str
    folder: Path
    hub: str
    key: str
    secrets: list[str] = field(default_factory=lambda: [SECRET])
    process: subprocess.Popen | None = None

    def __post_init__(self):
        self.folder.mkdir()
        self.port = free_ports(1)[0]
        self.log = self.folder / "said.log"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def environment(self) -> dict[str, str]:
        known = {"HUB_URL": self.hub, "HUB_API_KEY": self.key, "HUB_WEBHOOK_SECRETS": " ".join(self.secrets)}
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "HOME") if name in os.environ}
        return kept | known | {"RECEIVER_DATA": str(self.folder), "PORT": str(self.port), "PHP_CLI_SERVER_WORKERS": "4"}

    def start(self, *, looks_back: bool = True) -> None:
        """Start it, and return when it listens; PHP's road to what was missed meanwhile is the minute's job."""
        with self.log.open("ab") as log:
            said = {"env": self.environment, "stdout": log, "stderr": log}
            self.process = subprocess.Popen(command(self.name, port=self.port), start_new_session=True, **said)
            await_that(self.is_listening, 30, lambda: f"{self.name} does not listen: {self.said}")
            if self.name == "php" and looks_back:
                subprocess.run(command("php", "catch-up"), timeout=60, check=True, **said)

    def is_listening(self) -> bool:
        assert self.process.poll() is None, self.said
        try:
            return self.answer_of("GET") in {405, 501}
        except OSError:
            return False

    def kill(self) -> None:
        """`kill -9`, with all it started; its port is free then."""
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(timeout=30)
            await_that(self.is_closed, 30, lambda: f"{self.name} still listens: {self.said}")

    def is_closed(self) -> bool:
        with socket.socket() as line:
            return line.connect_ex(("127.0.0.1", self.port)) != 0

    @property
    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def shown(self) -> dict:
        """What it has applied, as it shows it itself."""
        told = subprocess.run(
            command(self.name, "show"), env=self.environment, timeout=60, capture_output=True, text=True, check=True
        )
        return json.loads(told.stdout)

    def applied(self, subject: str) -> list[int]:
        """The sequences it applied of a subject, in the order in which it did."""
        return [int(line.split()[-2]) for line in self.said.splitlines() if f"applied {subject} " in line]

    def answer_of(self, method: str, body: bytes | None = None, headers: dict | None = None) -> int:
        asked = urllib.request.Request(self.url, body, headers or {}, method=method)  # noqa: S310 - loopback
        try:
            with urllib.request.urlopen(asked, timeout=30) as answer:  # noqa: S310
                return answer.status
        except urllib.error.HTTPError as refused:
            return refused.code

    def send(self, event: dict | bytes, **changed: str) -> int:
        """Post an event as the official library signs it, but for headers that are `changed`; the status."""
        body = event if isinstance(event, bytes) else json.dumps(event, ensure_ascii=False).encode()
        headers = signed(body) | {f"webhook-{name}": value for name, value in changed.items()}
        return self.answer_of("POST", body, {name: value for name, value in headers.items() if value})


def signed(body: bytes, *, secret: str = SECRET, at: datetime | None = None, identity: str = "msg-1") -> dict[str, str]:
    """Headers by the official library, made now unless told when."""
    made = at or datetime.now(UTC)
    signature = Webhook(secret).sign(identity, made, body.decode())
    return {
        "webhook-id": identity,
        "webhook-timestamp": str(int(made.timestamp())),
        "webhook-signature": signature,
        "Content-Type": "application/json",
    }


@contextmanager
def running(name: str, folder: Path, *, looks_back: bool = True, **fields) -> Iterator[Program]:
    """A receiver that listens; ended on leaving."""
    command(name, "show")
    program = Program(name, folder / name, **fields)
    try:
        program.start(looks_back=looks_back)
        yield program
    finally:
        program.kill()
