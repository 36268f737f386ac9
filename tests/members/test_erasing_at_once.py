"""An erasure beside everything else, with real threads: one of them comes first, and nothing is half done."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from loyalty import services as loyalty
from members import erasing, merging, privacy, services
from members.models import Member, PrivacyRequest
from orders.models import Order
from sync.act import SYSTEM, act
from sync.http import Problem
from tests import make
from tests.members import make_privacy
from tests.orders import make_orders

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(*calls):
    """Run all calls in threads that start together; returns what they returned, or the code of the problem."""
    start = threading.Barrier(len(calls))

    def run(call):
        try:
            start.wait()
            return call()
        except Problem as problem:
            return problem.code
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return [task.result() for task in [pool.submit(run, call) for call in calls]]


@pytest.fixture
def leaving():
    """Somebody whose time to think it over has passed."""
    client = make_privacy.stepped_up(make.member(phone="+8613800138000"))
    assert client.post("me/erasure").status_code == 202
    make_privacy.come_due()
    return client


def erasing_of(client):
    return lambda: erasing.erase(PrivacyRequest.objects.get(member=client.member).pk)


def test_many_sweeps_erase_once(leaving):
    outcomes = at_once(*[erasing_of(leaving)] * 4)
    assert sorted(outcomes) == [False, False, False, True]
    assert make.types_of(leaving.member).count("member.erased") == 1


def test_an_order_and_an_erasure_do_not_both_happen(leaving):
    placed, erased = at_once(lambda: make_orders.order(member=leaving.member), erasing_of(leaving))
    assert erased is (placed == "not_found")
    assert Order.objects.exists() is not erased
    assert (Member.objects.get(pk=leaving.member.pk).status == "erased") is erased


def test_points_that_come_at_the_moment_of_leaving_are_lost_or_refused(leaving):
    earn = lambda: loyalty.earn(member=leaving.member.pk, points=5, reference="e", by=SYSTEM)  # noqa: E731
    given, erased = at_once(earn, erasing_of(leaving))
    assert erased is True
    if given != "not_found":
        assert Member.objects.get(pk=leaving.member.pk).account.available == 0


@act
def merged(one, other):
    source, target = merging.survivor_of(*services.lock(one.id, other.id))
    return merging.merge(source, target, why="one person", by=SYSTEM)


def test_a_merge_and_an_asking_do_not_both_happen():
    client, other = make_privacy.stepped_up(), make.member()
    ask = lambda: privacy.ask_erasure(member=client.member.pk, channel=client.channel, by=SYSTEM)  # noqa: E731
    asked, joined = at_once(ask, lambda: merged(client.member, other))
    assert PrivacyRequest.objects.count() == 1
    if joined == "case_closed":
        assert asked.member_id == client.member.pk
    else:  # the request came after, to the survivor
        assert asked.member_id == joined.target_id


def test_a_merge_beside_an_erasure_is_refused(leaving):
    other = make.member(phone="+8613900139000")
    joined, erased = at_once(lambda: merged(leaving.member, other), erasing_of(leaving))
    assert (joined, erased) == ("case_closed", True)
    assert Member.objects.get(pk=other.pk).status == "active"


def test_signing_in_beside_an_erasure_finds_the_old_member_or_makes_a_new_one(doors, leaving):
    answer, erased = at_once(lambda: doors.sms("13800138000").json(), erasing_of(leaving))
    assert erased is True
    if answer["member"]["id"] == str(leaving.member.pk):
        client = make.bearing(answer["tokens"]["access_token"])
        assert client.get("me").json()["code"] == "token_revoked"
    else:
        assert answer["created"] is True
