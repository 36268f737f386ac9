"""What could not be applied, given another chance: by a person with a reason, or by the clock where time may help.

A message that is replayed goes back in line as it came, and is judged anew; what was wrong with it before, and who
wanted it tried again, stays known.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from sync import inbox
from sync.act import SYSTEM, Actor, act
from sync.clock import Clock
from sync.models import InboxMessage, InboxReplay
from sync.receiving import TYPE_UNKNOWN, handler_of
from sync.retention import in_batches

State = InboxMessage.State
AT_A_TIME = 1_000
EVERY, FOR = timedelta(days=1), timedelta(days=7)  # a mistake of ours ends with a release
MAY_PASS = Q(problem__startswith="internal") | Q(problem="not_found") | Q(problem=TYPE_UNKNOWN)
FRESH = timedelta(hours=1)
BY_THE_CLOCK = "by the clock"


class NoReason(Exception):
    """A person who wants a message tried again says why."""


def replayable() -> QuerySet[InboxMessage]:
    """Messages in quarantine whose content is still there."""
    return InboxMessage.objects.filter(state=State.QUARANTINED, body__isnull=False)


def replay(ids: Iterable[UUID], *, reason: str, by: Actor) -> int:
    """Try messages again that are in quarantine, in the order they came. Returns how many; the others stay as they are.

    They are applied as far as two seconds go, the sweep does the rest. Raises NoReason.
    """
    if not reason.strip():
        raise NoReason
    ids, done = list(ids), []
    for place in range(0, len(ids), AT_A_TIME):
        done += _put_back(ids[place : place + AT_A_TIME], reason=reason.strip()[:500], by=by)
    subjects = defaultdict(list)
    for message in done:
        subjects[message.sender].append(message.subject)
    for sender, named in subjects.items():
        inbox.apply_at_once(sender, named)
    return len(done)


def replay_by_the_clock() -> int:
    """Try again, once a day for a week, what may have been our own mistake or came too early. Returns how many."""
    told = replayable().filter(MAY_PASS, quarantined_at__lt=Now() - EVERY, received_at__gt=Now() - FOR)
    told = told.exclude(~Q(type__in=settings.INBOX_HANDLERS), problem=TYPE_UNKNOWN)  # however many: none in the way
    rows = told.order_by("pk").values_list("pk", "sender", "type", "problem")[:AT_A_TIME]
    ids = [pk for pk, sender, type, problem in rows if problem != TYPE_UNKNOWN or handler_of(sender, type)]
    return replay(ids, reason=BY_THE_CLOCK, by=SYSTEM)


def fresh() -> int:
    """How many messages went into quarantine within the last hour and are still there: somebody should look."""
    quarantined = InboxMessage.objects.filter(state=State.QUARANTINED)
    return quarantined.filter(quarantined_at__gt=Now() - FRESH).count()


def drop_old() -> int:
    """Forget replays as old as messages become. Returns how many."""
    return in_batches(InboxReplay.objects.filter(at__lt=Now() - timedelta(days=settings.EVENT_RETENTION_DAYS)))


@act
def _put_back(ids: list[UUID], *, reason: str, by: Actor) -> list[InboxMessage]:
    rows = replayable().filter(pk__in=ids).defer("body").order_by("pk").select_for_update(no_key=True)
    found = list(rows)
    InboxReplay.objects.bulk_create(
        InboxReplay(message=each, problem=each.problem, quarantined_at=each.quarantined_at, reason=reason, by=str(by))
        for each in found
    )
    again = {"state": State.WAITING, "problem": "", "quarantined_at": None, "next_at": Clock()}
    InboxMessage.objects.filter(pk__in=[each.pk for each in found]).update(**again)
    return found
