"""What staff see before they ask: the very thing that would happen, and nothing of it done."""

import pytest

from members import foreseeing
from sync.act import act
from tests import make
from tests.members.make_merging import merge, rich, unmerge
from tests.orders import make_orders

pytestmark = pytest.mark.django_db


def test_it_shows_what_a_merge_does_and_does_nothing():
    source, target = rich("one", points=70, email="ming@example.com"), rich("two", points=30, nickname="")
    before = make.snapshot()

    seen = foreseeing.of_merge(target.id, source.id)

    assert make.snapshot() == before
    assert (seen.source, seen.target, seen.refusal) == (target, source, "")  # who came first survives
    shown = [row["cells"] for row in seen.rows]
    assert ["2", "2", "4"] in shown
    assert not [cell for row in shown for cell in row if "ming@example.com" in cell]
    merge(seen.source, seen.target)
    after = foreseeing.of_merge(source.id, target.id)
    assert after.refusal


def test_it_shows_what_undoing_does_and_does_nothing():
    source, target = rich("one"), rich("two")
    made = merge(source, target)
    make_orders.order(member=target)
    before = make.snapshot()

    seen = foreseeing.of_unmerge(made)

    assert make.snapshot() == before
    assert seen.refusal == ""
    assert ["3", "1", "2"] in [row["cells"] for row in seen.rows]


def test_it_says_why_it_cannot_be_done():
    made = merge(rich("one"), rich("two"))
    unmerge(made)
    made.refresh_from_db()
    assert foreseeing.of_unmerge(made).refusal


def test_inside_another_act_nothing_of_it_remains():
    source, target = rich("one"), rich("two")
    before = make.snapshot()
    act(lambda: foreseeing.of_merge(source.id, target.id))()
    assert make.snapshot() == before
