"""What others read of the facts: a subject's stream, the feed of all that a channel may see."""

from dataclasses import dataclass

from django.db import connection

from sync.envelope import COLUMNS, cloud_event
from sync.models import Channel

WINDOW = 10_000  # positions looked through for one page of the feed, so that a channel that sees little waits little

STREAM = f"""
SELECT s.head, (SELECT min(sequence) FROM sync_event o WHERE o.subject = s.subject) AS oldest, e.*
FROM sync_stream s LEFT JOIN LATERAL (
    SELECT {COLUMNS} FROM sync_event e WHERE e.subject = s.subject AND e.sequence > %s ORDER BY e.sequence LIMIT %s
) e ON true
WHERE s.subject = %s ORDER BY e.sequence
"""  # noqa: S608 - a constant
# Each look says what is forgotten at its own moment: another moment's is no answer for what is read now.
HORIZON = "(SELECT coalesce(max(position), 0) FROM sync_horizon)"
REACH = f"""
SELECT max(position) AS reach, count(*) AS looked_through, {HORIZON} AS horizon,
    greatest({HORIZON}, (SELECT max(position) FROM sync_settled)) AS head
FROM (
    SELECT position FROM sync_settled WHERE position > coalesce(%s, {HORIZON}) ORDER BY position LIMIT %s
) AS looked_through
"""  # noqa: S608 - a constant
RIPE = f"""
SELECT greatest({HORIZON}, (
    SELECT position FROM sync_settled WHERE at < now() - interval '15 minutes' ORDER BY position DESC LIMIT 1
)) AS position
"""  # noqa: S608 - a constant
FEED = f"""
SELECT {HORIZON} AS horizon, told.* FROM (SELECT) AS one LEFT JOIN LATERAL (
SELECT s.position, {COLUMNS} FROM sync_settled s JOIN sync_event e ON e.id = s.event_id
WHERE s.position > %s AND s.position <= %s AND (%s::text[] = '{{}}' OR e.type = ANY (%s::text[])) AND CASE
    WHEN e.data->>'channel' IS NULL THEN EXISTS (
        SELECT FROM sync_audience a JOIN sync_channel c ON c.id = a.channel_id
        WHERE a.subject = e.subject AND a.since <= e.time AND c.group_id = %s)
    ELSE EXISTS (SELECT FROM sync_channel own WHERE own.code = e.data->>'channel' AND own.group_id = %s) END
    AND (e.only_for IS NULL OR %s = ANY (e.only_for))
ORDER BY s.position LIMIT %s
) AS told ON true ORDER BY told.position
"""  # noqa: S608 - a constant


@dataclass(frozen=True)
class StreamPage:
    """Events of one subject after a position, as JSON; `oldest` is the first sequence still kept."""

    events: list[bytes]
    head: int
    oldest: int | None

    def follows(self, after: int) -> bool:
        """Whether nothing that came after this position is missing."""
        kept = self.head if self.oldest is None else self.oldest - 1
        return kept <= after <= self.head


@dataclass(frozen=True)
class FeedPage:
    """Events that a channel may see, as JSON, in the one order; `position` is where to go on.

    Of what comes after `horizon`, up to the last place given (`head`), nothing is forgotten.
    """

    events: list[bytes]
    position: int
    has_more: bool
    horizon: int
    head: int

    def follows(self, after: int) -> bool:
        """Whether nothing that came after this position is missing."""
        return self.horizon <= after <= self.head


def head(subject: str) -> int:
    """The last sequence given in a subject's stream; 0 before its first event."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT head FROM sync_stream WHERE subject = %s", [subject])
        row = cursor.fetchone()
    return row[0] if row else 0


def stream(subject: str, *, after: int, limit: int) -> StreamPage:
    """A page of a subject's stream, with its head, of one moment."""
    rows = _rows(STREAM, [after, limit, subject])
    if not rows:
        return StreamPage([], 0, None)
    found = [cloud_event(row) for row in rows if row["id"]]
    return StreamPage(found, rows[0]["head"], rows[0]["oldest"])


def ripe() -> int:
    """The last position of which lists that are read from now on show all there is: they lag by ten minutes at most."""
    return _rows(RIPE, [])[0]["position"]


def feed(channel: Channel, *, after: int | None, limit: int, types: list[str]) -> FeedPage:
    """A page of all that the channel's sharing group may see. Positions are given after commit: none appears late.

    What belongs to a channel (the data of an order names it) is seen by that channel's group alone, whoever else sees
    the member; what is told only to some groups, by these; of a member, what happened since the group may see it. None
    begins with the oldest of which nothing is forgotten.
    """
    (look,) = _rows(REACH, [after, WINDOW])
    reach, horizon, head = look["reach"], look["horizon"], look["head"]
    after = horizon if after is None else after
    if reach is None:
        return FeedPage([], after, False, horizon, head)
    rows = _rows(FEED, [after, reach, types, types, *[channel.group_id] * 3, limit + 1])
    horizon, told = rows[0]["horizon"], [row for row in rows if row["id"]]
    has_more, place = look["looked_through"] == WINDOW, reach
    if len(told) > limit:
        told, has_more, place = told[:limit], True, told[limit - 1]["position"]
    return FeedPage([cloud_event(row) for row in told], place, has_more, horizon, head)


def _rows(sql: str, parameters: list) -> list[dict]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
