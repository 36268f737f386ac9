"""Who comes to see a member is told all there is to see: once, alone, in order; who ceases to is told nothing more."""

import random
from functools import partial

import pytest
from django.db.models.functions import Now

from members import sight, signing_in
from members.identity import Evidence, Shown
from members.merging import _shape
from members.models import Member
from members.records import EVERYTHING
from members.services import lock
from sync import events, postgres
from sync.act import SYSTEM, act
from sync.models import Channel, Delivery, Event
from tests import make
from tests.loyalty.make_points import at_once
from tests.members.make_merging import merge, unmerge
from tests.orders import make_orders
from tests.sync import make_deliveries

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def stranger() -> Channel:
    """A channel of another brand; backends of both brands are told of everything they may see."""
    other = make.channel("stranger", group="elsewhere")
    for channel in (make.channel("website"), make.channel("mini-program"), other):
        make_deliveries.endpoint(channel, f"https://{channel.code}.example/hook")
    return other


@pytest.fixture
def member(agreed) -> Member:
    """Who registered on the website."""
    return make.member(phone=make.mobile())


def settle() -> None:
    with postgres.connect("test") as connection:
        connection.execute("SELECT sync_settle()")


def told(code: str, subject: str = "") -> list[tuple[str, dict]]:
    """What was pushed to a channel's backend: type and data, in order."""
    settle()
    pushed = Delivery.objects.filter(endpoint__channel__code=code).order_by("position")
    pushed = pushed.filter(subject=subject) if subject else pushed
    return [(each.event.type, each.event.data) for each in pushed.select_related("event")]


def types(code: str, subject: str = "") -> list[str]:
    return [type for type, _data in told(code, subject)]


def fed(channel: Channel) -> list[dict]:
    """What a channel's backend reads in the feed."""
    settle()
    answer = make.backend_client(channel).get("feed", limit=100)
    assert answer.status_code == 200, answer.content
    return answer.json()["results"]


@act
def show(member: Member, channel: Channel) -> None:
    sight.show(*lock(member.pk), channel)


