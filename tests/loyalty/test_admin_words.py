"""What pages of points say in words: until when, what a reference stands for, an entry read to a member."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone, translation

from loyalty.admin import columns, sentences
from loyalty.models import Entry

SHANGHAI = ZoneInfo("Asia/Shanghai")


@pytest.fixture(autouse=True)
def chinese():
    with translation.override("zh-hans"):
        yield


def test_what_ends_at_midnight_is_valid_through_the_day_before():
    assert columns.last_day(datetime(2027, 1, 1, tzinfo=SHANGHAI)) == "2026-12-31"
    assert columns.last_day(datetime(2026, 12, 31, 16, 30, tzinfo=SHANGHAI)) == "2026-12-31 16:30"
    assert columns.last_day(None) == "–"


def midnight(days: int) -> datetime:
    """Of Shanghai, so many days ahead."""
    today = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    return today + timedelta(days=days)


@pytest.mark.parametrize(("days", "words"), [(12, "剩 11 天"), (2, "剩 1 天"), (1, "最后一天"), (0, "已过期")])
def test_days_are_counted_to_the_last_day(days, words):
    assert columns.days_left(midnight(days)) == words


HEX = "01a20368-d25e-7000-8000-0000deadbeef"
FACTS = [
    ("order:D2026112200001:paid", "订单 D2026112200001"),
    ("refund:R-1", "退款 R-1"),
    ("returned:R-1", "退回 R-1"),
    (f"adjust:{HEX}", "人工调整 deadbeef"),
    ("2026-11-22/12", "过期 2026-11-22"),
    (f"from:{HEX}@3", "合并 deadbeef"),
    ("GIFT-1", "GIFT-1"),
    ("order:D1:redeemed", "order:D1:redeemed"),
]


@pytest.mark.parametrize(("reference", "words"), FACTS)
def test_references_are_told_as_people_say_them(reference, words):
    assert columns.fact(reference) == words


OPENS = datetime(2026, 11, 30, tzinfo=SHANGHAI)
READ = [
    ({"kind": "earned", "available": 60, "debt": -40}, "获得 100 积分（GIFT-1）。其中 40 积分抵扣了欠积分。"),
    ({"kind": "earned", "pending": 60}, "获得 60 积分（GIFT-1）。等待员工审核。"),
    (
        {"kind": "earned", "pending": 60, "available_at": OPENS},
        "获得 60 积分（GIFT-1）。2026-11-30 00:00 到账后可以使用。",
    ),
    ({"kind": "spent", "available": -60}, "使用 60 积分（GIFT-1），从最先过期的批次取用。"),
    ({"kind": "held", "available": -60, "held": 60}, "预占 60 积分（GIFT-1），尚未扣减。"),
    (
        {"kind": "released", "available": 60, "pending": -60, "source": "available"},
        "待到账的 60 积分已到账（GIFT-1）。",
    ),
    ({"kind": "released", "available": 60, "held": -60}, "预占（GIFT-1）中的 60 积分已释放，可以再次使用。"),
    ({"kind": "expired", "available": -60}, "60 积分已过期。"),
    ({"kind": "adjusted", "available": -60}, "员工扣减 60 积分。"),
    ({"kind": "adjusted", "available": 60}, "员工增加 60 积分。"),
    ({"kind": "adjusted", "debt": -60, "source": "forgiven"}, "所欠的 60 积分已免除（GIFT-1）。"),
    ({"kind": "moved", "available": 60}, "从并入的会员转入 60 积分。"),
    ({"kind": "moved", "available": -60}, "60 积分已转到合并后的会员。"),
    (
        {"kind": "reversed", "available": -60, "debt": 40},
        "扣回 100 积分，这些积分由“GIFT-1”获得。其中 40 积分已被用掉，现为欠积分。",
    ),
    (
        {"kind": "reversed", "pending": -60, "source": "turned-down"},
        "超出渠道限额的 60 积分未通过审核，没有发放（GIFT-1）。",
    ),
]


@pytest.mark.parametrize(("fields", "words"), READ)
def test_every_kind_of_entry_can_be_read_to_a_member(fields, words):
    entry = Entry(**({"source": "hub", "reference": "GIFT-1"} | fields))
    entry.contra = entry.debt - entry.available - entry.pending - entry.held
    assert "".join(sentences.of(entry)) == words
