"""Two members of value become one: what each had, one word on each purpose, one hop to the survivor."""

import json
from itertools import pairwise

import pytest
from django.db import IntegrityError, transaction

from members import asking, merging, queries
from members.models import Address, Consent, Freeze, Identity, Member, Merge, PrivacyRequest, Request, Session
from orders.models import Order
from sync import clock
from sync.http import Problem
from tests import make
from tests.config.make_staff import person
from tests.members.make_merging import consent, fold, freeze, merge, rich
from tests.members.merge_machine import with_member

pytestmark = pytest.mark.django_db


def test_the_survivor_has_what_both_had():
    source, target = rich("one", channel="mini-program", orders=2), rich("two")

    merge(source, target)

    assert Identity.objects.filter(member=target).count() == 8
    assert Order.objects.filter(member=target).count() == 3
    assert Address.objects.filter(member=target).count() == 4
    assert Address.objects.filter(member=target, is_default=True).count() == 1
    assert target.notice_consents.get().left == 4
    assert queries.may_see(make.channel("mini-program"), source.id).id == target.id
    source.refresh_from_db(), target.refresh_from_db()
    assert (source.status, source.merged_into, source.phone, source.phone_mask) == ("merged", target, None, "")
    assert target.phone
    assert target.phone != source.phone


def test_the_target_takes_the_phone_when_it_has_none_and_the_source_always_lets_go():
    source, target = rich("one"), rich("two", phone=False)
    number = source.phone
    merge(source, target)
    source.refresh_from_db(), target.refresh_from_db()
    assert (source.phone, target.phone) == (None, number)


def test_field_by_field_the_survivors_stay_and_empty_ones_are_filled():
    source = rich("one", email="ming@example.com", gender="male")
    target = rich("two", email="hong@example.com", nickname="小红")
    merge(source, target)
    target.refresh_from_db()
    assert (target.email, target.nickname, target.gender) == ("hong@example.com", "小红", "male")


def test_what_the_survivor_emptied_on_purpose_stays_empty():
    source, target = rich("one"), rich("two", nickname="")  # the maker notes who wrote it
    merge(source, target)
    target.refresh_from_db()
    assert target.nickname == ""


@pytest.mark.parametrize(
    ("theirs", "mine", "stands"),
    [
        ("granted", "granted", True),
        ("withdrawn", "granted", False),
        ("declined", "granted", False),
        ("granted", "withdrawn", False),
        ("granted", "declined", False),
        ("withdrawn", "withdrawn", False),
        ("granted", None, True),
        (None, "granted", True),
        ("withdrawn", None, False),
    ],
)
@pytest.mark.parametrize("join", [merge, fold])
def test_of_two_words_the_stricter_stands(join, theirs, mine, stands):
    source, target = make.member(), make.member()
    for member, word in ((source, theirs), (target, mine)):
        if word:
            consent(member, "marketing", word)

    join(source, target)

    assert ("marketing" in queries.granted_by(target.id)) is stands
    told = [kind for kind in make.types_of(target) if "consent" in kind]
    before = mine == "granted"
    assert told == ([] if before is stands else ["member.consent_granted" if stands else "member.consent_withdrawn"])
    if before and not stands:
        assert Consent.objects.filter(member=target).latest("id").evidence.startswith("merge ")


@pytest.mark.parametrize(
    ("theirs", "mine", "joined"),
    [
        (["points"], [], ["points"]),
        ([], ["orders"], ["orders"]),
        (["points"], ["orders"], ["points", "orders"]),
        (["points"], ["sign_in", "points"], ["sign_in", "points"]),
    ],
)
def test_freezes_are_joined(theirs, mine, joined):
    source, target = make.member(), make.member()
    for member, scopes in ((source, theirs), (target, mine)):
        if scopes:
            freeze(member, scopes)

    merge(source, target)

    target.refresh_from_db(), source.refresh_from_db()
    assert set(target.frozen_scopes) == set(joined)
    assert (target.status, source.status, source.frozen_scopes) == ("frozen", "merged", [])
    assert Freeze.objects.filter(lifted_at=None).count() == 1


def test_sessions_of_both_end_but_a_fold_ends_the_folded_members_only():
    source, target, third = make.member(), make.member(), make.member()
    for member in (source, target, third):
        make.session(member)
    fold(third, target)
    assert set(Session.objects.filter(revoked_at=None).values_list("member", flat=True)) == {source.pk, target.pk}
    merge(source, target)
    assert not Session.objects.filter(revoked_at=None).exists()


