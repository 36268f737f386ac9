"""What stands around a hub under fire, on one loop in a thread: live clients, backends, people who change things."""

import asyncio
import json
import threading
from collections.abc import Awaitable
from contextlib import contextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web
from standardwebhooks import Webhook
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from tests.sync.receiver import SECRET

PAUSE = 0.2  # seconds between two tries of a client
SLOW = 0.1  # seconds that the slow backend takes


class LiveClient:
    """A member's client that stays on line whatever happens: a ticket, a socket, from where it stands."""

    def __init__(self, outside: "Outside", member: dict):
        self.outside, self.id, self.access = outside, member["id"], member["access"]
        self.position, self.wrong, self.opened = 0, [], 0

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access}"}

    async def stay(self) -> None:
        """Read until cancelled."""
        while True:
            try:
                await self._read(await self._ticket())
            except (OSError, aiohttp.ClientError, WebSocketException, TimeoutError):
                await asyncio.sleep(PAUSE)

    async def _ticket(self) -> str:
        answer = await self.outside.call("POST", "ws-tickets", self.headers)
        return answer["url"]

    async def _read(self, url: str) -> None:
        async with connect(f"{url}&after={self.position}", proxy=None, compression=None, open_timeout=5) as socket:
            self.opened += 1
            async for text in socket:
                self._take(frame := json.loads(text))
                if frame["kind"] == "ping" or self.position % 8 == 0:
                    await socket.send(json.dumps({"kind": "ack", "sequence": self.position}))

    def _take(self, frame: dict) -> None:
        if frame["kind"] == "event" and int(frame["event"]["sequence"]) == self.position + 1:
            self.position += 1
        elif frame["kind"] not in {"hello", "ping"}:
            self.wrong.append((self.position, frame))


@dataclass
class Backend:
    """What an endpoint was sent: (id, subject, sequence), in the order of arrival."""

    status: int = 200
    wait: float = 0.0
    told: list[tuple[str, str, int]] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        event = Webhook(SECRET).verify(await request.text(), dict(request.headers))
        self.told.append((event["id"], event["subject"], int(event["sequence"])))
        await asyncio.sleep(self.wait)
        return web.Response(status=self.status)

    def first_times(self) -> dict[str, tuple[str, int]]:
        """id → (subject, sequence) as each event came first."""
        found = {}
        for id, subject, sequence in self.told:
            found.setdefault(id, (subject, sequence))
        return found


class Outside:
    """The loop's thread. `backends` by their names; `clients` once `connect` was called."""

    def __init__(self, url: str):
        self.url, self.clients = url, []
        self.backends = {"well": Backend(), "slow": Backend(wait=SLOW), "failing": Backend(status=500)}
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.tasks: list[asyncio.Task] = []

    def run(self, work: Awaitable, timeout: float = 60):
        """What a coroutine gives, run on the loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout)

    async def open(self) -> None:
        """Begin to listen as backends."""
        app = web.Application()
        app.add_routes([web.post(f"/{name}", backend.take) for name, backend in self.backends.items()])
        self.runner = web.AppRunner(app, access_log=None)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0)
        await site.start()
        self.port = site._server.sockets[0].getsockname()[1]
        self.http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10))

    @property
    def addresses(self) -> list[str]:
        return [f"http://127.0.0.1:{self.port}/{name}" for name in self.backends]

    async def connect(self, members: list[dict]) -> None:
        """A live client for each member, from now on."""
        self.clients = [LiveClient(self, member) for member in members]
        self.tasks = [asyncio.ensure_future(client.stay()) for client in self.clients]

    async def insist(self, method: str, path: str, headers: dict, body: dict | None = None) -> dict:
        """The answer of the hub's API, however often it must be asked: what repeats it must change nothing."""
        while True:
            try:
                return await self.call(method, path, headers, body)
            except (OSError, aiohttp.ClientError, TimeoutError):
                await asyncio.sleep(PAUSE)

    async def call(self, method: str, path: str, headers: dict, body: dict | None = None) -> dict:
        """The answer of the hub's API. Raises what aiohttp raises, refusals included."""
        async with self.http.request(method, f"{self.url}/api/v1/{path}", headers=headers, json=body) as answer:
            answer.raise_for_status()
            return await answer.json()

    async def close(self) -> None:
        """End all clients, then the backends."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.http.close()
        await self.runner.cleanup()


@contextmanager
def outside_of(url: str):
    """The surroundings of the hub at this address."""
    outside = Outside(url)
    outside.thread.start()
    try:
        outside.run(outside.open())
        yield outside
        outside.run(outside.close())
    finally:
        outside.loop.call_soon_threadsafe(outside.loop.stop)
        outside.thread.join(timeout=30)
        outside.loop.close()
