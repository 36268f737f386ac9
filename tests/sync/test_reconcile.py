"""Reconciliations find what does not agree, keep it open until it agrees, and do not stop one another."""

import threading
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection

from sync import reconcile
from sync.models import Discrepancy, ReconciliationRun
from sync.reconcile import Mismatch
from sync.services import admit
from tests import make
from tests.sync import make_deliveries

pytestmark = pytest.mark.django_db
HERE = "tests.sync.test_reconcile"
WRONG: list[Mismatch] = []


def answers():
    """What the tests want found."""
    yield from WRONG


def breaks():
    """Fails after it has found something."""
    yield Mismatch("account/1", "available", 1, 2)
    raise ZeroDivisionError("the books are gone")


@pytest.fixture(autouse=True)
def _nothing_wrong():
    WRONG.clear()


def found() -> list[tuple]:
    return list(Discrepancy.objects.filter(resolved_at=None).values_list("subject", "field", "expected", "found"))


def test_what_does_not_agree_stays_open_until_it_agrees():
    WRONG.append(Mismatch("account/1", "available", 10, 12))
    reconcile.run(f"{HERE}.answers")
    reconcile.run(f"{HERE}.answers")
    assert found() == [("account/1", "available", "10", "12")]
    first = Discrepancy.objects.get()
    assert first.last_seen_at > first.first_seen_at

    WRONG.clear()
    reconcile.run(f"{HERE}.answers")

    assert found() == []
    assert Discrepancy.objects.get().resolved_at


def test_what_comes_back_is_a_new_discrepancy():
    WRONG.append(Mismatch("account/1", "available", 10, 12))
    reconcile.run(f"{HERE}.answers")
    WRONG.clear()
    reconcile.run(f"{HERE}.answers")
    WRONG.append(Mismatch("account/1", "available", 10, 13))

    reconcile.run(f"{HERE}.answers")

    assert Discrepancy.objects.count() == 2
    assert found() == [("account/1", "available", "10", "13")]


def test_a_failing_reconciliation_is_recorded_and_does_not_stop_the_others(settings, caplog):
    settings.RECONCILIATIONS = [f"{HERE}.breaks", f"{HERE}.missing", f"{HERE}.answers"]
    WRONG.append(Mismatch("order/1", "points_earned", 5, 0))

    reconcile.run_all()

    errors = dict(ReconciliationRun.objects.values_list("name", "error"))
    assert errors[f"{HERE}.breaks"] == "ZeroDivisionError: the books are gone"
    assert errors[f"{HERE}.missing"].startswith("ImportError")
    assert errors[f"{HERE}.answers"] == ""
    assert found() == [("order/1", "points_earned", "5", "0")]


def test_a_failing_reconciliation_resolves_nothing():
    Discrepancy.objects.create(reconciliation=f"{HERE}.breaks", subject="a", field="b", expected="1", found="2")
    reconcile.run(f"{HERE}.breaks")
    assert found() == [("a", "b", "1", "2")]


def test_the_command_says_what_was_found(settings):
    settings.RECONCILIATIONS = [f"{HERE}.answers"]
    WRONG.append(Mismatch("a", "b", 1, 2))
    out = StringIO()
    call_command("reconcile", stdout=out)
    assert out.getvalue() == f"{HERE}.answers: 1 differences\n"


def test_the_database_refuses_the_same_discrepancy_open_twice():
    same = {"reconciliation": "x", "subject": "a", "field": "b", "expected": "1", "found": "2"}
    Discrepancy.objects.create(**same)
    with pytest.raises(IntegrityError, match="discrepancy_open_once"):
        Discrepancy.objects.create(**same)


def settled_and_seen(**fields):
    """An endpoint and a settled event that it is due."""
    channel = make.channel()
    endpoint = make_deliveries.endpoint(channel, **fields)
    subject = "member/0193"
    admit(subject, channel)
    return endpoint, make_deliveries.event(subject)


