"""The floor of a fan-out: a bare `websockets` server that broadcasts what one Redis subscription tells it."""

import asyncio
import sys

import redis.asyncio
from websockets.asyncio.server import broadcast, serve

CHANNEL = "bench:bare"


async def main(port: int, redis_url: str) -> None:
    """Serve until killed."""
    sockets = set()

    async def stay(socket):
        sockets.add(socket)
        await socket.send('{"kind":"hello"}')
        await socket.wait_closed()

    client = redis.asyncio.Redis.from_url(redis_url, socket_timeout=None)
    async with (
        serve(stay, "127.0.0.1", port, compression=None, ping_interval=None, backlog=512),
        client.pubsub() as told,
    ):
        await told.subscribe(CHANNEL)
        async for message in told.listen():
            if message["type"] == "message":
                broadcast(sockets, message["data"].decode())


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
