"""The clock of tests: what decides by time follows it, wherever it is asked."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from loyalty import services
from loyalty.models import Account, Entry
from sync import clock as databases
from sync.act import SYSTEM
from sync.clock import Clock
from tests import make
from tests.loyalty import clock

pytestmark = pytest.mark.django_db
THEN = datetime(2031, 2, 28, 23, 59, tzinfo=UTC)


def earn(member, reference: str) -> Entry:
    return services.earn(member=member.pk, points=1, reference=reference, by=SYSTEM)


def test_functions_prepared_before_follow_the_clock_and_come_back():
    member, began = make.member(), databases.now()
    earn(member, "before")

    with clock.simulated():
        clock.stand(THEN)
        assert earn(member, "then").created_at == databases.now() == THEN
        assert Account.objects.values_list(Clock(), flat=True).get() == THEN
        clock.stand(THEN + timedelta(days=1))
        assert earn(member, "later").created_at == THEN + timedelta(days=1)

    assert began < earn(member, "after").created_at < began + timedelta(hours=1)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_namespace WHERE nspname = 'simulated'")
        assert cursor.fetchone() == (0,)


def test_a_clock_ahead_goes_on():
    began = databases.now()
    with clock.simulated():
        clock.run_ahead(timedelta(days=40))
        first, second = databases.now(), databases.now()
    assert began + timedelta(days=40) < first < second < began + timedelta(days=41)
