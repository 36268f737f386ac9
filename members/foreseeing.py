"""What a merge or its undoing would do, found out by doing it and taking all of it back: it cannot differ."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from members import merging, services
from members.models import Member, Merge
from members.records import all_records
from sync.act import SYSTEM, act
from sync.http import Problem


@dataclass
class Foreseen:
    """Columns of figures before and after; `refusal` says why it cannot be done, then nothing stands under after."""

    source: Member
    target: Member
    headers: list[str]
    rows: list[dict] = field(default_factory=list)
    refusal: str = ""


class _Seen(Exception):
    """Seen enough: everything is taken back."""


@act
def of_merge(one: UUID, other: UUID) -> Foreseen:
    """Two members side by side and the one they would become; staff may name them either way round."""
    found = Member.objects.in_bulk([one, other])
    source, target = merging.survivor_of(found[one], found[other])
    headers = [_("Would be absorbed"), _("Survives"), _("Afterwards")]

    def join() -> None:
        locked = services.lock(source.id, target.id)
        merging.require_two(source, target)
        merging.merge(*locked, why=_("Preview"), by=SYSTEM)

    return _foreseen(Foreseen(source, target, headers), join, before=[source, target], after=[target])


@act
def of_unmerge(merge: Merge) -> Foreseen:
    """The survivor now, and both members as they would be."""
    source, target = merge.source, merge.target
    headers = [_("Now"), _("%(number)s afterwards") % {"number": source.number}]
    headers.append(_("%(number)s afterwards") % {"number": target.number})
    undo = Foreseen(source, target, headers)
    return _foreseen(undo, lambda: merging.unmerge(merge, by=SYSTEM), before=[target], after=[source, target])


def _foreseen(seen: Foreseen, work: Callable[[], object], *, before: list[Member], after: list[Member]) -> Foreseen:
    columns = [_figures(member) for member in before]
    try:
        with transaction.atomic():
            work()
            columns += [_figures(member) for member in after]
            raise _Seen
    except _Seen:
        pass
    except Problem as problem:
        seen.refusal = str(problem.detail)
        columns += [{} for _member in after]
    seen.rows = list(_rows(columns))
    return seen


def _figures(member: Member) -> dict[str, str]:
    return dict(figure for records in all_records() for figure in records.figures(member.id))


def _rows(columns: list[dict[str, str]]) -> Iterable[dict]:
    for title in columns[0]:
        cells = [column.get(title, "") for column in columns]
        yield {"title": title, "cells": cells, "is_other": len(set(cells)) > 1}
