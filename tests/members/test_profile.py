"""The profile: last writer wins, field by field, by when it was true, whatever the order in which words arrive."""

from datetime import date, timedelta
from itertools import permutations
from uuid import UUID

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from members import profile
from members.models import FieldWrite, Member
from sync import clock, inbox
from sync.act import Actor
from sync.http import Problem, instant
from sync.ids import uuid7
from sync.models import InboxMessage
from tests import make

pytestmark = pytest.mark.django_db
FIELDS = ["nickname", "gender", "birthday", "email"]
NOBODY = {"nickname": "", "gender": "unknown", "birthday": None, "email": None}


@pytest.fixture
def backend():
    return make.backend_client("website")


@pytest.fixture
def member():
    return make.member(phone="+8613800138000", email="ming@example.cn")


def patch(backend, member, body, headers=None):
    return backend.patch(f"members/{member.id}", body, headers)


def at(**ago):
    return instant(clock.now() - timedelta(**ago))


def by(channel):
    return Actor("channel", channel.code, channel.code)


def test_a_channel_changes_what_it_may_see_and_is_answered_as_it_reads(backend, member):
    answer = patch(backend, member, {"nickname": "阿明", "birthday": "1990-05-17", "email": "new@example.cn"})
    body = answer.json()
    assert body.pop("superseded") == []
    assert (body["nickname"], body["birthday"], body["email"]) == ("阿明", "1990-05-17", "n***@example.cn")
    read = backend.get(f"members/{member.id}")
    assert (read.json(), read["ETag"]) == (body, answer["ETag"])
    (event,) = make.events_of(member)
    assert (event.type, event.data["changed"], event.actor) == (
        "member.updated", ["birthday", "email", "nickname"], "channel/website",
    )  # fmt: skip


def test_a_late_word_is_superseded_field_by_field(backend, member):
    patch(backend, member, {"nickname": "今天"})
    before = make.snapshot()
    late = patch(backend, member, {"nickname": "昨天", "occurred_at": at(days=1)}).json()
    assert (late["nickname"], late["superseded"], late["version"]) == ("今天", ["nickname"], 2)
    assert make.snapshot() == before

    both = patch(backend, member, {"nickname": "昨天", "gender": "male", "occurred_at": at(days=1)}).json()
    assert (both["nickname"], both["gender"], both["superseded"]) == ("今天", "male", ["nickname"])
    assert make.events_of(member)[-1].data["changed"] == ["gender"]


def test_the_same_word_again_changes_nothing_and_is_not_superseded(backend, member):
    body = {"nickname": "阿明", "occurred_at": at(hours=1)}
    patch(backend, member, body)
    before = make.snapshot()
    assert patch(backend, member, body).json()["superseded"] == []
    assert make.snapshot() == before
    assert make.types_of(member) == ["member.updated"]


def test_a_word_that_says_what_is_so_still_counts(backend, member):
    patch(backend, member, {"nickname": "阿明", "occurred_at": at(days=3)})
    patch(backend, member, {"nickname": "阿明", "occurred_at": at(days=1)})
    between = patch(backend, member, {"nickname": "别名", "occurred_at": at(days=2)}).json()
    assert (between["nickname"], between["superseded"]) == ("阿明", ["nickname"])


@pytest.mark.parametrize("time", ["2990-01-01T00:00:00Z", "yesterday", 7, None])
def test_the_future_and_what_is_no_time_are_refused(backend, member, time):
    before = make.snapshot()
    refused = patch(backend, member, {"nickname": "阿明", "occurred_at": time})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "occurred_at")
    assert make.snapshot() == before


def test_a_clock_may_be_five_minutes_ahead_and_no_more(backend, member):
    assert patch(backend, member, {"nickname": "四", "occurred_at": at(minutes=-4)}).status_code == 200
    assert patch(backend, member, {"nickname": "六", "occurred_at": at(minutes=-6)}).status_code == 400


def test_who_was_shown_a_word_ahead_of_its_time_speaks_after_it(backend, member):
    patch(backend, member, {"nickname": "快钟", "occurred_at": at(minutes=-4)})
    client = make.member_client(member)
    changed = client.patch("me", {"nickname": "本人"}, {"If-Match": client.get("me")["ETag"]})
    assert changed.json()["nickname"] == "本人"
    tag = backend.get(f"members/{member.id}")["ETag"]
    assert patch(backend, member, {"nickname": "渠道"}, {"If-Match": tag}).json()["superseded"] == []
    assert patch(backend, member, {"nickname": "没看"}).json()["superseded"] == ["nickname"]


