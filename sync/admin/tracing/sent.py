"""Where an event was pushed: each endpoint, each try with what was sent and what came back, and what comes next."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from sync.admin import replays, shown
from sync.admin.masking import masked
from sync.admin.tracing.names import Names
from sync.admin.tracing.past import Past, Signers
from sync.admin.tracing.times import after, lasted, precise
from sync.models import Attempt, Delivery, Event
from sync.signatures import signature

MOST_TRIES = 300
MOST_REPLAYS = 20
BACK = "from=trace"
LATE = timedelta(seconds=10)  # what is due and not taken for so long waits for a courier that does not come
State = Delivery.State
UNSENT = {"dns", "tls", "address", "connect", "internal"}  # when it came to no connection
ERRORS = {
    "timeout": gettext_lazy("no answer within 15 s"),
    "dns": gettext_lazy("its name does not resolve"),
    "tls": gettext_lazy("its certificate is not believed"),
    "address": gettext_lazy("its address leads inside: refused"),
    "connect": gettext_lazy("no connection"),
    "reset": gettext_lazy("cut the connection"),
    "disconnected": gettext_lazy("hung up without an answer"),
    "protocol": gettext_lazy("what it answered is no HTTP"),
    "redirect": gettext_lazy("a redirect is not followed"),
    "status": gettext_lazy("answered with a failure"),
    "internal": gettext_lazy("the hub itself failed: see its log"),
}


@dataclass
class Try:
    """One attempt as the page shows it. `headers` are those of the signature, as they were sent; `note` says what is
    not among them, and why."""

    attempt: Attempt
    at: str
    since: str
    answer: object
    words: object
    took: str
    response: str
    headers: list[tuple[str, str]]
    note: str
    came: str
    to: str  # where it went, when that is not where it would go today


@dataclass
class Sent:
    """A delivery as the page shows it: `said` is what became of it, or what comes next."""

    delivery: Delivery
    state: object
    tone: str
    said: str
    took: str
    tries: list[Try] = field(default_factory=list)
    again: list[str] = field(default_factory=list)
    way: dict | None = None

    @property
    def is_in_flight(self) -> bool:
        return self.delivery.state == State.WAITING


def told(event: Event, body: bytes, rows: QuerySet, tries: QuerySet | None, now: datetime) -> list[Sent]:
    """Every delivery of an event among `rows`, with its attempts among `tries`: four queries at most."""
    deliveries = list(rows.filter(event=event).select_related("endpoint__channel").order_by("id"))
    attempts = _attempts(deliveries, tries)
    heads = _heads(event, deliveries, rows)
    found = [_sent(each, event, heads.get(each.endpoint_id), now) for each in deliveries]
    past = Past(each.endpoint for each in deliveries) if attempts else None
    for sent in found:
        sent.tries = [_try(each, event, body, sent.delivery, past) for each in attempts[sent.delivery.pk]]
    return found


def _attempts(deliveries: list[Delivery], tries: QuerySet | None) -> dict[int, list[Attempt]]:
    found = defaultdict(list)
    if tries is not None and deliveries:
        for each in tries.filter(delivery__in=deliveries).order_by("-id")[:MOST_TRIES]:
            found[each.delivery_id].append(each)
    return found


def _heads(event: Event, deliveries: list[Delivery], rows: QuerySet) -> dict:
    """What a delivery waits behind: the first one about the same subject that is not settled at that endpoint."""
    waiting = {each.endpoint_id: each.position for each in deliveries if each.state == State.WAITING}
    if not waiting:
        return {}
    ahead = rows.filter(
        subject=event.subject, state=State.WAITING, endpoint__in=waiting, position__lt=max(waiting.values())
    )
    return {each.endpoint_id: each for each in ahead.order_by("endpoint", "position").distinct("endpoint")}


def _sent(delivery: Delivery, event: Event, head, now: datetime) -> Sent:
    tone = {State.DELIVERED: shown.GOOD, State.DEAD: shown.BAD}.get(delivery.state)
    tone = tone or (shown.BAD if is_stuck(delivery) else shown.BUSY)
    return Sent(
        delivery,
        shown.tag(delivery.get_state_display(), tone),
        tone,
        said(delivery, head, now),
        lasted(event.time, delivery.finished_at) if delivery.state == State.DELIVERED else "",
    )


def _try(attempt: Attempt, event: Event, body: bytes, delivery: Delivery, past: Past) -> Try:
    signers = Signers() if _is_unsent(attempt) else past.signers(delivery.endpoint, attempt.at)
    words = ERRORS.get(attempt.error, attempt.error)
    is_good = attempt.status is not None and 200 <= attempt.status < 300
    return Try(
        attempt=attempt,
        at=precise(attempt.at),
        since=after(event.time, attempt.at),
        answer=shown.tag(attempt.status or words or shown.EMPTY, shown.GOOD if is_good else shown.BAD),
        words=words if attempt.status else "",
        took=_("%(count)s ms") % {"count": attempt.milliseconds},
        response=masked(attempt.response),
        headers=[] if _is_unsent(attempt) else _headers(attempt, event, body, signers.secrets),
        note=_note(attempt, signers),
        came=_came(attempt),
        to=past.address(delivery.endpoint, attempt.at),
    )


def _came(attempt: Attempt) -> str:
    """How far the try came, and when; a connection that was open already took no time."""
    told = [
        (_("connected after %(count)s ms"), attempt.connected),
        (_("sent after %(count)s ms"), attempt.sent),
        (_("first answer after %(count)s ms"), attempt.answered),
    ]
    return " · ".join(words % {"count": count} for words, count in told if count is not None)


def _is_unsent(attempt: Attempt) -> bool:
    return attempt.error in UNSENT and attempt.status is None and attempt.sent is None


def _headers(attempt: Attempt, event: Event, body: bytes, secrets: list[str]) -> list[tuple[str, str]]:
    """The headers of a try: made of what never changes, and of the endpoint's secrets, which are not shown."""
    at = str(int(attempt.at.timestamp()))
    signed = " ".join(signature(str(event.pk), at, body, each) for each in secrets)
    return [("webhook-id", str(event.pk)), ("webhook-timestamp", at), ("webhook-signature", signed or "…")]