def test_both_streams_are_told_and_the_cause_comes_first():
    source, target = rich("one", points=70), rich("two")
    merge(source, target)
    told = make.events_of(target)
    kinds = [event.type for event in told]
    assert kinds.index("member.merged") < kinds.index("order.updated") < kinds.index("member.updated")
    assert told[kinds.index("member.merged")].data == {"from_id": str(source.id), "into_id": str(target.id)}
    assert set(told[-1].data["changed"]) == {"identities", "addresses"}
    order = Order.objects.filter(member=target).order_by("id").first()
    assert (order.version, told[kinds.index("order.updated")].data["version"]) == (2, 2)
    assert told[kinds.index("order.updated")].data["member_id"] == str(target.id)
    assert "member.merged" in make.types_of(source)


def test_the_journal_knows_ids_and_sums_and_no_person():
    source, target = rich("one", email="ming@example.com", phone=False, points=0, orders=0), rich("two")
    made = fold(source, target)
    kept = json.dumps(Merge.objects.get().journal, ensure_ascii=False)
    for secret in ("ming@example.com", "openid-of-one", "unionid-of-one", "customer-one", "one"):
        assert f'"{secret}"' not in kept
    assert b"openid-of-one" not in bytes(Merge.objects.values_list("sealed", flat=True).get())
    assert "openid-of-one" in made.sealed


def refused(work, *arguments) -> str:
    before = make.snapshot()
    with pytest.raises(Problem, match="case_closed") as problem:
        work(*arguments)
    assert make.snapshot() == before
    return str(problem.value.detail)


def test_members_who_left_or_are_one_are_refused():
    source, target, third, erased = make.member(), make.member(), make.member(), make.member(status="erased")
    leaving = make.member()
    PrivacyRequest.objects.create(kind="erasure", member=leaving, by="member/x", due_at=clock.now())
    merge(source, target)
    assert refused(merge, source, target)
    assert refused(merge, target, target)
    assert erased.number in refused(merge, erased, third)
    assert leaving.number in refused(merge, third, leaving)
    assert source.number in refused(merging.merge_asked, Request(member=source, other=third, reason="x"), make.STAFF)


def test_however_long_the_chain_everybody_is_one_hop_from_the_survivor():
    members = [make.member() for _ in range(5)]
    for source, target in pairwise(members):
        merge(source, target)
    assert set(Member.objects.filter(status="merged").values_list("merged_into", flat=True)) == {members[-1].pk}
    assert {member.id for member in with_member(lambda *locked: locked, *[m.id for m in members])} == {members[-1].id}


def test_cycles_and_chains_are_refused_by_the_database():
    one, two, three = make.member(), make.member(), make.member()
    Member.objects.filter(pk=one.pk).update(status="merged", merged_into=two)
    for gone, into in ((two, one), (two, three), (three, one)):
        with pytest.raises(IntegrityError, match="a member"), transaction.atomic():
            Member.objects.filter(pk=gone.pk).update(status="merged", merged_into=into)


def test_a_merge_undone_is_undone_by_somebody_and_keeps_no_secret():
    made = merge(make.member(), make.member())
    for wrong in ({"undone_at": clock.now()}, {"undone_by": "staff/1"}, {"undone_at": clock.now(), "undone_by": "x"}):
        with pytest.raises(IntegrityError, match="merge_undone_by_somebody"), transaction.atomic():
            Merge.objects.filter(pk=made.pk).update(**wrong)


# Asking -------------------------------------------------------------------------------------------------------------
def ask(source, target, user, **fields):
    asked = {"kind": "merge", "member": source.id, "other": target.id, "user": user, "reason": "One person"}
    return asking.ask(**asked | fields)


def test_it_is_asked_for_once_whichever_way_round():
    first, second, user = make.member(), make.member(), person()
    asked = ask(first, second, user)
    assert (asked.member, asked.other) == (second, first)  # who came later would be absorbed
    assert refused(ask, second, first, user)
    with pytest.raises(Problem, match="invalid"):
        ask(first, second, user, reason="  ")


def test_the_same_decision_again_changes_nothing_and_another_is_refused():
    asker, decider, third = person(), person(), person()
    asked = ask(make.member(), make.member(), asker)
    with pytest.raises(Problem, match="forbidden"):
        asking.decide(request=asked.pk, user=asker, approve=True)
    asking.decide(request=asked.pk, user=decider, approve=False, why="No")
    before = make.snapshot()
    assert asking.decide(request=asked.pk, user=decider, approve=False).state == "refused"
    assert make.snapshot() == before
    for user, approve in ((decider, True), (third, False)):
        assert refused(lambda u=user, a=approve: asking.decide(request=asked.pk, user=u, approve=a))
    with pytest.raises(Problem, match="forbidden"):
        asking.withdraw(request=asked.pk, user=third)
    assert refused(lambda: asking.withdraw(request=asked.pk, user=asker))


def test_the_database_lets_nobody_decide_alone():
    asker = person()
    asked = ask(make.member(), make.member(), asker)
    with pytest.raises(IntegrityError, match="request_decided_by_another"), transaction.atomic():
        Request.objects.filter(pk=asked.pk).update(state="done", decided_by=asker, decided_at=clock.now())
