"""What is counted whatever becomes of the act around it."""

import pytest
from django.db import connection

from sync import quotas
from sync.act import outermost
from sync.http import Problem
from sync.models import Quota

ONE = {"min_size": 1, "max_size": 1, "timeout": 0.5}


@pytest.fixture
def pooled(monkeypatch):
    """Every connection of this process comes from a pool of one."""
    connection.close()
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "pool", ONE)
    yield
    connection.close()
    connection.close_pool()


@pytest.mark.django_db(transaction=True)
def test_acts_that_hold_all_connections_of_a_pool_count_all_the_same(pooled):
    def guess() -> None:
        quotas.count("guesses", limit=9, every=3600, lasting=True)
        raise Problem("code_invalid")

    for _time in range(2):
        with pytest.raises(Problem) as refused:
            outermost(guess)
        assert refused.value.code == "code_invalid"
    assert Quota.objects.get(key="guesses/3600").count == 2
