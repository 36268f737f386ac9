"""Echo: what the hub told is not told back to it as news, and no loop of mirrors goes on."""

import json
import time
from math import ceil
from uuid import UUID

import pytest
from django.utils import timezone
from standardwebhooks import Webhook

from sync import postgres
from sync.courier.sending import signed
from sync.envelope import cloud_event
from sync.ids import uuid7
from sync.models import Delivery, Event, ForwardedPush, InboxMessage
from sync.turns import TURNS
from tests import make
from tests.sync import make_deliveries
from tests.sync.push import counts, event, push

pytestmark = pytest.mark.django_db


@pytest.fixture
def website():
    return make.channel("website")


@pytest.fixture
def mini():
    return make.channel("mini-program")


def told(fact: Event) -> dict:
    """A fact as every channel is told it."""
    return json.loads(cloud_event(vars(fact)))


class TestReflected:
    """Our own webhook, sent back to us."""

    @pytest.fixture
    def ours(self, website):
        member = make.member()
        make_deliveries.endpoint(website)
        fact = make_deliveries.event(f"member/{member.pk}", "member.updated", {"id": str(member.pk), "version": 2})
        return told(fact) | {"source": "/channels/website"}

    def test_as_it_is_it_does_not_verify(self, website, ours):
        """It is signed with the outbound secret."""
        body = json.dumps(ours).encode()
        headers = signed(ours["id"], body, "whsec_c2VjcmV0", timezone.now())
        before = make.snapshot()
        answer = push(website, body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "signature_invalid")
        assert make.snapshot() == before

    def test_signed_anew_it_is_known_as_ours(self, website, ours):
        before = make.snapshot()
        answer = push(website, ours)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
        assert [(each["field"], each["code"]) for each in answer.json()["errors"]] == [
            ("sequence", "echo"),
            ("id", "echo"),
        ]
        assert make.snapshot() == before

    @pytest.mark.parametrize(
        "spelled",
        [str, str.upper, lambda id: id.replace("-", ""), lambda id: f" {id} ", "urn:uuid:{}".format, "{{{}}}".format],
    )
    def test_its_id_is_refused_however_it_is_spelled(self, website, ours, spelled):
        del ours["sequence"]
        answer = push(website, ours | {"id": spelled(ours["id"])})
        assert [each["field"] for each in answer.json()["errors"]] == ["id"]
        assert not InboxMessage.objects.exists()

    def test_its_place_in_a_stream_is_refused_under_any_id(self, website, ours):
        answer = push(website, ours | {"id": "mine-1"})
        assert [each["field"] for each in answer.json()["errors"]] == ["sequence"]
        assert not InboxMessage.objects.exists()

    def test_one_in_a_batch_is_named_and_nothing_of_the_batch_is_kept(self, website, ours):
        answer = push(website, [event("1"), event("2"), ours])
        assert [each["field"] for each in answer.json()["errors"]] == ["2.sequence", "2.id"]
        assert not InboxMessage.objects.exists()

    def test_what_the_hub_passed_on_is_ours_as_well(self, website):
        endpoint = make_deliveries.endpoint(website)
        passed = ForwardedPush.objects.create(
            endpoint=endpoint, sender="wechat/wx", type="x", message_id="1", body="{}"
        )
        assert push(website, event(str(passed.pk))).status_code == 400

    def test_an_id_of_the_channels_own_may_look_like_ours(self, website, settings):
        settings.INBOX_HANDLERS = {"order.placed": "tests.sync.handlers.keeps"}
        assert push(website, event(str(uuid7()))).json() == counts(accepted=1)

    def test_another_channel_is_not_told_whose_id_it_is(self, ours):
        """Nor could it use it: an id of the hub is nobody's."""
        app = make.channel("app", group="other")
        answer = push(app, event(ours["id"], channel="app"))
        assert (answer.status_code, ours["subject"] in answer.content.decode()) == (400, False)


