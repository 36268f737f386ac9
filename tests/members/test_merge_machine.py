"""Members merged and parted in any order: nothing lost, nothing won, nobody out of reach."""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.members.merge_machine import MergeMachine
from tests.orders import make_orders


def run(sequences: int, steps: int) -> None:
    make_orders.earning()
    many = settings(
        max_examples=sequences,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        print_blob=True,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(MergeMachine, settings=many)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.django_db(transaction=True)
def test_any_sequence_keeps_members_whole():
    run(sequences=20, steps=5)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.django_db(transaction=True)
def test_any_of_very_many_longer_sequences_keeps_members_whole():
    run(sequences=500, steps=8)
