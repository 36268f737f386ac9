"""Processes that tests of the live sockets look at from outside."""

import pytest
from django.db import close_old_connections

from tests.sync.live import live_running
from tests.sync.test_relay import relay_running


@pytest.fixture
def live():
    with live_running() as running:
        yield running
    close_old_connections()


@pytest.fixture
def relay():
    with relay_running() as running:
        yield running
