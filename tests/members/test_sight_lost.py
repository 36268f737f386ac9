"""Who ceases to see a member is told nothing more: what waits to be sent to them is withdrawn, and nothing else."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connections
from django.db.models.functions import Now

from members import erasing
from members.models import Member, Merge, PrivacyRequest
from sync import events, postgres, services
from sync.act import act
from sync.models import Attempt, Audience, Channel, Delivery
from tests import make
from tests.members.make_merging import merge, unmerge
from tests.members.test_sight import record, settle
from tests.orders import make_orders
from tests.sync import make_deliveries
from tests.sync.patience import until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def stranger() -> Channel:
    """A channel of another brand; the backends of both brands have addresses."""
    other = make.channel("stranger", group="elsewhere")
    for channel in (make.channel("website"), other):
        make_deliveries.endpoint(channel, f"https://{channel.code}.example/hook")
    return other


@pytest.fixture
def member(stranger) -> Member:
    return make.member(phone=make.mobile())


def beside(work: Callable) -> Callable:
    """The work, for a thread of its own."""

    def run(*given):
        try:
            return work(*given)
        finally:
            connections.close_all()

    return run


def waiting(code: str, subject: str) -> list[str]:
    """The types of what waits to be sent to a channel's backend about a subject."""
    found = Delivery.objects.filter(endpoint__channel__code=code, subject=subject, state="waiting")
    return list(found.order_by("position").values_list("event__type", flat=True))


class TestWhatWaitsToBeSent:
    """A merge let the stranger see the survivor; its backend has not been sent what it was told since."""

    @pytest.fixture
    def merged(self, member, stranger) -> Merge:
        source = make.member(channel=stranger, openid="openid-of-source")
        make_orders.order(member=member, channel=stranger, by=make.STAFF)
        made = merge(source, member)
        settle()
        return made

    @pytest.fixture
    def subject(self, member) -> str:
        return events.of_member(member.pk)

    def test_is_withdrawn_with_the_sight_but_for_its_own_orders(self, merged, subject):
        assert waiting("stranger", subject)[1:] == ["member.merged", "member.updated", "order.updated"]
        website, source = waiting("website", subject), waiting("stranger", events.of_member(merged.source_id))
        unmerge(merged)
        assert waiting("stranger", subject) == ["order.placed", "order.updated"]
        assert waiting("website", subject) == website
        assert waiting("stranger", events.of_member(merged.source_id)) == source

    def test_and_what_was_tried_goes_what_was_sent_stays(self, merged, subject):
        told = Delivery.objects.filter(
            subject=subject, endpoint__channel__code="stranger", event__type__startswith="member."
        )
        sent, tried = told.order_by("position")
        for each in (sent, tried):
            Attempt.objects.create(delivery=each, at=Now(), milliseconds=5, status=200 if each == sent else 500)
        Delivery.objects.filter(pk=sent.pk).update(state="delivered", next_at=None, finished_at=Now())
        unmerge(merged)
        assert Attempt.objects.get().delivery == sent
        assert not Delivery.objects.filter(pk=tried.pk).exists()

    def test_lets_go_what_waited_behind_it(self, merged, subject):
        Delivery.objects.update(next_at=Now() + timedelta(hours=10))
        unmerge(merged)
        assert Delivery.objects.filter(subject=subject, next_at__lte=Now()).count() == 2
        assert {each.endpoint.channel.code for each in Delivery.objects.filter(next_at__lte=Now())} == {"stranger"}

    def test_stays_where_the_member_signed_in_since(self, merged, subject, member, stranger):
        before = waiting("stranger", subject)
        make.session(member, stranger)
        unmerge(merged)
        settle()
        assert waiting("stranger", subject)[: len(before)] == before
        assert waiting("stranger", subject)[-1] == "member.updated"

    def test_stays_where_another_channel_of_the_group_sees_the_member(self, merged, subject):
        make.admit(subject, make.channel("stranger-two", group="elsewhere"))
        before = waiting("stranger", subject)
        unmerge(merged)
        assert waiting("stranger", subject) == before

    def test_stays_when_the_act_fails(self, merged, subject):
        before = waiting("stranger", subject)

        @act
        def fails():
            unmerge(merged)
            raise LookupError

        with pytest.raises(LookupError):
            fails()
        assert waiting("stranger", subject) == before

    def test_is_withdrawn_even_while_the_relay_hands_it_out(self, merged, subject, member):
        Delivery.objects.all().delete()
        record(member)
        with postgres.connect("relay") as relay:
            relay.execute("BEGIN")
            relay.execute("SELECT sync_settle()")
            with ThreadPoolExecutor(1) as pool:
                undone = pool.submit(beside(unmerge), merged)
                until(lambda: Merge.objects.get().undone_at)
                assert not undone.done()
                relay.execute("COMMIT")
                undone.result(timeout=10)
        assert (waiting("stranger", subject), waiting("website", subject)) == ([], ["member.updated"])

    def test_is_withdrawn_even_while_a_courier_holds_it(self, merged, subject):
        with postgres.connect("courier") as courier:
            courier.execute("BEGIN")
            courier.execute(
                "UPDATE sync_delivery SET next_at = now() + interval '1 hour' WHERE subject = %s", [subject]
            )
            with ThreadPoolExecutor(1) as pool:
                undone = pool.submit(beside(unmerge), merged)
                until(lambda: Merge.objects.get().undone_at)  # the act waits for nobody
                courier.execute("COMMIT")
                undone.result(timeout=10)
        assert waiting("stranger", subject) == ["order.placed", "order.updated"]


def test_an_erased_member_s_last_word_is_withdrawn_when_it_is_forgotten(stranger, member, settings):
    subject = events.of_member(member.pk)
    make.admit(subject, stranger)
    record(member)
    settle()
    PrivacyRequest.objects.create(
        member=member, kind="erasure", state="done", due_at=Now(), closed_at=Now(), closed_by="x"
    )
    settings.EVENT_RETENTION_DAYS = -1
    assert [erasing.end_audiences(), erasing.end_audiences()] == [2, 0]
    assert not Delivery.objects.exists()


def test_of_many_subjects_those_that_nobody_saw_are_left_alone(stranger):
    for subject in ("member/1", "member/2", "member/3"):
        make.admit(subject, stranger)
        make_deliveries.delivery(stranger.endpoints.get(), make_deliveries.event(subject))
    make_deliveries.delivery(stranger.endpoints.get(), make_deliveries.event("member/4"))
    assert services.dismiss(["member/1", "member/2", "member/4"], [stranger.pk]) == 2
    assert services.dismiss(["member/3"], [make.channel("website").pk]) == 0
    assert set(Delivery.objects.values_list("subject", flat=True)) == {"member/3", "member/4"}
    assert Audience.objects.get().subject == "member/3"


@pytest.mark.parametrize("rows", [1, 3])
def test_it_costs_the_same_however_much_waits(stranger, django_assert_num_queries, rows):
    make.admit("member/1", stranger)
    for _delivery in range(rows):
        make_deliveries.delivery(stranger.endpoints.get(), make_deliveries.event("member/1"))
    with django_assert_num_queries(7):  # begin, who saw it, gone, what waits, end; then the relay, what is left
        services.dismiss(["member/1"])
    assert not Delivery.objects.exists()
