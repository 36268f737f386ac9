"""Consent: said and unsaid with the same ease, kept for ever, counted by the latest word on the version in force."""

from datetime import timedelta

import pgtrigger
import pytest
from django.db.utils import IntegrityError, InternalError, ProgrammingError
from django.utils import timezone

from members import consent, consent_state, policies
from members.models import Consent, PrivacyRequest
from sync import clock
from sync.act import Actor
from tests import make
from tests.members import make_profile
from tests.members.make_profile import said

pytestmark = pytest.mark.django_db
ITEM = {
    "purpose", "version", "title", "text_url", "required", "granted", "granted_version", "at", "channel", "may_ask",
    "ask_after", "needs_guardian",
}  # fmt: skip
STAFF = Actor("staff", "1")


@pytest.fixture
def client():
    make.policies()
    return make.member_client(make.member(phone="+8613800138000"))


def of(client, purpose="marketing"):
    return next(row for row in client.get("me/consents").json()["results"] if row["purpose"] == purpose)


def give(client, purpose="marketing", version="1"):
    return client.post("me/consents", {"purpose": purpose, "version": version})


def refuse(client, purpose="marketing"):
    answer = client.delete(f"me/consents/{purpose}")
    assert answer.status_code == 204
    return answer


def words(member, purpose="marketing"):
    return list(member.consents.filter(purpose=purpose).order_by("id").values_list("act", "version"))


def earlier(member, **ago):
    """What was said was said so long ago: only the trigger knows better, and looks away."""
    with pgtrigger.ignore("members.Consent:never_changed"):
        Consent.objects.filter(member=member).update(at=clock.now() - timedelta(**ago))


def aged(years, days=0):
    born = timezone.localdate(clock.now()) + timedelta(days=days)
    return born.replace(year=born.year - years)


def test_each_purpose_in_force_is_shown_with_the_last_word(client):
    rows = client.get("me/consents").json()["results"]
    assert [set(row) for row in rows] == [ITEM] * 3
    assert {row["purpose"]: (row["required"], row["granted"], row["may_ask"]) for row in rows} == {
        "terms": (True, False, True), "privacy": (True, False, True), "marketing": (False, False, True),
    }  # fmt: skip


def test_agreeing_is_kept_with_its_evidence_and_told(client):
    answer = give(client)
    assert (answer.status_code, answer.json()["granted"], answer.json()["granted_version"]) == (201, True, "1")
    assert (answer.json()["channel"], answer.json()["may_ask"]) == ("website", False)
    row = Consent.objects.get()
    assert (row.locale, row.text_digest, row.evidence) == ("zh-hans", "0" * 64, answer["X-Request-ID"])
    (event,) = make.events_of(client.member)
    assert event.type == "member.consent_granted"
    assert event.data == {"id": str(client.member.id), "purpose": "marketing", "version": "1"}


def test_agreeing_twice_is_agreeing_once(client):
    give(client)
    before = make.snapshot()
    assert give(client).status_code == 200
    assert make.snapshot() == before


@pytest.mark.parametrize(
    ("purpose", "version"), [("marketing", "2"), ("marketing", ""), ("nothing", "1"), ("x" * 41, "1")]
)
def test_nobody_agrees_to_what_is_not_in_force(client, purpose, version):
    before = make.snapshot()
    assert give(client, purpose, version).json()["code"] == "invalid"
    assert make.snapshot() == before


def test_withdrawing_is_as_easy_and_counts_at_once(client):
    give(client)
    assert consent.allows(client.member.id, "marketing")
    refuse(client)
    assert not consent.allows(client.member.id, "marketing")
    assert words(client.member) == [("granted", "1"), ("withdrawn", "1")]
    assert make.types_of(client.member) == ["member.consent_granted", "member.consent_withdrawn"]
    before = make.snapshot()
    refuse(client)
    assert make.snapshot() == before


def test_a_required_purpose_is_withdrawn_as_well_and_then_asked_for(client):
    for purpose in ("terms", "privacy"):
        give(client, purpose)
    assert client.get("me").json()["consents_required"] == []
    refuse(client, "terms")
    assert [each["purpose"] for each in client.get("me").json()["consents_required"]] == ["terms"]
    assert client.get("me/addresses").status_code == 200