class TestTheClockOfASignature:
    @pytest.mark.parametrize("seconds", [-301, 301])
    def test_301_seconds_off_is_401_on_the_wire(self, website, seconds):
        given = ceil(time.time()) + seconds if seconds > 0 else int(time.time()) + seconds
        when = timezone.datetime.fromtimestamp(given, tz=timezone.get_fixed_timezone(0))
        answer = push(website, event(), when=when)
        assert (answer.status_code, answer.json()["code"]) == (401, "signature_invalid")
        assert not InboxMessage.objects.exists()

    @pytest.mark.parametrize("header", ["webhook-id", "webhook-timestamp", "webhook-signature"])
    @pytest.mark.parametrize("value", [None, "", " ", "\t", "v1", "0" * 5_000])
    def test_every_header_missing_empty_or_odd_is_401(self, website, header, value):
        answer = push(website, event(), headers={header: value})
        assert (answer.status_code, answer.json()["code"]) == (401, "signature_invalid")
        assert not InboxMessage.objects.exists()

    def test_a_signature_without_its_comma_is_401(self, website):
        body, now = json.dumps(event()), timezone.now()
        right = Webhook(website.inbound_secret).sign("msg_1", now, body)
        for odd in (right.replace(",", ""), right.replace("v1,", ""), right.replace("v1", "V1"), f"{right}x"):
            assert push(website, event(), headers={"webhook-signature": odd}).status_code == 401
        assert not InboxMessage.objects.exists()


def settle() -> None:
    with postgres.connect("test") as connection:
        connection.execute("SELECT sync_settle()")


class Mirror:
    """A backend that writes back everything it hears, under ids of its own."""

    def __init__(self, channel, *, is_marking: bool, at: str = ""):
        self.channel, self.is_marking, self.at = channel, is_marking, at
        self.endpoint = make_deliveries.endpoint(channel, f"https://{channel.code}.example/hook")
        self.client = make.backend_client(channel)
        self.heard: list[Event] = []

    def hear(self) -> int:
        """What came since the last time is written back. Returns how much that was."""
        rows = Delivery.objects.filter(endpoint=self.endpoint, state="waiting").order_by("position")
        events = [each.event for each in rows.select_related("event")]
        Delivery.objects.filter(pk__in=[each.pk for each in rows]).update(
            state="delivered", next_at=None, finished_at=timezone.now()
        )
        for fact in events:
            self.heard.append(fact)
            self.write_back(fact)
        return len(events)

    def write_back(self, fact: Event) -> None:
        mark = {"correlationid": fact.correlation_id} if self.is_marking else {}
        written = event(f"{self.channel.code}-{uuid7()}", fact.type, channel=self.channel.code, **mark)
        answer = push(self.channel, written | {"time": self.at or told(fact)["time"], "data": self.said(fact)})
        assert answer.status_code == 202, answer.content

    def said(self, fact: Event) -> dict:
        """What it says of it in its own words; it reads up what the event does not hold."""
        member = fact.subject.removeprefix("member/")
        if fact.type == "member.updated":
            now = self.client.get(f"members/{member}").json()
            return {"member_id": member, "nickname": self.spelled(now["nickname"])}
        if fact.type == "points.earned":
            entry = fact.data["entry"]
            return {"member_id": member, "points": entry["points"], "reason": "", "reference": self.name(fact)}
        return fact.data

    def spelled(self, text: str) -> str:
        return text

    def name(self, fact: Event) -> str:
        return fact.data["entry"]["reference"]


class NewNames(Mirror):
    """One that names each entry anew, so that no reference gives it away."""

    def name(self, fact):
        return f"mirror:{fact.pk}"


class Capitals(Mirror):
    """One that keeps names in capitals, and says that what it writes is true now."""

    def spelled(self, text):
        return text.upper()


class Small(Mirror):
    def spelled(self, text):
        return text.lower()


def until_quiet(*mirrors: Mirror, rounds: int = 30) -> int:
    """Let them hear and write until nobody hears anything new. Returns after how many rounds that was."""
    for turn in range(rounds):
        settle()
        if not sum(mirror.hear() for mirror in mirrors):
            return turn
    raise AssertionError(f"still going on after {rounds} rounds: {Event.objects.count()} events")


