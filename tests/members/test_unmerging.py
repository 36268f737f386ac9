"""A merge taken back: exactly when nothing happened since, and never to anybody's gain."""

from datetime import timedelta

import pytest

from loyalty import services as loyalty
from loyalty.models import Account
from members import merging, rules
from members.models import Address, Consent, Freeze, Identity, Member, Merge, Session
from orders.models import Order
from sync import clock
from sync.http import Problem
from tests import make
from tests.members.make_merging import address, consent, fold, merge, projection, rich, unmerge
from tests.orders import make_orders

pytestmark = pytest.mark.django_db


def available(*members: Member) -> int:
    return sum(Account.objects.filter(member__in=members).values_list("available", flat=True))


@pytest.mark.parametrize(
    ("of_source", "of_target"),
    [
        ({}, {}),
        ({"phone": False}, {}),
        ({}, {"phone": False}),
        ({"phone": False, "points": 0}, {"phone": False, "points": 0}),
        ({"email": "ming@example.com", "gender": "male", "birthday": "1990-05-01"}, {"nickname": ""}),
        ({"frozen": ["points"]}, {}),
        ({}, {"frozen": ["orders"]}),
        ({"frozen": ["points"]}, {"frozen": ["orders", "sign_in"]}),
        ({"frozen": ["points"]}, {"frozen": ["points", "orders"]}),
        ({"channel": "mini-program"}, {"points": 0, "orders": 0}),
        ({"orders": 3, "points": 900}, {"points": 0, "orders": 0, "channel": "mini-program"}),
    ],
)
def test_right_after_the_merge_each_is_exactly_what_it_was(of_source, of_target):
    source, target = rich("one", **of_source), rich("two", **of_target)
    before = projection(source, target)

    made = merge(source, target)
    assert projection(source, target) != before
    unmerge(made)

    assert projection(source, target) == before
    for member in (source, target):
        assert {"member.unmerged", "member.updated"} <= set(make.types_of(member))


def test_of_words_on_one_purpose_each_has_their_own_again():
    source, target = rich("one"), rich("two")
    consent(source, "marketing", "withdrawn"), consent(source, "surveys"), consent(target, "calls")
    consent(target, "marketing", version="2")
    before = projection(source, target)

    made = merge(source, target)
    assert projection(target)[str(target.id)]["consents"] == {"terms": {"1"}, "surveys": {"1"}, "calls": {"1"}}
    unmerge(made)

    assert projection(source, target) == before
    said = Consent.objects.filter(member=target, purpose="marketing").order_by("id").values_list("act", flat=True)
    assert list(said) == ["granted", "granted", "withdrawn", "granted", "granted"]


def test_what_was_said_since_the_merge_stands():
    source, target = rich("one"), rich("two")
    consent(source, "marketing", "withdrawn"), consent(source, "surveys")
    made = merge(source, target)
    consent(target, "marketing", "withdrawn"), consent(target, "surveys", "withdrawn")

    unmerge(made)

    assert set(projection(target)[str(target.id)]["consents"]) == {"terms"}
    assert set(projection(source)[str(source.id)]["consents"]) == {"terms"}


def test_what_came_in_since_stays_with_the_survivor_and_what_was_spent_stays_spent():
    source, target = rich("one", points=70), rich("two", points=30)
    made = merge(source, target)
    loyalty.spend(member=source.id, points=60, reference="since", by=make.BACKEND)
    loyalty.earn(member=target.id, points=5, reference="after", by=make.BACKEND)
    order = make_orders.order(member=target)
    here = address(target)
    proven = make.identity(target, "wechat_openid", "openid-since", channel=make.channel("mini-program"))
    left = available(source, target)

    unmerge(made)

    assert available(source, target) == left
    assert Order.objects.get(pk=order.pk).member == target
    assert Order.objects.filter(member=source).count() == 1
    assert Address.objects.get(pk=here.pk).member == target
    assert Identity.objects.get(pk=proven.pk).member == target


def test_a_phone_changed_since_stays_and_the_old_one_does_not_come_back():
    source, target = rich("one"), rich("two", phone=False)
    made = merge(source, target)
    Identity.objects.filter(member=target, kind="phone").delete()
    number = make.mobile()
    mine = make.identity(target, "phone", number)
    target.refresh_from_db()
    merging.ways_in._show(target, mine)

    unmerge(made)

    source.refresh_from_db(), target.refresh_from_db()
    assert (source.phone, source.phone_mask, target.phone) == (None, "", number)


def test_a_field_written_since_stays():
    source, target = rich("one", email="ming@example.com"), rich("two", nickname="小红")
    made = merge(source, target)
    target.refresh_from_db()
    assert (target.nickname, target.email) == ("小红", "ming@example.com")
    Member.objects.filter(pk=target.pk).update(gender="female")

    unmerge(made)

    target.refresh_from_db(), source.refresh_from_db()
    assert (target.email, target.gender, source.email) == (None, "female", "ming@example.com")


