"""Production refuses a sandbox's database; the sandbox refuses anybody else's."""

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import connection

from config import checks
from config.sandbox import seed
from config.sandbox.models import Mark
from members.models import Member
from tests import make

pytestmark = pytest.mark.django_db


def test_production_refuses_a_marked_database(settings):
    settings.PRODUCTION, settings.SANDBOX = True, False
    assert not checks.misplaced(connection)

    Mark.objects.create()

    assert checks.misplaced(connection) == checks.SANDBOX_S
    assert [error.id for error in checks.database_fits_mode(None, databases=["default"])] == ["config.E001"]


def test_a_process_on_the_wrong_database_gets_no_connection(settings):
    settings.PRODUCTION, settings.SANDBOX = True, False
    Mark.objects.create()
    first, closed = checks.FirstConnection(), []

    class Connection:
        cursor, ops = connection.cursor, connection.ops
        close = staticmethod(lambda: closed.append(True))

    for _again in range(2):
        with pytest.raises(ImproperlyConfigured, match="sandbox"):
            first(connection=Connection())
    assert closed == [True, True]


def test_a_database_once_judged_is_not_judged_again(settings):
    settings.PRODUCTION, settings.SANDBOX = True, False
    first = checks.FirstConnection()
    first(connection=connection)
    first(connection=None)


def test_the_sandbox_refuses_a_database_that_is_not_its_own():
    assert not checks.misplaced(connection)
    make.channel()

    assert checks.misplaced(connection) == checks.SOMEBODY_S
    with pytest.raises(CommandError) as refused:
        call_command("seed")
    assert isinstance(refused.value.__cause__, seed.NotSandbox)
    with pytest.raises(seed.NotSandbox):
        seed.reset()
    assert not Mark.objects.exists()
    assert not Member.objects.exists()


def test_the_sandbox_takes_its_own(settings):
    Mark.objects.create()
    make.channel()
    assert not checks.misplaced(connection)
