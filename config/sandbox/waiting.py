"""Waiting on purpose: while an answer is held back, its database connection serves others."""

import time

from django.db import connection


def let_go() -> None:
    """Give the database connection back; the next query takes another."""
    if not connection.in_atomic_block:
        connection.close()


def pause(seconds: float) -> None:
    """Hold an answer back for so long."""
    if seconds > 0:
        let_go()
        time.sleep(seconds)
