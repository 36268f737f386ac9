"""Policies: drafted, put in force by an act, never edited afterwards."""

import threading

import pytest
from django.db import IntegrityError, connection
from django.db.utils import InternalError, ProgrammingError

from members import policies, queries
from members.models import Policy
from sync.act import Actor
from tests import make
from tests.members.make_profile import policy

pytestmark = pytest.mark.django_db
STAFF = Actor("staff", "1")
NEVER = pytest.raises((InternalError, ProgrammingError, IntegrityError), match=r"Cannot (update|delete)")


def draft(version="2", purpose="marketing", **fields):
    return policy(purpose, version, is_current=False, published_at=None, **fields)


def publish(row):
    return policies.publish(policy_id=row.id, by=STAFF)


def in_force(purpose="marketing", channel=None):
    return sorted(
        (p.version, p.locale) for p in Policy.objects.filter(purpose=purpose, channel=channel, is_current=True)
    )


@pytest.fixture(autouse=True)
def known(db):
    make.policies()


def test_a_draft_counts_for_nobody():
    draft()
    assert {p.version for p in queries.current_policies()} == {"1"}


def test_publishing_retires_the_one_before():
    (now,) = publish(draft())
    former = Policy.objects.get(purpose="marketing", version="1")
    assert (now.version, now.is_current, now.retired_at) == ("2", True, None)
    assert (former.is_current, former.retired_at is None) == (False, False)
    assert now.published_at > former.published_at


def test_one_version_comes_into_force_in_all_languages_drafted():
    english = draft(locale="en")
    publish(draft())
    assert in_force() == [("2", "en"), ("2", "zh-hans")]
    with pytest.raises(policies.Unfit):
        publish(english)


def test_a_language_may_follow_later():
    publish(draft())
    publish(draft(locale="en"))
    assert in_force() == [("2", "en"), ("2", "zh-hans")]


def test_a_channels_own_text_leaves_that_of_all_channels_alone():
    mini = make.channel("mini-program")
    publish(draft("m1", channel=mini))
    assert (in_force(), in_force(channel=mini)) == ([("1", "zh-hans")], [("m1", "zh-hans")])
    assert {p.purpose: p.version for p in queries.current_policies(mini)} == {
        "terms": "1",
        "privacy": "1",
        "marketing": "m1",
    }
    assert {p.version for p in queries.current_policies(make.channel("website"))} == {"1"}


def test_the_readers_language_comes_first_then_chinese():
    publish(draft())
    publish(draft(locale="en"))
    for language, locale in (("en", "en"), ("zh-hans", "zh-hans")):
        rows = make.client().get("policies", {"Accept-Language": language}).json()["results"]
        digest = next(row for row in rows if row["purpose"] == "marketing")
        assert digest["version"] == "2"
        assert Policy.objects.filter(purpose="marketing", version="2", locale=locale).exists()


def test_a_version_stands_for_one_text_for_ever():
    publish(draft("2"))
    publish(draft("3"))
    before = make.snapshot()
    for again in ({"version": "2", "locale": "en"}, {"version": "3", "channel": make.channel("website")}):
        row = draft(**again)
        with pytest.raises(policies.Unfit):
            publish(row)
        Policy.objects.filter(pk=row.pk).delete()
    assert make.snapshot()["members_policy"] == before["members_policy"]


def test_a_version_is_required_in_all_languages_or_in_none():
    draft(locale="en", is_required=True)
    with pytest.raises(policies.Unfit):
        publish(draft())
    assert in_force() == [("1", "zh-hans")]


@pytest.mark.parametrize("fields", [{"title": "x"}, {"text_digest": "x"}, {"version": "9"}, {"is_required": True}])
def test_what_is_published_is_never_edited(fields):
    with NEVER:
        Policy.objects.filter(purpose="marketing").update(**fields)


def test_what_is_published_is_never_deleted():
    with NEVER:
        Policy.objects.filter(purpose="marketing").delete()


def test_a_draft_is_edited_and_the_address_of_a_text_may_move():
    assert Policy.objects.filter(pk=draft().pk).update(title="x") == 1
    assert Policy.objects.filter(purpose="marketing", version="1").update(text_url="https://elsewhere.example") == 1


def test_what_is_in_force_is_published():
    with pytest.raises(IntegrityError, match="policy_in_force_is_published"):
        policy("other", "1", published_at=None)


def test_the_hash_is_of_the_text_as_it_is_read():
    assert policies.digest_of("第一条\r\n第二条\r\n") == policies.digest_of("\n第一条\n第二条")
    assert policies.digest_of("第一条") != policies.digest_of("第二条")


@pytest.mark.django_db(transaction=True)
def test_of_two_published_at_once_one_is_in_force():
    rows, failed = [draft("2"), draft("3")], []

    def send(row):
        try:
            publish(row)
        except policies.Unfit as error:
            failed.append(error)
        connection.close()

    threads = [threading.Thread(target=send, args=[row]) for row in rows]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(in_force()), failed) == (1, [])
