"""Passing on what the hub does not handle itself: to the channel's own endpoints, signed like every webhook.

Standard Webhooks headers under the endpoint's secret, the courier's schedule and verdicts, an address judged where the
connection is made, no redirect followed. Order is not kept, and nothing is kept longer than needed: a message that has
arrived is forgotten at once, one that has not after some days.
"""

import asyncio
import logging
import random
from datetime import UTC, datetime, timedelta
from time import monotonic
from uuid import UUID

import orjson
from django.conf import settings
from django.db import connection
from django.db.models import Q

from sync.clock import Clock
from sync.courier.schedule import Outcome, verdict
from sync.courier.sending import new_session, post, signed
from sync.http import instant
from sync.models import Channel, Endpoint, ForwardedPush
from sync.retention import in_batches

logger = logging.getLogger(__name__)

SWEEP = 60.0  # seconds that a run may take
KEPT = timedelta(days=7)
LEASE = timedelta(seconds=60)
State = ForwardedPush.State

CLAIM = """
UPDATE sync_forwardedpush SET next_at = clock_timestamp() + %s WHERE id = (
    SELECT p.id FROM sync_forwardedpush p JOIN sync_endpoint e ON e.id = p.endpoint_id AND e.is_active
    JOIN sync_channel c ON c.id = e.channel_id AND c.is_active
    WHERE p.state = 'waiting' AND p.next_at <= clock_timestamp() AND p.endpoint_id <> ALL(%s::uuid[])
    ORDER BY p.next_at, p.id LIMIT 1 FOR NO KEY UPDATE OF p SKIP LOCKED)
RETURNING id
"""


def forward(channel: Channel, sender: str, message_id: str, type: str, data: dict, at: datetime) -> int:
    """Keep a message for each endpoint of the channel that takes its type, once. Returns for how many."""
    takes = Q(types=[]) | Q(types__contains=[type])
    rows = []
    for endpoint in Endpoint.objects.filter(takes, channel=channel, is_active=True):
        row = ForwardedPush(endpoint=endpoint, sender=sender, message_id=message_id, type=type)
        row.body = _envelope(row, data, at)
        rows.append(row)
    ForwardedPush.objects.bulk_create(rows, ignore_conflicts=True)
    return len(rows)


def forward_due() -> int:
    """Send what is due, for a minute at most; who fails is not called again in this run. Returns how many were sent.

    Not to be called in a transaction; many may run side by side.
    """
    until, failing, sent = monotonic() + SWEEP, [], 0
    while monotonic() < until and (found := _claimed(failing)):
        push = ForwardedPush.objects.select_related("endpoint").get(pk=found)
        outcome = send(push)
        _write(push, outcome)
        sent += outcome.is_success
        if not outcome.is_success:
            failing.append(push.endpoint_id)
    return sent


def send(push: ForwardedPush) -> Outcome:
    """Send once, as the courier does: where the connection leads is judged when it is made, nothing is followed."""
    now = datetime.now(UTC)
    body, (secret, *old) = push.body.encode(), push.endpoint.secrets(now)
    return asyncio.run(post_alone(push.endpoint.url, signed(str(push.pk), body, secret, now, *old), body))


async def post_alone(url: str, headers: dict, body: bytes) -> Outcome:
    """Post once, on a connection of its own."""
    async with new_session() as session:
        return await post(session, url, headers, body)


def drop_old() -> int:
    """Forget what was received some days ago, whatever became of it. Returns how many."""
    return in_batches(ForwardedPush.objects.filter(created_at__lt=Clock() - KEPT))


def _claimed(but: list[UUID]) -> UUID | None:
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, [LEASE, but])
        found = cursor.fetchone()
    return found and found[0]


def _write(push: ForwardedPush, outcome: Outcome) -> None:
    told = verdict(outcome, push.attempts + 1, settings.COURIER_SCHEDULE, random.random())  # noqa: S311
    tried = {"attempts": push.attempts + 1, "status": outcome.status, "error": outcome.error, "state": told.state}
    held = ForwardedPush.objects.filter(pk=push.pk, state=State.WAITING, next_at=push.next_at)
    if told.state == State.WAITING:
        held.update(next_at=Clock() + timedelta(seconds=told.pause), **tried)
        return
    over = {"next_at": None, "finished_at": Clock()} | ({"body": None} if told.state == State.DELIVERED else {})
    if held.update(**tried, **over) and told.state == State.DEAD:
        logger.warning("A message for endpoint %s is given up: %s %s", push.endpoint_id, outcome.status, outcome.error)


def _envelope(push: ForwardedPush, data: dict, at: datetime) -> str:
    """A CloudEvent without a sequence: it belongs to no stream."""
    event = {
        "specversion": "1.0",
        "id": str(push.pk),
        "source": f"/{push.sender}",
        "type": push.type,
        "time": instant(at),
        "datacontenttype": "application/json",
        "data": data,
    }
    return orjson.dumps(event).decode()
