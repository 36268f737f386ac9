"""Before anything reads settings: engines of our own. Then what no test should hang on: the time of day."""

import gc
import os
import time
from datetime import UTC, datetime

import django
import pytest
from django.conf import settings
from django.test import TransactionTestCase

from tests.emptying import empty
from tests.engines import Engines
from tests.processes import hub  # noqa: F401 - a fixture

LAST_OF_AN_HOUR = 20  # seconds; a test that takes longer counts nothing by the hour or the day

engines = Engines()
engines.start()
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"  # only now: named earlier, pytest-django would read it
django.setup()
from sync import quotas  # noqa: E402 - models come after the setup

settings.WHITENOISE_AUTOREFRESH = True  # else each test client reads the folders of every app's static files
TransactionTestCase._fixture_teardown = empty


@pytest.hookimpl(trylast=True)
def pytest_collection_finish():
    """What was imported and collected stays: looking through it for garbage again and again took an eighth of a run."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Hours, and with them the days, months and years of Shanghai and of UTC, turn between tests."""
    left = 3600 - time.time() % 3600
    if left < LAST_OF_AN_HOUR:
        time.sleep(left)


@pytest.fixture
def still_windows(monkeypatch):
    """No window of a quota turns: quotas count at the moment the test began, however slow the machine."""
    now = f"timestamptz '{datetime.now(UTC).isoformat()}'"
    for name in ("COUNT", "GIVE_BACK"):
        monkeypatch.setattr(quotas, name, getattr(quotas, name).replace("clock_timestamp()", now))


@pytest.hookimpl(trylast=True)
def pytest_unconfigure():
    engines.stop()
