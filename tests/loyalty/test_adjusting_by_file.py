"""Adjustments by file: checked before anything moves, decided by a second person, run once whatever happens."""

import pytest

from loyalty.models import Adjustment, AdjustmentFile, AdjustmentRow, Entry
from loyalty.services import adjusting, adjusting_by_file, budgets, running_files, spend
from loyalty.services.adjusting_lines import BadFile
from members.models import Member
from tests import make
from tests.loyalty.make_adjusting import adjusted, brought, content, limits, person, reason
from tests.loyalty.make_points import at_once, balance, drifted, holder

pytestmark = pytest.mark.django_db(transaction=True)
PHONE = "+8613712345678"


@pytest.fixture(autouse=True)
def terms():
    limits(alone=100, per_day=1_000)
    reason()
    for name in ("asker", "second", "third"):
        person(name)


def approved(file: AdjustmentFile) -> AdjustmentFile:
    adjusting_by_file.submit(file=file.pk, by=person())
    return adjusting_by_file.approve(file=file.pk, by=person("second"))


def outcome(file: AdjustmentFile) -> list[tuple]:
    return list(file.rows.order_by("line").values_list("line", "state", "problem"))


def test_a_file_is_checked_and_nothing_moves():
    first, second = holder(50), make.member(phone=PHONE)

    file = brought(
        f"{first.number},-30,goodwill,,r1",
        "137 1234 5678,+200,goodwill,补偿,r2",
        f"{first.number.lower()},-30,goodwill,,r3",
        "M20200101000000,5,goodwill,,r4",
        f"{first.number},0,goodwill,,r5",
        f"{first.number},1.5,goodwill,,r6",
        f"{first.number},5,nothing,,r7",
        f"{first.number},5,goodwill,,r2",
    )

    problems = [problem for _line, _state, problem in outcome(file)]
    assert problems == ["", "", "not_enough", "unknown_member", "points", "points", "unknown_reason", "repeated"]
    assert (file.state, file.lines, file.wrong, file.given, file.taken) == ("draft", 8, 6, 200, 30)
    assert (balance(first), balance(second)) == ((50, 0, 0, 0), (0, 0, 0, 0))
    assert (Entry.objects.count(), Adjustment.objects.count()) == (1, 0)


