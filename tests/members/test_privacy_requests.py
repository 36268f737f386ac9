"""What staff enter and close: corrections and restrictions, each to be met by its day."""

from datetime import timedelta

import pytest
from django.db import IntegrityError

from members import consent, privacy
from members.models import PrivacyRequest
from sync.clock import Clock
from sync.http import Problem
from sync.models import Measure
from tests import make
from tests.config import make_staff
from tests.members import make_privacy

pytestmark = pytest.mark.django_db
QUEUE = "/admin/members/privacyrequest/"


def entered(member, kind="correction", note="The birthday is wrong"):
    return privacy.enter(member=member.pk, kind=kind, note=note, by=make.STAFF)


def test_a_request_has_its_day_and_who_entered_it():
    asked = entered(make.member())
    assert (asked.state, asked.by, asked.note) == ("open", "staff/1", "The birthday is wrong")
    assert asked.due_at - asked.asked_at == timedelta(days=15)


@pytest.mark.parametrize(("kind", "note"), [("erasure", "gone"), ("export", "all"), ("correction", " ")])
def test_what_is_not_for_staff_to_enter_is_refused(kind, note):
    member = make.member()
    before = make.snapshot()
    with pytest.raises(privacy.NotNow):
        entered(member, kind, note)
    assert make.snapshot() == before


def test_an_erased_member_asks_for_nothing():
    with pytest.raises(Problem, match="not_found"):
        entered(make.member(status="erased"))


def test_a_restriction_holds_while_it_is_open_and_there_is_one():
    member = make.member()
    asked = entered(member, "restriction")
    assert privacy.is_restricted(member.pk)
    with pytest.raises(privacy.NotNow):
        entered(member, "restriction")
    privacy.settle(request=asked.pk, met=True, words="She called and lifted it", by=make.STAFF)
    assert not privacy.is_restricted(member.pk)


def test_an_open_restriction_stops_marketing():
    make.policies()
    member = make.member(phone="+8613800138000")
    member.consents.create(purpose="marketing", version="1", act="granted")
    assert consent.allows(member.pk, "marketing")
    entered(member, "restriction")
    assert not consent.allows(member.pk, "marketing")


@pytest.mark.parametrize(("met", "state"), [(True, "done"), (False, "refused")])
def test_closing_takes_words_and_happens_once(met, state):
    asked = entered(make.member())
    with pytest.raises(privacy.NotNow):
        privacy.settle(request=asked.pk, met=met, words=" ", by=make.STAFF)
    closed = privacy.settle(request=asked.pk, met=met, words="Seen the passport", by=make.STAFF)
    assert (closed.state, closed.closed_by, closed.receipt) == (state, "staff/1", {"words": "Seen the passport"})
    before = make.snapshot()
    with pytest.raises(privacy.NotNow):
        privacy.settle(request=asked.pk, met=met, words="Again", by=make.STAFF)
    assert make.snapshot() == before


def test_staff_do_not_close_what_people_asked_for_themselves():
    client = make_privacy.stepped_up()
    client.post("me/erasure")
    with pytest.raises(privacy.NotNow):
        privacy.settle(request=PrivacyRequest.objects.get().pk, met=False, words="No", by=make.STAFF)


def test_what_is_overdue_is_measured():
    asked = entered(make.member())
    assert privacy.watch() == 0
    PrivacyRequest.objects.filter(pk=asked.pk).update(due_at=Clock() - timedelta(minutes=1))
    assert privacy.watch() == 1
    assert Measure.objects.get(name="privacy.overdue").value == 0.5  # the mean of the minute


def test_the_database_keeps_one_open_erasure_and_the_time_of_closing():
    member = make.member()
    make_privacy.asked_for(member, "erasure")
    with pytest.raises(IntegrityError, match="privacy_request_open_once"):
        make_privacy.asked_for(member, "erasure")


def test_the_database_refuses_a_closed_request_without_its_time():
    with pytest.raises(IntegrityError, match="privacy_request_closed_at_follows_state"):
        PrivacyRequest.objects.create(member=make.member(), kind="export", by="x", due_at=make.NOON, state="done")


@pytest.fixture
def support():
    return make_staff.signed_in("support", [make.channel()])


def test_staff_see_the_queue_by_the_day_and_what_is_overdue(support):
    late, soon = make.member(nickname="晚"), make.member(nickname="早")
    make_privacy.asked_for(late), entered(soon)
    page = support.get(QUEUE, {"queue": "overdue"}).content.decode()
    assert late.number in page
    assert soon.number not in page
    page = support.get(QUEUE, {"queue": "open"}).content.decode()
    assert page.index(late.number) < page.index(soon.number)


def test_staff_enter_a_request_from_the_members_page_and_close_it(support):
    member = make.member()
    url = f"{QUEUE}enter/{member.pk}/"
    assert url in support.get(f"/admin/members/member/{member.pk}/change/").content.decode()
    support.post(url, {"kind": "correction", "note": "The birthday is wrong"})
    asked = PrivacyRequest.objects.get()
    support.post(f"{QUEUE}{asked.pk}/close/", {"met": "yes", "words": "Corrected"})
    asked.refresh_from_db()
    assert (asked.state, asked.receipt) == ("done", {"words": "Corrected"})
    assert "Corrected" in support.get(f"{QUEUE}{asked.pk}/change/").content.decode()


def test_who_may_not_handle_requests_neither_enters_nor_closes():
    operator, member = make_staff.signed_in("operator", [make.channel()]), make.member()
    asked = entered(member)
    before = make.snapshot()
    assert operator.post(f"{QUEUE}enter/{member.pk}/", {"kind": "correction", "note": "x"}).status_code == 403
    assert operator.post(f"{QUEUE}{asked.pk}/close/", {"met": "yes", "words": "x"}).status_code == 403
    after = make.snapshot()
    assert {name for name in after if after[name] != before[name]} <= {"auth_user", "pghistory_context"}


def test_the_receipt_is_readable(support):
    client = make_privacy.stepped_up(make.member(phone="+8613800138000"))
    make_privacy.erase(client)
    asked = PrivacyRequest.objects.get()
    page = support.get(f"{QUEUE}{asked.pk}/change/").content.decode()
    for words in ("注销回执", "登录方式与渠道客户号", "已通知渠道", "website"):
        assert words in page
