"""Any sequence of acts and of time keeps the books."""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.loyalty import clock
from tests.loyalty.make_points import rule as earn_rule
from tests.loyalty.sequences import AnySequence


def run(validity: str, days: int | None, sequences: int, steps: int) -> None:
    """So many sequences of at most so many steps under one kind of expiry; a failure prints its steps."""
    earn_rule(valid_days=days)
    machine = type(f"AnySequence{validity.title()}", (AnySequence,), {"validity": validity, "days": days})
    many = settings(
        max_examples=sequences,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        print_blob=True,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    with clock.simulated():
        run_state_machine_as_test(machine, settings=many)


kinds = pytest.mark.parametrize(("validity", "days"), [("never", None), ("rolling", None), ("year_end", 10)])
patient = pytest.mark.timeout(900)  # finding the shortest sequence that fails takes long


@kinds
@patient
@pytest.mark.django_db(transaction=True)
def test_any_sequence_keeps_the_books(validity, days):
    run(validity, days, sequences=10, steps=18)


@kinds
@patient
@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_any_of_very_many_longer_sequences_keeps_the_books(validity, days):
    run(validity, days, sequences=170, steps=25)
