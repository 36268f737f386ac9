"""When a delivery is tried again, and when it is dead: the contract's table, without a clock."""

import pytest

from sync.courier.schedule import Outcome, Verdict, verdict
from sync.courier.sending import retry_after

SCHEDULE = [5, 300, 1_800, 7_200, 18_000, 36_000, 36_000]
MIDDLE = 0.5


def after(outcome: Outcome, tries: int = 1, chance: float = MIDDLE) -> Verdict:
    return verdict(outcome, tries, SCHEDULE, chance)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_every_2xx_is_success(status):
    assert after(Outcome(status)) == Verdict("delivered")


@pytest.mark.parametrize("outcome", [Outcome(500), Outcome(302), Outcome(None, "timeout"), Outcome(429)])
def test_it_is_tried_eight_times_over_a_day_and_is_then_dead(outcome):
    pauses = [after(outcome, tries).pause for tries in range(1, 8)]
    assert pauses == SCHEDULE
    assert after(outcome, 8) == Verdict("dead")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_a_refusal_is_dead_after_three_tries(status):
    assert [after(Outcome(status), tries).state for tries in (1, 2, 3)] == ["waiting", "waiting", "dead"]


@pytest.mark.parametrize("status", [408, 425, 429, 500])
def test_what_may_pass_is_not_a_refusal(status):
    assert after(Outcome(status), 3).state == "waiting"


def test_gone_is_dead_at_once():
    assert after(Outcome(410)) == Verdict("dead")


@pytest.mark.parametrize(("chance", "pause"), [(0.0, 240), (0.5, 300), (0.999_999, pytest.approx(360, abs=0.01))])
def test_pauses_are_spread_by_a_fifth(chance, pause):
    assert after(Outcome(500), 2, chance).pause == pause


@pytest.mark.parametrize(("asked", "pause"), [(0, 300), (400, 400), (600, 600), (86_400, 600)])
def test_retry_after_is_honoured_up_to_twice_the_step(asked, pause):
    assert after(Outcome(503, retry_after=asked), 2).pause == pause


@pytest.mark.parametrize("given", ["1000000000", "9" * 40, "9" * 5_000])
def test_a_retry_after_of_ages_is_twice_the_step(given):
    assert after(Outcome(503, retry_after=retry_after(given)), 2).pause == 600


@pytest.mark.parametrize("given", [None, "", "soon", "-5", "1e9", "Mon, 99999999999 Jan 2026 00:00:00 GMT"])
def test_a_retry_after_that_makes_no_sense_is_none(given):
    assert retry_after(given) is None


def test_retry_after_may_be_a_date():
    assert retry_after("Sun, 22 Nov 2020 04:00:00 GMT") == 0
    assert retry_after("Sun, 22 Nov 2099 04:00:00 GMT") > 1_000_000