def test_no_phone_is_kept_in_clear():
    make.member(phone=PHONE)
    brought(f"{PHONE},5,goodwill,,r", "13798765432,5,goodwill,,r2")
    kept = "".join(make.snapshot()[f"loyalty_{table}"] for table in ("adjustmentrow", "adjustmentfile"))
    assert "13712345678" not in kept
    assert "13798765432" not in kept
    assert {row.known_as for row in AdjustmentRow.objects.all()} == {"137****5678", "137****5432"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk"])
@pytest.mark.parametrize("separator", [",", "\t"])
def test_files_come_as_spreadsheets_write_them(encoding, separator):
    member = make.member()
    table = [["积分", "会员号", "原因", "备注"], ["1,000", member.number, "goodwill", "年终补偿"]]
    quoted = [[f'"{cell}"' if "," in cell else cell for cell in row] for row in table]
    written = "\r\n".join(separator.join(row) for row in quoted) + "\r\n\r\n"

    file = brought(content=written.encode(encoding))

    [row] = file.rows.all()
    assert (row.line, row.points, row.note, row.problem) == (2, 1_000, "年终补偿", "")


@pytest.mark.parametrize(
    "broken", [b"", b"member,points,reason\n", b"member,points\nM1,5\n", b"\xff\xfe\x00\xff", b"M1,1,r\n" * 20_001]
)
def test_what_is_no_such_file_is_refused(broken):
    before = make.snapshot()
    with pytest.raises(BadFile):
        brought(content=broken)
    assert make.snapshot() == before


def test_members_that_whoever_brings_the_file_does_not_see_are_unknown():
    mine, foreign = make.member(), make.member(phone=PHONE)
    seen = Member.objects.filter(pk=mine.pk)
    file = brought(
        f"{mine.number},5,goodwill,,a", f"{foreign.number},5,goodwill,,b", f"{PHONE},5,goodwill,,c", among=seen
    )
    assert [problem for *_rest, problem in outcome(file)] == ["", "unknown_member", "unknown_member"]


def test_an_absorbed_member_is_followed_and_an_erased_one_unknown():
    survivor = make.member()
    absorbed = make.member(status="merged", merged_into=survivor)
    erased = make.member(status="erased")
    file = brought(f"{absorbed.number},5,goodwill,,a", f"{erased.number},5,goodwill,,b")
    assert [row.member for row in file.rows.order_by("line")] == [survivor.pk, None]


def test_the_same_file_twice_is_refused_until_it_is_withdrawn():
    line = f"{make.member().number},5,goodwill,,r"
    file = brought(line)
    before = make.snapshot()
    with pytest.raises(adjusting_by_file.SameFile):
        brought(line, name="again.csv", by=person("second"))
    assert make.snapshot() == before

    adjusting_by_file.withdraw(file=file.pk, by=person())

    assert outcome(brought(line)) == [(2, "waiting", "")]


def test_within_the_limits_a_file_runs_without_a_second_person_and_counts_against_the_budget():
    members = [make.member() for _ in range(3)]
    file = brought(*(f"{each.number},30,goodwill,,{each.pk}" for each in members))

    adjusting_by_file.submit(file=file.pk, by=person())
    assert running_files.run_due() == 3

    file.refresh_from_db()
    assert (file.state, file.needs_approval, file.decided_by_id) == ("posted", False, None)
    assert [balance(each) for each in members] == [(30, 0, 0, 0)] * 3
    assert make.types_of(members[0]) == ["points.adjusted"]
    assert budgets.left_of(int(person().id)) == 910
    assert drifted() == []


def test_above_the_limits_nothing_moves_before_a_second_person_approves():
    member = make.member()
    file = brought(f"{member.number},60,goodwill,,a", f"{member.number},60,goodwill,,b")

    asked = adjusting_by_file.submit(file=file.pk, by=person())

    assert (asked.state, asked.needs_approval, running_files.run_due()) == ("asked", True, 0)
    assert balance(member) == (0, 0, 0, 0)
    before = make.snapshot()
    with pytest.raises(adjusting.OwnRequest):
        adjusting_by_file.approve(file=file.pk, by=person())
    assert make.snapshot() == before

    adjusting_by_file.approve(file=file.pk, by=person("second"))
    running_files.run_due()

    assert balance(member) == (120, 0, 0, 0)
    made = Adjustment.objects.first()
    assert (made.needs_approval, str(made.asked_by_id), str(made.decided_by_id)) == (
        True,
        person().id,
        person("second").id,
    )
    assert budgets.left_of(int(person().id)) == 1_000


def test_every_act_on_a_file_repeated_changes_nothing():
    file = brought(f"{make.member().number},200,goodwill,,a")
    approved(file)
    running_files.run_due()
    before = make.snapshot()

    adjusting_by_file.submit(file=file.pk, by=person())
    adjusting_by_file.approve(file=file.pk, by=person("second"))
    running_files.run_due()
    running_files.run_piece(file=file.pk)
    for act, who in ((adjusting_by_file.refuse, "second"), (adjusting_by_file.withdraw, "asker")):
        with pytest.raises(adjusting.Decided):
            act(file=file.pk, by=person(who))
    for act in (adjusting_by_file.submit, adjusting_by_file.withdraw):
        with pytest.raises(adjusting.NotYours):
            act(file=file.pk, by=person("third"))

    assert make.snapshot() == before


def test_a_file_that_is_refused_moves_nothing():
    member = make.member()
    file = brought(f"{member.number},200,goodwill,,a")
    adjusting_by_file.submit(file=file.pk, by=person())
    with pytest.raises(adjusting.OwnRequest):
        adjusting_by_file.refuse(file=file.pk, by=person())

    refused = adjusting_by_file.refuse(file=file.pk, why="名单不对", by=person("second"))

    assert (refused.state, refused.why, running_files.run_due()) == ("refused", "名单不对", 0)
    before = make.snapshot()
    adjusting_by_file.refuse(file=file.pk, by=person("second"))
    with pytest.raises(adjusting.Decided):
        adjusting_by_file.approve(file=file.pk, by=person("second"))
    assert make.snapshot() == before


def test_a_file_without_a_line_in_order_cannot_be_asked_for():
    file = brought("M20200101000000,5,goodwill,,a")
    before = make.snapshot()
    with pytest.raises(BadFile):
        adjusting_by_file.submit(file=file.pk, by=person())
    assert make.snapshot() == before


def test_a_line_that_cannot_be_posted_fails_alone():
    member, other = holder(50), make.member()
    file = brought(f"{member.number},-40,goodwill,,a", f"{other.number},90,goodwill,,b")
    gone = brought(f"{make.member(number='M20260101000001').number},200,goodwill,,c", by=person("third"))
    spend(member=member.pk, points=20, reference="s", by=make.STAFF)
    Member.objects.filter(number="M20260101000001").update(status="erased")
    approved(file)
    adjusting_by_file.submit(file=gone.pk, by=person("third"))
    adjusting_by_file.approve(file=gone.pk, by=person("second"))

    running_files.run_due()

    assert outcome(file) == [(2, "failed", "not_enough"), (3, "posted", "")]
    assert outcome(gone) == [(2, "failed", "gone")]
    assert (balance(member), balance(other)) == ((30, 0, 0, 0), (90, 0, 0, 0))


def test_a_reference_counts_once_in_all_files():
    member = make.member()
    first = brought(f"{member.number},200,goodwill,,r1")
    assert outcome(brought(f"{member.number},201,goodwill,,r1"))[0][2] == "known_reference"
    AdjustmentRow.objects.bulk_create(  # two files that were checked at the same moment
        [
            AdjustmentRow(
                file=(other := brought(f"{member.number},107,goodwill,,x")),
                line=9,
                member=member.pk,
                points=200,
                reason=reason(),
                reference="r1",
                state="waiting",
            )
        ]
    )
    approved(first), approved(other)

    running_files.run_due()

    assert sorted(AdjustmentRow.objects.filter(reference="r1").values_list("state", flat=True)) == [
        "failed",
        "posted",
        "wrong",
    ]
    assert balance(member) == (307, 0, 0, 0)


def test_a_run_that_was_killed_goes_on_and_posts_each_line_once(monkeypatch):
    monkeypatch.setattr(running_files, "PIECE", 4)
    members = [make.member() for _ in range(10)]
    file = approved(brought(*(f"{each.number},20,goodwill,,{each.pk}" for each in members)))
    running_files.run_piece(file=file.pk)  # and no more: as if killed here
    assert adjusting_by_file.progress(file) == {"wrong": 0, "waiting": 6, "posted": 4, "failed": 0}

    found = at_once(4, lambda _n: running_files.run_due())

    assert sum(found) == 6
    running_files.run_due()
    file.refresh_from_db()
    assert file.state == "posted"
    assert [balance(each) for each in members] == [(20, 0, 0, 0)] * 10
    assert Entry.objects.count() == 10


def test_a_whole_file_is_undone_but_for_what_was_undone_already():
    members = [make.member() for _ in range(3)]
    taken = holder(90)
    lines = [f"{each.number},100,goodwill,,{each.pk}" for each in members]
    file = approved(brought(*lines, f"{taken.number},-90,goodwill,,t"))
    running_files.run_due()
    spend(member=members[0].pk, points=70, reference="s", by=make.STAFF)
    adjusting.undo(adjustment=file.rows.get(line=4).adjustment_id, by=person("third"))
    file.refresh_from_db()

    asked = adjusting_by_file.undo(file=file.pk, by=person("third"))

    assert (asked.state, asked.lines, asked.given, asked.taken) == ("asked", 3, 90, 200)
    adjusting_by_file.approve(file=asked.pk, by=person("second"))
    running_files.run_due()
    assert [balance(each) for each in members] == [(0, 0, 0, 70), (0, 0, 0, 0), (0, 0, 0, 0)]
    assert balance(taken) == (90, 0, 0, 0)
    before = make.snapshot()
    assert adjusting_by_file.undo(file=file.pk, by=person("third")) == asked
    with pytest.raises(adjusting.NotUndoable):
        adjusting_by_file.undo(file=asked.pk, by=person("third"))
    assert make.snapshot() == before
    assert drifted() == []


def test_only_a_file_that_ran_is_undone():
    file = brought(f"{make.member().number},5,goodwill,,a")
    before = make.snapshot()
    with pytest.raises(adjusting.NotUndoable):
        adjusting_by_file.undo(file=file.pk, by=person())
    assert make.snapshot() == before


@pytest.mark.slow
def test_twenty_thousand_lines_are_checked_in_few_questions(django_assert_max_num_queries):
    adjusted(make.member())
    lines = [f"M2020{n:010d},5,goodwill,,{n}" for n in range(20_000)]
    with django_assert_max_num_queries(45):
        file = brought(content=content(*lines))
    assert (file.lines, file.wrong) == (20_000, 20_000)
