"""The lines of a file of adjustments: read, matched with members and reasons, and judged, before anything moves."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from loyalty.models import Account, AdjustmentFile, AdjustmentRow, Reason
from loyalty.services.adjusting import Unfit, require_fit
from members.models import Member
from sync import spreadsheets
from sync.indexing import indexed
from sync.secret import InvalidPhone, blind_index, mask_phone, phone
from sync.spreadsheets import LONGEST, BadFile

MOST_LINES, BATCH = 20_000, 5_000
MOST_POINTS = 1_000_000_000
COLUMNS = {  # as headers name them
    "member": {"member", "phone", "会员", "会员号", "手机", "手机号", "会员号或手机号"},
    "points": {"points", "积分"},
    "reason": {"reason", "reason code", "原因", "原因代码"},
    "note": {"note", "备注", "说明"},
    "reference": {"reference", "编号", "参考号", "流水号"},
}
PROBLEMS = {
    "unknown_member": _("No such member among those you see"),
    "points": _("Not a whole number of points other than 0"),
    "unknown_reason": _("No such reason"),
    "unfit": _("The reason does not allow this, or needs a note"),
    "too_long": _("The note or the reference is too long"),
    "repeated": _("The reference is in this file already"),
    "known_reference": _("The reference was used by another file"),
    "not_enough": _("Not enough points"),
    "undone": _("Undone already"),
    "gone": _("This member's account has been erased"),
}
State = AdjustmentRow.State
__all__ = ["LONGEST", "BadFile", "judged", "read", "unknown_phones"]


@dataclass(frozen=True)
class Line:
    """One line as it was written."""

    number: int
    member: str
    points: str
    reason: str
    note: str
    reference: str


def read(content: bytes, named: str) -> list[Line]:
    """The lines of a CSV file or an .xlsx. A line without reference is known by `named` and its number.

    Raises BadFile.
    """
    table = list(islice(spreadsheets.rows(content), MOST_LINES + 2))  # a header, and one too many
    places = _places(table[0][1]) if table else None
    rows = table[1:] if places else table
    if not 1 <= len(rows) <= MOST_LINES:
        raise BadFile(_("A file has 1 to %(most)s lines") % {"most": f"{MOST_LINES:,}"})
    return [_line(number, row, places or dict(zip(COLUMNS, range(5), strict=True)), named) for number, row in rows]


def judged(file: AdjustmentFile, lines: list[Line], among: QuerySet[Member]) -> list[AdjustmentRow]:
    """Rows for these lines, not saved: each in order, or wrong and why. `among`: the members that may be meant."""
    members = _members(lines, among)
    reasons = {name: each for each in Reason.objects.all() for name in (each.name, each.code)}
    used = _used([line.reference for line in lines])
    rows = [_row(file, line, members, reasons) for line in lines]
    seen: set[str] = set()
    for row in rows:
        if not row.problem and (row.reference in seen or row.reference in used):
            row.problem = "repeated" if row.reference in seen else "known_reference"
        seen.add(row.reference)
    _mark_short(rows)
    for row in rows:
        row.state = State.WRONG if row.problem else State.WAITING
    return rows


def unknown_phones(content: bytes, among: QuerySet[Member]) -> int:
    """How many mobile numbers of a file nobody `among` these members has. Raises BadFile."""
    lines = read(content, "")
    return len({_phone(line.member) for line in lines} - {"", *_members(lines, among)})


def _places(row: list[str]) -> dict[str, int] | None:
    """Where each column stands, when this row is a header."""
    cells = [cell.strip().lower() for cell in row]
    found = {column: place for place, cell in enumerate(cells) for column, names in COLUMNS.items() if cell in names}
    if not found:
        return None
    if missing := {"member", "points", "reason"} - found.keys():
        raise BadFile(_("Columns are missing: %(columns)s") % {"columns": ", ".join(sorted(missing))})
    return found


def _line(number: int, row: list[str], places: dict[str, int], named: str) -> Line:
    cells = {column: row[place].strip() if place < len(row) else "" for column, place in places.items()}
    given = {column: cells.get(column, "") for column in COLUMNS}
    return Line(number, **given | {"reference": given["reference"] or f"{named}:{number}"})


def _members(lines: list[Line], among: QuerySet[Member]) -> dict[str, Member]:
    """What lines call their members → the members, absorbed ones followed."""
    numbers = {line.member.upper() for line in lines if line.member[:1] in {"M", "m"}}
    phones = {blind_index("phone", number): number for number in {_phone(line.member) for line in lines} - {""}}
    asked = [Q(number__in=part) for part in _parts(numbers)] + [Q(phone_index__in=part) for part in _parts(phones)]
    found = [each for rows in asked for each in _of(among.filter(rows) | among.none())]
    known = {each.number: each for each in found if each.number in numbers}
    known |= {phones[index]: each for each in found if (index := indexed(each, "phone_index")) in phones}
    return _followed(known, among)


def _of(members: QuerySet[Member]) -> QuerySet[Member]:
    return members.only("id", "number", "phone_index", "phone_index_2", "status", "merged_into")


def _followed(known: dict[str, Member], among: QuerySet[Member]) -> dict[str, Member]:
    while absorbed := {each.merged_into_id for each in known.values() if each.merged_into_id}:
        survivors = {each.pk: each for part in _parts(absorbed) for each in _of(among.filter(pk__in=part))}
        known = {
            name: survivors.get(each.merged_into_id) if each.merged_into_id else each for name, each in known.items()
        }
        known = {name: each for name, each in known.items() if each}
    return {name: each for name, each in known.items() if each.status != Member.Status.ERASED}


def _phone(text: str) -> str:
    try:
        return phone(text)
    except InvalidPhone:
        return ""


def _used(references: Iterable[str]) -> set[str]:
    """References of files that are still to run or ran."""
    live = AdjustmentRow.objects.filter(undoes=None, state__in=[State.WAITING, State.POSTED])
    live = live.exclude(file__state__in=[AdjustmentFile.State.REFUSED, AdjustmentFile.State.WITHDRAWN])
    asked = (live.filter(reference__in=part) for part in _parts(set(references)))
    return {reference for rows in asked for reference in rows.values_list("reference", flat=True)}


def _row(file: AdjustmentFile, line: Line, members: dict, reasons: dict) -> AdjustmentRow:
    number = _phone(line.member)
    member = members.get(number or line.member.upper())
    points, reason = _points(line.points), reasons.get(line.reason)
    return AdjustmentRow(
        file=file,
        line=line.number,
        member=member and member.pk,
        known_as=mask_phone(number) if number else line.member.upper()[:20] if member else "",
        points=points,
        reason=reason,
        note=line.note[:500],
        reference=line.reference[:80],
        problem=_problem(line, member, points, reason),
    )


def _problem(line: Line, member: Member | None, points: int | None, reason: Reason | None) -> str:
    if points is None:
        return "points"
    if member is None:
        return "unknown_member"
    if reason is None:
        return "unknown_reason"
    if len(line.note) > 500 or len(line.reference) > 80:
        return "too_long"
    try:
        require_fit(reason, points, line.note)
    except Unfit:
        return "unfit"
    return ""


def _points(text: str) -> int | None:
    try:
        points = int(text.replace(",", "").replace("，", "").replace("−", "-"))
    except ValueError:
        return None
    return points if points and abs(points) <= MOST_POINTS else None


def _mark_short(rows: list[AdjustmentRow]) -> None:
    """Lines that take what would not be there, in the order of the file."""
    taking = {row.member for row in rows if not row.problem and row.points < 0}
    left: dict[UUID, int] = {}
    for part in _parts(taking):
        left |= dict(Account.objects.filter(member__in=part).values_list("member", "available"))
    for row in rows:
        if row.problem or row.member not in taking:
            continue
        after = left.get(row.member, 0) + row.points
        if after < 0 and row.points < 0:
            row.problem = "not_enough"
        else:
            left[row.member] = after


def _parts(values: Iterable) -> Iterator[list]:
    known = list(values)
    return (known[start : start + BATCH] for start in range(0, len(known), BATCH))