@pytest.mark.django_db(transaction=True)
def test_an_event_without_its_delivery_is_named_until_it_has_one():
    endpoint, event = settled_and_seen()
    assert [(each.subject, each.field) for each in reconcile.deliveries()] == [
        (f"event/{event.pk}", f"delivery/{endpoint.pk}")
    ]
    make_deliveries.delivery(endpoint, event)
    assert list(reconcile.deliveries()) == []


@pytest.mark.django_db(transaction=True)
def test_an_order_of_another_group_is_due_nothing_here():
    endpoint, event = settled_and_seen()
    make_deliveries.delivery(endpoint, event)
    make.channel("till", group="other")
    make_deliveries.event("member/0193", data={"channel": "till"})
    assert list(reconcile.deliveries()) == []
    mine = make_deliveries.event("member/0193", data={"channel": "website"})
    assert [each.subject for each in reconcile.deliveries()] == [f"event/{mine.pk}"]


@pytest.mark.django_db(transaction=True)
def test_an_endpoint_that_did_not_ask_is_due_nothing():
    settled_and_seen(types=["points.earned"])
    assert list(reconcile.deliveries()) == []


@pytest.mark.django_db(transaction=True)
def test_an_endpoint_switched_on_later_is_not_judged_by_what_was_before():
    endpoint, _event = settled_and_seen(is_active=False)
    endpoint.is_active = True
    endpoint.save()
    assert list(reconcile.deliveries()) == []


def test_an_event_nobody_settled_is_named():
    event = make_deliveries.event()
    event.settled.delete()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE sync_event DISABLE TRIGGER USER")
        cursor.execute("UPDATE sync_event SET time = now() - interval '2 minutes'")
        cursor.execute("ALTER TABLE sync_event ENABLE TRIGGER USER")
    assert [(each.subject, each.field) for each in reconcile.deliveries()] == [(f"event/{event.pk}", "settled")]


def test_a_delivery_forgotten_by_the_courier_is_named_and_those_behind_it_are_not():
    endpoint = make_deliveries.endpoint(make.channel())
    overdue = {"next_at": make.LONG_AGO}
    head = make_deliveries.delivery(endpoint, make_deliveries.event("member/1"), **overdue)
    make_deliveries.delivery(endpoint, make_deliveries.event("member/1"), **overdue)
    assert [each.subject for each in reconcile.deliveries()] == [f"delivery/{head.pk}"]


@pytest.mark.django_db(transaction=True)
def test_two_runs_at_once_are_one():
    inside, leave = threading.Event(), threading.Event()
    WRONG.append(Mismatch("a", "b", 1, 2))

    def slow():
        inside.set()
        leave.wait(60)
        yield from WRONG

    globals()["slow"] = slow
    first = threading.Thread(target=lambda: (reconcile.run(f"{HERE}.slow"), connection.close()))
    first.start()
    assert inside.wait(60)
    assert reconcile.run(f"{HERE}.slow") is None
    leave.set()
    first.join()
    assert ReconciliationRun.objects.count() == 1
    assert found() == [("a", "b", "1", "2")]


def test_what_is_over_for_a_month_is_forgotten_and_what_is_open_is_not():
    same = {"reconciliation": "x", "field": "b", "expected": "1", "found": "2"}
    Discrepancy.objects.create(subject="over", resolved_at=make.NOON, **same)
    Discrepancy.objects.create(subject="open", first_seen_at=make.NOON, **same)
    ReconciliationRun.objects.create(name="old", started_at=make.NOON)
    ReconciliationRun.objects.create(name="new", started_at=make.NOON + timedelta(days=1))

    assert reconcile.drop_before(make.NOON + timedelta(seconds=1)) == 2

    assert list(Discrepancy.objects.values_list("subject", flat=True)) == ["open"]
    assert list(ReconciliationRun.objects.values_list("name", flat=True)) == ["new"]
