"""Adjustments by file: brought and checked, asked for, decided by a second person above the limits, undone.

What a file that was let run does is in `running_files`.
"""

from collections.abc import Iterable
from hashlib import sha256
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.db.models import Count, QuerySet, Sum
from django.utils.translation import gettext_lazy as _

from loyalty.models import AdjustmentFile, AdjustmentRow, Programme
from loyalty.services import adjusting_lines, budgets
from loyalty.services.adjusting import Decided, NotUndoable, NotYours, OwnRequest
from loyalty.services.adjusting_lines import BadFile
from members.models import Member
from sync import clock
from sync.act import Actor, act
from sync.ids import uuid7

State, RowState = AdjustmentFile.State, AdjustmentRow.State
OPEN = {State.DRAFT, State.ASKED}

UNDOING_ROWS = """
INSERT INTO loyalty_adjustmentrow
    (file_id, line, member, known_as, points, reason_id, note, reference, undoes_id, state, problem)
SELECT %s, r.line, a.member_id, r.known_as, -r.points, r.reason_id, '', r.reference, r.adjustment_id, 'waiting', ''
FROM loyalty_adjustmentrow r JOIN loyalty_adjustment d ON d.id = r.adjustment_id
JOIN loyalty_entry e ON e.id = d.entry_id JOIN loyalty_account a ON a.id = e.account_id
WHERE r.file_id = %s AND r.state = 'posted' AND NOT EXISTS (
    SELECT FROM loyalty_adjustment u WHERE u.undoes_id = r.adjustment_id AND u.state IN ('asked', 'posted'))
"""


class SameFile(Exception):
    """This very file was brought before."""

    def __init__(self):
        super().__init__(_("This very file has been brought before"))


@act
def bring(*, name: str, content: bytes, among: QuerySet[Member], channels: Iterable[str], by: Actor) -> AdjustmentFile:
    """Keep a file and what its lines would do; nothing moves. `among`: the members that `by` may reach.

    Lines keep no phone in clear. Raises BadFile, SameFile.
    """
    asker, digest = budgets.locked(by), sha256(content).digest()
    lines = adjusting_lines.read(content, digest.hex()[:12])
    file = AdjustmentFile(id=uuid7(), name=name[:200], digest=digest, channels=sorted(channels), asked_by=asker)
    rows = adjusting_lines.judged(file, lines, among)
    fine = [row.points for row in rows if not row.problem]
    file.lines, file.wrong = len(rows), len(rows) - len(fine)
    file.given, file.taken = sum(p for p in fine if p > 0), -sum(p for p in fine if p < 0)
    try:
        with transaction.atomic():
            file.save(force_insert=True)
    except IntegrityError as error:
        raise SameFile from error
    AdjustmentRow.objects.bulk_create(rows, batch_size=1_000)
    return file


@act
def submit(*, file: UUID, by: Actor) -> AdjustmentFile:
    """Ask for what a file does: it runs at once when all of it is within what one may do alone and today.

    Repeated it changes nothing. Raises NotYours, Decided, BadFile when no line is in order.
    """
    asker, asked = budgets.locked(by), held(file)
    if asked.asked_by_id != asker.pk:
        raise NotYours
    if asked.state in {State.ASKED, State.RUNNING, State.POSTED}:
        return asked
    if asked.state != State.DRAFT:
        raise Decided(asked.get_state_display())
    if not asked.total:
        raise BadFile(_("No line of this file is in order"))
    asked.asked_at = clock.now()
    asked.needs_approval = not runs_alone(asked)
    asked.state = State.ASKED
    if not asked.needs_approval:
        asked.state, asked.decided_at = State.RUNNING, asked.asked_at
    asked.save()
    return asked


def runs_alone(file: AdjustmentFile) -> bool:
    """Whether whoever brought it may run it without a second person."""
    return file.total <= min(Programme.current().adjust_alone, budgets.left_of(file.asked_by_id))


