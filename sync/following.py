"""What is told to all dashboards (`sync.live.tell_dashboard`) reaches a process by one channel of their group.

A channel for each socket would cost the layer a queue that nobody reads, whenever the socket goes at the wrong moment.
"""

import asyncio
import logging
from contextlib import suppress

import orjson
import redis
from channels.layers import get_channel_layer

logger = logging.getLogger(__name__)

DASHBOARD = "dashboard"
AGAIN = 2.0  # seconds after which it looks for Redis again


async def follow(board) -> None:
    """Show every frame to the dashboards of a switchboard, until cancelled, whatever happens."""
    layer = get_channel_layer()
    while True:
        try:
            await _forward(board, layer)
        except (redis.RedisError, OSError) as error:
            logger.info("Dashboards hear a little later: %s", error)
        except Exception:
            logger.exception("Following begins again")
        await asyncio.sleep(AGAIN)


async def _forward(board, layer) -> None:
    if board.hearing.connection is None:  # a channel that cannot be opened stays with the layer
        raise redis.ConnectionError("Redis is away")
    name = await layer.new_channel()
    try:
        await layer.group_add(DASHBOARD, name)
        while True:
            told = await layer.receive(name)
            board.show(orjson.dumps(told["frame"]).decode())
    finally:
        await _leave(layer, name)


async def _leave(layer, name: str) -> None:
    """Let go of a channel of the group: what is told to it, and nobody takes, would be kept for ever."""
    try:
        await layer.group_discard(DASHBOARD, name)
    except (redis.RedisError, OSError) as error:
        logger.info("Left the group without Redis: %s", error)
    if name in layer.channels:  # only a `receive` that is cancelled lets go of it
        with suppress(TimeoutError):
            async with asyncio.timeout(0):
                while True:
                    await layer.receive(name)
