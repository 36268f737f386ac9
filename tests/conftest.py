"""Before anything reads settings: engines of our own."""

import os

import django
import pytest

from tests.engines import Engines
from tests.processes import hub  # noqa: F401 - a fixture

engines = Engines()
engines.start()
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"  # only now: named earlier, pytest-django would read it
django.setup()


@pytest.hookimpl(trylast=True)
def pytest_unconfigure():
    engines.stop()
