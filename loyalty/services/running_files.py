"""Adjustment files that were let run: posted piece by piece, each line once, whatever is killed meanwhile."""

from uuid import UUID

from loyalty.ledger import Gift, NotEnough, OverReversed
from loyalty.models import Account, Adjustment, AdjustmentFile, AdjustmentRow
from loyalty.services import adjusting
from loyalty.services.posting import give_many
from members import services as members
from members.models import Member
from sync import clock
from sync.act import Actor, act
from sync.ids import uuid7

PIECE = 200  # lines in one act
State, RowState = AdjustmentFile.State, AdjustmentRow.State


def run_due() -> int:
    """Run every file that was let run to its end; returns how many lines were done.

    May be killed and called again at any time. Whoever finds a file that somebody is at leaves it to them.
    """
    running = AdjustmentFile.objects.filter(state=State.RUNNING).order_by("id").values_list("id", flat=True)
    return sum(_run(file) for file in list(running))


def _run(file: UUID) -> int:
    done = 0
    while count := run_piece(file=file):
        done += count
    return done


@act
def run_piece(*, file: UUID) -> int:
    """Post the next lines of a running file, each once whatever happens; after the last of them the file is closed.

    Returns how many lines are done by it: none when nothing is left, or somebody else is at this file.
    """
    running = AdjustmentFile.objects.select_for_update(skip_locked=True, no_key=True)
    running = running.filter(pk=file, state=State.RUNNING).first()
    rows = _next(running) if running else []
    if running and not rows:
        running.state, running.finished_at = State.POSTED, clock.now()
        running.save(update_fields=["state", "finished_at"])
    if rows:
        _do(rows)
    return len(rows)


def _next(file: AdjustmentFile) -> list[AdjustmentRow]:
    waiting = file.rows.filter(state=RowState.WAITING).select_related("file", "reason", "undoes__account")
    return list(waiting.order_by("line")[:PIECE])


def _do(rows: list[AdjustmentRow]) -> None:
    owners = dict(zip([row.member for row in rows], members.lock(*[row.member for row in rows]), strict=True))
    accounts, used = _accounts({owner.pk for owner in owners.values()}), _used(rows)
    made = [_adjustment(row, accounts[owners[row.member].pk]) for row in rows]
    for row in rows:
        row.problem = _refusal(row, owners[row.member], used)
    _post(list(zip(rows, made, strict=True)), owners)
    Adjustment.objects.bulk_create([each for row, each in zip(rows, made, strict=True) if not row.problem])
    for row, each in zip(rows, made, strict=True):
        row.state = RowState.FAILED if row.problem else RowState.POSTED
        row.adjustment = None if row.problem else each
    AdjustmentRow.objects.bulk_update(rows, ["state", "problem", "adjustment"])


def _refusal(row: AdjustmentRow, owner: Member, used: set) -> str:
    """Why a line cannot be posted, as far as its balance does not decide; its reference is used from now on."""
    key = row.undoes_id or row.reference
    if key in used:
        return "undone" if row.undoes_id else "known_reference"
    used.add(key)
    return "gone" if owner.status == Member.Status.ERASED else ""


def _post(lines: list[tuple[AdjustmentRow, Adjustment]], owners: dict[UUID, Member]) -> None:
    """Post what has no problem: what gives at once for each reason, then the others in their order."""
    fine = [(row, adjustment) for row, adjustment in lines if not row.problem]
    gives = [each for row, each in fine if row.points > 0 and not row.undoes_id]
    for reason in {each.reason for each in gives}:
        _give([each for each in gives if each.reason == reason])
    for row, adjustment in fine:
        if adjustment.state != Adjustment.State.POSTED:
            row.problem = _attempt(adjustment, owners[row.member])


def _give(adjustments: list[Adjustment]) -> None:
    """Post many that give for the same reason."""
    like, entries = adjusting.posting_of(adjustments[0]), [uuid7() for _each in adjustments]
    gifts = [
        Gift(member=each.account.member_id, points=each.points, reference=adjusting.reference_of(each), id=entry)
        for each, entry in zip(adjustments, entries, strict=True)
    ]
    give_many(gifts=gifts, like=like, by=_by(adjustments[0].file))
    now = clock.now()
    for each, entry in zip(adjustments, entries, strict=True):
        each.entry_id, each.state, each.decided_at = entry, Adjustment.State.POSTED, now


def _attempt(adjustment: Adjustment, owner: Member) -> str:
    """Post one, or nothing of it; returns the problem."""
    try:
        adjusting.settle(adjustment, owner, _by(adjustment.file))
    except NotEnough:
        return "not_enough"
    except OverReversed:
        return "undone"
    return ""


def _by(file: AdjustmentFile) -> Actor:
    """Whose word let a file run."""
    return Actor("staff", str(file.decided_by_id or file.asked_by_id))


def _adjustment(row: AdjustmentRow, account: Account) -> Adjustment:
    file = row.file
    return Adjustment(
        id=uuid7(),
        account=account,
        points=row.points,
        reason=row.reason,
        note=row.note,
        undoes=row.undoes,
        file=file,
        needs_approval=file.needs_approval,
        asked_by_id=file.asked_by_id,
        asked_at=file.asked_at,
        decided_by_id=file.decided_by_id,
    )


def _accounts(owners: set[UUID]) -> dict[UUID, Account]:
    Account.objects.bulk_create([Account(member_id=owner) for owner in owners], ignore_conflicts=True)
    return {account.member_id: account for account in Account.objects.filter(member__in=owners)}


def _used(rows: list[AdjustmentRow]) -> set:
    """Of these rows, the references posted before and the adjustments undone before."""
    posted = AdjustmentRow.objects.filter(state=RowState.POSTED, undoes=None)
    references = posted.filter(reference__in=[row.reference for row in rows if not row.undoes_id])
    undone = Adjustment.objects.filter(undoes__in=[row.undoes_id for row in rows if row.undoes_id])
    undone = undone.filter(state__in=["asked", "posted"])
    return {*references.values_list("reference", flat=True), *undone.values_list("undoes", flat=True)}
