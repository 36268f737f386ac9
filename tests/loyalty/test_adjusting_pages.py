"""Adjustments in the admin: who may ask asks, who may approve approves, and nobody reaches whom they do not see."""

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from config import roles
from loyalty.models import Adjustment, AdjustmentFile, Lot, Reason
from loyalty.services import adjusting, adjusting_by_file, running_files
from sync.act import Actor
from sync.ids import uuid7
from tests import make
from tests.config import make_staff
from tests.loyalty.make_adjusting import adjusted, brought, content, limits, person, reason, waiting_lot
from tests.loyalty.make_points import balance, holder

pytestmark = pytest.mark.django_db(transaction=True)
ASK = "/admin/loyalty/adjustment/ask/"
PHONE = "+8613712345678"


@pytest.fixture(autouse=True)
def terms():
    limits(alone=100, per_day=1_000)
    reason(name="客诉补偿")


@pytest.fixture
def website():
    return make.channel("website")


def desk(role: str, *channels):
    return make_staff.signed_in(role, channels or [make.channel("website")])


def actor(browser) -> Actor:
    return Actor("staff", browser.session["_auth_user_id"])


def asked(member, points: int = 50, **fields) -> dict:
    known = {"id": str(uuid7()), "member": str(member.pk), "way": "give", "points": points, "reason": "goodwill"}
    return known | fields


def act(row, name: str) -> str:
    return reverse(f"admin:loyalty_{row._meta.model_name}_act", args=[row.pk, name])


def page(row) -> str:
    return reverse(f"admin:loyalty_{row._meta.model_name}_change", args=[row.pk])


def said(answer) -> str:
    """What the page that follows tells."""
    return " ".join(str(message) for message in answer.context["messages"])


def test_support_asks_and_the_page_is_ready_for_the_next():
    member, browser = make.member(), desk("support")

    answer = browser.post(ASK, asked(member), follow=True)

    assert "+50 积分已入账，现可用 50" in said(answer)
    assert answer.redirect_chain[-1][0] == f"{ASK}?reason=goodwill&way=give"
    assert '<input type="hidden" name="reason" value="goodwill">' in answer.content.decode()
    assert balance(member) == (50, 0, 0, 0)
    assert Adjustment.objects.get().asked_by_id == int(actor(browser).id)


def test_the_same_form_sent_twice_counts_once():
    member, browser = make.member(), desk("support")
    form = asked(member)
    assert [browser.post(ASK, form).status_code for _ in range(2)] == [302, 302]
    assert balance(member) == (50, 0, 0, 0)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"points": 1_001}, "您今天还可调整 1,000 积分"),
        ({"way": "take"}, "可用"),
        ({"points": 0}, "大于或等于"),
        ({"reason": "nothing"}, "选择一个有效的选项"),
    ],
)
def test_what_is_refused_says_why_and_changes_nothing(fields, text):
    member, browser = make.member(), desk("support")
    browser.get(ASK)
    before = make.snapshot()
    answer = browser.post(ASK, asked(member, **fields))
    assert answer.status_code == 200
    assert text in answer.content.decode()
    assert make.snapshot() == before


@pytest.mark.parametrize("role", ["operator", "manager", "engineer", "auditor"])
def test_who_may_only_look_asks_and_decides_nothing(role):
    member, browser = make.member(), desk(role)
    rows = [adjusted(member, 500), brought(f"{member.number},500,goodwill,,a", channels=["website"])]
    lot = waiting_lot(member, make.channel("website"))
    before = make.snapshot()

    assert browser.post(ASK, asked(member)).status_code == 403
    assert browser.get(ASK).status_code == 403
    assert browser.post("/admin/loyalty/adjustmentfile/bring/", {}, follow=True).status_code == 403
    for row in rows:
        for name in ("approve", "refuse", "withdraw", "undo"):
            assert browser.post(act(row, name)).status_code == 403
    chosen = {"action": "let_through_chosen", "_selected_action": [str(lot.pk)]}
    assert browser.post("/admin/loyalty/waitinglot/", chosen).status_code in {200, 302, 403}
    assert make.snapshot() == before


