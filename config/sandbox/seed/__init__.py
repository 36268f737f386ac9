"""The seed: a brand with two hundred members and ninety days of history, the same each time."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.apps import apps
from django.db import OperationalError, connection, transaction
from django.utils.translation import gettext_lazy as _

from config.sandbox.models import Mark
from config.sandbox.seed import house, people
from config.sandbox.seed.dice import Dice
from config.sandbox.seed.history import History
from config.sandbox.seed.house import Brand
from config.sandbox.seed.people import Somebody
from config.sandbox.seed.shop import Books, Shop
from members.models import Member
from sync import clock
from sync.models import Channel

APPS = ("sync", "members", "loyalty", "orders", "sandbox", "guardian", "admin")
KEPT = {"sync_heartbeat"}  # processes that live go on living
TRIES = 5
BUSY_TABLES = {"40P01", "55P03"}  # deadlock, lock timeout
UNSETTLED = """
SELECT EXISTS (SELECT FROM sync_event e WHERE NOT EXISTS (SELECT FROM sync_settled s WHERE s.event_id = e.id))
"""
PATIENCE = 30.0  # seconds


class NotSandbox(Exception):
    """The database holds something and is not marked as a sandbox's."""

    def __init__(self):
        super().__init__(_("This database is not a sandbox's: it will not be touched"))


class Busy(Exception):
    """It is being seeded right now."""

    def __init__(self):
        super().__init__(_("The sandbox is being seeded right now"))


def run() -> bool:
    """Seed the database unless that was done; False when there was nothing to do. Raises NotSandbox, Busy."""
    mark = Mark.objects.first()
    if mark is None and (Channel.objects.exists() or Member.objects.exists()):
        raise NotSandbox
    if mark and mark.finished_at:
        house.readdress()
        return False
    build()
    return True


def reset() -> None:
    """Back to the seed, whatever happened since; every process goes on. Raises NotSandbox, Busy."""
    if not Mark.objects.exists():
        raise NotSandbox
    build()


def build() -> None:
    """Empty everything and seed it. Facts of the past are settled before there is anybody to push them to."""
    with alone():
        for left in range(TRIES, 0, -1):
            try:
                write(*imagine())
                break
            except OperationalError as error:
                if left == 1 or getattr(error.__cause__, "sqlstate", "") not in BUSY_TABLES:
                    raise
        settle()
        with transaction.atomic():
            house.open_endpoints()
            Mark.objects.update(finished_at=clock.Clock())


def imagine() -> tuple[Brand, list[Somebody], Books, History]:
    """Everything in memory, before anybody has to wait for our locks."""
    dice = Dice(clock.now())
    brand = house.imagine(dice.now - timedelta(days=people.DAYS))
    everybody = people.imagine(dice, brand.channels)
    shop = Shop(dice, brand)
    for somebody in everybody:
        shop.serve(somebody)
    return brand, everybody, shop.books, History([*people.facts(everybody), *shop.books.facts], dice)


@transaction.atomic
def write(brand: Brand, everybody: list[Somebody], books: Books, history: History) -> None:
    """Everything but the endpoints, in place of what was there."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '60s'; SET LOCAL lock_timeout = '5s'")
        # The relay holds this lock while it settles, and would wait for our tables with it in hand.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('sync_settle', 0))")
        cursor.execute(f"TRUNCATE {', '.join(map(connection.ops.quote_name, tables()))}")
    Mark.objects.create()
    house.store(brand)
    people.store(everybody)
    books.store()
    history.store()


def settle() -> None:
    """Give the past its places in the one order, or wait until the relay has done so."""
    deadline = time.monotonic() + PATIENCE
    with connection.cursor() as cursor:
        while True:
            cursor.execute("SELECT * FROM sync_settle()")
            cursor.execute(UNSETTLED)
            if not cursor.fetchone()[0]:
                return
            if time.monotonic() > deadline:
                raise Busy
            time.sleep(0.05)  # another session settles: nothing tells us when it is done


def tables() -> list[str]:
    """The tables that are emptied."""
    models = (model for name in APPS for model in apps.get_app_config(name).get_models(include_auto_created=True))
    return sorted({model._meta.db_table for model in models if model._meta.managed} - KEPT)


@contextmanager
def alone() -> Iterator[None]:
    """One at a time. Raises Busy."""
    lock = "hashtextextended('sandbox seed', 0)"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT pg_try_advisory_lock({lock})")
        if not cursor.fetchone()[0]:
            raise Busy
        try:
            yield
        finally:
            cursor.execute(f"SELECT pg_advisory_unlock({lock})")
