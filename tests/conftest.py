"""Before anything reads settings: engines of our own, and no network but loopback."""

import os

import django
import pytest
from pytest_socket import socket_allow_hosts

from tests.engines import Engines

engines = Engines()
engines.start()
os.environ["DJANGO_SETTINGS_MODULE"] = (
    "config.settings"  # only now: named earlier, pytest-django would read it
)
django.setup()


@pytest.hookimpl(trylast=True)
def pytest_unconfigure():
    engines.stop()


def pytest_runtest_setup():
    socket_allow_hosts(["127.0.0.1", "::1", "localhost"], allow_unix_socket=True)
