"""A Valkey that a test may stop."""

import subprocess
from contextlib import contextmanager

from config import embedded
from config.children import end_group, spawn


class Valkey:
    """An embedded Valkey of its own; `url` stays the same from start to start."""

    def __init__(self, folder):
        self.folder, self.url, self.child = folder, embedded.redis_url(folder), None

    def start(self) -> None:
        program = embedded.valkey(self.folder)
        self.child = spawn(program, self.folder / "run", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        embedded.await_valkey(self.folder, lambda: self.child.poll() is not None)

    def stop(self) -> None:
        if self.child and self.child.poll() is None:
            end_group(self.child.pid, 9)
            self.child.wait(timeout=30)


@contextmanager
def valkey_in(folder):
    valkey = Valkey(folder)
    valkey.start()
    try:
        yield valkey
    finally:
        valkey.stop()