def test_a_stale_tag_is_refused_with_what_is_so(backend, member):
    tag = backend.get(f"members/{member.id}")["ETag"]
    patch(backend, member, {"nickname": "先"}, {"If-Match": tag})
    before = make.snapshot()
    stale = patch(backend, member, {"nickname": "后"}, {"If-Match": tag})
    assert (stale.status_code, stale.json()["current"]["nickname"]) == (412, "先")
    assert stale.json()["current"]["email"] == "m***@example.cn"
    assert make.snapshot() == before


def test_a_mask_is_never_written_back(backend, member):
    before = make.snapshot()
    shown = backend.get(f"members/{member.id}").json()["email"]
    assert patch(backend, member, {"email": shown}).json()["errors"][0]["code"] == "masked"
    assert make.snapshot() == before


def test_what_a_channel_may_not_see_it_may_not_write(member):
    stranger = make.backend_client(make.channel("till", group="another brand"))
    reached = stranger.post("members/resolve", {"identities": [{"kind": "phone", "value": "13800138000"}]}).json()
    before = make.snapshot()
    refused = patch(stranger, member, {"nickname": "占"})
    unknown = stranger.patch("members/0193a8f0-0000-7000-8000-000000000000", {"nickname": "占"})
    assert reached["member"]["id"] == str(member.id)
    assert (refused.status_code, refused.json()["code"]) == (unknown.status_code, unknown.json()["code"])
    assert refused.status_code == 404
    assert make.snapshot() == before


def test_a_key_to_read_does_not_write(member):
    reader = make.backend_client("website", scopes=["members:read"])
    assert patch(reader, member, {"nickname": "阿明"}).json()["code"] == "scope_missing"
    writer = make.backend_client("website", scopes=["members:write"])
    assert writer.get(f"members/{member.id}").json()["code"] == "scope_missing"


def test_who_was_absorbed_is_written_as_who_absorbed_them(backend):
    survivor = make.member()
    absorbed = make.member(status="merged", merged_into=survivor)
    body = patch(backend, absorbed, {"nickname": "阿明"}).json()
    assert (body["id"], body["merged_into"], body["nickname"]) == (str(survivor.id), str(survivor.id), "阿明")
    assert patch(backend, survivor, {"nickname": "阿明"}).json()["merged_into"] is None


def test_the_erased_are_not_there(backend):
    gone = make.member(status="erased")
    assert patch(backend, gone, {"nickname": "阿明"}).status_code == 404
    with pytest.raises(Problem, match="not_found"):
        profile.write(gone.id, profile.Said({"nickname": "x"}, backend.channel), by=by(backend.channel))


def test_of_one_moment_a_members_own_word_stands_then_staffs(backend, member):
    moment = clock.now()
    speakers = [Actor("member", str(member.id), "website"), Actor("staff", "1"), by(backend.channel)]
    for actor in (speakers[2], speakers[1], speakers[0], speakers[1], speakers[2]):
        profile.write(member.id, profile.Said({"nickname": actor.kind}, backend.channel, moment), by=actor)
    assert Member.objects.get(pk=member.id).nickname == "member"
    assert FieldWrite.objects.get().rank == FieldWrite.Rank.MEMBER


def test_who_wrote_is_kept_and_what_is_not(backend, member):
    patch(backend, member, {"email": "secret@example.cn"})
    (row,) = FieldWrite.objects.all()
    assert (row.field, row.channel.code, row.by, row.get_rank_display()) == (
        "email",
        "website",
        "channel/website",
        "渠道",
    )
    assert "secret" not in str(make.snapshot()["members_fieldwrite"])


def test_a_member_made_by_a_channel_has_its_profile_from_then(backend):
    said = {"identities": [{"kind": "external", "value": "C-1"}], "profile": {"nickname": "老"}}
    made = backend.post("members/resolve", said | {"occurred_at": at(days=2)}).json()["member"]["id"]
    assert FieldWrite.objects.get().field == "nickname"
    channel = backend.channel
    older = profile.Said({"nickname": "更老"}, channel, clock.now() - timedelta(days=3))
    assert profile.write(UUID(made), older, by=by(channel))[1] == ["nickname"]
    newer = profile.Said({"nickname": "新"}, channel, clock.now() - timedelta(days=1))
    assert profile.write(UUID(made), newer, by=by(channel))[0].nickname == "新"


