"""What each floor holds of a member, and what folding does with it."""

import pytest

from members import checks, linking, services
from members.models import Consent, Identity, LinkCase, Member, Merge
from members.records import Members, all_records
from sync.act import SYSTEM, act
from sync.http import Problem
from tests import make

pytestmark = pytest.mark.django_db


@act
def fold(source, target, proven=()):
    source, target = services.lock(source.id, target.id)
    return linking.fold(source, target, proven=proven, by=SYSTEM)


@act
def lock(*members):
    return services.lock(*(member.id for member in members))


def test_every_model_of_a_member_is_in_somebodys_records():
    assert checks.member_records(None) == []


def test_a_model_in_nobodys_records_is_named():
    errors = checks.uncovered([Members])
    assert {error.id for error in errors} == {"members.E002"}
    assert any("orders.Order" in error.msg for error in errors)
    assert not any("members.Identity" in error.msg for error in errors)


def test_a_path_that_leads_nowhere_is_named(settings):
    settings.MEMBER_RECORDS = [*settings.MEMBER_RECORDS, "orders.records.Nobody"]
    assert [error.id for error in checks.member_records(None)] == ["members.E001"]


@pytest.mark.parametrize(("fields", "holds"), [({}, False), ({"phone": "+8613800138000"}, True), (make.FROZEN, True)])
def test_a_phone_or_a_restriction_is_of_value(fields, holds):
    assert linking.holds_value(make.member(**fields).id) is holds


def test_every_floor_answers_the_protocol():
    for records in all_records():
        assert records.models
        assert records.holds_value(make.member().id) is False


def test_locking_follows_whoever_absorbed_a_member():
    first, second, last = (make.member() for _ in range(3))
    fold(first, second)
    fold(second, last)

    assert lock(first, second, last) == [last, last, last]
    assert Member.objects.get(pk=first.id).merged_into == last


def test_locking_nobody_is_refused():
    with pytest.raises(Problem, match="not_found"):
        lock(Member())


def test_what_the_target_said_stands_and_what_it_did_not_comes_along():
    source, target = make.member(), make.member()
    said = {"version": "1", "act": "granted"}
    for purpose in ("terms", "marketing"):
        Consent.objects.create(member=source, purpose=purpose, **said)
    Consent.objects.create(member=target, purpose="marketing", version="1", act="withdrawn")

    merge = fold(source, target)

    assert list(target.consents.order_by("purpose").values_list("purpose", "act")) == [
        ("marketing", "withdrawn"),
        ("terms", "granted"),
    ]
    assert len(merge.journal["Members"]["said"]["consents"]) == 1


def test_open_cases_of_the_source_close():
    source, target, third = (make.member() for _ in range(3))
    known = {"kind": "merge", "identity_kind": "phone", "mask": "138****8000"}
    between = LinkCase.objects.create(member=source, other=target, **known)
    beside = LinkCase.objects.create(member=third, other=source, **known)

    fold(source, target)

    between.refresh_from_db(), beside.refresh_from_db()
    assert (between.state, beside.state) == ("merged", "declined")
    assert between.closed_at


def test_the_journal_names_what_moved_and_keeps_what_was_dropped_sealed():
    source, target = make.member(openid="openid-that-was-shown"), make.member()
    shown = source.identities.get()
    planted = make.identity(source, "wechat_unionid", "unionid-that-was-planted")

    journal = fold(source, target, proven=[shown.id]).journal

    assert journal["Members"]["ways_in"]["identities"] == [str(shown.id)]
    assert [row["id"] for row in journal["dropped"]] == [str(planted.id)]
    assert Identity.objects.get().value == "openid-that-was-shown"
    assert Merge.objects.get().by == "system/hub"


def test_the_survivor_is_told_what_came_to_it():
    source, target = make.member(openid="openid-that-was-shown"), make.member()
    fold(source, target, proven=source.identities.values_list("id", flat=True))
    assert make.events_of(target)[0].data == {"from_id": str(source.id), "into_id": str(target.id)}
    assert make.types_of(source) == ["member.merged"]
    assert make.types_of(target) == ["member.merged", "member.updated"]
    assert make.events_of(target)[1].data["changed"] == ["identities"]
    assert (Member.objects.get(pk=source.id).version, Member.objects.get(pk=target.id).version) == (2, 2)


def test_a_members_openid_is_of_the_app_asked_for():
    member = make.member(channel="mini-program", openid="openid-in-app")
    assert services.openid(member.id, "wx-mini-program") == "openid-in-app"
    assert services.openid(member.id, "wx-website") is None
