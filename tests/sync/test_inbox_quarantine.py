"""What is in quarantine waits for a person, is tried again with a reason, and its whole history stays."""

import json
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError
from django.db.models import F
from django.db.models.functions import Now
from django.urls import reverse

from sync import alerts, inbox, quarantine, retention, tasks
from sync.act import SYSTEM, Actor
from sync.models import AlertRule, Event, InboxMessage, InboxReplay, Measure
from tests import make
from tests.config import make_staff
from tests.sync import handlers
from tests.sync.push import counts, event, push

pytestmark = pytest.mark.django_db
STAFF = Actor("staff", "1")
LIST = reverse("admin:sync_inboxmessage_changelist")


@pytest.fixture(autouse=True)
def handled(settings):
    settings.INBOX_HANDLERS = {"order.placed": "tests.sync.handlers.keeps"}
    for kept in (handlers.applied, handlers.failing, handlers.known, handlers.outside):
        kept.clear()
    handlers.refused.clear()
    return handlers.applied


@pytest.fixture
def website():
    return make.channel("website")


def refused(website, *names: str, problem: str = "amount_mismatch") -> list[InboxMessage]:
    """Messages that were refused; what spoke against them is gone by now."""
    handlers.refused.add(problem)
    push(website, [event(name, subject=f"order/{name}", data={"external_id": name}) for name in names])
    handlers.refused.clear()
    return list(InboxMessage.objects.order_by("id"))


def states() -> list[tuple[str, str]]:
    return list(InboxMessage.objects.order_by("id").values_list("state", "problem"))


def replay(*messages: InboxMessage, reason: str = "rule mended", by: Actor = STAFF) -> int:
    return quarantine.replay([each.pk for each in messages], reason=reason, by=by)


class TestReplaying:
    def test_one_is_applied_after_the_fix_and_what_was_wrong_stays_known(self, website, handled):
        (message,) = refused(website, "7")
        assert message.quarantined_at
        assert not Event.objects.exists()
        assert replay(message) == 1
        message.refresh_from_db()
        assert (message.state, message.problem, message.quarantined_at) == ("applied", "", None)
        assert [data["external_id"] for _channel, data, _at, _by in handled] == ["7"]
        kept = InboxReplay.objects.get()
        assert (kept.message, kept.by, kept.reason, kept.problem) == (
            message,
            "staff/1",
            "rule mended",
            "amount_mismatch",
        )

    def test_many_are_applied_in_the_order_they_came(self, website, handled):
        messages = refused(website, *"12345")
        assert replay(*reversed(messages)) == 5
        assert [data["external_id"] for _channel, data, _at, _by in handled] == list("12345")
        assert Event.objects.count() == 5

    def test_what_is_still_wrong_goes_back_with_its_history(self, website):
        (message,) = refused(website, "7")
        handlers.refused.add("order_state")
        replay(message)
        assert states() == [("quarantined", "order_state")]
        handlers.refused.clear()
        replay(message, reason="once more")
        told = InboxReplay.objects.order_by("id").values_list("reason", "problem")
        assert list(told) == [("rule mended", "amount_mismatch"), ("once more", "order_state")]
        assert states() == [("applied", "")]

    def test_twice_has_one_effect(self, website, handled):
        (message,) = refused(website, "7")
        assert (replay(message), replay(message)) == (1, 0)
        assert len(handled) == Event.objects.count() == InboxReplay.objects.count() == 1

    def test_what_is_not_in_quarantine_or_has_no_content_is_left_alone(self, website, handled):
        push(website, event("1", data={"external_id": "1"}))
        erased = refused(website, "2")[-1]
        InboxMessage.objects.filter(pk=erased.pk).update(body=None)
        before = make.snapshot()
        assert replay(*InboxMessage.objects.all()) == 0
        assert make.snapshot() == before

    @pytest.mark.parametrize("reason", ["", "  "])
    def test_without_a_reason_nothing_happens(self, website, reason):
        (message,) = refused(website, "7")
        before = make.snapshot()
        with pytest.raises(quarantine.NoReason):
            replay(message, reason=reason)
        assert make.snapshot() == before

    def test_the_other_body_of_a_known_id_is_applied_when_a_person_says_so(self, website, handled):
        push(website, event(data={"external_id": "7", "amount": 1}))
        assert push(website, event(data={"external_id": "7", "amount": 2})).json() == counts(quarantined=1)
        assert len(handled) == 1
        assert replay(InboxMessage.objects.get(problem="id_reused")) == 1
        assert [data["amount"] for _channel, data, _at, _by in handled] == [1, 2]

    def test_a_type_that_nobody_knows_yet_stays(self, website):
        push(website, event(type="order.danced"))
        assert replay(InboxMessage.objects.get()) == 1
        assert states() == [("quarantined", "type_unknown")]

    def test_it_goes_before_what_waits_behind_it(self, website, handled):
        (message,) = refused(website, "7")
        inbox.store("channels/website", "8", "order.placed", "order/7", b'{"data": {"external_id": "8"}}')
        replay(message)
        assert [data["external_id"] for _channel, data, _at, _by in handled] == ["7", "8"]

    def test_the_database_refuses_a_replay_without_a_reason(self, website):
        (message,) = refused(website, "7")
        with pytest.raises(IntegrityError, match="inbox_replay_has_reason"):
            InboxReplay.objects.create(message=message, by="staff/1", reason="", problem="x")

    def test_history_goes_with_what_it_tells_of(self, website, settings):
        replay(*refused(website, "7"))
        aged = timedelta(days=settings.EVENT_RETENTION_DAYS, hours=1)
        InboxMessage.objects.update(received_at=Now() - aged)
        retention.drop_messages()
        assert quarantine.drop_old() == 0
        with pytest.raises(Exception, match="never_changed"):
            InboxReplay.objects.update(at=Now())