def _note(attempt: Attempt, signers: Signers) -> str:
    """What is not known of the headers; nothing when all of it is."""
    if _is_unsent(attempt):
        return _("No headers were sent: it came to no connection.")
    if signers.is_open:
        return _("The signature is not known: the secrets were changed at about that time.")
    if signers.is_gone and signers.secrets:
        return _("There was a second signature. It is not known any more: its secret is not kept.")
    if signers.is_gone:
        return _("The signature is not known any more: the secret was replaced since.")
    return ""


def way_again(request, delivery: Delivery) -> dict | None:
    """Where it is sent again, for those who may, with a reason; it leads back here."""
    if not (way := replays.AGAIN(request, delivery)) or is_stuck(delivery):
        return None
    return way | {"url": f"{way['url']}?{BACK}", "is_next": delivery.state == State.DEAD}


def note_replays(found: list[Sent], rows: QuerySet) -> None:
    """Who had these deliveries sent again, and why: chosen ones, or all of a range that was passed."""
    if not found:
        return
    position = found[0].delivery.position
    of = {each.delivery.endpoint_id: each for each in found}
    passed = rows.filter(endpoint__in=of, first__lte=position, reached__gte=position).order_by("-id")[:MOST_REPLAYS]
    names = Names(each.by for each in passed)
    for each in passed:
        if not each.chosen or of[each.endpoint_id].delivery.pk in each.chosen:
            told = {"who": names.of(each.by), "at": precise(each.created_at), "reason": masked(each.reason)}
            of[each.endpoint_id].again.append(_("Sent again by %(who)s at %(at)s: %(reason)s") % told)


def is_stuck(delivery: Delivery) -> bool:
    """Whether nothing will happen by itself: somebody switched something off."""
    return delivery.state == State.WAITING and not (delivery.endpoint.is_active and delivery.endpoint.channel.is_active)


def said(delivery: Delivery, head: Delivery | None, now: datetime) -> str:
    """What became of it; of what waits, what it waits for."""
    at = {"at": precise(delivery.finished_at), "count": delivery.attempts}
    if delivery.state == State.DELIVERED:
        return _("Has it since %(at)s.") % at
    if delivery.state == State.DEAD:
        return _("Given up at %(at)s after %(count)s tries: nothing more happens by itself.") % at
    return _waiting(delivery, head, now)


def _waiting(delivery: Delivery, head: Delivery | None, now: datetime) -> str:
    endpoint, due = delivery.endpoint, delivery.next_at
    if not endpoint.channel.is_active:
        return _("Waits: the channel is switched off.")
    if not endpoint.is_active:
        return _("Waits: the endpoint is switched off (%(why)s).") % {"why": endpoint.disabled_reason or _("by hand")}
    if delivery.leased_until and delivery.leased_until > now:
        return _("Is being sent now.")
    if head and head.position < delivery.position:
        told = {"position": head.position, "at": precise(head.next_at), "count": head.attempts}
        return _("Waits behind position %(position)s of the same subject (%(count)s tries, next at %(at)s).") % told
    if due > now:
        return _("Next try at %(at)s, in %(rest)s.") % {"at": precise(due), "rest": lasted(now, due)}
    if now - due > LATE:
        return _("Due for %(late)s: no courier has taken it.") % {"late": lasted(due, now)}
    return _("Due now.")