def test_support_asks_but_does_not_approve():
    row, browser = adjusted(make.member(), 500), desk("support")
    assert browser.post(act(row, "approve")).status_code == 403
    assert roles.ROLES["support"] & {"loyalty.approve_adjustment", "loyalty.release_lot"} == set()


def test_finance_approves_and_goes_on_with_the_next():
    member, browser = make.member(), desk("finance")
    first, second = adjusted(member, 300), adjusted(member, 400)

    answer = browser.post(act(second, "approve"), follow=True)
    assert answer.redirect_chain[-1][0] == page(first)
    answer = browser.post(act(first, "refuse"), {"words": "没有凭证"}, follow=True)

    assert answer.redirect_chain[-1][0].endswith("/adjustment/?queue=open")
    assert balance(member) == (400, 0, 0, 0)
    first.refresh_from_db()
    assert (first.state, first.why) == ("refused", "没有凭证")


def test_nobody_approves_their_own_in_the_admin_either():
    browser = desk("finance")
    row = adjusted(make.member(), 500, by=actor(browser))
    before = make.snapshot()
    answer = browser.post(act(row, "approve"))
    assert answer.status_code == 302
    assert "须由他人审批" in said(browser.get(answer.url))
    assert Adjustment.objects.get().state == "asked"
    assert before["loyalty_entry"] == make.snapshot()["loyalty_entry"]
    shown = browser.get(page(row)).content.decode()
    assert "撤回" in shown
    assert act(row, "approve") not in shown


def test_many_are_approved_from_the_list():
    browser, poor = desk("finance"), holder(250)
    rows = [adjusted(make.member(), 200, by=person(f"p{n}")) for n in range(3)]
    rows += [adjusted(poor, -200), adjusted(poor, -200)]
    rows.append(adjusted(make.member(), 200, by=actor(browser)))

    chosen = {"action": "approve_chosen", "_selected_action": [str(row.pk) for row in rows]}
    answer = browser.post("/admin/loyalty/adjustment/?state__exact=asked", chosen, follow=True)

    states = sorted(Adjustment.objects.values_list("state", flat=True))
    assert states == ["asked", "asked", "posted", "posted", "posted", "posted"]
    assert "已完成 4 条" in said(answer)
    assert "须由他人审批" in said(answer)


def test_a_posted_one_is_undone_from_its_page():
    member, browser = make.member(), desk("support")
    row = adjusted(member, 50)
    answer = browser.post(act(row, "undo"), {"words": "记错"}, follow=True)
    undone = Adjustment.objects.get(undoes=row)
    assert answer.redirect_chain[-1][0] == page(undone)
    assert undone.note == "记错"
    assert act(row, "undo") not in browser.get(page(row)).content.decode()


def test_the_queue_holds_what_others_asked_for():
    browser = desk("finance")
    own, other = adjusted(make.member(), 200, by=actor(browser)), adjusted(make.member(), 200)
    listed = browser.get("/admin/loyalty/adjustment/", {"queue": "open"}).content.decode()
    assert str(other.pk) in listed
    assert str(own.pk) not in listed
    mine = browser.get("/admin/loyalty/adjustment/", {"queue": "mine"}).content.decode()
    assert str(own.pk) in mine
    assert str(other.pk) not in mine


