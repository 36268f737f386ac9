"""What PostgreSQL itself refuses about adjustments, whoever asks."""

from datetime import date

import pytest
from django.db import DatabaseError, IntegrityError, transaction
from django.utils import timezone

from loyalty.models import Account, Adjustment, AdjustmentFile, AdjustmentRow, Entry, ExpiryNotice, Reason
from loyalty.records import Loyalty
from loyalty.services import adjusting, adjusting_by_file
from sync.act import act
from sync.ids import uuid7
from tests import make
from tests.loyalty.make_adjusting import adjusted, brought, limits, person, reason
from tests.loyalty.make_points import execute, holder

pytestmark = pytest.mark.django_db(transaction=True)


@act
def erasing(member) -> None:
    """What an erasure asks of this floor."""
    Loyalty().erase(member.pk)


@pytest.fixture
def known() -> dict:
    """Fields of an adjustment that is asked for, of a member who has an entry."""
    limits(alone=100, per_day=1_000)
    member = holder(100)
    return {
        "account": Account.objects.get(member=member),
        "points": 5,
        "reason": reason(),
        "asked_by_id": int(person().id),
        "state": "asked",
    }


def posted(**fields) -> dict:
    return {"state": "posted", "decided_at": timezone.now(), "entry": Entry.objects.first()} | fields


def test_points_are_never_none(known):
    with pytest.raises(IntegrityError, match="adjustment_moves_something"):
        Adjustment.objects.create(**known | {"points": 0})


@pytest.mark.parametrize("who", ["asker", None])
def test_what_needs_a_second_person_is_never_posted_without_one(known, who):
    decided = posted(needs_approval=True, decided_by_id=who and int(person(who).id))
    with pytest.raises(IntegrityError, match="adjustment_decided_by_another"):
        Adjustment.objects.create(**known | decided)


@pytest.mark.parametrize(
    "decided",
    [
        {"state": "refused"},
        {"state": "refused", "needs_approval": False},
        {"state": "withdrawn", "decided_by_id": None},
        {"state": "asked"},
    ],
)
def test_who_decided_fits_the_state(known, decided):
    known |= {"decided_at": timezone.now(), "decided_by_id": known["asked_by_id"]}
    with pytest.raises(IntegrityError, match="adjustment_decided_by_another"):
        Adjustment.objects.create(**known | decided)


@pytest.mark.parametrize("wrong", [{"state": "asked"}, {"entry": None}])
def test_there_is_an_entry_when_and_only_when_it_is_posted(known, wrong):
    decided = posted(needs_approval=False) | wrong
    if wrong.get("state"):
        decided["decided_at"] = None
    with pytest.raises(IntegrityError, match="adjustment_entry_follows_state"):
        Adjustment.objects.create(**known | decided)


def test_nothing_undoes_itself_and_nothing_is_undone_twice(known):
    key = uuid7()
    with pytest.raises(IntegrityError, match="adjustment_does_not_undo_itself"):
        Adjustment.objects.create(**known, id=key, undoes_id=key)
    first = Adjustment.objects.create(**known)
    Adjustment.objects.create(**known, undoes=first)
    with pytest.raises(IntegrityError, match="adjustment_undone_once"):
        Adjustment.objects.create(**known, undoes=first)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE loyalty_adjustment SET points = 6",
        "UPDATE loyalty_adjustment SET state = 'asked', entry_id = NULL, decided_at = NULL",
        "UPDATE loyalty_adjustment SET why = 'x'",
        "UPDATE loyalty_adjustment SET note = 'x'",
        "DELETE FROM loyalty_adjustment",
    ],
)
def test_a_decided_adjustment_never_changes(known, change):
    adjusted(make.member(), 5)
    with pytest.raises(DatabaseError, match=r"Cannot (update|delete) rows"):
        execute(change)


@pytest.mark.parametrize("change", ["points = 600", "asked_by_id = asked_by_id + 1", "needs_approval = FALSE"])
def test_not_even_what_is_asked_for_changes_its_terms(known, change):
    adjusted(make.member(), 500)
    with pytest.raises(DatabaseError, match="Cannot update rows"):
        execute(f"UPDATE loyalty_adjustment SET {change}")  # noqa: S608


def test_what_was_written_about_who_leaves_is_forgotten(known):
    leaver, survivor = make.member(phone="+8613712345678"), make.member()
    made, waiting = adjusted(leaver, 5), adjusted(leaver, 500)
    file = brought("13712345678,5,goodwill,林小姐投诉,a", f"{survivor.number},5,goodwill,别人,b")

    adjusting.forget(leaver.pk)

    for row in (made, waiting):
        row.refresh_from_db()
        assert row.note == ""
    rows = file.rows.order_by("line").values_list("known_as", "note", "points")
    assert list(rows) == [("", "", 5), (survivor.number, "别人", 5)]


