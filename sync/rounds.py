"""What the switchboard does by the clock, each time for all open sockets at once."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import django.db
import psycopg
from django.conf import settings

from sync.envelope import channel_of
from sync.sockets import Socket

logger = logging.getLogger(__name__)

REVOKED, SILENT = 4403, 4408

HEADS = "SELECT subject, head FROM sync_stream WHERE subject = ANY (%s)"
CONFIRM = """
INSERT INTO sync_acknowledged AS a (subject, channel_id, sequence, at)
SELECT subject, channel, sequence, clock_timestamp() FROM unnest(%s::text[], %s::uuid[], %s::bigint[])
    AS told (subject, channel, sequence) ORDER BY subject, channel
ON CONFLICT (subject, channel_id) DO UPDATE SET sequence = greatest(a.sequence, EXCLUDED.sequence), at = EXCLUDED.at
"""


class Rounds:
    """Sessions that ended, events that no hint told of, pings and silence, confirmations."""

    def __init__(self, board):
        self.board = board
        self.confirmed: dict[tuple, int] = {}

    def all(self) -> list[Awaitable]:
        """Every round as an endless coroutine."""
        each_second = [self.sessions, self.staff, self.silence, self.confirmations]
        plan = [*((1.0, work) for work in each_second), (2.0, self.heads), (10.0, self.board.hearing.ping)]
        return [_every(seconds, work) for seconds, work in plan]

    def confirm(self, socket: Socket, sequence: int) -> None:
        """Note how far a channel's clients are; written with the next round."""
        if 0 < sequence <= socket.delivered:
            key = (socket.subject, socket.channel)
            self.confirmed[key] = max(sequence, self.confirmed.get(key, 0))

    async def sessions(self) -> None:
        """Close the sockets of members' sessions that have ended; Redis has no part in it."""
        await self._end(settings.SESSION_CHECK)

    async def staff(self) -> None:
        """Close the sockets of staff who may not look any more; members do not wait for it."""
        await self._end(settings.STAFF_CHECK)

    async def _end(self, check: str) -> None:
        sessions = {socket.session for socket in self.board.sockets if socket.check == check}
        ended = await self.board.ended(check, sorted(sessions), asker=check) if sessions else ()
        for socket in [each for each in self.board.sockets if each.check == check and each.session in ended]:
            self.board.close(socket, REVOKED)

    async def heads(self) -> None:
        """Compare the heads of open subjects with what was delivered: heals hints that were lost."""
        subjects = [subject for subject, room in self.board.rooms.items() if room]
        for row in await self.board.run(HEADS, [subjects]) if subjects else ():
            for socket in list(self.board.rooms.get(row["subject"], ())):
                self.board.want(socket, row["head"])

    async def silence(self) -> None:
        """Ping who is due, end who says or reads nothing for too long, unsubscribe from rooms that stay empty."""
        for socket in list(self.board.sockets):
            if socket.is_unread():
                self.board.leave(socket)
                socket.cut()
            elif socket.is_silent():
                self.board.close(socket, SILENT)
            elif not socket.busy and (ping := socket.ping_due()):
                self.board.hand(socket, ping)
        empty = [subject for subject, room in self.board.rooms.items() if not room]
        for subject in empty:
            del self.board.rooms[subject]
        await self.board.hearing.unsubscribe([channel_of(subject) for subject in empty])

    async def confirmations(self) -> None:
        """Write what clients have confirmed since the last round, in one statement."""
        told, self.confirmed = self.confirmed, {}
        if told:
            subjects, channels = zip(*told, strict=True)
            await self.board.run(CONFIRM, [list(subjects), list(channels), list(told.values())])


async def _every(seconds: float, work: Callable[[], Awaitable]) -> None:
    while True:
        try:
            await work()
        except (psycopg.Error, django.db.Error) as error:
            logger.warning("%s: %s: %s", work.__name__, type(error).__name__, error)
        except Exception:  # a round that fails must not end the rounds after it
            logger.exception("%s", work.__name__)
        await asyncio.sleep(seconds)
