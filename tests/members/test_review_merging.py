"""What a merge, or its undoing, must not change for the better of anybody: restrictions, words, copies, points."""

from datetime import timedelta

import pytest

from loyalty.queries import as_points
from loyalty.services import adjusting, adjusting_by_file, running_files
from members import consent, exporting, privacy
from members.models import Address, Avatar, ExportFile, Freeze, Member
from sync import clock
from tests import make
from tests.loyalty import make_adjusting
from tests.members import make_merging, make_privacy
from tests.members.make_merging import address, merge, unmerge

pytestmark = pytest.mark.django_db
TOMORROW = timedelta(days=1)


def frozen(member: Member, *scopes: str, until=None) -> None:
    laid = make_merging.freeze(member, scopes)
    Freeze.objects.filter(pk=laid.pk).update(expires_at=until and clock.now() + until)


@pytest.mark.parametrize("scopes", [["sign_in"], ["sign_in", "points"]])
def test_a_freeze_for_good_does_not_end_with_the_survivors_shorter_one(scopes):
    source, target = make.member(), make.member()
    frozen(source, "sign_in")
    frozen(target, *scopes, until=TOMORROW)

    merge(source, target)

    assert Freeze.objects.get(member=target, lifted_at=None).expires_at is None


def test_a_longer_freeze_of_the_survivor_stays_as_it_is():
    source, target = make.member(), make.member()
    frozen(source, "sign_in", until=TOMORROW)
    frozen(target, "sign_in", "points", until=2 * TOMORROW)
    before = Freeze.objects.get(member=target).pk

    merge(source, target)

    assert Freeze.objects.get(member=target, lifted_at=None).pk == before


def test_who_said_no_while_they_were_one_is_not_taken_to_agree_when_they_part():
    make.policies()
    source, target = make.member(phone=make.mobile()), make.member(openid="o-1")
    make_merging.consent(source, "marketing")
    made = merge(source, target)
    consent.refuse(member_id=target.id, purpose="marketing", channel=make.channel(), by=make.STAFF)

    unmerge(made)

    assert not consent.allows(source.id, "marketing")
    assert not consent.allows(target.id, "marketing")


def test_an_own_no_beside_one_that_came_with_the_merge_outlasts_it():
    make.policies()
    source, target = make.member(phone=make.mobile()), make.member(openid="o-1")
    make_merging.consent(source, "marketing", "withdrawn"), make_merging.consent(target, "marketing")
    made = merge(source, target)
    for _twice in range(2):
        consent.refuse(member_id=target.id, purpose="marketing", channel=make.channel(), by=make.STAFF)
    assert target.consents.filter(act="declined").count() == 1

    unmerge(made)

    assert not consent.allows(target.id, "marketing")


def test_a_limit_that_either_asked_for_stands_until_both_are_closed():
    make.policies()
    source, target = make.member(phone=make.mobile()), make.member(openid="o-1")
    for member in (source, target):
        privacy.enter(member=member.pk, kind="restriction", note="no more", by=make.STAFF)
    make_merging.consent(target, "marketing")
    merge(source, target)
    mine = target.privacy_requests.get()

    privacy.settle(request=mine.pk, met=True, words="lifted", by=make.STAFF)

    assert privacy.is_restricted(target.pk)
    assert not consent.allows(target.pk, "marketing")


def test_a_copy_made_while_they_were_one_is_nobodys_when_they_part():
    source, target = make.member(nickname="小明"), make.member(nickname="李华", email="li@example.cn")
    asked = privacy.ask_export(member=source.pk, channel=make.channel(), by=make.STAFF)
    made = merge(source, target)
    exporting.make_due()
    unmerge(made)

    client = make_privacy.stepped_up(source)
    told = client.get(f"me/exports/{asked.pk}").json()
    assert told["state"] == "expired"
    assert exporting.fetch(asked.pk) is None
    assert not ExportFile.objects.filter(content__isnull=False).exists()


def test_an_adjustment_approved_while_they_were_one_is_taken_back_from_whom_it_was_given():
    make_adjusting.limits(alone=10, per_day=10_000)
    source, target = make.member(), make.member()
    asked = make_adjusting.adjusted(source, 500)
    assert asked.state == "asked"
    made = merge(source, target)
    adjusting.approve(adjustment=asked.pk, by=make_adjusting.person("second"))
    unmerge(made)
    assert as_points(target.pk)["available"] == 500

    undoing = adjusting.undo(adjustment=asked.pk, by=make_adjusting.person())
    adjusting.approve(adjustment=undoing.pk, by=make_adjusting.person("second"))

    assert [as_points(each.pk)["available"] for each in (source, target)] == [0, 0]
    assert [as_points(each.pk)["debt"] for each in (source, target)] == [0, 0]


def test_each_has_a_default_address_again_as_long_as_they_have_any():
    source, target = make.member(), make.member()
    address(source, is_default=True)
    made = merge(source, target)
    address(target)
    unmerge(made)
    assert Address.objects.get(member=target).is_default
    assert Address.objects.get(member=source).is_default


def test_a_picture_replaced_while_they_were_one_leaves_no_broken_address():
    source, target = make.member(), make.member()
    picture = Avatar.objects.create(member=source, content=b"x", content_type="image/jpeg")
    Member.objects.filter(pk=source.pk).update(avatar_url=f"/avatars/{picture.pk}.jpg")
    made = merge(source, target)
    Avatar.objects.filter(member=target).delete()
    newer = Avatar.objects.create(member=target, content=b"y", content_type="image/jpeg")
    Member.objects.filter(pk=target.pk).update(avatar_url=f"/avatars/{newer.pk}.jpg")
    unmerge(made)
    source.refresh_from_db(), target.refresh_from_db()
    assert (source.avatar_url, target.avatar_url) == ("", f"/avatars/{newer.pk}.jpg")


def test_a_file_that_ran_while_they_were_one_is_taken_back_from_whom_it_was_given_to():
    make_adjusting.limits(alone=10_000, per_day=100_000)
    source, target = make.member(), make.member()
    make_adjusting.reason()
    file = make_adjusting.brought(f"{source.number},500,goodwill,碎了,ref-1")
    made = merge(source, target)
    adjusting_by_file.submit(file=file.pk, by=make_adjusting.person())
    running_files.run_due()
    unmerge(made)
    assert as_points(target.pk)["available"] == 500

    adjusting_by_file.undo(file=file.pk, by=make_adjusting.person())
    running_files.run_due()

    assert [as_points(each.pk)["available"] for each in (source, target)] == [0, 0]
    assert [as_points(each.pk)["debt"] for each in (source, target)] == [0, 0]


def test_an_undoing_that_waits_while_they_part_goes_where_the_points_went():
    make_adjusting.limits(alone=10, per_day=10_000)
    source, target = make.member(), make.member()
    asked = make_adjusting.adjusted(source, 500)
    adjusting.approve(adjustment=asked.pk, by=make_adjusting.person("second"))
    made = merge(source, target)
    undoing = adjusting.undo(adjustment=asked.pk, by=make_adjusting.person())
    unmerge(made)

    adjusting.approve(adjustment=undoing.pk, by=make_adjusting.person("second"))

    assert [as_points(each.pk)["available"] for each in (source, target)] == [0, 0]
    assert [as_points(each.pk)["debt"] for each in (source, target)] == [0, 0]
