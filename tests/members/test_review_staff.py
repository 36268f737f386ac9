"""Two people decide on the world as both of them saw it; what staff do reaches nobody else and keeps nothing."""

import pytest
from django.db import IntegrityError
from django.urls import reverse

from members import asking
from members.models import Freeze, Member, Merge, Request
from sync.http import Problem
from tests import make
from tests.config import make_staff
from tests.members import make_freezes, make_merging, make_privacy
from tests.members.make_proofs import case_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def member():
    return make.member(phone=make.mobile())


@pytest.fixture
def asker():
    return make_staff.person("support")


@pytest.fixture
def decider():
    return make_staff.person("administrator")


def approve(request: Request, user):
    return asking.decide(request=request.pk, user=user, approve=True)


def terms(*scopes: str) -> dict:
    return {"scopes": list(scopes), "reason": "fraud", "note": "", "until": None}


def test_a_lift_asked_for_before_another_freeze_was_laid_does_not_lift_that_one(member, asker, decider):
    make_freezes.frozen(member, "points")
    asked = asking.ask(kind="unfreeze", member=member.pk, user=asker, reason="Points were in order")
    make_freezes.frozen(member)  # meanwhile two others put the member on the blacklist

    with pytest.raises(Problem, match="case_closed"):
        approve(asked, decider)

    assert Member.objects.get().frozen_scopes == ["sign_in", "points", "orders"]
    assert Request.objects.get().state == "asked"


def test_a_freeze_asked_for_before_another_was_laid_does_not_take_its_place(member, asker, decider):
    asked = asking.ask(kind="freeze", member=member.pk, user=asker, reason="Odd", terms=terms("points"))
    make_freezes.frozen(member)

    with pytest.raises(Problem, match="case_closed"):
        approve(asked, decider)

    assert Member.objects.get().frozen_scopes == ["sign_in", "points", "orders"]
    assert Freeze.objects.count() == 1


def test_a_lift_asked_for_one_member_does_not_free_whom_it_was_merged_into(member, asker, decider):
    make_freezes.frozen(member, "points")
    asked = asking.ask(kind="unfreeze", member=member.pk, user=asker, reason="Points were in order")
    survivor = make.member(phone=make.mobile())
    make_freezes.frozen(survivor)
    make_merging.merge(member, survivor)

    with pytest.raises(Problem, match="case_closed"):
        approve(asked, decider)

    assert Member.objects.get(pk=survivor.pk).frozen_scopes == ["sign_in", "points", "orders"]


def test_a_merge_asked_for_by_a_case_is_not_made_once_the_person_said_no(member, asker, decider):
    other = make.member(phone=make.mobile())
    case = case_of(member, other)
    asked = asking.ask(kind="merge", member=member.pk, other=other.pk, case=case, user=asker, reason="As proven")
    client = make.member_client(member)
    assert client.post(f"link-cases/{case.pk}/decline").status_code == 204

    with pytest.raises(Problem, match="case_closed"):
        approve(asked, decider)

    assert not Merge.objects.exists()


def test_a_merge_is_not_asked_for_on_the_ground_of_somebody_elses_case(member, asker):
    other, third = (make.member(phone=make.mobile()) for _ in range(2))
    with pytest.raises(Problem, match="case_closed"):
        asking.ask(
            kind="merge", member=member.pk, other=other.pk, case=case_of(member, third), user=asker, reason="Proven"
        )


def test_who_decides_on_a_freeze_reads_what_would_be_frozen_and_until_when(member, asker):
    given = terms("sign_in", "orders") | {"until": "2099-03-04T00:00:00+08:00", "reason": "stolen"}
    asked = asking.ask(kind="freeze", member=member.pk, user=asker, reason="Called us", terms=given)
    browser = make_staff.signed_in("administrator", [make.channel()])
    shown = browser.get(reverse("admin:members_request_change", args=[asked.pk])).content.decode()
    for word in ("登录", "下单", "2099-03-04", "账号被盗"):
        assert word in shown


@pytest.mark.parametrize("kind", ["merge", "unmerge"])
def test_the_database_takes_no_request_that_does_not_say_what_it_is_about(member, asker, kind):
    with pytest.raises(IntegrityError, match="request_names_what_it_takes"):
        Request.objects.create(kind=kind, member=member, reason="x", asked_by=asker)


def test_an_erased_members_guardian_page_is_refused_in_words(member):
    browser = make_staff.signed_in("support", [make.channel()])
    assert make_privacy.erase(make_privacy.stepped_up(member)) == 1
    answer = browser.post(reverse("admin:members_consent_guardian", args=[member.pk]), {"evidence": "signed form"})
    assert answer.status_code in {302, 404}
