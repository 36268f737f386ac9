"""Identifiers: UUIDv7 for rows and events, numbers that people read, the id of the request at hand."""

import os
import re
import secrets
import struct
import threading
import time
from contextvars import ContextVar
from datetime import UTC, datetime
from uuid import UUID

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
DRAWN = 256  # random numbers at a time
LAST = 2**47  # ms: no calendar goes on for much longer

request_id: ContextVar[str] = ContextVar("request_id", default="")

_lock = threading.Lock()
_last = 0
_drawn = []  # random numbers for the next ones: who asks for each lets other threads go first, and waits for them
os.register_at_fork(after_in_child=_drawn.clear)  # they belong to one process


def uuid7() -> UUID:
    """A UUIDv7 (RFC 9562 §5.7, method 3): milliseconds, then 12 bits of their fraction; rises within a process."""
    global _last
    with _lock:
        now = time.time_ns() * 4096 // 1_000_000
        _last = now = max(now, _last + 1)
        if not _drawn:
            _drawn.extend(struct.unpack(f"{DRAWN}Q", os.urandom(8 * DRAWN)))
        random = _drawn.pop() & (2**62 - 1)
    return UUID(int=(now >> 12) << 80 | 7 << 76 | (now & 0xFFF) << 64 | 0b10 << 62 | random)


def number(prefix: str) -> str:
    """A number to read aloud: prefix, day in Shanghai, eight random digits, e.g. D2026112248210733."""
    day = time.strftime("%Y%m%d", time.gmtime(time.time() + 8 * 3600))
    return f"{prefix}{day}{secrets.randbelow(10**8):08d}"


def named_request(given: str | None) -> str:
    """The caller's request id when it is well formed, else a new one."""
    return given if given and REQUEST_ID.fullmatch(given) else str(uuid7())


def as_uuid(text: str) -> UUID | None:
    """The UUID that a text is."""
    try:
        return UUID(text)
    except ValueError:
        return None


def made_at(text: str) -> datetime | None:
    """When an id was made, if it tells: a UUIDv7 holds its time."""
    key = as_uuid(text)
    if key is None or key.version != 7 or key.int >> 80 > LAST:
        return None
    return datetime.fromtimestamp((key.int >> 80) / 1000, UTC)