class TestAGroupThatComesToSeeAMember:
    def test_is_told_of_all_their_fields_once(self, doors, member, stranger):
        for _time in range(2):
            assert doors.sms(member.phone, "stranger", []).status_code == 200
        ((type, data),) = told("stranger")
        member.refresh_from_db()
        assert (type, data["id"], data["version"]) == ("member.updated", str(member.pk), member.version)
        assert data["changed"] == list(EVERYTHING)
        (event,) = make.events_of(member)
        assert (event.source, event.actor, event.sequence) == ("/channels/stranger", "system/hub", 1)

    def test_is_told_alone(self, doors, member, stranger):
        doors.sms(member.phone, "stranger", [])
        assert types("website") == types("mini-program") == []
        assert [event["type"] for event in fed(stranger)] == ["member.updated"]
        assert fed(make.channel("website")) == []

    def test_is_told_of_its_own_orders_after_that_and_of_no_others(self, doors, member, stranger):
        theirs = [make_orders.order(member=member, channel=stranger) for _time in range(3)]
        make_orders.order(member=member)
        before = types("stranger")
        doors.sms(member.phone, "stranger", [])
        found = told("stranger")[len(before) :]
        assert [type for type, _data in found] == ["member.updated"] + ["order.updated"] * 3
        assert [data["number"] for _type, data in found[1:]] == [order.number for order in theirs]
        assert [data["version"] for _type, data in found[1:]] == [order.version for order in theirs]
        assert (types("website"), types("mini-program")) == ([], ["order.placed"])  # it placed that itself

    def test_tells_the_members_own_stream_without_a_gap(self, doors, member, stranger):
        make_orders.order(member=member, channel=stranger)
        answer = doors.sms(member.phone, "stranger", []).json()
        client = make.bearing(answer["tokens"]["access_token"], channel=stranger)
        read = client.get("me/events", after=0).json()
        assert [int(event["sequence"]) for event in read["results"]] == list(range(1, read["head"] + 1))

    def test_by_a_channel_that_asked_for_it_itself_is_told_as_well(self, member, stranger):
        code = make.member_client(member).post("me/codes").json()["code"]
        asked = {"identities": [{"kind": "member_code", "value": code}]}
        assert make.backend_client(stranger).post("members/resolve", asked).status_code == 200
        assert types("stranger") == ["member.updated"]

    def test_with_a_second_channel_is_told_nothing_again(self, doors, member, stranger):
        doors.sms(member.phone, "mini-program", [])
        assert Event.objects.count() == 0
        make.channel("stranger-two", group="elsewhere")
        for code in ("stranger", "stranger-two"):
            doors.sms(member.phone, code, [])
        assert types("stranger") == ["member.updated"]

    def test_is_told_nothing_of_who_is_new_but_that(self, doors, stranger):
        doors.sms(make.mobile(), "stranger")
        assert types("stranger") == ["member.registered", *["member.consent_granted"] * 2]

    def test_that_could_only_write_about_them_until_then_is_told(self, doors, stranger):
        backend, phone = make.backend_client(stranger), make.mobile()
        asked = {"identities": [{"kind": "phone", "value": phone}]}
        known = backend.post("members/resolve", asked).json()["member"]["id"]
        assert types("stranger") == []
        assert doors.sms(phone, "stranger").json()["member"]["id"] == known
        assert types("stranger").count("member.updated") == 1

    def test_is_told_nothing_when_the_act_fails(self, member, stranger):
        @act
        def fails():
            show(member, stranger)
            raise LookupError

        with pytest.raises(LookupError):
            fails()
        assert Event.objects.count() == 0
        show(member, stranger)
        assert types("stranger") == ["member.updated"]

    @pytest.mark.parametrize("seed", range(3))
    def test_at_once_through_many_doors_is_told_once(self, agreed, member, stranger, seed):
        codes = [f"till-{n}" for n in range(4)]
        for code in codes:
            make.channel(code, group="elsewhere")
        doors = random.Random(seed).sample([*codes, "stranger"] * 2, 8)
        shown = partial(Shown, [Evidence("phone", member.phone, 3)])
        sign_in = partial(signing_in.sign_in, consents=agreed)
        found = at_once(8, lambda n: sign_in(shown=shown(), channel=Channel.objects.get(code=doors[n])))
        assert not [each for each in found if isinstance(each, Exception)]
        assert types("stranger").count("member.updated") == 1


class TestAMerge:
    def test_tells_who_saw_the_one_of_the_other_once(self, member, stranger):
        source = make.member(channel=stranger, openid="openid-of-source")
        moved = make_orders.order(member=source, channel=stranger)
        own = make_orders.order(member=member, channel=stranger)
        make_orders.order(member=member)
        settle()
        Delivery.objects.all().delete()

        merge(source, member)

        found = told("stranger", events.of_member(member.pk))
        assert [type for type, _data in found] == ["member.merged", "member.updated", *["order.updated"] * 2]
        assert found[1][1]["changed"] == list(EVERYTHING)
        assert [data["number"] for _type, data in found[2:]] == [own.number, moved.number]
        ((_merged, _data), (_updated, data)) = told("website", events.of_member(member.pk))
        assert data["changed"] == ["identities"]

    def test_tells_who_saw_both_what_changed(self, member, stranger):
        merge(make.member(openid="openid-of-source"), member)
        assert types("stranger") == []
        assert types("website", events.of_member(member.pk)) == ["member.merged", "member.updated"]

    def test_that_is_undone_ends_it_without_a_word(self, member, stranger):
        source = make.member(channel=stranger, openid="openid-of-source")
        made = merge(source, member)
        before = types("stranger", events.of_member(member.pk))
        Delivery.objects.update(state="delivered", next_at=None, finished_at=Now())
        unmerge(made)
        record(member)
        assert types("stranger", events.of_member(member.pk)) == before
        assert types("website", events.of_member(member.pk))[-1] == "member.updated"
        assert events.of_member(member.pk) not in {event["subject"] for event in fed(stranger)}


def test_what_a_fact_may_name_as_changed_is_all_that_readers_can_notice(member):
    assert sorted({*_shape(member)} - {"id"}) == list(EVERYTHING)


@act
def record(member: Member) -> None:
    data = {"id": str(member.pk), "version": member.version, "changed": ["nickname"]}
    events.record("member.updated", subject=events.of_member(member.pk), data=data, by=SYSTEM)