def test_a_no_to_what_was_never_given_is_kept_and_tells_no_withdrawal(client):
    refuse(client)
    assert words(client.member) == [("declined", "1")]
    (event,) = make.events_of(client.member)
    assert (event.type, event.data["changed"]) == ("member.updated", ["consents"])


def test_after_a_no_nobody_asks_for_30_days_then_90_then_180(client):
    for days in (30, 90, 180, 360, 360):
        refuse(client)
        row, last = of(client), client.member.consents.latest("id")
        assert (row["may_ask"], row["granted"]) == (False, False)
        assert row["ask_after"] == consent_state.instant(last.at + timedelta(days=days))
        earlier(client.member, days=days, seconds=1)
        assert of(client)["may_ask"]
    assert len(words(client.member)) == 5


def test_who_agreed_after_all_is_asked_anew_as_at_the_first_time(client):
    refuse(client)
    earlier(client.member, days=31)
    refuse(client)
    give(client)
    assert of(client)["ask_after"] is None
    refuse(client)
    last = client.member.consents.latest("id")
    assert of(client)["ask_after"] == consent_state.instant(last.at + timedelta(days=30))


def publish(purpose, version, **fields):
    draft = make_profile.policy(purpose, version, is_current=False, published_at=None, **fields)
    return policies.publish(policy_id=draft.id, by=STAFF)


def test_a_new_version_turns_the_purpose_off_until_it_is_given(client):
    give(client)
    publish("marketing", "2")
    row = of(client)
    assert (row["version"], row["granted"], row["granted_version"], row["may_ask"]) == ("2", False, "1", True)
    assert not consent.allows(client.member.id, "marketing")
    assert give(client, version="1").json()["code"] == "invalid"
    assert give(client, version="2").status_code == 201
    assert consent.allows(client.member.id, "marketing")


def test_a_new_version_asks_nobody_sooner_who_said_no(client):
    refuse(client)
    publish("marketing", "2")
    assert (of(client)["version"], of(client)["may_ask"]) == ("2", False)
    earlier(client.member, days=31)
    assert of(client)["may_ask"]


def test_a_channel_may_have_a_text_of_its_own(client):
    give(client)
    publish("marketing", "m1", channel=make.channel("mini-program"))
    there = make.member_client(client.member, "mini-program")
    assert (of(client)["version"], of(there)["version"], of(there)["granted"]) == ("1", "m1", False)
    assert make.client("mini-program").get("policies").json()["results"][0]["version"] == "m1"
    assert give(there, version="m1").status_code == 201
    assert (of(client)["granted"], of(there)["granted"]) == (True, True)  # one takes nothing back from the other
    assert consent.allows(client.member.id, "marketing")
    refuse(there)
    assert (of(client)["granted"], of(there)["granted"]) == (False, False)


def test_marketing_takes_a_person_who_proved_who_they_are(client):
    backend = make.backend_client("website")
    given = {"purpose": "marketing", "version": "1", "granted_at": "2026-01-02T03:04:05Z", "evidence": "form 7"}
    told = {
        "identities": [{"kind": "phone", "value": "13900139000"}],
        "consents": [given, given | {"purpose": "terms"}],
    }
    made = backend.post("members/resolve", told).json()["member"]["id"]
    assert (consent.allows(made, "marketing"), consent.allows(made, "terms")) == (False, True)
    person = consent.Member.objects.get(pk=made)
    make.identity(person, "phone", "+8613900139000")
    assert consent.allows(made, "marketing")


def test_below_14_a_guardian_agrees_to_what_is_not_required(client):
    give(client)
    client.member.birthday = aged(14, days=1)
    client.member.save()
    assert not consent.allows(client.member.id, "marketing")
    assert (of(client)["granted"], of(client)["needs_guardian"], of(client)["may_ask"]) == (False, True, False)
    refuse(client)
    assert (give(client).status_code, give(client, "terms").status_code) == (403, 201)
    make_profile.policy("guardian", "1")
    assert give(client, "guardian").json()["code"] == "forbidden"

    consent.record_guardian(member_id=client.member.id, evidence="form 7", by=STAFF)

    assert (give(client).status_code, of(client)["needs_guardian"]) == (201, False)
    assert consent.allows(client.member.id, "marketing")
    refuse(client, "guardian")
    assert not consent.allows(client.member.id, "marketing")


