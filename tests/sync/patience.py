"""Waiting for what another thread or process does."""

import time
from collections.abc import Callable


def until(holds: Callable[[], object], seconds: float = 30.0):
    """Return what `holds()` gives as soon as that is true; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)  # nothing tells us
    return found


def within(seconds: float, measured: Callable[[], float]) -> bool:
    """Whether it takes no longer than so many seconds: a busy machine may stand still for one, not three times."""
    return any(measured() <= seconds for _try in range(3))