def test_an_erasure_forgets_it_too(known):
    leaver = make.member()
    made = adjusted(leaver, 5)
    erasing(leaver)
    made.refresh_from_db()
    assert (made.note, made.state) == ("", "posted")


def test_a_reason_has_a_known_direction_and_one_code(known):
    with pytest.raises(IntegrityError, match="reason_direction_known"):
        reason("x", direction="up")
    with pytest.raises(IntegrityError, match="code"):
        Reason.objects.create(code="goodwill", name="again")


def test_a_reason_keeps_its_history(known):
    made = reason()
    made.name = "新"
    made.save()
    assert [seen.name for seen in made.events.order_by("pgh_id")] == ["goodwill", "新"]


def file(**fields) -> AdjustmentFile:
    known = {"name": "a", "digest": b"1", "asked_by_id": int(person().id)}
    return AdjustmentFile.objects.create(**known | fields)


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"state": "running", "decided_at": make.NOON}, "adjustment_file_decided_by_another"),
        ({"state": "posted", "needs_approval": False, "decided_at": make.NOON}, "adjustment_file_finished"),
        ({"finished_at": make.NOON}, "adjustment_file_finished"),
        ({"given": -1}, "adjustment_file_sums_not_negative"),
    ],
)
def test_a_file_is_whole(fields, name):
    with pytest.raises(IntegrityError, match=name):
        file(**fields)


def test_a_file_is_there_once(known):
    file(), file(digest=b"2")
    with pytest.raises(IntegrityError, match="adjustment_file_once"):
        file()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE loyalty_adjustmentfile SET given = 7",
        "UPDATE loyalty_adjustmentfile SET decided_by_id = decided_by_id + 1",
        "UPDATE loyalty_adjustmentfile SET decided_at = NULL, decided_by_id = NULL",
        "DELETE FROM loyalty_adjustmentfile",
    ],
)
def test_a_decided_file_never_changes(known, change):
    made = brought(f"{make.member().number},500,goodwill,,a")
    adjusting_by_file.submit(file=made.pk, by=person())
    adjusting_by_file.approve(file=made.pk, by=person("second"))
    with pytest.raises(DatabaseError, match=r"Cannot (update|delete) rows"):
        execute(change)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE loyalty_adjustmentrow SET points = 7",
        "UPDATE loyalty_adjustmentrow SET member = NULL, state = 'wrong'",
        "UPDATE loyalty_adjustmentrow SET note = 'x'",
        "DELETE FROM loyalty_adjustmentrow",
    ],
)
def test_a_line_never_changes_its_terms(known, change):
    brought(f"{make.member().number},5,goodwill,,a")
    with pytest.raises(DatabaseError, match=r"Cannot (update|delete) rows"):
        execute(change)


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"state": "posted"}, "adjustment_row_posted_has_adjustment"),
        ({"state": "waiting", "member": None}, "adjustment_row_in_order_is_whole"),
        ({"state": "waiting", "points": 0}, "adjustment_row_in_order_is_whole"),
        ({"line": 2}, "adjustment_row_line_once"),
    ],
)
def test_a_line_is_whole(known, fields, name):
    made = brought(f"{make.member().number},5,goodwill,,a")
    row = {"file": made, "line": 9, "member": uuid7(), "points": 5, "reason": reason(), "state": "wrong"}
    with pytest.raises(IntegrityError, match=name):
        AdjustmentRow.objects.create(**row | fields)


def test_a_reference_is_posted_once(known):
    made = [adjusted(make.member(), 5) for _ in range(2)]
    rows = {"member": uuid7(), "points": 5, "reason": reason(), "state": "posted", "reference": "r"}
    AdjustmentRow.objects.create(**rows, file=file(), line=1, adjustment=made[0])
    with pytest.raises(IntegrityError, match="adjustment_row_reference_once"), transaction.atomic():
        AdjustmentRow.objects.create(**rows, file=file(digest=b"2"), line=1, adjustment=made[1])
    AdjustmentRow.objects.create(**rows, file=file(digest=b"3"), line=1, adjustment=made[1], undoes=made[0])


def test_a_member_is_told_once_of_a_day_and_of_something(known):
    told = {"account": known["account"], "expires_on": date(2027, 1, 1)}
    with pytest.raises(IntegrityError, match="expiry_notice_of_something"):
        ExpiryNotice.objects.create(**told, points=0)
    ExpiryNotice.objects.create(**told, points=1)
    with pytest.raises(IntegrityError, match="expiry_notice_once"):
        ExpiryNotice.objects.create(**told, points=2)
    with pytest.raises(DatabaseError, match="Cannot update rows"):
        execute("UPDATE loyalty_expirynotice SET points = 2")
