"""Clients in a Node process, as pages and mini-programs run them; told what to do by lines of JSON."""

import json
import shutil
import subprocess
import threading
from concurrent.futures import Future
from contextlib import suppress
from itertools import count
from pathlib import Path

from tests.lacking import lacking
from tests.sync.patience import until

NODE = shutil.which("node") or shutil.which("nodejs")
DRIVE = Path(__file__).resolve().parent / "node" / "drive.mjs"
TIMEOUT = 30
MERCY = 200  # ms that the shim's background leaves what runs; 5000 with WeChat


class RefusedError(Exception):
    """The HubError that a call ended with."""

    def __init__(self, told: dict):
        super().__init__(told.get("stack") or told)
        self.told, self.code, self.status = told, told.get("code"), told.get("status")


class Place:
    """A browser or a phone, with the clients in it."""

    def __init__(self, platform: str, *, mercy: int = MERCY, origin: str = ""):
        if NODE is None:
            lacking("The clients to copy are", "Node runs them and is not here: apt-get install nodejs")
        self.platform, self.numbers = platform, count(1)
        self.waiting: dict[int, Future] = {}
        self.signals: list[dict] = []
        self.news = threading.Condition()
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "encoding": "utf-8"}
        self.node = subprocess.Popen([NODE, str(DRIVE), platform, str(mercy), origin], **pipes)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        for line in self.node.stdout:
            told = json.loads(line)
            if "signal" in told:
                with self.news:
                    self.signals.append(told)
                    self.news.notify_all()
            elif "error" in told:
                self.waiting.pop(told["id"]).set_exception(RefusedError(told["error"]))
            else:
                self.waiting.pop(told["id"]).set_result(told["value"])
        for future in self.waiting.values():
            future.set_exception(EOFError("Node has ended"))

    def close(self) -> None:
        """End the process."""
        with suppress(BrokenPipeError):  # it ended by itself
            self.node.stdin.close()
        self.node.wait(timeout=TIMEOUT)
        self.reader.join(TIMEOUT)
        self.node.stdout.close()

    def begin(self, do: str, **more) -> Future:
        """Ask for something, without waiting for it."""
        number, future = next(self.numbers), Future()
        self.waiting[number] = future
        self.node.stdin.write(json.dumps({"id": number, "do": do, **more}) + "\n")
        self.node.stdin.flush()
        return future

    def do(self, what: str, **more):
        """Ask for something and wait for it."""
        return self.begin(what, **more).result(TIMEOUT)

    def happen(self, name: str, *args) -> None:
        """hide, show, online, cut (every line, without a farewell), login (the next code of wx.login), full."""
        self.do("place", name=name, args=args)

    def see(self) -> dict:
        return self.do("see")

    def await_rest(self) -> dict:
        """Return what is seen as soon as no client has a timer, a line or a request: nothing happens by itself now."""

        def at_rest() -> dict | None:
            seen = self.see()
            return None if seen["timers"] or seen["lines"] or seen["running"] else seen

        return until(at_rest)


class Client:
    """One client of a place."""

    def __init__(self, place: Place, name: str = "one", **settings):
        self.place, self.name, self.channel, self.base = place, name, settings["channel"], settings["base"]
        place.do("make", client=name, settings=settings)

    def begin(self, name: str, *args) -> Future:
        """Call a method, without waiting for it."""
        return self.place.begin("call", client=self.name, name=name, args=args)

    def call(self, name: str, *args):
        """Call a method: what it returns. Raises RefusedError."""
        return self.begin(name, *args).result(TIMEOUT)

    def heard(self, signal: str) -> list:
        """What it told by a signal, in order."""
        return [
            told["detail"] for told in self.place.signals if (told["client"], told["signal"]) == (self.name, signal)
        ]

    def await_heard(self, signal: str, many: int = 1, timeout: float = TIMEOUT) -> list:
        """The same, as soon as there are so many."""
        with self.place.news:
            enough = self.place.news.wait_for(lambda: len(self.heard(signal)) >= many, timeout)
        assert enough, f"{many} of {signal} awaited, heard {self.heard(signal)}: {self.place.see()}"
        return self.heard(signal)

    def await_live(self) -> None:
        """Return when its socket is open."""
        with self.place.news:
            assert self.place.news.wait_for(lambda: self.heard("connection")[-1:] == ["live"], TIMEOUT), (
                self.place.see()
            )

    def sequences(self) -> list[int]:
        return [int(event["sequence"]) for event in self.heard("event")]

    @property
    def position(self) -> int | None:
        return self.place.see()["clients"][self.name]["position"]
