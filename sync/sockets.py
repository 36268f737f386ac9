"""An open socket as the switchboard sees it, and the frames of the contract (API §3, Live)."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from time import monotonic

import orjson

PING_EVERY, SILENCE = 20.0, 60.0  # seconds
UNREAD = 15.0  # seconds that a frame may wait for a client that does not read
LONGEST_BACKLOG = 1_000  # events that a client which does not read may be behind


@dataclass(eq=False)
class Socket:
    """`delivered` is the sequence it stands at, `wanted` where it should; `busy` while a task of its own sends.

    `check` is the dotted path of who says whether its `session` has ended; `channel` the id of the member's channel.
    """

    send: Callable[[dict], Awaitable[None]]
    session: str
    check: str
    subject: str = ""
    channel: object = None
    address: str = ""
    delivered: int = 0
    wanted: int = 0
    busy: bool = False
    closed: bool = False
    sending_since: float | None = None
    heard_at: float = field(default_factory=monotonic)
    pinged_at: float = field(default_factory=monotonic)

    def take(self, text: str) -> bool:
        """Hand a frame to a socket that is writable now; False, and nothing sent, when it is not.

        Raises what the server raises, of whatever kind; `Switchboard.hand` makes it this socket's matter alone.
        """
        return without_waiting(self.send({"type": "websocket.send", "text": text}))

    async def tell(self, text: str) -> None:
        """Send a frame at the socket's own pace. Raises OSError when it is gone, and what else the server raises."""
        self.sending_since = monotonic()
        await self.send({"type": "websocket.send", "text": text})
        self.sending_since = None

    def is_silent(self) -> bool:
        """Whether the client has said nothing for too long."""
        return monotonic() - self.heard_at > SILENCE

    def is_unread(self) -> bool:
        """Whether the client has left a frame waiting for too long, or for a moment and is far behind."""
        if self.sending_since is None:
            return False
        waited = monotonic() - self.sending_since
        return waited > UNREAD or (waited > 1 and self.wanted - self.delivered > LONGEST_BACKLOG)

    def cut(self) -> None:
        """Drop the connection at once: what is said to a client that does not read waits for ever, a close as well.

        ASGI has no word for it; the server's own transport has.
        """
        if transport := getattr(getattr(self.send, "__self__", None), "transport", None):
            transport.abort()

    def ping_due(self) -> str | None:
        """The ping, when it is time for one."""
        if monotonic() - self.pinged_at < PING_EVERY:
            return None
        self.pinged_at = monotonic()
        return framed("ping", head=self.delivered)


def without_waiting(sending: Awaitable[None]) -> bool:
    """Run a send that needs no waiting; one that would wait is dropped before it did anything, and False."""
    try:
        sending.send(None)
    except (StopIteration, OSError):  # OSError: the client is gone, which its own disconnect tells
        return True
    sending.close()
    return False


def framed(kind: str, **fields) -> str:
    """A frame of the contract."""
    return orjson.dumps({"kind": kind, **fields}).decode()


def event_frame(event: bytes) -> str:
    """The frame around a CloudEvent that is JSON already."""
    return f'{{"kind":"event","event":{event.decode()}}}'
