"""Facts from outside: stored as they came, then applied once, in order per subject, by the same acts as every change.

How they are kept is in `sync/receiving.py`. What cannot be applied is quarantined with the reason, from where it may
be replayed (`sync/quarantine.py`); what fails for a passing reason is tried again and holds up its subject. What is
told of something not known yet is parked: it holds up nothing, and is woken by the act that makes it known.
"""

import logging
from collections.abc import Callable, Iterable
from datetime import timedelta
from math import inf
from time import monotonic

from django.db import DatabaseError, InterfaceError, OperationalError
from django.db.models import F, Min
from django.db.models.functions import Least, Now
from django.utils.dateparse import parse_datetime
from django.utils.module_loading import import_string
from psycopg_pool import PoolTimeout

from sync import echo, prepared
from sync.act import Actor, outermost
from sync.clock import Clock
from sync.http import Problem
from sync.http.input import loads
from sync.http.problems import LOCK_TIMEOUT
from sync.ids import request_id
from sync.models import Channel, InboxMessage
from sync.receiving import CHANNELS, TYPE_UNKNOWN, Fact, handler_of, store, store_many

logger = logging.getLogger(__name__)

__all__ = ["Fact", "Outside", "Waits", "apply", "apply_at_once", "apply_due", "store", "store_many", "wake"]

PASSING = (OperationalError, InterfaceError, PoolTimeout)
PASSING_CODES = {"rate_limited", "payment_in_progress"}  # and all that is our own fault
LONGEST_PAUSE = 60  # seconds between two tries
LOCKED = "locked"
WHILE_LOCKED = 4  # seconds until the next try of what waited in vain for somebody's lock; each time twice as long
LONGEST_LOOK = 3600  # seconds between two looks for what a parked message waits for
PARKED_FOR = timedelta(days=7)
MOST_COUNTED = 32_767  # tries: more the column does not hold, and what is tried each minute may come to it
STEPS_OUTSIDE = 3  # that one try of a message may ask for
AT_ONCE = 2.0  # seconds that the request of a sender may spend on applying
SWEEP = 20.0  # seconds that a sweep may take
SHARE = 5.0  # seconds of it for one subject: a long queue is not all there is
WINDOW = 1_000  # subjects that a sweep looks at
COUNTED = Least(F("attempts") + 1, MOST_COUNTED)
WAKE = """
UPDATE sync_inboxmessage SET state = 'waiting', next_at = now() WHERE waits_for = %s AND state = 'parked' RETURNING id
"""
# Not when somebody holds the message itself: then it is being applied.
LEAVE_LOCKED = """
UPDATE sync_inboxmessage SET
    attempts = least(attempts + 1, %s), problem = %s, next_at = clock_timestamp() + %s
WHERE id IN (SELECT id FROM sync_inboxmessage WHERE id = %s AND state = 'waiting' FOR NO KEY UPDATE SKIP LOCKED)
RETURNING id
"""


class Unheard(Exception):
    """Nobody applies what a sender tells."""


class Waits(Exception):
    """A handler does not know yet what a message is about: it is parked until somebody calls `wake` with this key.

    When nobody does within a week, it is quarantined for this reason.
    """

    def __init__(self, key: str, reason: str = "not_found"):
        super().__init__(key)
        self.key, self.reason = key, reason


class Outside(Exception):
    """A handler needs something done outside of any transaction, then to be asked again; `work` may raise Problem."""

    def __init__(self, work: Callable[[], object]):
        super().__init__()
        self.work = work


def apply_at_once(sender: str, subjects: Iterable[str]) -> None:
    """Apply what was just stored, as far as two seconds go, however much there is of one subject; the sweep does the
    rest. Never fails."""
    until = monotonic() + AT_ONCE
    try:
        for subject in dict.fromkeys(subjects):
            if monotonic() > until:
                return
            apply(sender, subject, until)
    except (DatabaseError, *PASSING) as error:
        logger.warning("The inbox goes on with the next sweep: %s", error)


def apply_due() -> int:
    """Apply everything that is due, for twenty seconds at most. Returns how many messages were handled."""
    _look_again()
    until, handled = monotonic() + SWEEP, 0
    waiting = InboxMessage.objects.filter(state=InboxMessage.State.WAITING)
    heads = waiting.order_by("sender", "subject", "id").distinct("sender", "subject").values("pk")
    due = InboxMessage.objects.filter(pk__in=heads, next_at__lte=Now()).order_by("next_at")
    for sender, subject in due.values_list("sender", "subject")[:WINDOW]:
        if monotonic() > until:
            break
        handled += apply(sender, subject, min(until, monotonic() + SHARE))
    return handled


def wake(key: str) -> int:
    """What was told of `key` before it was known is applied next. A part of the act that makes it known; counts them.

    One that is being parked at this very moment is missed: it looks again by itself, soon.
    """
    return len(prepared.run(WAKE, [key]))


def parked_seconds() -> float:
    """How long the oldest parked message has been waiting."""
    parked = InboxMessage.objects.filter(state=InboxMessage.State.PARKED)
    oldest = parked.aggregate(age=Clock() - Min("received_at"))["age"]
    return oldest.total_seconds() if oldest else 0


