"""What a client of Django does when it changes something: an act with its event, against a plain insert."""

import os
import threading
from uuid import uuid4

import psycopg

from sync import act, events
from sync.act import SYSTEM

INSERT = "INSERT INTO bench_plain (id, subject, data) VALUES (%s, %s, %s)"
DATA = '{"filling": "' + "x" * 200 + '"}'
_own = threading.local()


def plain(client: int) -> int:
    """A transaction of one prepared insert, past Django."""
    if not hasattr(_own, "database"):
        _own.database = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True, prepare_threshold=0)
    with _own.database.transaction():
        _own.database.execute(INSERT, [uuid4(), f"member/{client}", DATA])
    return 1


def told(client: int) -> int:
    """An act that does nothing but record one event; its doorbell rings."""

    def work():
        events.record("order.updated", subject=f"member/{client}", data={"filling": "x" * 200}, by=SYSTEM)

    act.outermost(work)
    return 1
