"""One try: sign, post, judge the answer. Where a connection leads is judged when it is made."""

import asyncio
import socket
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from time import perf_counter
from uuid import UUID

import aiohttp
from standardwebhooks import Webhook

from sync.addresses import is_internal
from sync.courier.schedule import Outcome
from sync.secret import unseal

TIMEOUT = 15.0  # seconds, from the first byte of the request to the status of the answer
READ = 20_000  # bytes of an answer at most
KEPT = 1_000  # characters of it
NOT_PUBLIC = "is not public"
BROKEN = {
    aiohttp.ClientConnectorDNSError: "dns",
    aiohttp.ClientConnectorCertificateError: "tls",
    aiohttp.ClientSSLError: "tls",
    aiohttp.InvalidURL: "address",
    aiohttp.ClientConnectorError: "connect",
    aiohttp.ServerDisconnectedError: "disconnected",
}


class Refused(OSError):
    """The address leads into a network that is not public."""


def new_session() -> aiohttp.ClientSession:
    """A client that keeps connections, follows nothing, remembers nothing and trusts no environment."""
    connector = aiohttp.TCPConnector(limit=0, ttl_dns_cache=10, socket_factory=guarded)
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        timeout=aiohttp.ClientTimeout(total=None),
        headers={"User-Agent": "member-hub/1", "Content-Type": "application/json"},
    )


def guarded(address) -> socket.socket:
    """A socket to an address that was resolved, unless it is one of our own networks; raises Refused."""
    family, kind, protocol, _name, target = address
    if is_internal(target[0]):
        raise Refused(f"{target[0]} {NOT_PUBLIC}")
    made = socket.socket(family, kind, protocol)
    made.setblocking(False)
    return made


async def post(session: aiohttp.ClientSession, url: str, headers: dict, body: bytes) -> Outcome:
    """Post once and judge the answer; redirects are not followed. Never raises but for cancellation."""
    began = perf_counter()
    try:
        async with asyncio.timeout(TIMEOUT) as limit:
            async with session.post(url, data=body, headers=headers, allow_redirects=False) as answer:
                told = await _head_of(answer, limit.when())
                return _judged(answer, told, _since(began))
    except TimeoutError:
        return Outcome(None, "timeout", milliseconds=_since(began))
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return Outcome(None, _word(error), milliseconds=_since(began))


def signed(event_id: str, body: bytes, secret: str, now: datetime) -> dict[str, str]:
    """The Standard Webhooks headers of this try."""
    signature = _signer(secret).sign(event_id, now, body.decode())
    return {"webhook-id": event_id, "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": signature}


@lru_cache(maxsize=1_000)
def opened(endpoint: UUID, sealed: bytes) -> str:
    """An endpoint's secret, from the row's ciphertext."""
    return unseal(sealed, f"sync_endpoint.secret:{endpoint}").decode()


@lru_cache(maxsize=1_000)
def _signer(secret: str) -> Webhook:
    return Webhook(secret)


async def _head_of(answer: aiohttp.ClientResponse, deadline: float) -> bytes:
    """What can be read of an answer before the time is up; its status counts, whatever becomes of the rest."""
    told = bytearray()
    try:
        async with asyncio.timeout_at(deadline - 0.1):
            while len(told) < READ and (part := await answer.content.read(READ - len(told))):
                told += part
    except (TimeoutError, aiohttp.ClientError, OSError):
        answer.close()
    return bytes(told)


def _judged(answer: aiohttp.ClientResponse, told: bytes, milliseconds: int) -> Outcome:
    text = told.decode("utf-8", "replace").replace("\0", "\ufffd")[:KEPT]
    error = "" if answer.ok and answer.status < 300 else "redirect" if 300 <= answer.status < 400 else "status"
    return Outcome(answer.status, error, retry_after(answer.headers.get("Retry-After")), text, milliseconds)


def retry_after(given: str | None) -> float | None:
    """Seconds, from a number of them or a date; None when there is none, or nothing that makes sense."""
    if not given:
        return None
    if given.isascii() and given.isdigit() and len(given) < 10:
        return float(given)
    try:
        at = parsedate_to_datetime(given)
    except ValueError:
        return None
    return max((at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds(), 0.0)


def _word(error: Exception) -> str:
    if NOT_PUBLIC in str(getattr(error, "os_error", error)):  # one of several addresses: the rest is only text
        return "address"
    return next((word for kind, word in BROKEN.items() if isinstance(error, kind)), "protocol")


def _since(began: float) -> int:
    return int((perf_counter() - began) * 1000)