def test_a_channel_brings_a_guardians_word_by_resolve():
    make.policies()
    backend, purposes = make.backend_client("website"), ("marketing", "guardian")
    given = [
        {"purpose": p, "version": "1", "granted_at": "2026-01-02T03:04:05Z", "evidence": "form 7"} for p in purposes
    ]
    told = {"identities": [{"kind": "phone", "value": "13900139000"}], "profile": {"birthday": aged(9).isoformat()}}
    made = backend.post("members/resolve", told | {"consents": given[:1]}).json()["member"]["id"]
    make.identity(consent.Member.objects.get(pk=made), "phone", "+8613900139000")
    make.member_client(consent.Member.objects.get(pk=made))  # who proves their phone there is seen there
    assert not consent.allows(made, "marketing")
    backend.post("members/resolve", told | {"consents": given})
    assert consent.allows(made, "marketing")


@pytest.mark.parametrize(("years", "days", "minor"), [(14, 0, False), (14, 1, True), (13, 0, True), (40, 0, False)])
def test_who_turns_14_today_is_of_age(years, days, minor):
    assert consent_state.is_minor(aged(years, days), clock.now()) is minor


@pytest.mark.parametrize(
    ("today", "born"),
    [("2028-02-29", "2014-02-28"), ("2026-11-22", "2012-11-22"), ("2030-03-01", "2016-03-01")],
)
def test_14_years_by_the_calendar_of_shanghai(today, born):
    noon = timezone.datetime.fromisoformat(f"{today}T04:00:00+00:00")
    assert consent_state.born_by(noon).isoformat() == born


@pytest.mark.parametrize("kind", ["restriction", "erasure"])
def test_whose_data_is_not_to_be_used_is_not_written_to(client, kind):
    give(client)
    due = clock.now() + timedelta(days=7)
    asked = PrivacyRequest.objects.create(kind=kind, member=client.member, by="member/1", due_at=due)
    assert not consent.allows(client.member.id, "marketing")
    PrivacyRequest.objects.filter(pk=asked.pk).update(state="withdrawn", closed_at=clock.now())
    assert consent.allows(client.member.id, "marketing")


def test_the_merged_and_the_erased_are_nobody_to_write_to(client):
    give(client)
    absorbed, gone = (make.member(phone=make.mobile(), status=s, merged_into=m) for s, m in
                      (("merged", client.member), ("erased", None)))  # fmt: skip
    said(absorbed), said(gone)
    assert set(consent.allowed("marketing")) == {client.member}
    assert consent.allows(absorbed.id, "marketing")  # answers for who absorbed them
    assert not consent.allows(gone.id, "marketing")


@pytest.mark.parametrize("rows", [1, 3])
def test_all_who_allow_it_are_found_by_one_query(rows, django_assert_num_queries):
    make.policies()
    for _ in range(rows):
        said(make.member(phone=make.mobile()))
    said(make.member(phone=make.mobile()), act="withdrawn")
    with django_assert_num_queries(2):  # the time, the members
        assert consent.allowed("marketing").count() == rows


@pytest.mark.parametrize("rows", [1, 3])
def test_consents_cost_the_same_however_many(client, rows, django_assert_num_queries):
    for _ in range(rows):
        said(client.member)
    with django_assert_num_queries(4):  # member, time, what was said, policies; the session is prepared
        client.get("me/consents")


def test_nobody_says_no_to_what_was_never_asked(client):
    assert client.delete("me/consents/nothing").status_code == 404


@pytest.mark.parametrize(
    "fields", [{"act": "withdrawn"}, {"at": timezone.now()}, {"evidence": "another"}, {"locale": "en"}]
)
def test_the_database_refuses_to_change_what_was_said(fields):
    row = said(make.member(), evidence="form 7")
    with pytest.raises((InternalError, ProgrammingError, IntegrityError), match="Cannot update"):
        Consent.objects.filter(pk=row.pk).update(**fields)


def test_the_database_refuses_to_unsay_it():
    row = said(make.member())
    with pytest.raises((InternalError, ProgrammingError, IntegrityError), match="Cannot delete"):
        row.delete()


def test_a_merge_moves_it_and_an_erasure_empties_its_evidence():
    row, other = said(make.member(), evidence="form 7"), make.member()
    Consent.objects.filter(pk=row.pk).update(member=other)
    Consent.objects.filter(pk=row.pk).update(evidence="")
    row.refresh_from_db()
    assert (row.member, row.evidence) == (other, "")
