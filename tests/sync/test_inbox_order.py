"""Facts about one subject are applied in the order they came, once each, however many are at it and whoever dies."""

import threading
from datetime import timedelta

import orjson
import pytest
from django.db import connection
from django.db.models.functions import Now

from sync import inbox, postgres
from sync.clock import Clock
from sync.ids import request_id
from sync.models import Event, InboxMessage
from tests import make
from tests.sync import handlers
from tests.sync.push import counts, event, push

pytestmark = pytest.mark.django_db(transaction=True)
SENDER = "channels/website"


@pytest.fixture(autouse=True)
def website(settings):
    settings.INBOX_HANDLERS = {"order.placed": "tests.sync.handlers.keeps"}
    for kept in (handlers.applied, handlers.failing, handlers.refused):
        kept.clear()
    return make.channel("website")


def store(count: int, subject: str, **data) -> None:
    facts = [
        inbox.Fact(f"{subject}-{n}", "order.placed", subject, orjson.dumps({"data": {"external_id": f"{n:03}"} | data}))
        for n in range(count)
    ]
    inbox.store_many(SENDER, facts)


def at_once(work, times: int) -> None:
    def run():
        try:
            work()
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_six_that_apply_the_same_queue_keep_its_order():
    store(40, "order/7")
    at_once(lambda: inbox.apply(SENDER, "order/7"), 6)
    inbox.apply_due()
    assert [data["external_id"] for _channel, data, *_rest in handlers.applied] == [f"{n:03}" for n in range(40)]
    assert Event.objects.count() == 40
    assert set(InboxMessage.objects.values_list("state", flat=True)) == {"applied"}


def test_whoever_dies_in_the_middle_leaves_the_message_as_it_came():
    store(3, "order/7")
    handlers.deaths.append("pg_terminate_backend(pg_backend_pid())")
    assert inbox.apply(SENDER, "order/7") == 0
    connection.close()
    assert not Event.objects.exists()
    assert set(InboxMessage.objects.values_list("state", flat=True)) == {"waiting"}
    InboxMessage.objects.update(next_at=Now())
    assert inbox.apply_due() == 3
    assert [data["external_id"] for _channel, data, *_rest in handlers.applied] == ["000", "001", "002"]


def test_what_is_applied_late_carries_on_the_request_that_brought_it(website):
    answer = push(website, event(subject="order/7"), headers={"X-Request-ID": "push-1"})
    store(1, "order/8")
    InboxMessage.objects.filter(subject="order/8").update(correlation_id="push-2")
    held = request_id.set("sweep")
    try:
        inbox.apply_due()
    finally:
        request_id.reset(held)
    assert answer["X-Request-ID"] == "push-1"
    assert list(Event.objects.order_by("written").values_list("correlation_id", flat=True)) == ["push-1", "push-2"]


def applied() -> list[str]:
    return [data["external_id"] for _channel, data, *_rest in handlers.applied]


# --- how long it may take -----------------------------------------------------------------------------------------
def test_many_facts_about_one_subject_do_not_hold_up_the_request_that_brought_them(website, monkeypatch):
    monkeypatch.setattr(inbox, "AT_ONCE", 0)
    batch = [event(str(n), subject="order/7", data={"external_id": f"{n:03}"}) for n in range(30)]
    assert push(website, batch).json() == counts(accepted=30)
    assert len(applied()) <= 1
    inbox.apply_due()
    assert applied() == [f"{n:03}" for n in range(30)]


def test_a_long_queue_has_its_share_of_a_sweep_and_others_have_theirs(monkeypatch):
    monkeypatch.setattr(inbox, "SHARE", 0)
    store(10, "order/7")
    store(1, "order/8")
    assert inbox.apply_due() == 2
    assert InboxMessage.objects.get(subject="order/8").state == "applied"
    while inbox.apply_due():
        assert applied() == sorted(applied(), key=lambda name: (name != "000", name))
    assert InboxMessage.objects.filter(state="applied").count() == 11


# --- what somebody else holds -------------------------------------------------------------------------------------
@pytest.fixture
def locked():
    """Somebody who holds the advisory lock 4711."""
    with postgres.connect("test") as other:
        other.execute("SELECT pg_advisory_lock(4711)")
        yield other


def pause_of(message: InboxMessage) -> float:
    """Seconds until it is tried again."""
    now = InboxMessage.objects.annotate(now=Clock()).get(pk=message.pk).now
    return (message.next_at - now).total_seconds()


def test_what_waits_for_a_lock_in_vain_is_put_off_each_time_for_longer(locked):
    store(2, "order/7", locks=4711)
    store(1, "order/8")
    for tries, least in ((1, 3), (2, 7), (3, 15)):
        assert inbox.apply_due() == (tries == 1)  # the other subject's
        assert inbox.apply_due() == 0
        head = InboxMessage.objects.filter(subject="order/7").order_by("id").first()
        assert (head.state, head.problem, head.attempts) == ("waiting", inbox.LOCKED, tries)
        assert least < pause_of(head) <= least + 1
        InboxMessage.objects.filter(pk=head.pk).update(next_at=Now())
    locked.execute("SELECT pg_advisory_unlock(4711)")
    assert inbox.apply_due() == 2
    assert applied() == ["000", "000", "001"]


def test_what_is_locked_does_not_use_up_every_sweep(locked, monkeypatch):
    for n in range(3):
        store(1, f"order/{n}", locks=4711)
    store(1, "order/8")
    InboxMessage.objects.filter(subject="order/8").update(next_at=Now())
    monkeypatch.setattr(inbox, "SWEEP", 0.12)
    for _sweep in range(4):
        inbox.apply_due()
    assert applied() == ["000"]


def test_what_somebody_else_is_applying_is_not_put_off():
    store(1, "order/7")
    message = InboxMessage.objects.get()
    with postgres.connect("test") as other, other.transaction(), connection.cursor() as cursor:
        other.execute("SELECT FROM sync_inboxmessage WHERE id = %s FOR NO KEY UPDATE", [message.pk])
        cursor.execute("SET lock_timeout = '50ms'")
        try:
            assert inbox.apply(SENDER, "order/7") == 0
        finally:
            cursor.execute("RESET lock_timeout")
    message.refresh_from_db()
    assert (message.attempts, message.problem, message.next_at - message.received_at) == (0, "", timedelta())
    assert inbox.apply(SENDER, "order/7") == 1