def apply(sender: str, subject: str, until: float = inf) -> int:
    """Apply what waits about a subject, in the order it came, until one must wait. Returns how many were handled.

    Once it is `until`, by the monotonic clock, no other one is begun.
    """
    handled = 0
    while (head := _head(sender, subject)) and _handle(head):
        handled += 1
        if monotonic() > until:
            break
    return handled


def _head(sender: str, subject: str) -> InboxMessage | None:
    """The first message that waits about a subject, if its time has come."""
    waiting = InboxMessage.objects.filter(sender=sender, subject=subject, state=InboxMessage.State.WAITING)
    head = waiting.order_by("id").defer("body").annotate(now=Clock()).first()
    return head if head and head.next_at <= head.now else None


def _handle(head: InboxMessage) -> bool:
    """Apply a message, quarantine it, or put it off: then False."""
    try:
        _try(head)
    except Waits as waits:
        return _park(head, waits)
    except Unheard:
        return _quarantine(head, TYPE_UNKNOWN)
    except echo.Loop:
        return _quarantine(head, echo.ECHO)
    except Problem as problem:
        is_passing = problem.status >= 500 or problem.code in PASSING_CODES
        return _put_off(head, problem.code) if is_passing else _quarantine(head, _reason(problem))
    except PASSING as error:
        if getattr(error.__cause__, "sqlstate", "") == LOCK_TIMEOUT:
            return _leave_locked(head)
        return _put_off(head, type(error).__name__)
    except Exception as error:
        logger.exception("Inbox message %s", head.pk)
        return _quarantine(head, f"internal: {type(error).__name__}")
    return True


def _try(head: InboxMessage) -> None:
    """Apply a message in an act; what it tells, at the act's end, carries on the message's correlation."""
    held = request_id.set(head.correlation_id)
    try:
        for _step in range(STEPS_OUTSIDE):
            try:
                return outermost(lambda: _apply(head))
            except Outside as wanted:
                wanted.work()
    finally:
        request_id.reset(held)
    raise Problem("unavailable")  # somebody undoes what is done


def _apply(head: InboxMessage) -> None:
    message = InboxMessage.objects.select_for_update(no_key=True).filter(pk=head.pk, state=head.State.WAITING).first()
    if message is None:
        return  # applied meanwhile
    path = handler_of(message.sender, message.type)
    if path is None:
        raise Unheard
    told, sender = loads(message.body.encode()), message.sender
    kind, _slash, name = sender.partition("/")
    channel = Channel.objects.get(code=name) if kind == CHANNELS else None
    by = Actor("channel", name, name) if channel else Actor("provider", sender)
    data, time = (told["data"], told.get("time")) if channel else (told, None)
    occurred_at = parse_datetime(time) if time else message.received_at
    import_string(path)(channel, data, occurred_at, by)
    if channel:
        echo.refuse_loops(channel, message, echo.chain_of(told))
    message.state, message.applied_at, message.attempts = head.State.APPLIED, Clock(), COUNTED
    message.save(update_fields=["state", "applied_at", "attempts"])


def _quarantine(head: InboxMessage, reason: str) -> bool:
    _change(head, state=head.State.QUARANTINED, problem=reason, quarantined_at=Clock())
    return True


def _put_off(head: InboxMessage, reason: str) -> bool:
    pause = timedelta(seconds=min(2**head.attempts, LONGEST_PAUSE))
    _change(head, next_at=Now() + pause, problem=reason)
    return False


def _leave_locked(head: InboxMessage) -> bool:
    """Put off a message that waited for a lock as long as anybody may: meanwhile others have their turn."""
    pause = timedelta(seconds=min(WHILE_LOCKED * 2**head.attempts, LONGEST_PAUSE))
    prepared.run(LEAVE_LOCKED, [MOST_COUNTED, LOCKED, pause, head.pk])
    return False


def _park(head: InboxMessage, waits: Waits) -> bool:
    """Set a message aside until what it is about is known; not for ever."""
    if head.now - head.received_at > PARKED_FOR:
        return _quarantine(head, waits.reason)
    pause = timedelta(seconds=min(2 ** (head.attempts + 1), LONGEST_LOOK))
    _change(head, state=head.State.PARKED, waits_for=waits.key, next_at=Now() + pause, problem="")
    return True


def _look_again() -> None:
    """Parked messages whose time has come wait in line once more: what they wait for may have come unseen."""
    due = InboxMessage.objects.filter(state=InboxMessage.State.PARKED, next_at__lte=Now()).order_by("next_at")
    InboxMessage.objects.filter(pk__in=due.values("pk")[:WINDOW]).update(state=InboxMessage.State.WAITING)


def _change(head: InboxMessage, **fields) -> None:
    waiting = InboxMessage.objects.filter(pk=head.pk, state=head.State.WAITING)
    waiting.update(attempts=COUNTED, **fields)


def _reason(problem: Problem) -> str:
    """Codes and fields only: what was sent may be somebody's data."""
    return " ".join([problem.code, *(f"{field}:{code}" for field, code, _detail in problem.errors)])[:1_000]
