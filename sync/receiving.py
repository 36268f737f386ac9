"""Keeping what comes from outside: once per (sender, message id), with what speaks against applying it.

`sender` is `channels/<code>` or `<provider>/<account>`; a sender speaks only words of its own: a channel those of the
contract, a provider those that begin with its name.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from django.conf import settings

from sync.clock import Clock
from sync.ids import request_id
from sync.models import InboxMessage

ACCEPTED, DUPLICATE, QUARANTINED = "accepted", "duplicates", "quarantined"
CHANNELS = "channels"
WORDS_OF_CHANNELS = {"member", "order", "points"}
TYPE_UNKNOWN, ID_REUSED = "type_unknown", "id_reused"
KEPT = ("message_id", "pk", "body_digest")
State = InboxMessage.State


@dataclass(frozen=True)
class Fact:
    """A message as it came. `body` is JSON: of a channel the whole CloudEvent, of a provider what it tells.

    `chain` is the correlation that the sender says it carries on; none when it begins one.
    """

    message_id: str
    type: str
    subject: str
    body: bytes
    chain: str = ""

    @property
    def digest(self) -> bytes:
        return hashlib.sha256(self.body).digest()


def store(sender: str, message_id: str, type: str, subject: str, body: bytes) -> bool:
    """Keep one message. False when it was known already, or will not be applied."""
    return store_many(sender, [Fact(message_id, type, subject, body)])[ACCEPTED] == 1


def store_many(sender: str, facts: Iterable[Fact]) -> Counter:
    """Keep messages. Returns how many were `accepted`, `duplicates` or `quarantined`."""
    fresh, verdicts = {}, Counter()
    for fact in facts:
        if (first := fresh.setdefault(fact.message_id, fact)) is not fact:
            verdicts[_judge_again(sender, fact, first.digest)] += 1
    rows = [_row(sender, fact, "" if handler_of(sender, fact.type) else TYPE_UNKNOWN) for fact in fresh.values()]
    InboxMessage.objects.bulk_create(rows, ignore_conflicts=True)
    known = InboxMessage.objects.filter(sender=sender, message_id__in=list(fresh))
    kept = {message_id: (pk, bytes(digest)) for message_id, pk, digest in known.values_list(*KEPT)}
    for row in rows:
        pk, digest = kept[row.message_id]
        if pk != row.pk:
            verdicts[_judge_again(sender, fresh[row.message_id], digest)] += 1
        else:
            verdicts[QUARANTINED if row.state == State.QUARANTINED else ACCEPTED] += 1
    return verdicts


def handler_of(sender: str, type: str) -> str | None:
    """The dotted path of what applies this type for this sender; None when nothing does."""
    kind, word = sender.partition("/")[0], type.partition(".")[0]
    own = word in WORDS_OF_CHANNELS if kind == CHANNELS else word == kind.replace("-", "_")
    return settings.INBOX_HANDLERS.get(type) if own else None


def _row(sender: str, fact: Fact, problem: str, name: str = "") -> InboxMessage:
    return InboxMessage(
        sender=sender,
        message_id=name or fact.message_id,
        type=fact.type,
        subject=fact.subject,
        body=fact.body.decode(),
        body_digest=fact.digest,
        state=State.QUARANTINED if problem else State.WAITING,
        problem=problem,
        quarantined_at=Clock() if problem else None,
        correlation_id=fact.chain or request_id.get(),
    )


def _judge_again(sender: str, fact: Fact, digest: bytes) -> str:
    """A message whose id is known: the same again, or another one under the same id, which is kept for a person."""
    if digest == fact.digest:
        return DUPLICATE
    name = f"{fact.message_id[:230]}#{fact.digest.hex()[:16]}"
    InboxMessage.objects.bulk_create([_row(sender, fact, ID_REUSED, name)], ignore_conflicts=True)
    return QUARANTINED