@act
def approve(*, file: UUID, by: Actor) -> AdjustmentFile:
    """Let a file run that somebody else asked for. Repeated it changes nothing. Raises OwnRequest, Decided."""
    asked = held(file)
    if asked.asked_by_id == int(by.id):
        raise OwnRequest
    if asked.state in {State.RUNNING, State.POSTED} and asked.decided_by_id == int(by.id):
        return asked
    if asked.state != State.ASKED:
        raise Decided(asked.get_state_display())
    return _decide(asked, State.RUNNING, by)


@act
def refuse(*, file: UUID, why: str = "", by: Actor) -> AdjustmentFile:
    """Turn down a file that somebody else asked for; no point moves. Raises OwnRequest, Decided."""
    asked = held(file)
    if asked.asked_by_id == int(by.id):
        raise OwnRequest
    if (asked.state, asked.decided_by_id) == (State.REFUSED, int(by.id)):
        return asked
    if asked.state != State.ASKED:
        raise Decided(asked.get_state_display())
    asked.needs_approval, asked.why = True, why.strip()[:200]
    return _decide(asked, State.REFUSED, by)


@act
def withdraw(*, file: UUID, by: Actor) -> AdjustmentFile:
    """Take back a file that oneself brought and that nobody let run. Raises NotYours, Decided."""
    asked = held(file)
    if asked.asked_by_id != int(by.id):
        raise NotYours
    if asked.state not in {*OPEN, State.WITHDRAWN}:
        raise Decided(asked.get_state_display())
    return _decide(asked, State.WITHDRAWN, by) if asked.state in OPEN else asked


@act
def undo(*, file: UUID, by: Actor) -> AdjustmentFile:
    """Ask for every posted line of a file to be taken back: a file of its own, by the same rules.

    Repeated it gives what is there. Raises NotUndoable.
    """
    asker, undone = budgets.locked(by), held(file)
    live = undone.undoings.exclude(state__in=[State.REFUSED, State.WITHDRAWN]).first()
    if live:
        return live
    if undone.state != State.POSTED or undone.undoes_id:
        raise NotUndoable
    taken_back = AdjustmentFile(id=uuid7(), name=undone.name, undoes=undone, channels=undone.channels, asked_by=asker)
    taken_back.digest = sha256(f"undo {undone.pk}".encode()).digest()
    return _taken_back(taken_back, undone, by)


def _taken_back(file: AdjustmentFile, undone: AdjustmentFile, by: Actor) -> AdjustmentFile:
    posted = undone.adjustments.filter(state="posted").exclude(undoings__state__in=["asked", "posted"])
    points = list(posted.values_list("points", flat=True))
    file.lines, file.taken = len(points), sum(p for p in points if p > 0)
    file.given = -sum(p for p in points if p < 0)
    if not points:
        raise NotUndoable
    file.save(force_insert=True)
    with connection.cursor() as cursor:
        cursor.execute(UNDOING_ROWS, [file.pk, undone.pk])
    return submit(file=file.pk, by=by)


def progress(file: AdjustmentFile) -> dict[str, int]:
    """How many lines are in which state, and the points that were given and taken."""
    found = file.rows.values("state").annotate(count=Count("id"))
    known = {each["state"]: each["count"] for each in found}
    return {state: known.get(state, 0) for state in RowState.values}


def problems(file: AdjustmentFile) -> list[tuple[str, int, int]]:
    """What is wrong with how many lines and points: (problem, lines, points), the most frequent first."""
    found = file.rows.exclude(problem="").values("problem").annotate(count=Count("id"), sum=Sum("points"))
    return [(each["problem"], each["count"], each["sum"] or 0) for each in found.order_by("-count")]


def held(file: UUID) -> AdjustmentFile:
    """A file, locked."""
    return AdjustmentFile.objects.select_for_update(of=["self"], no_key=True).get(pk=file)


def _decide(file: AdjustmentFile, state: str, by: Actor) -> AdjustmentFile:
    file.state, file.decided_by_id, file.decided_at = state, int(by.id), clock.now()
    file.save()
    return file