class TestByTheClock:
    def later(self, **by) -> None:
        aged = {name: F(name) - timedelta(**by) for name in ("quarantined_at", "received_at")}
        InboxMessage.objects.filter(quarantined_at__isnull=False).update(**aged)

    def test_a_type_learned_in_a_release_is_applied_by_itself(self, website, handled, settings):
        push(website, event(type="order.danced"))
        self.later(days=1, seconds=1)
        tasks.apply_inbox()
        assert (states(), InboxReplay.objects.count()) == ([("quarantined", "type_unknown")], 0)
        settings.INBOX_HANDLERS |= {"order.danced": "tests.sync.handlers.keeps"}
        tasks.apply_inbox()
        assert states() == [("applied", "")]
        assert InboxReplay.objects.values_list("by", "reason").get() == (str(SYSTEM), quarantine.BY_THE_CLOCK)

    def test_however_many_types_nobody_knows_are_in_nobodys_way(self, website, handled, monkeypatch):
        monkeypatch.setattr(quarantine, "AT_A_TIME", 2)
        for n in range(3):
            push(website, event(str(n), "order.danced"))
        (late,) = refused(website, "7", problem="not_found")[3:]
        self.later(days=2)
        assert quarantine.replay_by_the_clock() == 1
        late.refresh_from_db()
        assert late.state == "applied"

    def test_a_mistake_of_ours_is_tried_once_a_day_for_a_week(self, website, handled):
        push(website, event(data={"break": True}))
        tries = []
        for _hour in range(0, 24 * 9, 6):
            tries.append(quarantine.replay_by_the_clock())
            self.later(hours=6)
        assert (sum(tries), max(tries)) == (6, 1)
        assert states() == [("quarantined", "internal: KeyError")]

    def test_a_decision_stands_until_a_person_changes_it(self, website):
        refused(website, "7")
        self.later(days=2)
        assert quarantine.replay_by_the_clock() == 0


class TestTelling:
    def test_somebody_is_told(self, website):
        rule = {"code": "q", "name": "Quarantined", "measure": "inbox.quarantined", "window_seconds": 300}
        AlertRule.objects.create(threshold=0.5, minimum=1, emails=["ops@example.cn"], **rule)
        tasks.apply_inbox()
        assert alerts.evaluate() == []
        push(website, event(data={"amount": 1}))
        push(website, event(data={"amount": 2}))
        Measure.objects.all().delete()
        tasks.apply_inbox()
        (alert,) = alerts.evaluate()
        assert (alert.rule.code, alert.value) == ("q", 1)


