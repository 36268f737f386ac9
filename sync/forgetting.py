"""A subject that is forgotten for good: what the ground floor kept about it beside its events, which name nobody.

The floors above say by which words messages may name it; bodies are encrypted, so each that is kept is opened.
"""

import json
import logging
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from uuid import UUID

from django.db import connection
from django.db.models import Model, Q

from sync.models import Acknowledged, ForwardedPush, IdempotentAnswer, InboxMessage, Ticket
from sync.secret import InvalidPhone, Unreadable, phone

logger = logging.getLogger(__name__)

EVERYWHERE = ""  # a word that means the same in every message, whoever sent it
State = InboxMessage.State
SHORT = 6  # a shorter word names somebody only where names are said
NAMING = {"external_id", "value", "number", "member_id"}
LIKE_PHONE = re.compile(r"[+\d(][\d\s()-]{6,24}")
CHUNK = 500

ANSWERS_OF_RECEIVERS = """
UPDATE sync_attempt a SET response = '' FROM sync_delivery d, sync_event e
WHERE a.delivery_id = d.id AND d.event_id = e.id AND e.subject = ANY (%s) AND a.response <> ''
"""

Words = set[tuple[str, str]]  # (whose messages: a sender like channels/website, or EVERYWHERE; the word)


def forget_subjects(subjects: list[str]) -> dict[str, int]:
    """Drop tickets and confirmations of these subjects, and what receivers answered to their events. Counts by kind."""
    with connection.cursor() as cursor:
        cursor.execute(ANSWERS_OF_RECEIVERS, [subjects])
        responses = cursor.rowcount
    return {
        "tickets": Ticket.objects.filter(subject__in=subjects).delete()[0],
        "confirmations": Acknowledged.objects.filter(subject__in=subjects).delete()[0],
        "receivers_answers": responses,
    }


def is_awaited(words: Words) -> bool:
    """Whether a message that says one of these words still waits to be applied."""
    waiting = InboxMessage.objects.filter(state=InboxMessage.State.WAITING)
    return any(_tells(row, row.sender, words) for row in _chunks(waiting, "sender", "body"))


def forget_messages(words: Words, since: datetime | None = None) -> int:
    """Drop the bodies of messages that say one of these words, applied ones and those nobody can apply. How many.

    `since` looks only at those that came then or later. That a message came stays known: it is not taken twice.
    """
    settled = InboxMessage.objects.exclude(state=InboxMessage.State.WAITING).filter(body__isnull=False)
    settled = settled.filter(pk__gte=first_id(since)) if since else settled
    found = [row for row in _chunks(settled, "sender", "subject", "body") if _tells(row, row.sender, words)]
    ids = [row.pk for row in found]
    told = InboxMessage.objects.filter(pk__in=ids)
    told.filter(state=State.PARKED).update(state=State.QUARANTINED, problem="erased", waits_for="")  # nothing to apply
    told.update(body=None)
    naming = [row.pk for row in found if any(word in row.subject for _whose, word in words if len(word) >= SHORT)]
    InboxMessage.objects.filter(pk__in=naming).update(subject="")
    return len(ids) + _forget_pushes(words)


def _forget_pushes(words: Words) -> int:
    """Drop messages on their way to a channel that say one of these words. Returns how many."""
    kept = ForwardedPush.objects.filter(body__isnull=False)
    ids = [row.pk for row in _chunks(kept, "sender", "body") if _tells(row, row.sender, words)]
    return ForwardedPush.objects.filter(pk__in=ids).delete()[0]


def forget_answers(words: Words, *, by: Iterable[str]) -> int:
    """Drop answers kept for repeats that say one of these words or were given to the callers `by`. Returns how many."""
    kept = IdempotentAnswer.objects.filter(body__isnull=False)
    ids = [row.pk for row in _chunks(kept, "caller", "body") if _tells(row, _sender(row.caller), words)]
    given = Q(pk__in=ids)
    for caller in by:
        given |= Q(caller=caller)
    return IdempotentAnswer.objects.filter(given).delete()[0]


def first_id(at: datetime) -> UUID:
    """The least UUIDv7 of a moment."""
    return UUID(int=int(at.timestamp() * 1000) << 80)


def says(sender: str, body: str, words: Words) -> bool:
    """Whether a JSON text says one of the words: as a whole value, a phone however it is written."""
    with suppress(ValueError, RecursionError):
        return any(_means(key, text, sender, words) for key, text in _texts("", json.loads(body)))
    return False


def _tells(row: Model, sender: str, words: Words) -> bool:
    """Whether a row's body says one; one that no key opens says nothing to anybody, and stands in nobody's way."""
    try:
        body = row.body
    except Unreadable:
        logger.warning("%s %s does not open", row._meta.label, row.pk)
        return False
    return says(sender, body, words)


def _means(key: str, text: str, sender: str, words: Words) -> bool:
    for said in {text, text.rpartition("/")[2], _as_phone(text)}:
        if {(EVERYWHERE, said), (sender, said)} & words and (len(said) >= SHORT or key in NAMING):
            return True
    return False


def _as_phone(text: str) -> str:
    if LIKE_PHONE.fullmatch(text):
        with suppress(InvalidPhone):
            return phone(text)
    return text


def _texts(key: str, value) -> Iterator[tuple[str, str]]:
    """Every string with the name it goes by."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _texts(name, inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(key, inner)
    elif isinstance(value, str):
        yield key, value


def _sender(caller: str) -> str:
    """Who sent what a caller was answered: channel/website is channels/website in the inbox."""
    kind, _slash, code = caller.partition("/")
    return f"channels/{code}" if kind == "channel" else ""


def _chunks(rows, *fields: str) -> Iterator[Model]:
    """All rows by their ids, some at a time."""
    after = None
    while found := list((rows.filter(pk__gt=after) if after else rows).order_by("pk").only(*fields)[:CHUNK]):
        yield from found
        after = found[-1].pk
