"""The engines of a machine that has none."""

import os
import socket
from pathlib import Path

import pytest
import redis
from django.conf import settings
from django.db import connection
from pytest_socket import SocketConnectBlockedError

from config import embedded


def test_the_suite_runs_on_a_postgresql_of_its_own(db):
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('fsync'), current_setting('data_directory')")
        fsync, folder = cursor.fetchone()
    assert fsync == "off"
    assert folder == str(embedded.home(Path(os.environ["HUB_TEST_FOLDER"])) / "postgres" / "data")


def test_each_process_of_the_suite_has_a_valkey_of_its_own():
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        assert client.ping()
        assert "/.data/test/" in client.config_get("unixsocket")["unixsocket"]


def test_the_suite_reaches_loopback_and_nothing_else():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        pass
    with pytest.raises((SocketConnectBlockedError, UserWarning), match=r"192\.0\.2\.1"):
        socket.create_connection(("192.0.2.1", 80), timeout=1)
