"""Chains: what a sender says it reacts to ends where it comes back, and makes no echo of anybody else's facts."""

from datetime import timedelta
from uuid import UUID

import pgtrigger
import pytest
from django.conf import settings
from django.db.models import F
from django.utils import timezone

from sync import inbox, quarantine
from sync.act import Actor
from sync.ids import uuid7
from sync.models import Event, InboxMessage, Stream
from tests import make
from tests.sync.push import counts, event, push

pytestmark = pytest.mark.django_db
TYPES = ("order.placed", "order.paid", "points.earned", "member.updated")
STAFF = Actor("staff", "1")


@pytest.fixture(autouse=True)
def handled(settings):
    settings.INBOX_HANDLERS = dict.fromkeys(TYPES, "tests.sync.handlers.keeps")


@pytest.fixture
def website():
    return make.channel("website")


@pytest.fixture
def mini():
    return make.channel("mini-program")


def tell(channel, type: str = "points.earned", *, chain: object = "chain-1", about: str = "member/1", **data) -> str:
    """Push a fact that is applied at once; what became of its message."""
    name = str(uuid7())
    data = {"tells": type, "subject": about} | data
    answer = push(channel, event(name, type, channel=channel.code, correlationid=chain, data=data))
    assert answer.json() == counts(accepted=1), answer.json()
    message = InboxMessage.objects.get(message_id=name)
    return message.problem or message.state


def test_what_happens_carries_it_on(website):
    tell(website)
    assert Event.objects.get().correlation_id == "chain-1"
    assert InboxMessage.objects.get().correlation_id == "chain-1"


@pytest.mark.parametrize("odd", [7, "", "x" * 129, "a b", "积分", None, {"a": 1}])
def test_one_that_is_not_well_formed_is_as_none(website, odd):
    assert tell(website, chain=odd) == "applied"
    assert Event.objects.get().correlation_id not in (odd, "")


def test_a_trace_of_a_channels_own_with_answers_of_another_is_no_echo(website, mini):
    for type in ("order.placed", "order.paid", "member.updated"):
        assert tell(website, type) == "applied"
        assert tell(mini, "points.earned") == "applied"


def test_telling_a_type_again_after_another_told_it_is(website, mini):
    assert [tell(website), tell(website), tell(mini)] == ["applied"] * 3
    events = Event.objects.count()
    assert tell(website) == "echo"
    assert tell(website, "order.paid") == "applied"
    assert Event.objects.count() == events + 1


def test_what_was_refused_of_another_makes_nobody_an_echo(website, mini):
    tell(website)
    assert tell(mini, refuse="invalid") != "applied"
    assert tell(website) == "applied"


def test_there_are_as_many_types_and_no_more(website, mini):
    told = [tell((website, mini)[n % 2], TYPES[n // 2 % len(TYPES)]) for n in range(6 * len(TYPES))]
    assert told[: 2 * len(TYPES)] == ["applied"] * 2 * len(TYPES)
    assert set(told[2 * len(TYPES) :: 2]) == {"echo"}


def test_an_echo_told_again_is_a_duplicate_and_may_be_let_through_by_a_person(website, mini):
    tell(website)
    tell(mini)
    fact = event("again", "points.earned", correlationid="chain-1")
    fact |= {"data": {"tells": "points.earned", "subject": "member/1"}}
    assert push(website, fact).json() == counts(accepted=1)
    assert push(website, fact).json() == counts(duplicates=1)
    message = InboxMessage.objects.get(message_id="again")
    assert message.problem == "echo"
    quarantine.replay([message.pk], reason="it is no echo", by=STAFF)
    message.refresh_from_db()
    assert message.state == "applied"


def test_providers_have_no_chain():
    assert settings.INBOX_HANDLERS
    inbox.store("wechat-pay/1", "n-1", "wechat_pay.TRANSACTION.SUCCESS", "wechat_pay/7", b"{}")
    assert InboxMessage.objects.count() == 1


# --- a word that others use as well -------------------------------------------------------------------------------
def test_another_brand_that_says_the_same_word_makes_nobody_an_echo(website):
    """Nor can it on purpose."""
    rival = make.channel("app", group="rival")
    for _turn in range(20):
        assert tell(rival, chain="sync") == "applied"
        assert tell(website, chain="sync") == "applied"


def test_what_is_about_another_subject_is_none(website, mini):
    for n in range(20):
        assert tell((website, mini)[n % 2], chain="sync", about=f"member/{n}") == "applied"
        assert tell((website, mini)[n % 2], "order.placed", chain="sync", about=f"order/{n}") == "applied"


def test_what_was_told_yesterday_is_none(website, mini):
    tell(website)
    tell(mini)
    with pgtrigger.ignore("sync.Event:never_changed"):
        Event.objects.update(time=F("time") - timedelta(hours=24, seconds=1))
    assert tell(website) == "applied"


def test_what_was_sent_before_another_answered_is_no_answer_to_it(website, mini):
    """Many facts of one request, of which the first was answered before the last was applied."""
    sent = [
        inbox.Fact(
            f"w-{n}",
            "points.earned",
            "member/1",
            b'{"correlationid": "chain-1", "data": {"tells": "points.earned", "subject": "member/1"}}',
            "chain-1",
        )
        for n in range(3)
    ]
    inbox.store_many("channels/website", sent)
    InboxMessage.objects.filter(message_id__in=["w-1", "w-2"]).update(next_at=timezone.now() + timedelta(minutes=1))
    inbox.apply("channels/website", "member/1")
    assert tell(mini) == "applied"
    InboxMessage.objects.filter(state="waiting").update(next_at=timezone.now())
    assert inbox.apply_due() == 2
    assert not InboxMessage.objects.filter(state="quarantined").exists()


# --- guest orders: each has a stream of its own -------------------------------------------------------------------
def test_a_guest_order_that_is_mirrored_as_another_one_comes_back_once(website, mini):
    """The chain is one that the hub began."""
    assert tell(website, "order.placed", chain=None, about="order/1") == "applied"
    chain = Event.objects.get().correlation_id
    assert UUID(chain)
    assert tell(mini, "order.placed", chain=chain, about="order/2") == "applied"
    assert tell(website, "order.placed", chain=chain, about="order/3") == "echo"
    assert not Stream.objects.filter(pk="order/3").exists()


def test_guest_orders_of_two_brands_are_none(website):
    rival = make.channel("app", group="rival")
    chain = str(uuid7())
    for n in range(6):
        assert tell((website, rival)[n % 2], "order.placed", chain=chain, about=f"order/{n}") == "applied"
