"""One try: sign, post, judge the answer. Where a connection leads is judged when it is made."""

import asyncio
import socket
import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache, partial
from time import perf_counter
from uuid import UUID

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from standardwebhooks import Webhook

from sync.addresses import is_internal
from sync.courier.schedule import Outcome
from sync.secret import unseal

TIMEOUT = 15.0  # seconds until the status of the answer, connecting included
LISTENING = 2.0  # seconds for what follows the status: it decides nothing
READ = 20_000  # bytes of an answer that are kept
NOT_PUBLIC = "is not public"
BROKEN = {
    aiohttp.ClientConnectorDNSError: "dns",
    aiohttp.ClientConnectorCertificateError: "tls",
    aiohttp.ClientSSLError: "tls",
    aiohttp.InvalidURL: "address",
    aiohttp.ClientConnectorError: "connect",
    aiohttp.ServerDisconnectedError: "disconnected",
    aiohttp.ClientOSError: "reset",
    ConnectionError: "reset",
}


class Names(AbstractResolver):
    """Asks for names in the threads of the loop's executor: those of uvloop are four, whoever waits for an answer."""

    async def resolve(self, host, port=0, family=socket.AF_INET) -> list[ResolveResult]:
        """Every address of a name. Raises OSError."""
        asked = partial(socket.getaddrinfo, host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
        found = await asyncio.get_running_loop().run_in_executor(None, asked)
        known = {"hostname": host, "port": port, "flags": socket.AI_NUMERICHOST | socket.AI_NUMERICSERV}
        return [
            ResolveResult(host=address[0], family=kind, proto=protocol, **known)
            for kind, _type, protocol, _name, address in found
        ]

    async def close(self) -> None:
        """Nothing is kept."""


class Refused(OSError):
    """The address leads into a network that is not public."""


@dataclass
class Times:
    """When a try got how far, in milliseconds since its beginning."""

    began: float = field(default_factory=perf_counter)
    connected: int | None = None
    sent: int | None = None
    answered: int | None = None

    def now(self) -> int:
        """Milliseconds since the beginning."""
        return int((perf_counter() - self.began) * 1000)

    def told(self) -> dict[str, int | None]:
        """As an outcome takes them."""
        far = {"connected": self.connected, "sent": self.sent, "answered": self.answered}
        return {"milliseconds": self.now(), **far}


def new_session(trusted: ssl.SSLContext | bool = True) -> aiohttp.ClientSession:
    """A client that keeps connections, follows nothing, remembers nothing and trusts no environment.

    `trusted` names other certificate authorities than the machine's.
    """
    known = {"resolver": Names(), "ttl_dns_cache": 10, "socket_factory": guarded}
    connector = aiohttp.TCPConnector(limit=0, ssl=trusted, **known)
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        timeout=aiohttp.ClientTimeout(total=None),
        trace_configs=[_timed()],
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
    times = Times()
    try:
        async with asyncio.timeout(TIMEOUT):
            answer = await session.post(url, data=body, headers=headers, allow_redirects=False, trace_request_ctx=times)
        times.answered = times.now()
        async with answer:
            return _judged(answer, await _head_of(answer), times)
    except TimeoutError:
        return Outcome(None, "timeout", **times.told())
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return Outcome(None, _word(error), **times.told())


def signed(event_id: str, body: bytes, secret: str, now: datetime, *old: str) -> dict[str, str]:
    """The Standard Webhooks headers of this try; an old secret that is valid still signs beside the new one."""
    told = body.decode()
    signature = " ".join(_signer(each).sign(event_id, now, told) for each in (secret, *old))
    return {"webhook-id": event_id, "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": signature}


@lru_cache(maxsize=1_000)
def opened(endpoint: UUID, sealed: bytes, column: str = "secret") -> str:
    """A secret of an endpoint, from the row's ciphertext in this column."""
    return unseal(sealed, f"sync_endpoint.{column}:{endpoint}").decode()


def secrets_of(row: dict) -> list[str]:
    """The secrets that sign what an endpoint is sent now, of a claimed row: the old one while it is valid still."""
    found = [opened(row["endpoint_id"], row["secret"])]
    return [*found, opened(row["endpoint_id"], row["old_secret"], "old_secret")] if row["old_secret"] else found


@lru_cache(maxsize=1_000)
def _signer(secret: str) -> Webhook:
    return Webhook(secret)


def _timed() -> aiohttp.TraceConfig:
    """Notes when a connection was made and when the last of a request was sent."""

    async def connected(_session, context, _params):
        context.trace_request_ctx.connected = context.trace_request_ctx.now()

    async def sent(_session, context, _params):
        context.trace_request_ctx.sent = context.trace_request_ctx.now()

    told = aiohttp.TraceConfig()
    told.on_connection_create_end.append(connected)
    told.on_request_chunk_sent.append(sent)
    return told


async def _head_of(answer: aiohttp.ClientResponse) -> bytes:
    """What can be read of an answer in a moment; its status counts, whatever becomes of the rest."""
    told = bytearray()
    if answer.content.at_eof():
        return b""
    try:
        async with asyncio.timeout(LISTENING):
            while len(told) < READ and (part := await answer.content.read(READ - len(told))):
                told += part
    except (TimeoutError, aiohttp.ClientError, OSError):
        answer.close()
    return bytes(told)


def _judged(answer: aiohttp.ClientResponse, told: bytes, times: Times) -> Outcome:
    text = told.decode("utf-8", "replace").replace("\0", "\ufffd")
    error = "" if answer.ok and answer.status < 300 else "redirect" if 300 <= answer.status < 400 else "status"
    return Outcome(answer.status, error, retry_after(answer.headers.get("Retry-After")), text, **times.told())


def retry_after(given: str | None) -> float | None:
    """Seconds, from a number of them or a date; None when there is none, or nothing that makes sense."""
    if not given:
        return None
    if given.isascii() and given.isdigit():
        return float(given)  # any number of them: infinite at worst, and how long is honoured is the schedule's matter
    try:
        at = parsedate_to_datetime(given)
    except (ValueError, OverflowError):
        return None
    return max((at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds(), 0.0)


def _word(error: Exception) -> str:
    if NOT_PUBLIC in str(getattr(error, "os_error", error)):  # one of several addresses: the rest is only text
        return "address"
    return next((word for kind, word in BROKEN.items() if isinstance(error, kind)), "protocol")
