"""What staff change of a channel on its page counts for the next call at the API: nothing is started anew."""

from datetime import timedelta

import pytest
from django.urls import reverse

from sync.models import Channel
from tests import make
from tests.config import make_staff
from tests.sync.test_registry_pages import filled, page_of, wrong

pytestmark = pytest.mark.django_db
MINUTE, DAY = 60, 86_400  # seconds


@pytest.fixture
def website():
    make.policies()
    return make.channel("website")


@pytest.fixture
def browser(website):
    return make_staff.signed_in("administrator", [website])


@pytest.fixture
def backend(website):
    return make.backend_client(website)


def change(browser, channel: Channel, **changed) -> None:
    """As staff do it: open the channel's page, type, save."""
    answer = browser.post(page_of(channel), filled(browser, channel, **changed))
    assert answer.status_code == 302, wrong(answer)


def signed_in(backend, customer: str):
    """The answer to a customer of the channel who comes by a grant of its backend."""
    asked = {"identity": {"kind": "external", "value": customer}, "consents": make.policies(), "device": ""}
    grant = backend.post("sign-in-grants", asked).json()["grant"]
    return make.client(backend.channel).post("auth/grant", {"grant": grant})


def earned(backend, member, points: int, reference: str) -> tuple[int, int]:
    """Of points that the backend gives: how many are available at once, and how many wait for staff."""
    before = backend.get(f"members/{member.pk}/points").json()
    body = {"kind": "earn", "points": points, "reason": "", "reference": reference}
    answer = backend.post(f"members/{member.pk}/points/entries", body)
    assert answer.status_code == 201, answer.json()
    after = answer.json()["balance"]
    return after["available"] - before["available"], after["pending"] - before["pending"]


@pytest.mark.parametrize("limit", ["earn_per_entry", "earn_per_member", "earn_per_day"])
def test_a_limit_on_earning_holds_from_the_next_entry_on(website, browser, backend, limit):
    member = make.member(channel=website)
    assert earned(backend, member, 30, "before") == (30, 0)
    change(browser, website, **{limit: "29"})
    assert earned(backend, member, 30, "under the limit") == (0, 30)
    change(browser, website, **{limit: "1000"})
    assert earned(backend, member, 30, "under the new one") == (30, 0)


def test_a_limit_of_a_member_is_another_member_s_no_limit_and_that_of_a_day_is(website, browser, backend):
    one, two = make.member(channel=website), make.member(channel=website)
    change(browser, website, earn_per_member="40")
    assert earned(backend, one, 30, "1") == (30, 0)
    assert (earned(backend, one, 30, "2"), earned(backend, two, 30, "2")) == ((0, 30), (30, 0))
    change(browser, website, earn_per_member="1000", earn_per_day="70")
    assert earned(backend, two, 30, "3") == (0, 30)


def test_tokens_last_as_long_as_the_channel_says_from_the_next_sign_in_or_refresh_on(website, browser, backend):
    before = signed_in(backend, "7").json()["tokens"]
    assert (before["expires_in"], before["refresh_expires_in"]) == (120 * MINUTE, 30 * DAY)
    change(browser, website, access_minutes="5", session_idle_days="2", session_max_days="3")
    tokens = signed_in(backend, "7").json()["tokens"]
    assert (tokens["expires_in"], tokens["refresh_expires_in"]) == (5 * MINUTE, 2 * DAY)
    renewed = make.client(website).post("auth/refresh", {"refresh_token": before["refresh_token"]}).json()
    assert renewed["expires_in"] == 5 * MINUTE
    assert renewed["refresh_expires_in"] == pytest.approx(2 * DAY, abs=timedelta(minutes=1).total_seconds())
    there = signed_in(make.backend_client("mini-program"), "8").json()["tokens"]
    assert there["expires_in"] == 120 * MINUTE


def test_a_consent_that_staff_require_on_a_channel_is_asked_of_all_who_come_there(website, browser, backend):
    make.channel("mini-program")
    member = make.member_client(channel=website)
    for given in make.policies():
        member.post("me/consents", given)
    assert (signed_in(backend, "7").status_code, member.get("me").json()["consents_required"]) == (200, [])
    club = {"purpose": "club", "version": "1", "locale": "zh-hans", "channel": website.pk, "title": "会员章程"}
    club |= {"text": "第一条", "text_url": "/policies/club/1", "is_required": "on"}
    browser.post(reverse("admin:members_policy_add"), club)
    assert signed_in(backend, "8").status_code == 200  # a draft asks nobody
    drafted = browser.get(reverse("admin:members_policy_changelist")).context["cl"].queryset.get(purpose="club")
    browser.post(reverse("admin:members_policy_publish", args=[drafted.pk]))

    refused = signed_in(backend, "9")

    assert (refused.status_code, refused.json()["code"]) == (422, "consent_required")
    assert sorted(policy["purpose"] for policy in refused.json()["required"]) == ["club", "privacy", "terms"]
    assert [policy["purpose"] for policy in member.get("me").json()["consents_required"]] == ["club"]
    agreed = [*make.policies(), {"purpose": "club", "version": "1"}]
    registered = {"registration_token": refused.json()["registration_token"], "consents": agreed}
    assert make.client(website).post("auth/register", registered).status_code == 200
    assert signed_in(make.backend_client("mini-program"), "10").status_code == 200


def test_a_channel_that_staff_trust_attests_what_it_says_and_one_they_do_not_asserts_it(website, browser, backend):
    def proof_of(customer: str) -> list[str]:
        session = make.bearing(signed_in(backend, customer).json()["tokens"]["access_token"])
        return [identity["proof"] for identity in session.get("me").json()["identities"]]

    assert proof_of("7") == ["asserted"]
    change(browser, website, is_trusted="on")
    assert proof_of("8") == ["attested"]
    change(browser, website, is_trusted=None)
    assert proof_of("9") == ["asserted"]
