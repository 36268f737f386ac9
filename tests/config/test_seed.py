"""The sandbox's seed: a whole brand, consistent, marked, and the same again on demand."""

import pytest

from config.sandbox import seed
from config.sandbox.models import Mark
from members.models import Member


@pytest.fixture
def seeded(transactional_db):
    seed.run()


def test_the_seed_is_a_whole_brand(seeded):
    assert Member.objects.count() == 200
    assert Mark.objects.get().finished_at
