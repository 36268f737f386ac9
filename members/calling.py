"""Calls to the outside: bounded in time as a whole and in size, following no redirect, never made within an act.

A server that resolves slowly or answers byte by byte keeps nobody waiting beyond the deadline: the call is made by a
thread of its own, and left to itself when the time is over. Errors carry no URL: it may hold a secret.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx

from sync.act import in_act

MOST = 256 * 1024  # bytes of an answer
AT_ONCE = 64
NEVER_ARRIVED = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)

client = httpx.Client(follow_redirects=False)
threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="outside")


class CalledInsideAnAct(Exception):
    """A call to the outside would hold the act's locks while it waits."""


class NoAnswer(Exception):
    """There is no whole answer; `may_have_arrived` says whether the other side may know of the call all the same."""

    def __init__(self, why: str, *, may_have_arrived: bool):
        super().__init__(why)
        self.may_have_arrived = may_have_arrived


class Deadline:
    """The moment by which all calls of one piece of work are over."""

    def __init__(self, seconds: float):
        self._at = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds, never below 0."""
        return max(self._at - time.monotonic(), 0.0)


@dataclass(frozen=True, repr=False)
class Answer:
    """What came back, whole."""

    status: int
    body: bytes

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


def call(method: str, url: str, *, by: Deadline, **request) -> Answer:
    """Ask once, with httpx's words for the request; raises NoAnswer unless a whole answer is there by the deadline."""
    if in_act():
        raise CalledInsideAnAct
    if not by.left:
        raise NoAnswer("deadline", may_have_arrived=False)
    asked = threads.submit(_whole, method, url, by, request)
    try:
        return asked.result(timeout=by.left)
    except TimeoutError:
        raise NoAnswer("deadline", may_have_arrived=not asked.cancel()) from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NoAnswer(type(error).__name__, may_have_arrived=not isinstance(error, NEVER_ARRIVED)) from None


def _whole(method: str, url: str, by: Deadline, request: dict) -> Answer:
    body = b""
    with client.stream(method, url, timeout=max(by.left, 0.01), **request) as response:
        for piece in response.iter_bytes():
            body += piece
            if len(body) > MOST or not by.left:
                raise httpx.ReadError("too long")
    return Answer(response.status_code, body)
