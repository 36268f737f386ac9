"""The arithmetic of tiers, without a database."""

from datetime import UTC, datetime

import pytest

from loyalty.models import Programme, Tier
from loyalty.rules.tiers import Ladder, Standing, months_later

NORMAL, SILVER, GOLD = (
    Tier(pk=place, code=code, threshold_fen=fen, threshold_growth=growth)
    for place, (code, fen, growth) in enumerate([("normal", 0, None), ("silver", 1_000, 10), ("gold", 5_000, 50)], 1)
)
NOW = datetime(2026, 11, 22, 4, 30, tzinfo=UTC)  # half past noon in Shanghai
YESTERDAY, TOMORROW = datetime(2026, 11, 20, 16, tzinfo=UTC), datetime(2026, 11, 23, 16, tzinfo=UTC)
NEXT_YEAR = datetime(2027, 11, 22, 16, tzinfo=UTC)  # the end of the day in Shanghai
A_YEAR_ON = datetime(2027, 11, 21, 16, tzinfo=UTC)  # counted from yesterday's end


def ladder(*tiers: Tier, now: datetime = NOW, **terms) -> Ladder:
    return Ladder(tiers or (NORMAL, SILVER, GOLD), Programme(**terms), now)


@pytest.mark.parametrize(
    ("qualifying", "reached", "above"),
    [(0, NORMAL, SILVER), (999, NORMAL, SILVER), (1_000, SILVER, GOLD), (4_999, SILVER, GOLD), (9_999, GOLD, None)],
)
def test_the_highest_threshold_met_counts(qualifying, reached, above):
    assert ladder().reached(qualifying) == reached
    assert ladder().above(reached, qualifying) == above


def test_growth_has_thresholds_of_its_own():
    by_growth = ladder(qualify_by="growth")
    assert [by_growth.reached(sum) for sum in (9, 10, 50)] == [NORMAL, SILVER, GOLD]
    assert by_growth.threshold(NORMAL) == 0


def test_without_a_tier_from_nothing_the_lowest_is_where_everybody_is():
    assert ladder(SILVER, GOLD).reached(0) == SILVER
    assert ladder(SILVER, GOLD).lasts(SILVER, NOW) is None


def test_the_window_begins_at_midnight_in_shanghai_so_many_months_ago():
    assert ladder(window_months=3).since == datetime(2026, 8, 21, 16, tzinfo=UTC)
    assert ladder(now=datetime(2026, 11, 22, 16, 30, tzinfo=UTC)).since == datetime(2025, 11, 22, 16, tzinfo=UTC)


@pytest.mark.parametrize(
    ("day", "months", "then"),
    [((2026, 11, 30), 3, (2027, 2, 28)), ((2028, 2, 29), 12, (2029, 2, 28)), ((2026, 1, 31), -1, (2025, 12, 31))],
)
def test_months_end_where_they_end(day, months, then):
    assert months_later(datetime(*day, tzinfo=UTC), months) == datetime(*then, tzinfo=UTC)


def test_what_reached_a_tier_does_not_renew_it_as_well():
    until = ladder().given(SILVER).until
    assert ladder(now=until).since > NOW
    assert ladder(now=until, window_months=24).since < NOW


@pytest.mark.parametrize(
    ("standing", "qualifying", "after"),
    [
        (Standing(None), 0, Standing(None)),
        (Standing(None), 999, Standing(None)),
        (Standing(None), 1_000, Standing(SILVER, NEXT_YEAR)),
        (Standing(NORMAL), 5_000, Standing(GOLD, NEXT_YEAR)),
        (Standing(SILVER, TOMORROW), 5_000, Standing(GOLD, NEXT_YEAR)),
        (Standing(SILVER, TOMORROW), 1_000, Standing(SILVER, TOMORROW)),
        (Standing(SILVER, TOMORROW), 0, Standing(SILVER, TOMORROW)),
        (Standing(SILVER, YESTERDAY), 1_000, Standing(SILVER, A_YEAR_ON)),
        (Standing(SILVER, YESTERDAY), 999, Standing(SILVER, datetime(2026, 12, 20, 16, tzinfo=UTC), True)),
        (Standing(SILVER, TOMORROW, True), 999, Standing(SILVER, TOMORROW, True)),
        (Standing(SILVER, TOMORROW, True), 1_000, Standing(SILVER, NEXT_YEAR)),
        (Standing(GOLD, YESTERDAY, True), 1_000, Standing(SILVER, NEXT_YEAR)),
        (Standing(GOLD, YESTERDAY, True), 999, Standing(NORMAL, None)),
        (Standing(SILVER, None), 0, Standing(SILVER, NEXT_YEAR)),  # from a time when tiers had no end
        (Standing(NORMAL, YESTERDAY), 0, Standing(NORMAL, None)),  # the lowest now, not always
    ],
)
def test_what_follows_from_a_sum(standing, qualifying, after):
    assert ladder().judged(standing, qualifying) == after


def test_nothing_follows_without_tiers():
    assert Ladder((), Programme(), NOW).judged(Standing(None), 5_000) == Standing(None)


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (Standing(SILVER, TOMORROW), Standing(None), Standing(SILVER, TOMORROW)),
        (Standing(None), Standing(SILVER, TOMORROW), Standing(SILVER, TOMORROW)),
        (Standing(NORMAL), Standing(GOLD, TOMORROW), Standing(GOLD, TOMORROW)),
        (Standing(SILVER, NEXT_YEAR), Standing(GOLD, TOMORROW), Standing(GOLD, NEXT_YEAR)),
        (Standing(SILVER, TOMORROW), Standing(SILVER, NEXT_YEAR), Standing(SILVER, NEXT_YEAR)),
        (Standing(SILVER, NEXT_YEAR), Standing(SILVER, TOMORROW, True), Standing(SILVER, NEXT_YEAR)),
        (Standing(SILVER, NEXT_YEAR), Standing(GOLD, TOMORROW, True), Standing(GOLD, NEXT_YEAR, True)),
    ],
)
def test_of_two_the_higher_for_as_long_as_either_lasts(one, other, both):
    assert ladder().better(one, other) == both
