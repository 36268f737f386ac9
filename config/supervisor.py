"""Runs the hub's programs in one terminal: passes on what they say, starts again what dies, ends all in order."""

import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from config.children import Program, end_group, spawn

LONGEST_LINE = 64 * 1024
STEADY = 30.0  # seconds a program must live before its next death counts as the first
TICK = 0.2  # seconds between looks at who has died
COLOURS = {
    "up": 1,
    "web": 32,
    "live": 36,
    "relay": 33,
    "courier": 35,
    "worker": 34,
    "beat": 94,
    "sandbox": 96,
}


class Stopped(BaseException):
    """Somebody asked the hub to stop: Ctrl-C, SIGTERM, or a terminal that was closed."""


class Journal:
    """One line of output per line of a program, with its name in front; in colour on a terminal."""

    def __init__(self, out=sys.stdout):
        self.out = out
        self.colourful = out.isatty() and "NO_COLOR" not in os.environ

    def say(self, name: str, line: str) -> None:
        """Print one line. A reader that went away ends the hub."""
        label = f"{name:<8} |"
        if self.colourful:
            label = f"\x1b[{COLOURS.get(name, 90)}m{label}\x1b[0m"
        try:
            print(label, line, file=self.out, flush=True)
        except BrokenPipeError:
            self.out = Path(os.devnull).open("w")  # noqa: SIM115 - open until we end
            raise Stopped from None


@dataclass(eq=False)
class Child:
    """A running program."""

    program: Program
    process: subprocess.Popen
    since: float = field(default_factory=time.monotonic)
    unfinished: bytes = b""

    def has_ended(self) -> bool:
        """Whether it has; its body stays, so that nobody else gets its number before its group is ended."""
        return os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def is_talking(self) -> bool:
        """Whether we still listen to its output."""
        return self.process.stdout is not None and not self.process.stdout.closed

    def bury(self) -> str:
        """End what it left behind and say how it ended."""
        end_group(self.process.pid, signal.SIGKILL)
        code = self.process.wait()
        return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


class Supervisor:
    """Keeps programs running. One thread: children live as long as the thread that starts them."""

    def __init__(self, run: Path, journal: Journal):
        self.run, self.journal = run, journal
        self.children: dict[str, Child] = {}
        self.waiting: dict[str, tuple[float, Program]] = {}  # name → when to start it again
        self.deaths: dict[str, int] = {}
        self.outputs = selectors.DefaultSelector()

    def start(self, program: Program) -> Child:
        """Start a program and keep it running from now on."""
        streams = {"stdin": subprocess.DEVNULL, "stderr": subprocess.STDOUT}
        if program.log:
            with program.log.open("wb") as log:
                child = Child(program, spawn(program, self.run, stdout=log, **streams))
        else:
            child = Child(program, spawn(program, self.run, stdout=subprocess.PIPE, **streams))
            os.set_blocking(child.process.stdout.fileno(), False)
            self.outputs.register(child.process.stdout, selectors.EVENT_READ, child)
        self.children[program.name] = child
        return child

    def serve(self, until: Callable[[], bool] = lambda: False) -> None:
        """Pass on output and revive the dead until `until()`, asked at each turn, is true."""
        while not until():
            self._pass_on(TICK)
            for child in [child for child in self.children.values() if child.has_ended()]:
                self._revive_later(child)
            due = [name for name, (at, _) in self.waiting.items() if at <= time.monotonic()]
            for name in due:
                self.start(self.waiting.pop(name)[1])

    def stop(self, names: Iterable[str], patience: float) -> None:
        """Ask these programs to end, and end by force those that still run after `patience` seconds."""
        leaving = [self.children[name] for name in names if name in self.children]
        for child in leaving:
            end_group(child.process.pid, signal.SIGCONT)  # a stopped one could not hear us
            os.kill(child.process.pid, child.program.farewell)
        deadline = time.monotonic() + patience
        while not all(child.has_ended() for child in leaving) and time.monotonic() < deadline:
            self._pass_on(0.05)
        for child in leaving:
            if not child.has_ended():
                self.journal.say("up", f"{child.program.name} does not stop: ended by force")
            self._remove(child)

    def _remove(self, child: Child) -> str:
        end = child.bury()
        while self._read(child):
            pass
        self._hang_up(child)
        (self.run / f"{child.program.name}.pid").unlink(missing_ok=True)
        del self.children[child.program.name]
        return end

    def _revive_later(self, child: Child) -> None:
        name = child.program.name
        end = self._remove(child)
        lived = time.monotonic() - child.since
        self.deaths[name] = 1 if lived > STEADY else self.deaths.get(name, 0) + 1
        pause = min(0.25 * 2 ** self.deaths[name], 15.0)
        self.journal.say("up", f"{name} {end}: starting it again in {pause:g} s")
        self.waiting[name] = (time.monotonic() + pause, child.program)

    def _pass_on(self, patience: float) -> None:
        for key, _ in self.outputs.select(patience):
            self._read(key.data)

    def _read(self, child: Child) -> bool:
        """Pass on what it has said; False when there is nothing (more)."""
        if not child.is_talking():
            return False
        try:
            said = os.read(child.process.stdout.fileno(), LONGEST_LINE)
        except BlockingIOError:
            return False
        *lines, child.unfinished = (child.unfinished + said).split(b"\n")
        if child.unfinished and (not said or len(child.unfinished) > LONGEST_LINE):
            lines, child.unfinished = [*lines, child.unfinished], b""
        for line in lines:
            self.journal.say(child.program.name, line.decode(errors="replace").rstrip())
        if not said:
            self._hang_up(child)
        return bool(said)

    def _hang_up(self, child: Child) -> None:
        if child.is_talking():
            self.outputs.unregister(child.process.stdout)
            child.process.stdout.close()
