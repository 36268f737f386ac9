"""Merging and its undoing through the pages of staff: one asks, another decides, nobody beyond their channels."""

import pytest
from django.urls import reverse

from members.models import LinkCase, Member, Merge, Request
from tests import make
from tests.config.make_staff import signed_in
from tests.members.make_merging import merge, projection, rich

pytestmark = pytest.mark.django_db


@pytest.fixture
def two():
    return rich("one"), rich("two")


@pytest.fixture
def staff():
    places = [make.channel("website"), make.channel("mini-program")]
    return {role: signed_in(role, places) for role in ("support", "administrator", "operator")}


def page(name: str, *args) -> str:
    return reverse(f"admin:members_{name}", args=args)


def ask(browser, source: Member, target: Member, reason="Showed both at the till"):
    url = f"{page('request_merge')}?member={source.pk}&other={target.pk}"
    return browser.post(url, {"reason": reason}, follow=True)


def decide(browser, request: Request, act: str, words=""):
    return browser.post(page("request_act", request.pk, act), {"words": words}, follow=True)


def test_one_asks_and_another_approves(two, staff):
    source, target = two
    shown = staff["support"].get(page("request_merge"), {"member": source.pk, "other": target.pk})
    assert shown.status_code == 200
    assert source.number in shown.content.decode()

    assert ask(staff["support"], source, target).status_code == 200
    asked = Request.objects.get()
    seen = staff["administrator"].get(page("request_change", asked.pk))
    assert "Showed both at the till" in seen.content.decode()
    decide(staff["administrator"], asked, "approve")

    asked.refresh_from_db()
    made = Merge.objects.get()
    assert (asked.state, made.journal["request"]) == ("done", str(asked.pk))
    assert {made.source, made.target} == {source, target}


def test_nobody_decides_what_they_asked_for(two, staff):
    ask(staff["administrator"], *two)
    asked = Request.objects.get()
    before = make.snapshot()["members_request"]
    decide(staff["administrator"], asked, "approve"), decide(staff["administrator"], asked, "refuse")
    assert make.snapshot()["members_request"] == before
    assert not Merge.objects.exists()


def test_it_is_refused_in_words_or_withdrawn(two, staff):
    ask(staff["support"], *two)
    decide(staff["administrator"], Request.objects.get(), "refuse", "Two sisters")
    assert Request.objects.values_list("state", "why").get() == ("refused", "Two sisters")
    ask(staff["support"], *two)
    decide(staff["support"], Request.objects.get(state="asked"), "withdraw")
    assert set(Request.objects.values_list("state", flat=True)) == {"refused", "withdrawn"}
    assert not Merge.objects.exists()


def test_who_may_not_ask_or_decide_is_refused(two, staff):
    assert staff["operator"].get(page("request_merge"), {"member": two[0].pk}).status_code == 403
    assert ask(staff["operator"], *two).status_code == 403
    ask(staff["support"], *two)
    assert decide(staff["operator"], Request.objects.get(), "approve").status_code == 403
    assert decide(staff["support"], Request.objects.get(), "approve").status_code == 403
    assert Request.objects.get().state == "asked"


def test_members_of_channels_that_one_does_not_hold_are_not_there(two):
    source, _target = two
    foreign = rich("three", channel="mini-program")
    browser, decider = signed_in("support", [make.channel()]), signed_in("administrator", [make.channel()])
    assert ask(browser, source, foreign).status_code == 404
    assert ask(browser, foreign, source).status_code == 404
    found = browser.get(page("request_merge"), {"member": source.pk, "q": foreign.number}).content.decode()
    assert str(foreign.pk) not in found
    ask(signed_in("support", [make.channel(), make.channel("mini-program")]), source, foreign)
    assert decide(decider, Request.objects.get(), "approve").status_code == 404
    assert Request.objects.get().state == "asked"


def test_the_other_is_found_by_number_or_phone(two, staff):
    source, target = two
    for words in (target.number, target.phone, target.phone_last4):
        found = staff["support"].get(page("request_merge"), {"member": source.pk, "q": words}).content.decode()
        assert f"other={target.pk}" in found
        assert f"other={source.pk}" not in found


def test_a_merge_is_undone_by_two(two, staff):
    before = projection(*two)
    made = merge(*two)
    assert staff["support"].get(page("merge_change", made.pk)).status_code == 200

    staff["support"].post(page("merge_undo", made.pk), {"words": "Two sisters"}, follow=True)
    asked = Request.objects.get()
    assert (asked.kind, asked.reason, asked.merge) == ("unmerge", "Two sisters", made)
    assert staff["administrator"].get(page("request_change", asked.pk)).status_code == 200
    decide(staff["administrator"], asked, "approve")

    assert projection(*two) == before
    made.refresh_from_db()
    assert (made.sealed, bool(made.undone_at)) == (None, True)
    assert staff["support"].get(page("merge_change", made.pk)).status_code == 200


def test_what_makes_no_sense_any_more_is_told_when_it_is_decided(two, staff):
    ask(staff["support"], *two)
    merge(*two)
    told = decide(staff["administrator"], Request.objects.get(), "approve").content.decode()
    assert Request.objects.get().state == "asked"
    assert "messagelist" in told or two[0].number in told
    assert Merge.objects.count() == 1


def test_a_case_shows_what_was_proven_and_leads_to_the_merge(two, staff):
    source, target = two
    proofs = [{"kind": "order_fact", "assurance": 3, "at": "2026-11-20T08:00:00+00:00"}]
    known = {"kind": "merge", "identity_kind": "phone", "mask": "138****8000", "proofs": proofs}
    case = LinkCase.objects.create(member=source, other=target, **known)
    shown = staff["support"].get(page("linkcase_change", case.pk)).content.decode()
    assert "2026-11-20 16:00:00" in shown
    assert f"case={case.pk}" in shown
    url = f"{page('request_merge')}?member={source.pk}&other={target.pk}&case={case.pk}"
    staff["support"].post(url, {"reason": "Proven"})
    assert Request.objects.get().case == case


def test_nothing_personal_is_shown(two, staff):
    source, target = two
    shown = staff["support"].get(page("request_merge"), {"member": source.pk, "other": target.pk}).content.decode()
    for secret in (source.phone, source.phone[3:], "openid-of-one", "龙井路1号"):
        assert secret not in shown
