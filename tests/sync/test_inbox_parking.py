"""What is told of something the hub does not know yet waits for it, and holds up nothing."""

from datetime import timedelta

import pytest
from django.db.models import F
from django.db.models.functions import Now

from sync import inbox
from sync.act import outermost
from sync.http import Problem
from sync.models import InboxMessage
from tests import make
from tests.sync import handlers

pytestmark = pytest.mark.django_db
SENDER, KEY = "channels/website", "order/website/7"


@pytest.fixture(autouse=True)
def website(settings):
    settings.INBOX_HANDLERS = {"order.placed": "tests.sync.handlers.keeps", "order.paid": "tests.sync.handlers.waits"}
    for kept in (handlers.applied, handlers.failing, handlers.known, handlers.outside):
        kept.clear()
    return make.channel("website")


def tell(id: str, type: str = "order.paid", subject: str = "order/7", data: str = "{}") -> None:
    inbox.store(SENDER, id, type, subject, f'{{"data": {data}}}'.encode())


def states() -> list[tuple[str, str]]:
    return list(InboxMessage.objects.order_by("id").values_list("message_id", "state"))


def later(**by) -> None:
    """So much time passes for every message."""
    aged = {name: F(name) - timedelta(**by) for name in ("next_at", "received_at")}
    InboxMessage.objects.update(**aged)


def test_a_fact_about_something_unknown_is_parked_and_blocks_nothing():
    tell("1")
    tell("2", "order.placed")
    assert inbox.apply(SENDER, "order/7") == 2
    assert states() == [("1", "parked"), ("2", "applied")]
    assert InboxMessage.objects.get(message_id="1").waits_for == KEY


def test_waking_applies_it_before_what_came_after():
    tell("1")
    inbox.apply(SENDER, "order/7")
    tell("2", "order.placed")
    handlers.known.add(KEY)
    assert outermost(lambda: inbox.wake(KEY)) == 1
    assert inbox.apply_due() == 2
    assert [data.get("by", "placed") for _channel, data, *_rest in handlers.applied] == [
        "paid",
        "placed",
    ]


def test_waking_another_key_wakes_nobody_and_waking_rolled_back_neither():
    tell("1")
    inbox.apply(SENDER, "order/7")
    assert outermost(lambda: inbox.wake("order/website/8")) == 0

    def refused():
        inbox.wake(KEY)
        raise Problem("forbidden")

    with pytest.raises(Problem):
        outermost(refused)
    assert states() == [("1", "parked")]


def test_one_that_missed_its_waking_looks_again_by_itself_less_and_less():
    tell("1")
    inbox.apply(SENDER, "order/7")
    looks = []
    for _turn in range(12):
        later(seconds=8)
        looks.append(inbox.apply_due())
    assert looks[0] == 1
    assert 2 <= sum(looks) <= 5
    handlers.known.add(KEY)
    later(hours=1)
    assert inbox.apply_due() == 1
    assert states() == [("1", "applied")]


def test_after_a_week_it_is_quarantined():
    tell("1")
    inbox.apply(SENDER, "order/7")
    later(days=7, seconds=1)
    inbox.apply_due()
    assert InboxMessage.objects.values_list("state", "problem").get() == ("quarantined", "not_found")


def test_the_same_again_while_it_waits_is_a_duplicate():
    tell("1")
    inbox.apply(SENDER, "order/7")
    assert not inbox.store(SENDER, "1", "order.paid", "order/7", b'{"data": {}}')
    assert states() == [("1", "parked")]


def test_how_long_the_oldest_has_been_parked_is_measured():
    assert inbox.parked_seconds() == 0
    tell("1")
    inbox.apply(SENDER, "order/7")
    InboxMessage.objects.update(received_at=Now() - timedelta(minutes=5))
    assert 299 < inbox.parked_seconds() < 330


def test_what_must_be_done_outside_is_done_and_then_the_fact_applied():
    handlers.known.add(KEY)
    tell("1", data='{"outside": 1}')
    assert inbox.apply(SENDER, "order/7") == 1
    assert (handlers.outside, states()) == ([False], [("1", "applied")])


def test_what_keeps_being_needed_outside_is_tried_again_later():
    handlers.known.add(KEY)
    tell("1", data='{"outside": 9}')
    assert inbox.apply(SENDER, "order/7") == 0
    assert InboxMessage.objects.values_list("state", "problem").get() == ("waiting", "unavailable")
