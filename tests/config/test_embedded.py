"""The engines of a machine that has none."""

from django.conf import settings
from django.db import connection


def test_the_suite_runs_on_a_postgresql_of_its_own():
    assert "/.data/test/" in settings.DATABASES["default"]["HOST"]


def test_django_reaches_it(db):
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('fsync')")
        assert cursor.fetchone() == ("off",)
