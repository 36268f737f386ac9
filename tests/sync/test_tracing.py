"""Following one message: from a request id to every endpoint and socket in one step, within the reader's channels."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone, translation
from pghistory.core import event_models
from standardwebhooks import Webhook

from sync.admin.masking import masked
from sync.admin.tracing import finding, looking_for, page_of, times
from sync.courier import replays
from sync.models import Acknowledged, Endpoint, Event, InboxMessage
from tests import make, plans
from tests.config import make_staff
from tests.orders import make_orders
from tests.sync import make_deliveries, make_tracing
from tests.sync.make_tracing import REQUEST

pytestmark = pytest.mark.django_db


@pytest.fixture
def website():
    return make.channel("website")


@pytest.fixture
def member(website):
    return make.member(phone="+8613712345678")


@pytest.fixture
def engineer(website):
    return make_staff.signed_in("engineer", [website])


def of(member) -> str:
    return f"member/{member.pk}"


def said(answer) -> str:
    return answer.content.decode()


def follow(browser, event: Event):
    return browser.get(page_of(event.pk))


# --- getting there ------------------------------------------------------------------------------------------------
def test_a_request_id_of_one_event_opens_it_at_once(engineer, member):
    event = make_tracing.settled(of(member))
    answer = engineer.get(looking_for(REQUEST))
    assert (answer.status_code, answer.headers["Location"]) == (302, page_of(event.pk))


@pytest.mark.parametrize(
    "pasted",
    ["{id}", " {id}\n", '"{id}",', "webhook-id: {id}", '"id":"{id}"', '{{"specversion":"1.0","id":"{id}"}}'],
)
def test_an_event_id_is_understood_as_it_is_pasted(engineer, member, pasted):
    event = make_tracing.settled(of(member))
    make_tracing.settled(of(member))
    answer = engineer.get(looking_for(pasted.format(id=event.pk)))
    assert (answer.status_code, answer.headers["Location"]) == (302, page_of(event.pk))


def test_a_request_that_caused_several_events_lists_them(engineer, member):
    events = [make_tracing.settled(of(member), type) for type in ("order.paid", "points.earned")]
    answer = engineer.get(looking_for(f"X-Request-ID: {REQUEST}"))
    assert [each[0].pk for each in answer.context["events"]] == [each.pk for each in reversed(events)]


def test_an_order_and_a_member_are_found_by_their_numbers(engineer, member, website):
    order = make_orders.order(member=member, channel=website)
    told = [make_tracing.settled(of(member), number=order.number, channel="website") for _each in range(2)]
    other = make_tracing.settled(of(member), "member.updated")
    found = engineer.get(looking_for(order.number)).context["events"]
    assert {each[0].pk for each in found} > {each.pk for each in told}
    assert other.pk not in {each[0].pk for each in found}
    found = engineer.get(looking_for(member.number.lower())).context["events"]
    assert {each[0].pk for each in found} > {each.pk for each in [*told, other]}


def test_a_webhook_that_came_in_is_found_by_its_senders_id(engineer, member):
    event = make_tracing.settled(of(member))
    make_tracing.message(event, name="evt-42")
    answer = engineer.get(looking_for("evt-42"))
    assert [each.message_id for each in answer.context["found"].messages] == ["evt-42"]
    assert [each[0].pk for each in answer.context["events"]] == [event.pk]


def test_a_message_that_was_put_aside_is_found_though_it_caused_nothing(engineer, member):
    event = make_tracing.recorded(of(member), request="another")
    aside = {"state": "quarantined", "applied_at": None, "problem": "type_unknown", "correlation_id": REQUEST}
    make_tracing.message(event, **aside)
    page = said(engineer.get(looking_for(REQUEST)))
    assert "type_unknown" in page
    assert "没有引发您能看到的事件" in page


def test_the_empty_page_explains_and_one_that_finds_nothing_says_why(engineer):
    page = said(engineer.get(looking_for()))
    assert "X-Request-ID" in page
    assert "webhook-id" in page
    page = said(engineer.get(looking_for("req-nobody")))
    assert "您能看到的内容里没有它" in page


def test_what_is_forgotten_is_said_to_be_forgotten(engineer, member, settings):
    event = make_tracing.settled(of(member))
    old = str(event.pk.__class__(int=(event.pk.int & (2**80 - 1)) | (1_600_000_000_000 << 80)))
    page = said(engineer.get(page_of(old)))
    assert "事件保留 90 天" in page
    assert "2020-09-13" in page
    make_deliveries.event(of(make.member(channel="website")))
    gone = make.member(channel="website")
    connection.cursor().execute("INSERT INTO sync_stream (subject, head) VALUES (%s, 7)", [of(gone)])
    superuser = make_staff.signed_in(is_superuser=True)
    assert "7 个事件" in said(superuser.get(looking_for(of(gone))))


def test_times_of_ids_beyond_any_calendar_are_no_error():
    assert finding.made_at("ffffffff-ffff-7fff-bfff-ffffffffffff") is None


# --- the way ------------------------------------------------------------------------------------------------------
def test_the_page_tells_the_whole_way(engineer, member, website):
    event = make_tracing.settled(of(member), by=make.STAFF)
    make_tracing.message(event)
    endpoint = make_deliveries.endpoint(website)
    make_tracing.tried(endpoint, event, 500, None, 200, state="delivered", response="ok")
    Acknowledged.objects.create(subject=event.subject, channel=website, sequence=event.sequence)
    page = said(follow(engineer, event))
    for part in (REQUEST, "evt-1", "已到达", "https://shop.example/hook", "15 秒内没有应答", "已确认", str(event.pk)):
        assert part in page, part


def test_signatures_are_those_that_were_sent_and_the_secret_is_not_shown(engineer, member, website):
    event = make_tracing.settled(of(member), number="D1", total_fen=12_900)
    endpoint = make_deliveries.endpoint(website)
    make_tracing.tried(endpoint, event, 200, state="delivered")
    answer = follow(engineer, event)
    (sent,) = answer.context["way"].sent
    Webhook(endpoint.secret).verify(answer.context["body"], dict(sent.tries[0].headers))
    assert "whsec_" not in said(answer)


def test_tries_that_went_to_another_address_say_so(engineer, member, website):
    event = make_tracing.settled(of(member))
    endpoint = make_deliveries.endpoint(website)
    make_tracing.tried(endpoint, event, 500, 500)  # two minutes ago, one minute ago
    Endpoint.objects.filter(pk=endpoint.pk).update(url="https://new.example/")
    (history,) = event_models(tracks_model=Endpoint)
    changed = timezone.now() - timedelta(seconds=90)
    history.objects.filter(url=endpoint.url).update(pgh_created_at=changed - timedelta(hours=1))
    history.objects.exclude(url=endpoint.url).update(pgh_created_at=changed)
    (sent,) = follow(engineer, event).context["way"].sent
    assert [each.to for each in sent.tries] == ["", "https://shop.example/hook"]


def test_what_a_replaced_secret_signed_is_not_made_up(engineer, member, website):
    event = make_tracing.settled(of(member))
    endpoint = make_deliveries.endpoint(website)
    make_tracing.tried(endpoint, event, 200, state="delivered")
    Endpoint.objects.filter(pk=endpoint.pk).update(secret_at=timezone.now())
    page = said(follow(engineer, event))
    assert "v1," not in page
    assert "密钥后来更换过" in page


def test_what_a_receiver_answered_is_masked_here_and_on_the_attempts_page(member, website):
    event = make_tracing.settled(of(member))
    delivery = make_tracing.tried(
        make_deliveries.endpoint(website), event, 500, response='{"to":"+86 137 1234 5678","cc":"lin@example.cn"}'
    )
    browser = make_staff.signed_in(is_superuser=True)
    attempt = reverse("admin:sync_attempt_change", args=[delivery.tries.get().pk])
    for page in (said(follow(browser, event)), said(browser.get(attempt))):
        assert "137****5678" in page
        assert "1234 5678" not in page
        assert "lin@example.cn" not in page


def test_ids_and_numbers_are_not_taken_for_phones():
    for text in ("D2026112213812345678", "0193a1b2-c3d4-7abc-8def-13812345678a", "1732284000", "v1,13812345678abc="):
        assert masked(text) == text


def test_an_event_nobody_settled_says_who_is_missing(engineer, member):
    event = make_tracing.recorded(of(member))
    page = said(follow(engineer, event))
    assert "等待中继" in page
    assert "从未出现过" in page
    assert 'data-in-flight="1"' in page


def test_what_waits_says_what_it_waits_for(engineer, member, website):
    first, event = make_tracing.settled(of(member)), make_tracing.settled(of(member))
    endpoint = make_deliveries.endpoint(website)
    make_tracing.tried(endpoint, first, 500)
    make_tracing.tried(endpoint, event)
    page = said(follow(engineer, event))
    assert f"位于同一主体的位置 {first.settled.position} 之后" in page
    Endpoint.objects.update(is_active=False, disabled_reason="410 Gone")
    page = said(follow(engineer, event))
    assert "410 Gone" in page
    assert "卡住" in page


def test_a_delivery_given_up_is_what_the_page_begins_with(engineer, member, website):
    event = make_tracing.settled(of(member))
    make_tracing.tried(make_deliveries.endpoint(website), event, 500, 500, state="dead")
    make_tracing.tried(make_deliveries.endpoint(website, "https://b.example/"), event, 200, state="delivered")
    standing = follow(engineer, event).context["way"].standing()
    assert (standing.tone, standing.said) == ("bad", "2 个推送地址中有 1 个已放弃。")


@pytest.mark.parametrize(
    ("fields", "data", "words"),
    [
        ({"types": ["member.updated"]}, {}, "没有订阅这种类型"),
        ({}, {"history": True}, "接入中枢之前"),
        ({"is_active": False, "disabled_reason": "120 h"}, {}, "120 h"),
        ({}, {"channel": "elsewhere"}, "看不到"),
    ],
)
def test_an_endpoint_without_a_delivery_is_told_why(engineer, member, website, fields, data, words):
    make_deliveries.endpoint(website, **fields)
    event = make_tracing.settled(of(member), **data)
    (unsent,) = follow(engineer, event).context["way"].unsent
    assert words in unsent.why


def test_a_backend_is_told_that_its_own_fact_is_not_sent_back(engineer, member, website):
    make_deliveries.endpoint(website)
    event = make_tracing.settled(of(member), by=make_tracing.backend())
    assert "不会再发回去" in said(follow(engineer, event))


@pytest.mark.parametrize(("sequence", "word"), [(1, "落后"), (2, "已确认"), (3, "已确认")])
def test_sockets_confirm_by_how_far_they_are(engineer, member, website, sequence, word):
    make_tracing.settled(of(member))
    event = make_tracing.settled(of(member))
    Acknowledged.objects.create(subject=event.subject, channel=website, sequence=sequence)
    (heard,) = follow(engineer, event).context["way"].heard
    assert word in heard.state


def test_from_here_it_is_sent_again_by_permission_and_with_a_reason(member, website):
    event = make_tracing.settled(of(member))
    delivery = make_tracing.tried(make_deliveries.endpoint(website), event, 500, state="dead")
    administrator = make_staff.signed_in("administrator", [website])
    (sent,) = follow(administrator, event).context["way"].sent
    assert administrator.get(sent.way["url"]).status_code == 200
    answer = administrator.post(sent.way["url"], {"reason": "接收方已恢复"})
    assert (answer.status_code, answer.headers["Location"]) == (302, page_of(event.pk))
    delivery.refresh_from_db()
    assert delivery.state == "waiting"
    assert "接收方已恢复" in said(follow(administrator, event))
    manager = make_staff.signed_in("manager", [website])
    (sent,) = follow(manager, event).context["way"].sent
    assert sent.way is None


def test_told_to_some_groups_only_is_the_reason(engineer, member, website):
    make_deliveries.endpoint(website)
    event = make_tracing.settled(of(member), only_for=[0])
    assert "只告知了其他共享组" in said(follow(engineer, event))


def test_what_the_same_request_caused_is_beside_it(engineer, member):
    event, other = make_tracing.settled(of(member)), make_tracing.settled(of(member), "points.earned")
    make_tracing.settled(of(member), request="another")
    found = follow(engineer, event).context["siblings"]
    assert [each[0].event.pk for each in found] == [other.pk]


# --- who may see what ---------------------------------------------------------------------------------------------
def test_other_channels_are_not_there_by_any_way(member, website):
    mini = make.channel("mini-program")
    make.admit(of(member), mini)
    event = make_tracing.settled(of(member))
    theirs = make_tracing.settled(of(member), channel="mini-program", type="order.paid")
    make_tracing.message(event, sender="channels/mini-program", name="secret-name")
    make_tracing.tried(make_deliveries.endpoint(mini, "https://mini.example/"), event, 200, state="delivered")
    Acknowledged.objects.create(subject=event.subject, channel=mini, sequence=9)
    browser = make_staff.signed_in("engineer", [website])
    page = said(follow(browser, event))
    for hidden in ("mini.example", "secret-name", str(theirs.pk), mini.name):
        assert hidden not in page, hidden
    assert "您没有权限的渠道" in page
    after = make_tracing.settled(of(member))
    assert "它之前的事件已清除，或您无权查看" in said(follow(browser, after))
    assert follow(browser, theirs).status_code == 404
    for text in (theirs.pk, "secret-name"):
        assert str(theirs.pk) not in said(browser.get(looking_for(text))).replace(f'value="{theirs.pk}"', "")


def test_staff_without_channels_or_without_the_right_find_nothing(member):
    event = make_tracing.settled(of(member))
    nobody = make_staff.signed_in("engineer")
    assert follow(nobody, event).status_code == 404
    assert nobody.get(looking_for(REQUEST)).context["found"].events == []
    stranger = make_staff.signed_in()
    assert follow(stranger, event).status_code == stranger.get(looking_for(REQUEST)).status_code == 403


def test_parts_one_may_not_look_at_are_not_told(member, website):
    event = make_tracing.settled(of(member))
    make_tracing.tried(make_deliveries.endpoint(website), event, 500)
    Acknowledged.objects.create(subject=event.subject, channel=website, sequence=1)
    way = follow(make_staff.signed_in("finance", [website]), event).context["way"]  # deliveries, no attempts
    assert way.sent[0].tries == []
    assert way.heard == []
    assert way.unsent == []


def test_a_request_is_found_by_an_index():
    make_tracing.settled()
    assert "event_request" in plans.of_rows(Event.objects.filter(correlation_id=REQUEST))
    assert "inbox_chain" in plans.of_rows(InboxMessage.objects.filter(correlation_id=REQUEST))


# --- what it costs ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("rows", [1, 3])
def test_the_page_costs_the_same_however_much_happened(engineer, member, website, rows):
    event = make_tracing.settled(of(member))
    make_tracing.message(event)
    for turn in range(rows):
        endpoint = make_deliveries.endpoint(website, f"https://shop.example/{turn}")
        delivery = make_tracing.tried(endpoint, event, *[500] * rows)
        replays.resend([delivery.pk], by="staff/1", reason="again")
        make_deliveries.endpoint(website, f"https://shop.example/{turn}/other", types=["x.y"])
        make_tracing.settled(of(member), "points.earned")
    Acknowledged.objects.create(subject=event.subject, channel=website, sequence=rows)
    follow(engineer, event)
    with CaptureQueriesContext(connection) as asked:
        assert follow(engineer, event).status_code == 200
    assert len(asked) == 22


@pytest.mark.parametrize("rows", [1, 3])
def test_the_search_costs_the_same_however_much_it_finds(engineer, member, rows):
    for turn in range(rows + 1):
        make_tracing.message(make_tracing.settled(of(member)), name=str(turn))
    engineer.get(looking_for(REQUEST))
    with CaptureQueriesContext(connection) as asked:
        assert engineer.get(looking_for(REQUEST)).status_code == 200
    assert len(asked) == 8


def test_looking_changes_nothing(engineer, member, website):
    event = make_tracing.settled(of(member))
    make_tracing.tried(make_deliveries.endpoint(website), event, 500)
    before = make.snapshot()
    follow(engineer, event), engineer.get(looking_for(REQUEST))
    assert make.snapshot() == before


# --- the doors ----------------------------------------------------------------------------------------------------
def test_every_page_it_belongs_to_leads_here(member, website):
    order = make_orders.order(member=member, channel=website)
    event = make_tracing.settled(of(member), number=order.number, channel="website", version=1)
    message = make_tracing.message(event)
    delivery = make_tracing.tried(make_deliveries.endpoint(website), event, 500)
    browser = make_staff.signed_in(is_superuser=True)
    for row in (event, delivery, delivery.tries.get(), order):
        page = said(browser.get(reverse(f"admin:{row._meta.label_lower.replace('.', '_')}_change", args=[row.pk])))
        assert page_of(event.pk) in page, row
    page = said(browser.get(reverse("admin:sync_inboxmessage_change", args=[message.pk])))
    assert looking_for(REQUEST) in page
    page = said(browser.get(reverse("admin:members_member_change", args=[member.pk])))
    assert looking_for(member.number) in page
    assert page_of(event.pk) in said(browser.get(reverse("admin:sync_event_changelist")))


def test_english_is_english(engineer, member):
    event = make_tracing.settled(of(member))
    engineer.cookies["django_language"] = "en"
    page = said(follow(engineer, event))
    assert "Settled and published by the relay" in page


def test_durations_are_short_words():
    start = timezone.now()
    lengths = {0.0042: "4 ms", 4.21: "4.2 s", 720: "12 min", 3 * 3600: "3 h", 5 * 86_400: "5 d", -1: "0 ms"}
    with translation.override("en"):
        for seconds, words in lengths.items():
            assert times.lasted(start, start + timedelta(seconds=seconds)) == words
