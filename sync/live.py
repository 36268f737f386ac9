"""Live: one ASGI process that serves sockets and nothing else."""

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.urls import path

from sync.consumers import DashboardSocket, MemberSocket
from sync.following import DASHBOARD
from sync.switchboard import Switchboard

NOT_HERE = 4404


def build(board: Switchboard) -> ProtocolTypeRouter:
    """An application around a switchboard of its own."""
    member, dashboard = MemberSocket.as_asgi(board=board), DashboardSocket.as_asgi(board=board)
    paths = [path("ws/v1/me", member), path("ws/v1/dashboard", dashboard), path("<path:anything>", elsewhere)]
    return ProtocolTypeRouter({"websocket": URLRouter(paths), "http": no_page, "lifespan": _Lifespan(board)})


async def elsewhere(_scope, receive, send) -> None:
    """A socket to a path that is none."""
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.close", "code": NOT_HERE})


async def no_page(_scope, _receive, send) -> None:
    """HTTP is served by another process."""
    await send({"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body"})


class _Lifespan:
    def __init__(self, board: Switchboard):
        self.board = board

    async def __call__(self, _scope, receive, send) -> None:
        turns = {"lifespan.startup": self.board.start, "lifespan.shutdown": self.board.stop}
        while turns:
            kind = (await receive())["type"]
            await turns.pop(kind)()
            await send({"type": f"{kind}.complete"})


def tell_dashboard(frame: dict) -> None:
    """Show every open dashboard a frame. Raises redis.RedisError when Redis is away."""
    async_to_sync(get_channel_layer().group_send)(DASHBOARD, {"type": "dashboard.frame", "frame": frame})


application = build(Switchboard())