class TestPages:
    def page(self, message, what: str = "replay") -> str:
        return reverse(f"admin:sync_inboxmessage_{what}", args=[message.pk])

    def test_one_from_its_page(self, website, handled):
        (message,) = refused(website, "7")
        browser = make_staff.signed_in("engineer", [website])
        shown = browser.get(self.page(message, "change")).content.decode()
        assert self.page(message) in shown
        assert "金额" in shown  # what is wrong, in words
        assert message.message_id in browser.get(self.page(message)).content.decode()
        answer = browser.post(self.page(message), {"reason": "channel mended its sums"})
        assert (answer.status_code, answer["Location"]) == (302, self.page(message, "change"))
        assert len(handled) == 1
        by = f"staff/{User.objects.get(username__startswith='engineer').pk}"
        assert InboxReplay.objects.values_list("by", "reason").get() == (by, "channel mended its sums")
        assert "channel mended its sums" in browser.get(self.page(message, "change")).content.decode()

    def test_what_is_wrong_is_told_field_by_field_in_words(self, website):
        (message,) = refused(website, "7")
        InboxMessage.objects.filter(pk=message.pk).update(problem="invalid address.phone:required items:too_odd")
        shown = make_staff.signed_in("engineer", [website]).get(LIST).content.decode()
        assert "address.phone 缺少 · items:too_odd" in shown

    def test_what_nobody_tries_has_no_next_try(self, website):
        (message,) = refused(website, "7")
        browser = make_staff.signed_in("engineer", [website])
        told = browser.get(self.page(message, "change")).content.decode().partition("field-next_at")[2][:600]
        assert f"{message.next_at:%Y-%m-%d}" not in told

    def test_an_empty_list_says_whether_something_was_asked_for(self, website):
        browser = make_staff.signed_in("engineer", [website])
        assert "暂无" in browser.get(LIST).content.decode()
        assert "没有符合条件的记录" in browser.get(f"{LIST}?state__exact=quarantined").content.decode()

    def test_many_from_the_list_after_a_reason(self, website, handled):
        messages = refused(website, *"123")
        browser = make_staff.signed_in("engineer", [website])
        chosen = {"action": "replay", "_selected_action": [str(each.pk) for each in messages[:2]]}
        asked = browser.post(LIST, chosen | {"index": "0"})
        assert asked.status_code == 200
        assert not InboxReplay.objects.exists()
        assert browser.post(LIST, chosen | {"reason": "rule mended"}).status_code == 302
        assert [state for state, _problem in states()] == ["applied", "applied", "quarantined"]

    def test_all_that_one_filter_finds(self, website, handled):
        refused(website, *"12")
        refused(website, "3", problem="order_state")
        browser = make_staff.signed_in("engineer", [website])
        narrowed = f"{LIST}?wrong=amount_mismatch"
        assert "order_state" in browser.get(LIST).content.decode()
        first = str(InboxMessage.objects.first().pk)
        chosen = {"action": "replay", "_selected_action": [first], "select_across": "1", "reason": "rule mended"}
        assert browser.post(narrowed, chosen).status_code == 302
        assert [state for state, _problem in states()] == ["applied", "applied", "quarantined"]

    @pytest.mark.parametrize("role", ["operator", "support", "finance", "auditor", "manager"])
    def test_who_may_not_changes_nothing(self, website, role):
        (message,) = refused(website, "7")
        browser = make_staff.signed_in(role, [website])
        before = make.snapshot()
        assert browser.post(self.page(message), {"reason": "x"}).status_code in {403, 404}
        chosen = {"action": "replay", "_selected_action": [str(message.pk)], "reason": "x"}
        assert browser.post(LIST, chosen).status_code in {200, 302, 403}
        assert make.snapshot() == before

    def test_a_message_of_another_channel_is_not_there(self, website):
        (message,) = refused(website, "7")
        browser = make_staff.signed_in("engineer", [make.channel("mini-program")])
        assert browser.post(self.page(message), {"reason": "x"}).status_code == 404
        assert not InboxReplay.objects.exists()

    def test_without_a_reason_the_page_asks_again(self, website):
        (message,) = refused(website, "7")
        browser = make_staff.signed_in("engineer", [website])
        assert browser.post(self.page(message), {"reason": " "}).status_code == 200
        assert states() == [("quarantined", "amount_mismatch")]

    def test_no_page_shows_what_was_sent(self, website):
        refused(website, "7")
        told = json.dumps({"phone": "13800138000"})
        inbox.store("channels/website", "9", "order.danced", "order/9", f'{{"data": {told}}}'.encode())
        browser = make_staff.signed_in("engineer", [website])
        for message in InboxMessage.objects.all():
            for path in (self.page(message), self.page(message, "change")):
                assert "13800138000" not in browser.get(path).content.decode()
