"""Facts about one subject are applied in the order they came, once each, however many are at it and whoever dies."""

import threading

import orjson
import pytest
from django.db import connection
from django.db.models.functions import Now

from sync import inbox
from sync.ids import request_id
from sync.models import Event, InboxMessage
from tests import make
from tests.sync import handlers
from tests.sync.push import event, push

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
