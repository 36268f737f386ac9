"""Points that channels tell of through the inbox."""

from datetime import timedelta

import orjson
import pytest

from loyalty.models import Entry
from members.models import Session
from sync import clock, inbox
from sync.http import instant
from sync.models import InboxMessage
from tests import make
from tests.loyalty.make_points import balance, holder

pytestmark = pytest.mark.django_db


def tell(type: str, id: str = "1", channel: str = "website", time: str = "2020-11-22T06:08:31.120Z", **data) -> str:
    """What became of a fact that a channel's backend pushed: its state, or why it was put aside."""
    told = {"specversion": "1.0", "id": id, "source": f"/channels/{channel}", "type": f"points.{type}", "time": time}
    inbox.store(f"channels/{channel}", id, told["type"], "points/1", orjson.dumps(told | {"data": data}))
    inbox.apply(f"channels/{channel}", "points/1")
    message = InboxMessage.objects.get(sender=f"channels/{channel}", message_id=id)
    return message.problem or message.state


def fact(**fields) -> dict:
    return {"points": 20, "reason": "签到", "reference": "ref-1"} | fields


def external(value: str = "C-1") -> dict:
    return {"kind": "external", "value": value}


@pytest.fixture
def member():
    """Somebody with 100 points whom the website knows by number."""
    found = holder(100)
    make.identity(found, "external", "C-1", channel=make.channel("website"), proof="asserted")
    return found


def test_points_told_twice_under_any_id_are_given_once(member):
    assert tell("earned", "1", member_id=str(member.pk), **fact()) == "applied"
    before = make.snapshot()
    assert tell("earned", "1", member_id=str(member.pk), **fact()) == "applied"
    assert make.snapshot() == before
    assert tell("earned", "2", identity=external(), **fact(kind="earn")) == "applied"
    assert balance(member) == (120, 0, 0, 0)
    assert Entry.objects.filter(source="channel/website").count() == 1
    posted = make.backend_client().post(f"members/{member.pk}/points/entries", fact(kind="earn"))
    assert posted.status_code == 200


def test_a_spending_needs_the_member_as_when_it_is_posted(member):
    spending = fact(member_id=str(member.pk))
    assert tell("spent", "1", **spending) == "member_proof_required"
    make.session(member)
    assert tell("spent", "2", **spending) == "applied"
    Session.objects.update(last_seen_at="2020-01-01T00:00:00Z")
    assert tell("spent", "3", **spending) == "applied"  # the same again
    assert balance(member) == (80, 0, 0, 0)


def test_a_code_shown_at_the_till_names_the_member_and_proves_them_there(member):
    code = make.member_client(member, "mini-program").post("me/codes").json()["code"]
    shown = {"kind": "member_code", "value": code}
    assert tell("spent", "1", identity=shown, **fact()) == "applied"
    assert tell("spent", "2", identity=external(), proof=shown, **fact(reference="2")) == "applied"
    assert tell("spent", "3", member_id=str(holder().pk), proof=shown, **fact()) == "member_proof_required"
    assert tell("spent", "4", identity=shown | {"value": "1"}, **fact()) == "code_invalid"
    assert balance(member) == (60, 0, 0, 0)


@pytest.mark.parametrize("named", ["entry", "reference", "reference of the member"])
def test_an_entry_of_its_own_is_reversed_once(member, named):
    tell("earned", "1", member_id=str(member.pk), **fact())
    make.channel("mini-program")
    tell("earned", "1", "mini-program", member_id=str(member.pk), **fact())
    entry = Entry.objects.get(source="channel/website")
    data = {
        "entry": {"entry": str(entry.pk)},
        "reference": {"reference": "ref-1"},
        "reference of the member": {"reference": "ref-1", "identity": external()},
    }[named]
    assert (tell("reversed", "2", **data), tell("reversed", "3", **data)) == ("applied", "applied")
    assert balance(member) == (120, 0, 0, 0)
    assert entry.reversals.count() == 1


def test_a_reference_that_several_members_have_names_none(member):
    other = make.member()
    for number, each in enumerate((member, other)):
        tell("earned", str(number), member_id=str(each.pk), **fact())
    assert tell("reversed", "9", reference="ref-1") == "invalid member_id:required"
    assert tell("reversed", "10", reference="ref-1", member_id=str(other.pk)) == "applied"
    assert (balance(member)[0], balance(other)[0]) == (120, 0)


FUTURE = "2999-01-01T00:00:00Z"
REFUSED = [
    ("earned", fact(), "invalid member_id:required"),
    ("earned", fact(member_id="0193a8f0-0000-7000-8000-000000000000"), "not_found"),
    ("earned", fact(member_id="x"), "invalid member_id:invalid"),
    ("earned", fact(identity=external("C-2")), "not_found"),
    (
        "earned",
        fact(identity={"kind": "wechat_openid", "value": "o", "app_id": "wx-else"}),
        "invalid identities:invalid",
    ),
    ("earned", fact(identity=external(), kind="spend"), "invalid kind:invalid_choice"),
    ("earned", fact(identity=external(), points="20"), "invalid points:invalid"),
    ("earned", fact(identity=external(), time=FUTURE), "invalid time:invalid"),
    ("spent", fact(identity=external(), expires_at=FUTURE), "invalid expires_at:invalid"),
    ("reversed", {}, "invalid reference:required"),
    ("reversed", {"reference": "start"}, "not_found"),
    ("reversed", {"reference": "start", "identity": external()}, "not_found"),
    ("reversed", {"entry": "0193a8f0-0000-7000-8000-000000000000"}, "not_found"),
]


@pytest.mark.parametrize(("type", "data", "problem"), REFUSED)
def test_what_cannot_be_is_put_aside_and_nothing_changes(member, type, data, problem):
    before = make.snapshot()
    assert tell(type, **data) == problem
    assert {name: rows for name, rows in make.snapshot().items() if name != "sync_inboxmessage"} == {
        name: rows for name, rows in before.items() if name != "sync_inboxmessage"
    }


def test_more_than_there_is_is_put_aside(member):
    make.session(member)
    assert tell("spent", **fact(member_id=str(member.pk), points=101)) == "points_insufficient"


def test_whom_the_channel_does_not_reach_is_not_there():
    stranger = make.member(channel=make.channel("elsewhere", group="others"))
    make.channel("website")
    assert tell("earned", **fact(member_id=str(stranger.pk))) == "not_found"


def test_times_are_kept(member):
    later = instant(clock.now() + timedelta(days=30))
    tell("earned", member_id=str(member.pk), **fact(pending_until=later))
    assert balance(member) == (100, 20, 0, 0)
