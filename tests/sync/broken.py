"""What can go wrong behind an endpoint: bearers that fail in their own way, a middleware that fails."""

from django.db import InterfaceError, connection

from sync.http import Problem


def breaks(token, ahead):
    raise RuntimeError("secret: must not be told")


def is_slow(token, ahead):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '50ms'; SELECT pg_sleep(60)")


def waits_for_a_lock(token, ahead):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '50ms'; SELECT pg_advisory_xact_lock(4711)")


def has_lost_its_database(token, ahead):
    raise InterfaceError("connection already closed")


def asks_too_often(token, ahead):
    raise Problem("rate_limited", retry_after=7)


class Breaking:
    """A middleware with a fault."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        raise RuntimeError("secret: must not be told")
