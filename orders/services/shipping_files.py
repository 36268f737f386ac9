"""Shipping files: brought and judged, run line by line, each line once, whatever is killed meanwhile."""

from collections.abc import Iterable
from uuid import UUID

from django.db import transaction
from django.db.models import Count, QuerySet
from django.utils.translation import gettext_lazy as _

from orders.models import Intervention, Order, ShippingFile, ShippingRow
from orders.services import shipping, shipping_lines
from orders.services.handling import LONGEST_REASON, NoReason
from orders.services.locks import lock_order
from orders.services.opening import WrongState
from sync import clock
from sync.act import Actor, act
from sync.http import Problem
from sync.ids import uuid7
from sync.spreadsheets import BadFile

State, RowState = ShippingFile.State, ShippingRow.State


class NotYours(Exception):
    """Only whoever brought a file runs it or takes it back."""

    def __init__(self):
        super().__init__(_("Somebody else brought this file"))


class NotOpen(Exception):
    """The file is running, done or taken back."""

    def __init__(self):
        super().__init__(_("This file was decided before"))


@act
def bring(*, name: str, content: bytes, among: QuerySet[Order], channels: Iterable[str], by: Actor) -> ShippingFile:
    """Keep a file and what its lines would do; nothing is shipped. `among`: the orders that `by` may reach.

    Raises BadFile.
    """
    lines = shipping_lines.read(content)
    file = ShippingFile(id=uuid7(), name=name[:200], channels=sorted(channels), brought_by_id=int(by.id))
    rows = shipping_lines.judged(file, lines, among)
    file.lines, file.wrong = len(rows), sum(row.state == RowState.WRONG for row in rows)
    file.save(force_insert=True)
    ShippingRow.objects.bulk_create(rows, batch_size=1_000)
    return file


@act
def run(*, file: UUID, reason: str, by: Actor) -> ShippingFile:
    """Let a file ship what its lines say. Repeated it changes nothing. Raises NoReason, NotYours, NotOpen, BadFile."""
    found = _held(file, by)
    if found.state in {State.RUNNING, State.DONE}:
        return found
    if found.state != State.DRAFT:
        raise NotOpen
    if not reason.strip():
        raise NoReason
    if found.wrong == found.lines:
        raise BadFile(_("No line of this file is in order"))
    found.state, found.started_at, found.reason = State.RUNNING, clock.now(), reason.strip()[:LONGEST_REASON]
    found.save(update_fields=["state", "started_at", "reason"])
    return found


@act
def withdraw(*, file: UUID, by: Actor) -> ShippingFile:
    """Take back a file that was not run. Repeated it changes nothing. Raises NotYours, NotOpen."""
    found = _held(file, by)
    if found.state not in {State.DRAFT, State.WITHDRAWN}:
        raise NotOpen
    found.state = State.WITHDRAWN
    found.save(update_fields=["state"])
    return found


def run_due() -> int:
    """Run every file that was let run to its end; returns how many lines were done.

    May be killed and called again at any time; two at once share the work.
    """
    running = ShippingFile.objects.filter(state=State.RUNNING).order_by("id").values_list("id", flat=True)
    return sum(_run(file) for file in list(running))


def _run(file: UUID) -> int:
    done = 0
    while row := ShippingRow.objects.filter(file=file, state=RowState.WAITING).order_by("line").first():
        done += ship_row(row=row.pk)
    finish(file=file)
    return done


@act
def ship_row(*, row: int) -> int:
    """Ship one line of a running file, once; returns 1, or 0 when somebody did it before. A refusal is kept with it."""
    known = ShippingRow.objects.select_related("file").get(pk=row)
    by = Actor("staff", str(known.file.brought_by_id))
    lock_order(known.order_id)  # members and orders before anything else, as everywhere
    held = ShippingRow.objects.select_for_update(of=["self"]).select_related("file").get(pk=row)
    if held.state != RowState.WAITING or held.file.state != State.RUNNING:
        return 0
    try:
        with transaction.atomic():
            parcel, is_new = _ship(held, by)
    except (WrongState, Problem) as refusal:
        return _keep(held, RowState.FAILED, problem=_words(refusal))
    if is_new:
        kind = Intervention.Kind.SHIPPED
        Intervention.objects.create(order_id=held.order_id, kind=kind, reason=held.file.reason, by=str(by))
    return _keep(held, RowState.SHIPPED if is_new else RowState.KNOWN, shipment=parcel)


@act
def finish(*, file: UUID) -> None:
    """Close a file of which every line is done."""
    found = ShippingFile.objects.select_for_update(no_key=True).get(pk=file)
    if found.state == State.RUNNING and not found.rows.filter(state=RowState.WAITING).exists():
        found.state, found.finished_at = State.DONE, clock.now()
        found.save(update_fields=["state", "finished_at"])


def progress(file: ShippingFile) -> dict[str, int]:
    """How many lines are in which state."""
    known = {each["state"]: each["count"] for each in file.rows.values("state").annotate(count=Count("id"))}
    return {state: known.get(state, 0) for state in RowState.values}


def problems(file: ShippingFile) -> list[tuple[str, int]]:
    """What is wrong with how many lines, the most frequent first."""
    found = file.rows.exclude(problem="").values("problem").annotate(count=Count("id")).order_by("-count")
    return [(shipping_lines.words_of(each["problem"]), each["count"]) for each in found]


def _ship(row: ShippingRow, by: Actor):
    items = None
    if row.items is not None:
        items = [{"line_id": UUID(each["line_id"]), "quantity": each["quantity"]} for each in row.items]
    label = {"carrier": row.carrier, "tracking_number": row.tracking_number}
    return shipping.ship(order=row.order_id, items=items, by=by, **label)


def _keep(row: ShippingRow, state: str, **fields) -> int:
    row.state = state
    for name, value in fields.items():
        setattr(row, name, value)
    row.save(update_fields=["state", *fields])
    return 1


def _words(refusal: Exception) -> str:
    if isinstance(refusal, Problem):
        return str(next((detail for _field, _code, detail in refusal.errors if detail), refusal.detail))[:200]
    return str(refusal)[:200]


def _held(file: UUID, by: Actor) -> ShippingFile:
    found = ShippingFile.objects.select_for_update(no_key=True).get(pk=file)
    if found.brought_by_id != int(by.id):
        raise NotYours
    return found