def test_a_word_proven_by_the_survivor_since_is_the_survivors():
    source, target = rich("one"), rich("two")
    said = source.identities.get(kind="external")
    made = merge(source, target)
    Identity.objects.filter(pk=said.pk).update(proof="verified", verified_at=clock.now())

    unmerge(made)

    assert Identity.objects.get(pk=said.pk).member == target


def test_a_freeze_lifted_since_stays_lifted_on_both_sides():
    source, target = rich("one", frozen=["points"]), rich("two", frozen=["orders"])
    made = merge(source, target)
    Freeze.objects.filter(member=target, lifted_at=None).update(lifted_at=clock.now(), lifted_by="staff/1")
    Member.objects.filter(pk=target.pk).update(status="active", frozen_scopes=[])

    unmerge(made)

    assert set(Member.objects.values_list("status", flat=True)) == {"active"}


def test_sends_used_since_are_used_on_one_side_only():
    source, target = rich("one"), rich("two")
    made = merge(source, target)
    count = target.notice_consents.get()
    assert count.left == 4
    count.left = 3
    count.save()

    unmerge(made)

    assert (source.notice_consents.get().left, target.notice_consents.get().left) == (1, 2)


def test_a_fold_is_undone_like_any_merge_with_what_it_dropped():
    source, target = rich("one", phone=False, points=0, orders=0), rich("two")
    shown = source.identities.get(kind="wechat_openid")
    before = projection(source, target)

    made = fold(source, target, proven=[shown.id])
    assert {row.kind for row in Identity.objects.filter(member=target)} >= {"phone", "wechat_openid"}
    assert not Identity.objects.filter(value_index=shown.value_index).exclude(pk=shown.pk).exists()
    assert Identity.objects.filter(pk__in=[each["id"] for each in made.journal["dropped"]]).count() == 0
    unmerge(made)

    assert projection(source, target) == before


def test_a_dropped_identity_that_somebody_proved_since_does_not_come_back():
    source, target, third = rich("one", phone=False, points=0, orders=0), rich("two"), make.member()
    made = fold(source, target)
    taken = make.identity(third, "wechat_unionid", "unionid-of-one")

    unmerge(made)

    assert Identity.objects.get(kind="wechat_unionid", value_index=taken.value_index).member == third
    assert {row.kind for row in source.identities.all()} == {"wechat_openid", "external"}


def test_the_sessions_of_both_end():
    source, target = rich("one"), rich("two")
    made = merge(source, target)
    opened = make.session(target)

    unmerge(made)

    assert Session.objects.get(pk=opened.pk).revoked_reason == "unmerged"
    assert not Session.objects.filter(revoked_at=None).exists()


def refused(made: Merge) -> str:
    before = make.snapshot()
    with pytest.raises(Problem, match="case_closed") as problem:
        unmerge(made)
    assert make.snapshot() == before
    return str(problem.value.detail)


def test_it_is_done_once():
    made = merge(rich("one"), rich("two"))
    unmerge(made)
    assert "已经撤销" in refused(made) or "already" in refused(made)


def test_it_is_done_within_thirty_days():
    made = merge(rich("one"), rich("two"))
    Merge.objects.update(at=clock.now() - rules.UNMERGE_WITHIN - timedelta(seconds=1))
    assert "30" in refused(made)
    assert merging.forget_sealed() == 1
    assert merging.forget_sealed() == 0


@pytest.mark.parametrize("side", ["source", "target"])
def test_it_is_refused_once_either_side_is_erased(side):
    source, target = rich("one"), rich("two")
    made = merge(source, target)
    gone = {"source": source, "target": target}[side]
    Member.objects.filter(pk=gone.pk).update(status="erased", merged_into=None)
    assert gone.number in refused(made)


def test_merges_on_top_are_undone_first():
    first, second, third, fourth = (rich(name) for name in ("one", "two", "three", "four"))
    before = projection(first, second, third, fourth)
    beneath, beside, above = merge(first, second), merge(fourth, second), merge(second, third)
    assert set(Member.objects.exclude(pk=third.pk).values_list("merged_into", flat=True)) == {third.pk}

    assert third.number in refused(beneath)
    unmerge(above)
    assert fourth.number in refused(beneath)
    unmerge(beside), unmerge(beneath)

    assert projection(first, second, third, fourth) == before


def test_merging_again_after_parting_adds_up():
    source, target = rich("one"), rich("two")
    before = available(source, target)
    unmerge(merge(source, target))
    made = merge(source, target)
    assert available(target) == before
    unmerge(made)
    assert available(source, target) == before
