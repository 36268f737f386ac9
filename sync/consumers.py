"""The sockets of the contract: a member's events, the managers' dashboard.

A handshake is accepted before it is closed, so that a browser gets to see the code.
"""

from time import monotonic
from urllib.parse import parse_qs, urlsplit

import orjson
import psycopg
from channels.consumer import AsyncConsumer, get_handler_name
from channels.exceptions import StopConsumer
from django.conf import settings
from django.db import DatabaseError

from sync.models import Ticket
from sync.rounds import REVOKED
from sync.secret import digest
from sync.sockets import Socket
from sync.switchboard import Switchboard
from sync.tickets import REDEEM

LONGEST_FRAME = 4096  # bytes
MALFORMED, BAD_TICKET, TOO_LARGE, CROWDED, TRY_LATER = 4400, 4401, 4413, 4429, 1013
HANDSHAKES = "handshakes"


class LiveSocket(AsyncConsumer):
    """Opened by a ticket, told by the switchboard, closed when its session ends."""

    channel_layer_alias = "none"  # events do not travel by the channel layer: it loses them under load
    kind: str
    check: str

    def __init__(self, board: Switchboard):
        self.board = board
        self.socket: Socket | None = None

    async def __call__(self, scope, receive, send):
        self.query = parse_qs(scope["query_string"].decode("ascii", "replace"), keep_blank_values=True)
        self.headers = dict(scope["headers"])
        try:
            await super().__call__(scope, receive, send)
        finally:
            if self.socket:
                self.board.leave(self.socket)

    async def dispatch(self, message):
        """As the framework does, but for the thread per frame that would look after Django's connections."""
        await getattr(self, get_handler_name(message))(message)

    async def websocket_connect(self, _message):
        await self.send({"type": "websocket.accept"})
        await self.board.start()
        try:
            refusal = await self.enter()
        except (psycopg.Error, DatabaseError):
            refusal = TRY_LATER
        if refusal and self.socket:
            self.board.close(self.socket, refusal)
        elif refusal:
            await self.send({"type": "websocket.close", "code": refusal})

    async def websocket_receive(self, message):
        if self.socket is None or self.socket.closed:
            return
        self.socket.heard_at = monotonic()
        if refusal := self.hear(message):
            self.board.close(self.socket, refusal)

    async def websocket_disconnect(self, _message):
        raise StopConsumer

    async def enter(self) -> int | None:
        """Redeem the ticket and join; or the code that says why not."""
        ticket = await self._redeem()
        if ticket is None or not self.is_at_home(ticket["origins"]):
            return BAD_TICKET
        client = (self.scope.get("client") or [""])[0]
        socket = Socket(self.base_send, ticket["session"], self.check, channel=ticket["channel_id"], address=client)
        socket.subject = ticket["subject"]
        if not self.board.admit(socket):
            return CROWDED
        self.socket = socket
        if await self.board.ended(self.check, [socket.session], asker=HANDSHAKES):
            return REVOKED
        await self.join()
        return None

    async def _redeem(self) -> dict | None:
        given = self.query.get("ticket", [""])[0]
        rows = await self.board.run(REDEEM, [digest(given), self.kind])
        return rows[0] if rows else None

    def hear(self, message: dict) -> int | None:
        """Take in a frame of the client; the code to close with when it must not be."""
        text = message.get("text")
        if len(text.encode() if text is not None else message["bytes"]) > LONGEST_FRAME:
            return TOO_LARGE
        try:
            frame = orjson.loads(text or b"")
        except orjson.JSONDecodeError:
            return MALFORMED
        if not isinstance(frame, dict):
            return MALFORMED
        if frame.get("kind") == "ack" and type(frame.get("sequence")) is int:
            self.board.rounds.confirm(self.socket, frame["sequence"])
        return None


class MemberSocket(LiveSocket):
    """`ws/v1/me`: the events of the member who is signed in."""

    kind = Ticket.Kind.MEMBER.value

    @property
    def check(self) -> str:
        return settings.SESSION_CHECK

    def is_at_home(self, origins: list[str] | None) -> bool:
        """Browsers send where they are: the channel's own origins, or the hub's. A mini-program sends nothing."""
        origin = self.headers.get(b"origin", b"").decode("latin-1")
        return origins is not None and (not origin or origin in origins or is_own(origin))

    async def join(self) -> None:
        await self.board.join(self.socket, self.query.get("after", [None])[0])


class DashboardSocket(LiveSocket):
    """`ws/v1/dashboard`: what is told to all dashboards (`sync.live.tell_dashboard`)."""

    kind = Ticket.Kind.DASHBOARD.value

    @property
    def check(self) -> str:
        return settings.STAFF_CHECK

    def is_at_home(self, _origins: list[str] | None) -> bool:
        return is_own(self.headers.get(b"origin", b"").decode("latin-1"))

    async def join(self) -> None:
        self.socket.busy = False
        self.board.follow()


def is_own(origin: str) -> bool:
    """Whether a page of the hub itself asks: at PUBLIC_URL, or at another of its hosts with the same port."""
    public = urlsplit(settings.PUBLIC_URL)
    hosts = {public.hostname, *settings.ALLOWED_HOSTS}
    port = f":{public.port}" if public.port else ""
    return origin in {f"{public.scheme}://{host}{port}" for host in hosts}
