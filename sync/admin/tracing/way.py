"""The whole way of one event, as far as its reader may see it: so many queries, whatever it met on its way."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property

from django.conf import settings
from django.contrib import admin
from django.db.models import Model, QuerySet, TextField
from django.db.models.functions import Cast
from django.utils.translation import gettext as _

from sync.admin import scope, shown
from sync.admin.tracing import cause, heard, sent, unsent
from sync.admin.tracing.times import lasted, precise
from sync.envelope import cloud_event
from sync.models import (
    Acknowledged,
    Attempt,
    Audience,
    Delivery,
    Endpoint,
    Event,
    Heartbeat,
    InboxMessage,
    Replay,
)

LATE = timedelta(seconds=5)  # the relay sweeps each second
MOST_ENDPOINTS = 100
BODIES_KEPT = timedelta(days=3)


@dataclass(frozen=True)
class Step:
    """One step of the way: when, how long after the one before, in words."""

    title: object
    at: str
    took: str = ""
    more: object = ""
    tone: str = shown.QUIET
    url: str = ""


@dataclass(frozen=True)
class Standing:
    """Where it stands, in one word and one sentence."""

    word: object
    said: str
    tone: str
    tag: object = field(init=False)

    def __post_init__(self):
        object.__setattr__(self, "tag", shown.tag(self.word, self.tone))


class Way:
    """An event and its reader at one moment; each part is asked for once, and only of what the reader may look at."""

    def __init__(self, request, event: Event, now: datetime):
        self.request, self.event, self.now = request, event, now

    def may(self, model: type[Model]) -> bool:
        """Whether the reader may look at such rows at all."""
        return admin.site._registry[model].has_view_permission(self.request)

    def rows(self, model: type[Model]) -> QuerySet:
        """Such rows within the reader's channels."""
        return admin.site._registry[model].get_queryset(self.request)

    @cached_property
    def body(self) -> bytes:
        """The very bytes that are sent at every try."""
        event = self.event
        names = ("id", "subject", "sequence", "type", "source", "correlation_id", "time")
        return cloud_event({name: getattr(event, name) for name in names} | {"data": event.text})

    @cached_property
    def settled_at(self) -> datetime | None:
        return self.event.settled.at if hasattr(self.event, "settled") else None

    @cached_property
    def sent(self) -> list[sent.Sent]:
        if not self.may(Delivery):
            return []
        tries = self.rows(Attempt) if self.may(Attempt) else None
        found = sent.told(self.event, self.body, self.rows(Delivery), tries, self.now)
        for each in found:
            each.way = sent.way_again(self.request, each.delivery)
        if self.may(Replay):
            sent.note_replays(found, self.rows(Replay))
        return found

    @cached_property
    def audience(self) -> list[Audience]:
        found = Audience.objects.filter(subject=self.event.subject).select_related("channel")
        return list(found.order_by("channel__code")[:MOST_ENDPOINTS])

    @cached_property
    def unsent(self) -> list[unsent.Unsent]:
        """Endpoints that have no delivery; nothing before it has settled."""
        if not (self.settled_at and self.may(Delivery) and self.may(Endpoint)):
            return []
        has = {each.delivery.endpoint_id for each in self.sent}
        rows = self.rows(Endpoint).select_related("channel").order_by("channel__code", "url")[:MOST_ENDPOINTS]
        others = [each for each in rows if each.pk not in has]
        channels = [each.channel for each in [*self.audience, *others]] + scope.sight(self.request).channels
        groups = unsent.groups_of(self.event, [each.channel for each in self.audience], channels)
        return unsent.told(self.event, others, groups)

    @cached_property
    def heard(self) -> list[heard.Heard]:
        """What sockets confirmed, of channels that the reader holds."""
        if not self.may(Acknowledged) or self.is_guest:
            return []
        held = {each.pk for each in scope.sight(self.request).channels}
        confirmed = self.rows(Acknowledged).filter(subject=self.event.subject).select_related("channel")
        return heard.told(self.event, list(confirmed), [each for each in self.audience if each.channel_id in held])

    @property
    def is_guest(self) -> bool:
        """Whether it is about an order without a member."""
        return self.event.subject.startswith("order/")

    @cached_property
    def message(self) -> InboxMessage | None:
        return cause.message(self.event, self.rows(InboxMessage)) if self.may(InboxMessage) else None

    @cached_property
    def beats(self) -> dict[str, datetime]:
        return dict(Heartbeat.objects.filter(name__in=["relay", "courier"]).values_list("name", "at"))

    @cached_property
    def neighbours(self) -> dict[str, Event]:
        """The events before and after it on its stream."""
        sequence = self.event.sequence
        rows = self.rows(Event).filter(subject=self.event.subject, sequence__in=[sequence - 1, sequence + 1])
        return {("before" if each.sequence < sequence else "after"): each for each in rows}

    # In words
    def last_seen(self, process: str) -> str:
        """When a process gave its last sign of life."""
        if process not in self.beats:
            return _("it was never seen")
        return _("it was seen %(rest)s ago") % {"rest": lasted(self.beats[process], self.now)}

    @property
    def is_in_flight(self) -> bool:
        """Whether looking again in a moment may show more."""
        return self.settled_at is None or any(each.is_in_flight for each in self.sent)

    def steps(self) -> list[Step]:
        """From what caused it to its being told, each with the time since the one before."""
        event, found = self.event, []
        if self.message:
            found += self._arrived(self.message)
        before = self.message.applied_at if self.message else None
        took = lasted(before, event.time) if before else ""
        found.append(
            Step(
                _("Recorded"),
                precise(event.time),
                took,
                _("Sequence %(sequence)s of its subject") % {"sequence": event.sequence},
                shown.GOOD,
            )
        )
        return [*found, self._settled(), *self._pushed()]

    def _arrived(self, message: InboxMessage) -> list[Step]:
        url = shown.address(message)
        told = f"{message.sender} · {message.type} · {message.message_id}"
        took = lasted(message.received_at, message.applied_at)
        tries = _("%(count)s tries") % {"count": message.attempts} if message.attempts > 1 else ""
        return [
            Step(_("Came into the inbox"), precise(message.received_at), "", told, shown.GOOD, url),
            Step(_("Applied"), precise(message.applied_at), took, tries, shown.GOOD),
        ]

    def _settled(self) -> Step:
        if self.settled_at is None:
            waited = self.now - self.event.time
            told = _("For %(rest)s. The relay: %(seen)s.") % {
                "rest": lasted(self.event.time, self.now),
                "seen": self.last_seen("relay"),
            }
            return Step(_("Waits for the relay"), "–", "", told, shown.BAD if waited > LATE else shown.BUSY)
        told = _("Position %(position)s of the feed; told to open sockets and given to the courier at once") % {
            "position": self.event.settled.position
        }
        return Step(
            _("Settled and published by the relay"),
            precise(self.settled_at),
            lasted(self.event.time, self.settled_at),
            told,
            shown.GOOD,
        )

    def _pushed(self) -> list[Step]:
        """When the first endpoint had it, and the last one."""
        done = sorted(
            each.delivery.finished_at for each in self.sent if each.delivery.state == Delivery.State.DELIVERED
        )
        if not done:
            return []
        found = [Step(_("First endpoint has it"), precise(done[0]), lasted(self.settled_at, done[0]), "", shown.GOOD)]
        if len(done) > 1:
            title = _("Last of %(count)s endpoints has it") % {"count": len(done)}
            found.append(Step(title, precise(done[-1]), lasted(done[0], done[-1]), "", shown.GOOD))
        return found

    def standing(self) -> Standing:
        """Where it stands now: what is worst of it."""
        if self.settled_at is None:
            step = self._settled()
            return Standing(step.title, str(step.more), step.tone)
        if not self.may(Delivery):
            return Standing(_("Settled and published by the relay"), _("You may not look at deliveries."), shown.QUIET)
        counts = {"count": len(self.sent), "dead": 0, "failing": 0, "waiting": 0, "stuck": 0}
        for each in self.sent:
            counts["dead"] += each.delivery.state == Delivery.State.DEAD
            counts["waiting"] += each.is_in_flight
            counts["failing"] += each.is_in_flight and each.delivery.attempts > 0
            counts["stuck"] += sent.is_stuck(each.delivery)
        return self._of_deliveries(counts)

    def _of_deliveries(self, counts: dict) -> Standing:
        if not self.sent:
            return Standing(_("Pushed to nobody"), _("No endpoint was to be sent it: below is why."), shown.QUIET)
        if counts["dead"]:
            return Standing(_("Failed"), _("%(dead)s of %(count)s endpoints were given up.") % counts, shown.BAD)
        if counts["stuck"]:
            return Standing(_("Stuck"), _("%(stuck)s of %(count)s endpoints are switched off.") % counts, shown.BAD)
        if counts["failing"]:
            told = _("%(failing)s of %(count)s endpoints fail and are tried again.") % counts
            return Standing(_("Failing"), told, shown.BAD)
        if counts["waiting"]:
            told = _("%(waiting)s of %(count)s endpoints wait. The courier: %(seen)s.")
            return Standing(_("In flight"), told % (counts | {"seen": self.last_seen("courier")}), shown.BUSY)
        return Standing(_("Arrived"), _("Every endpoint it was for has it: %(count)s.") % counts, shown.GOOD)

    def missing(self) -> list[str]:
        """Parts that are gone, never kept or not for this reader, said plainly."""
        found = []
        if self.message and self.now - self.message.applied_at > BODIES_KEPT:
            found.append(_("What was in the inbox message is forgotten: bodies are kept for 3 days after applying."))
        if not self.event.correlation_id:
            found.append(_("No request stands behind it: it was caused by the clock or by a command."))
        if self.event.sequence > 1 and "before" not in self.neighbours:
            found.append(_("The event before it on its stream is forgotten, or not for you to see."))
        if not scope.sight(self.request).is_whole:
            found.append(_("Endpoints, sockets and events of channels that you do not hold are not shown."))
        if self.sent and not self.may(Attempt):
            found.append(_("You may not look at attempts."))
        days = timedelta(days=settings.EVENT_RETENTION_DAYS)
        told = {"at": shown.moment(self.event.time + days)}
        return [*found, _("This event, its deliveries and attempts are forgotten at %(at)s.") % told]


def event_of(rows: QuerySet, key) -> Event | None:
    """An event with its data as PostgreSQL writes it: what is signed is made of that text."""
    known = rows.select_related("settled").annotate(text=Cast("data", TextField()))
    return known.filter(pk=key).first()