def test_staff_of_one_channel_reach_only_its_members(website):
    mini = make.channel("mini-program")
    foreign, browser = make.member(channel="mini-program", phone=PHONE), desk("administrator", website)
    hidden = [adjusted(foreign, 500), brought(f"{foreign.number},500,goodwill,,a", channels=["mini-program"])]
    lot = waiting_lot(foreign, mini)
    before = make.snapshot()

    assert browser.post(ASK, asked(foreign)).status_code == 404
    assert browser.get(ASK, {"member": str(foreign.pk)}).status_code == 404
    assert "没有找到" in browser.get(ASK, {"q": foreign.number}).content.decode()
    for row in hidden:
        assert browser.get(page(row)).status_code == 404
        assert browser.post(act(row, "approve")).status_code == 404
        assert str(row.pk) not in browser.get(f"/admin/loyalty/{row._meta.model_name}/").content.decode()
    for path in ("progress/", "problems.csv"):
        assert browser.get(f"/admin/loyalty/adjustmentfile/{hidden[1].pk}/{path}").status_code == 404
    chosen = {"action": "let_through_chosen", "_selected_action": [str(lot.pk)]}
    browser.post("/admin/loyalty/waitinglot/", chosen)
    assert make.snapshot() == before

    upload = SimpleUploadedFile("a.csv", content(f"{foreign.number},5,goodwill,,x", f"{PHONE},5,goodwill,,y"))
    browser.post("/admin/loyalty/adjustmentfile/bring/", {"file": upload})
    assert set(AdjustmentFile.objects.get(name="a.csv").rows.values_list("problem", flat=True)) == {"unknown_member"}


def test_a_member_is_found_by_number_phone_or_name():
    member, browser = make.member(phone=PHONE, nickname="林小溪"), desk("support")
    make.member(nickname="林小溪")
    for text in (member.number, "137 1234 5678"):
        answer = browser.get(ASK, {"q": text, "reason": "goodwill"})
        assert f"member={member.pk}" in answer.url
    several = browser.get(ASK, {"q": "林小溪"}).content.decode()
    assert several.count("?member=") == 2
    shown = browser.get(ASK, {"member": str(member.pk)}).content.decode()
    assert PHONE[3:] not in shown
    assert "137****5678" in shown


def test_the_pages_of_member_and_account_lead_to_the_form_for_who_may_ask():
    member = holder(10)
    paths = [f"/admin/members/member/{member.pk}/change/", f"/admin/loyalty/account/{member.account.pk}/change/"]
    for role, leads in (("support", True), ("operator", False)):
        browser = desk(role)
        for path in paths:
            assert (f"{ASK}?member={member.pk}" in browser.get(path).content.decode()) == leads


def test_a_file_goes_its_way_through_the_pages():
    member, asker, approver = make.member(), desk("support"), desk("finance")
    upload = SimpleUploadedFile("p.csv", content(f"{member.number},500,goodwill,,a", "M20200101000000,5,goodwill,,b"))

    answer = asker.post("/admin/loyalty/adjustmentfile/bring/", {"file": upload}, follow=True)
    file = AdjustmentFile.objects.get()
    assert answer.redirect_chain[-1][0] == page(file)
    assert "您可见的会员中没有此人" in answer.content.decode()
    assert balance(member) == (0, 0, 0, 0)
    wrong = asker.get(f"/admin/loyalty/adjustmentfile/{file.pk}/problems.csv").content.decode("utf-8-sig")
    assert wrong.splitlines()[1].startswith("3,")

    asker.post(act(file, "submit"))
    assert asker.post(act(file, "approve")).status_code == 403
    assert balance(member) == (0, 0, 0, 0)
    approver.post(act(file, "approve"))
    assert approver.get(f"/admin/loyalty/adjustmentfile/{file.pk}/progress/").json()["waiting"] == 1
    running_files.run_due()

    done = approver.get(f"/admin/loyalty/adjustmentfile/{file.pk}/progress/").json()
    assert done == {"state": "posted", "done": 1, "wrong": 1, "waiting": 0, "posted": 1, "failed": 0}
    assert balance(member) == (500, 0, 0, 0)
    assert act(file, "undo") in asker.get(page(file)).content.decode()


def test_the_same_file_again_is_refused_on_the_page():
    browser, member = desk("support"), make.member()
    for expected in ("已校验", "已经上传过"):
        upload = SimpleUploadedFile("p.csv", content(f"{member.number},5,goodwill,,a"))
        answer = browser.post("/admin/loyalty/adjustmentfile/bring/", {"file": upload}, follow=True)
        assert expected in said(answer)
    assert AdjustmentFile.objects.count() == 1


