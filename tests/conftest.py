"""Before anything reads settings: engines of our own."""

import os

import django
import pytest
from django.conf import settings
from django.test import TransactionTestCase

from tests.emptying import empty
from tests.engines import Engines
from tests.processes import hub  # noqa: F401 - a fixture

engines = Engines()
engines.start()
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"  # only now: named earlier, pytest-django would read it
django.setup()
settings.WHITENOISE_AUTOREFRESH = True  # else each test client reads the folders of every app's static files
TransactionTestCase._fixture_teardown = empty


@pytest.hookimpl(trylast=True)
def pytest_unconfigure():
    engines.stop()
