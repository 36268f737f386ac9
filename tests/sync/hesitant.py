"""Questions after sessions that take their time, or fail, before they are answered as always."""

import threading
from contextlib import contextmanager

from members import sessions

asked_once, failed = threading.Event(), threading.Event()
_waiting: dict[str, tuple[threading.Event, threading.Event]] = {}


@contextmanager
def about(session):
    """Whoever asks about this session alone waits until the block ends; the event tells that somebody does."""
    asked, over = _waiting[str(session)] = threading.Event(), threading.Event()
    try:
        yield asked
    finally:
        over.set()
        del _waiting[str(session)]


def alone_takes_its_time(ids: list[str]) -> set[str]:
    if len(ids) == 1 and (waiting := _waiting.get(ids[0])):
        asked, over = waiting
        asked.set()
        over.wait(60)
    return sessions.revoked(ids)


def fails_once(ids: list[str]) -> set[str]:
    """The handshake's question is answered; the round's first one after it fails, as no database does."""
    if asked_once.is_set() and not failed.is_set():
        failed.set()
        raise ArithmeticError("for no reason")
    asked_once.set()
    return sessions.revoked(ids)