@pytest.mark.django_db(transaction=True)
class TestTwoMirrors:
    def member(self) -> UUID:
        member = make.member(nickname="小明")
        make.member_client(member, "mini-program")  # signed in on both
        return member.pk

    def rename(self, mirror: Mirror, member: UUID, nickname: str = "Ming") -> None:
        data = {"member_id": str(member), "nickname": nickname}
        now = timezone.now().isoformat(timespec="milliseconds")
        first = event("first", "member.updated", channel=mirror.channel.code, time=now, data=data)
        assert push(mirror.channel, first).json() == counts(accepted=1)

    def earn(self, mirror: Mirror, member: UUID) -> None:
        data = {"member_id": str(member), "points": 10, "reason": "", "reference": "visit-1"}
        first = event("first", "points.earned", channel=mirror.channel.code, data=data)
        assert push(mirror.channel, first).json() == counts(accepted=1)

    def types(self) -> list[str]:
        return list(Event.objects.order_by("written").values_list("type", flat=True))

    @pytest.mark.parametrize("is_marking", [True, False])
    def test_a_changed_profile_is_one_fact(self, website, mini, is_marking):
        one, two = (Mirror(each, is_marking=is_marking) for each in (website, mini))
        self.rename(one, self.member())
        assert until_quiet(one, two) <= 3
        assert self.types() == ["member.updated"]
        assert (len(one.heard), len(two.heard)) == (0, 1)

    @pytest.mark.parametrize("is_marking", [True, False])
    def test_points_given_under_the_same_reference_end_with_each_giving_them(self, website, mini, is_marking):
        one, two = (Mirror(each, is_marking=is_marking) for each in (website, mini))
        self.earn(one, self.member())
        until_quiet(one, two)
        assert self.types().count("points.earned") <= 2

    def test_points_named_anew_each_time_end_where_the_chain_comes_back(self, website, mini):
        one, two = (NewNames(each, is_marking=True) for each in (website, mini))
        self.earn(one, self.member())
        assert until_quiet(one, two) <= 4
        assert self.types().count("points.earned") == 2
        (stopped,) = InboxMessage.objects.filter(state="quarantined")
        assert (stopped.sender, stopped.problem) == ("channels/website", "echo")

    def test_two_that_spell_a_name_each_in_its_own_way_do_not_go_on_for_ever(self, website, mini):
        one, two = Small(website, is_marking=True), Capitals(mini, is_marking=True)
        member = self.member()
        self.rename(one, member, "ming")
        until_quiet(one, two)
        assert self.types() == ["member.updated"] * 2
        assert InboxMessage.objects.get(state="quarantined").problem == "echo"

    def test_a_chain_begun_through_the_api_ends_as_well(self, website, mini):
        one, two = (NewNames(each, is_marking=True) for each in (website, mini))
        member = self.member()
        given = {"kind": "earn", "points": 10, "reason": "", "reference": "visit-1"}
        assert one.client.post(f"members/{member}/points/entries", given).status_code == 201
        until_quiet(one, two)
        assert self.types().count("points.earned") <= 4

    def test_mirrors_that_mark_nothing_are_known_by_taking_turns(self, website, mini):
        one, two = (NewNames(each, is_marking=False) for each in (website, mini))
        member = self.member()
        self.earn(one, member)
        until_quiet(one, two)
        assert self.types().count("points.earned") == TURNS + 1
        assert [problem for (problem,) in self.quarantined("problem")] == ["echo"]

    def test_nor_do_two_spellings_that_are_always_true_now(self, website, mini):
        one, two = Small(website, is_marking=False), Capitals(mini, is_marking=False)
        self.rename(one, self.member(), "ming")
        until_quiet(one, two)
        assert len(self.types()) <= TURNS + 1

    def test_a_loop_of_one_member_stops_nothing_else(self, website, mini):
        one, two = (NewNames(each, is_marking=False) for each in (website, mini))
        self.earn(one, self.member())
        until_quiet(one, two)
        other = {"member_id": str(self.member()), "points": 5, "reason": "", "reference": "visit-2"}
        assert push(website, event("other", "points.earned", data=other)).json() == counts(accepted=1)
        assert InboxMessage.objects.get(message_id="other").state == "applied"

    def quarantined(self, *fields: str):
        return InboxMessage.objects.filter(state="quarantined").values_list(*fields)

    def test_everything_at_once_is_bounded(self, website, mini):
        one, two = NewNames(website, is_marking=True), NewNames(mini, is_marking=True)
        member = self.member()
        self.rename(one, member)
        data = {"member_id": str(member), "points": 10, "reason": ""}
        for n in range(5):
            for mirror in (one, two):
                name = f"{mirror.channel.code}-{n}"
                push(
                    mirror.channel,
                    event(name, "points.earned", channel=mirror.channel.code, data=data | {"reference": name}),
                )
        until_quiet(one, two)
        assert self.types().count("points.earned") <= 2 * 10
        assert Event.objects.count() <= 22