def test_a_fact_of_the_inbox_is_the_same_change(member):
    named = {"identity": {"kind": "phone", "value": "138 0013 8000"}}
    assert tell({"member_id": str(member.id), "nickname": "今天", "occurred_at": at(hours=1)}) == "applied"
    assert tell(named | {"nickname": "昨天", "gender": "male"}, days=1) == "applied"
    found = Member.objects.get(pk=member.id)
    assert (found.nickname, found.gender) == ("今天", "male")
    assert [event.data["changed"] for event in make.events_of(member)] == [["nickname"], ["gender"]]


def test_a_channel_tells_of_whom_it_made_itself_though_it_does_not_see_them():
    backend = make.backend_client("website")
    said = {"identities": [{"kind": "external", "value": "C-1"}]}
    made = backend.post("members/resolve", said).json()["member"]["id"]
    assert tell({"identity": {"kind": "external", "value": "C-1"}, "nickname": "新"}) == "applied"
    assert Member.objects.get(pk=made).nickname == "新"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"nickname": "x"}, "invalid member_id:required"),
        ({"member_id": "0193a8f0-0000-7000-8000-000000000000", "nickname": "x"}, "not_found"),
        ({"identity": {"kind": "external", "value": "nobody"}, "nickname": "x"}, "not_found"),
        ({"identity": {"kind": "member_code", "value": "9" * 18}, "nickname": "x"}, "invalid identity:invalid"),
        ({"identity": {"kind": "phone", "value": "13800138000"}, "gender": "x"}, "invalid gender:invalid_choice"),
        ({"identity": {"kind": "phone", "value": "13800138000"}, "occurred_at": "2990-01-01T00:00:00Z"},
         "invalid occurred_at:invalid"),
    ],
)  # fmt: skip
def test_a_fact_that_says_nothing_sound_is_kept_aside(member, data, reason):
    make.channel("website")
    assert tell({"nickname": "x"} | data) == reason
    assert Member.objects.get(pk=member.id).nickname == "小明"


def test_a_channel_does_not_rename_members_of_another_brand_by_naming_their_phone(member):
    till = make.channel("till", group="another brand")
    make.backend_client(till).post("members/resolve", {"identities": [{"kind": "phone", "value": "13800138000"}]})
    assert tell({"identity": {"kind": "phone", "value": "13800138000"}, "nickname": "占"}, "till") == "not_found"
    assert tell({"member_id": str(member.id), "nickname": "占"}, "till") == "not_found"
    assert Member.objects.get(pk=member.id).nickname == "小明"


def tell(data, channel="website", **ago) -> str:
    """What became of a fact that a channel's backend pushed: its state, or why it was put aside."""
    told = {"specversion": "1.0", "id": str(uuid7()), "source": f"/channels/{channel}", "type": "member.updated"}
    body = orjson.dumps(told | {"time": at(**ago), "data": data})
    inbox.store(f"channels/{channel}", told["id"], told["type"], "member/1", body)
    inbox.apply(f"channels/{channel}", "member/1")
    message = InboxMessage.objects.get(message_id=told["id"])
    return message.problem or message.state


WORD = st.tuples(
    st.sampled_from(FIELDS),
    st.integers(0, 2),  # minutes
    st.sampled_from(["member", "staff", "website", "mini-program"]),
    st.integers(0, 1),  # which value
)
VALUES = {
    "nickname": ["甲", "乙"], "gender": ["male", "female"], "email": ["a@example.cn", None],
    "birthday": [date(1990, 1, 1), None],
}  # fmt: skip


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(WORD, min_size=2, max_size=4, unique=True))
def test_every_order_of_arrival_ends_in_the_same_profile(words):
    member, start, ends = make.member(**NOBODY), clock.now() - timedelta(hours=1), set()
    channels = {code: make.channel(code) for code in ("website", "mini-program")}
    for order in permutations(words):
        FieldWrite.objects.all().delete()
        Member.objects.filter(pk=member.pk).update(**NOBODY)
        for name, minutes, speaker, which in order:
            said = profile.Said({name: VALUES[name][which]}, channels.get(speaker), start + timedelta(minutes=minutes))
            actor = by(channels[speaker]) if speaker in channels else Actor(speaker, "1")
            profile.write(member.id, said, by=actor)
        found = Member.objects.get(pk=member.id)
        kept = FieldWrite.objects.order_by("field").values_list("field", "at", "rank", "by", "value_digest")
        ends.add((*(getattr(found, name) for name in FIELDS), *((*row[:4], bytes(row[4])) for row in kept)))
    assert len(ends) == 1
