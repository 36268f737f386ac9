"""What an erasure must not leave behind, and whom it must not keep waiting."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from loyalty.services import adjusting
from members import copy_page, erasing, exporting, forgetting, privacy
from members.models import ExportFile, Freeze, Member, PrivacyRequest, SignInGrant
from orders import leaving
from sync.act import act
from sync.clock import Clock
from tests import make
from tests.loyalty import make_adjusting
from tests.members import dumps, make_privacy
from tests.orders import make_orders

WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted"


def until_somebody_waits(seconds: int = 20) -> None:
    """Until one connection waits for another's lock."""
    with connection.cursor() as cursor:
        for _turn in range(seconds * 20):
            cursor.execute(WAITING)
            if cursor.fetchone()[0]:
                return
            cursor.execute("SELECT pg_sleep(0.05)")
    raise AssertionError("Nobody waits")


@pytest.mark.django_db
def test_those_who_cannot_be_erased_yet_keep_nobody_waiting():
    first, second = (make_privacy.stepped_up(make.member()) for _ in range(2))
    for client in (first, second):
        assert client.post("me/erasure").status_code == 202
    make_privacy.come_due()
    PrivacyRequest.objects.filter(member=first.member).update(due_at=Clock() - timedelta(days=3))
    Freeze.objects.create(member=first.member, scopes=["orders"], reason="other", by="staff/1", approved_by="staff/2")

    assert erasing.erase_due(limit=1) == 1

    assert Member.objects.get(pk=second.member.pk).status == "erased"


@pytest.mark.django_db
def test_a_grant_that_nobody_used_is_forgotten_with_what_it_names():
    make.policies()
    row = SignInGrant.objects.create(
        digest=b"x", channel=make.channel(), identity='{"kind": "phone"}', expires_at=Clock() - timedelta(hours=2)
    )
    forgetting.forget_expired()
    assert not SignInGrant.objects.filter(pk=row.pk).exists()


@pytest.mark.django_db(transaction=True)
def test_a_copy_that_was_being_made_while_its_person_was_erased_is_gone_too(monkeypatch):
    client = make_privacy.stepped_up(make.member(phone="+8613800138000"))
    assert client.post("me/exports").status_code == 202
    assert client.post("me/erasure").status_code == 202
    make_privacy.come_due()
    reading, go_on = threading.Event(), threading.Event()
    page = copy_page.page

    def slow(*args):
        reading.set()
        go_on.wait(20)
        return page(*args)

    monkeypatch.setattr(copy_page, "page", slow)

    def closing(work):
        try:
            return work()
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        made = pool.submit(closing, exporting.make_due)
        assert reading.wait(20)
        erased = pool.submit(closing, erasing.erase_due)
        until_somebody_waits()
        go_on.set()
        assert (made.result(), erased.result()) == (1, 1)

    assert not ExportFile.objects.exists()


@pytest.mark.django_db
def test_words_of_staff_about_who_was_erased_go_with_them():
    words = "王晓明亮 called and said so"
    client = make_privacy.stepped_up(make.member())
    asked = privacy.enter(member=client.member.pk, kind="correction", note="the name", by=make.STAFF)
    privacy.settle(request=asked.pk, met=True, words=words, by=make.STAFF)
    make_adjusting.limits(alone=10, per_day=10_000)
    given = make_adjusting.adjusted(client.member, 500)
    adjusting.refuse(adjustment=given.pk, why=words, by=make_adjusting.person("second"))

    assert make_privacy.erase(client) == 1

    assert dumps.found_in(dumps.tables(), [words]) == {}


@act
def forgotten(member: Member) -> int:
    """How many statements it takes to forget whose a member's orders are."""
    with CaptureQueriesContext(connection) as asked:
        leaving.forget(member.pk)
    return len(asked)


@pytest.mark.django_db
def test_many_orders_are_forgotten_as_cheaply_as_one():
    one, many = make.member(), make.member()
    for member, count in ((one, 1), (many, 4)):
        for _number in range(count):
            make_orders.order(member=member, buyer_note="please ring twice")

    assert forgotten(many) == forgotten(one)
    assert make.types_of(many).count("order.updated") == 4