def test_no_cell_of_a_download_is_a_formula():
    browser = desk("support")
    made = brought("=1+1,5,goodwill,,=cmd|x", channels=["website"])
    answer = browser.get(f"/admin/loyalty/adjustmentfile/{made.pk}/problems.csv")
    assert ",'=cmd|x," in answer.content.decode()
    sample = browser.get("/admin/loyalty/adjustmentfile/sample.csv").content.decode("utf-8-sig")
    assert sample.splitlines()[0] == "member,points,reason,note,reference"


def test_points_above_a_limit_are_let_through_or_turned_down(website):
    browser, members = desk("finance"), [make.member() for _ in range(2)]
    lots = [waiting_lot(each, website) for each in members]
    assert str(lots[0].pk) in browser.get("/admin/loyalty/waitinglot/").content.decode()

    for lot, action in zip(lots, ("let_through_chosen", "turn_down_chosen"), strict=True):
        browser.post("/admin/loyalty/waitinglot/", {"action": action, "_selected_action": [str(lot.pk)]})

    assert [balance(each)[:2] for each in members] == [(lots[0].earned, 0), (0, 0)]
    assert browser.get("/admin/loyalty/waitinglot/").context["cl"].result_count == 0
    assert Lot.objects.filter(is_pending=True, remaining__gt=0).count() == 0


def test_cards_on_the_first_page_count_what_waits(website):
    member = make.member()
    adjusted(member, 500), waiting_lot(member, website)
    made = brought(f"{member.number},500,goodwill,,a", channels=["website"])
    adjusting_by_file.submit(file=made.pk, by=person())
    shown = desk("finance").get("/admin/").content.decode()
    counts = dict(re.findall(r"<span>([^<]+)</span><b>([^<]+)</b>", shown))
    assert [counts[title] for title in ("待审批的人工调整", "待审批的批量调整", "待放行积分")] == ["1", "1", "1"]


def test_an_administrator_adds_and_retires_reasons():
    browser = desk("administrator")
    new = {"code": "event", "name": "活动补发", "direction": "give", "is_note_required": "on"}
    assert browser.post("/admin/loyalty/reason/add/", new).status_code == 302
    made = Reason.objects.get(code="event")
    assert browser.post(page(made), {"name": "活动", "direction": "take"}).status_code == 302
    made.refresh_from_db()
    assert (made.name, made.direction, made.is_active) == ("活动", "give", False)
    shown = browser.get(ASK, {"member": str(make.member().pk)}).content.decode()
    assert 'value="goodwill"' in shown
    assert 'value="event"' not in shown


@pytest.mark.parametrize(
    ("path", "cost"),
    [
        ("/admin/loyalty/adjustment/", 10),
        ("/admin/loyalty/adjustmentfile/", 9),
        ("/admin/loyalty/adjustmentrow/", 9),
        ("/admin/loyalty/waitinglot/", 9),
        (ASK, 10),
    ],
)
@pytest.mark.parametrize("rows", [1, 3])
def test_a_list_costs_the_same_however_many(path, cost, rows, website):
    browser = desk("administrator")
    browser.get(path)
    for n in range(rows):
        member = make.member()
        adjusted(member, 200, by=actor(browser))
        brought(f"{member.number},5,goodwill,,{n}", channels=["website"], by=actor(browser))
        waiting_lot(member, website)
    with CaptureQueriesContext(connection) as questions:
        assert browser.get(path).status_code == 200
    assert len(questions) == cost


def test_deciding_waits_for_no_page_that_is_old():
    browser, row = desk("finance"), adjusted(make.member(), 500)
    adjusting.refuse(adjustment=row.pk, by=person("second"))
    before = make.snapshot()["loyalty_adjustment"]
    assert "此单已处理" in said(browser.post(act(row, "approve"), follow=True))
    assert make.snapshot()["loyalty_adjustment"] == before
