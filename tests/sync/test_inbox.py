"""The inbox: what a channel proves is stored once and applied once, in order; nothing else gets in."""

import base64
import json
import threading
from contextlib import nullcontext
from datetime import timedelta

import orjson
import pytest
from django.db import OperationalError, connection
from django.db.models import F
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone
from standardwebhooks import Webhook

from sync import inbox, retention, signatures, tasks
from sync.models import Event, InboxMessage
from tests import make
from tests.sync import handlers
from tests.sync.patience import until
from tests.sync.push import MANY, counts, push
from tests.sync.push import event as envelope

VECTOR = {
    "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "timestamp": "1614265330",
    "body": b'{"test": 2432232314}',
    "signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}


@pytest.fixture(autouse=True)
def handled(settings):
    settings.INBOX_HANDLERS = {
        "order.placed": "tests.sync.handlers.keeps",
        "order.paid": "tests.sync.handlers.keeps",
        "wechat_pay.TRANSACTION.SUCCESS": "tests.sync.handlers.keeps",
    }
    handlers.applied.clear()
    handlers.failing.clear()
    return handlers.applied


@pytest.fixture
def website(db):
    return make.channel("website")


def event(id: str = "1", type: str = "order.placed", subject: str = "order/7", **data) -> dict:
    return envelope(id, type, subject=subject, data=data)


def states() -> list[tuple[str, str]]:
    return list(InboxMessage.objects.order_by("id").values_list("state", "problem"))


class TestTheSignature:
    def test_the_vector_of_standard_webhooks_verifies_and_its_near_miss_does_not(self):
        headers = {"webhook-id": VECTOR["id"], "webhook-timestamp": VECTOR["timestamp"]}
        now = timezone.datetime.fromtimestamp(int(VECTOR["timestamp"]), tz=timezone.get_fixed_timezone(0))
        right = headers | {"webhook-signature": VECTOR["signature"]}
        signatures.verify(right, VECTOR["body"], VECTOR["secret"], now)
        near_miss = headers | {"webhook-signature": VECTOR["signature"].replace("OE=", "OA=")}
        with pytest.raises(signatures.Invalid):
            signatures.verify(near_miss, VECTOR["body"], VECTOR["secret"], now)

    def test_one_of_several_is_enough_and_padding_may_be_missing(self):
        now = timezone.now()
        given = str(int(now.timestamp()))
        right = signatures.signature("m", given, b"{}", VECTOR["secret"])
        headers = {"webhook-id": "m", "webhook-timestamp": given, "webhook-signature": f"v1a,x v1,AAAA {right}"}
        signatures.verify(headers, b"{}", VECTOR["secret"], now)
        unpadded = "whsec_" + base64.b64encode(b"x" * 25).decode().rstrip("=")
        assert signatures.signature("m", given, b"{}", unpadded) == Webhook(unpadded).sign("m", now, "{}")

    @pytest.mark.parametrize(
        "odd",
        [
            {"webhook-signature": None},
            {"webhook-signature": ""},
            {"webhook-signature": "v1"},
            {"webhook-signature": "v1,"},
            {"webhook-signature": "v1,!!!"},
            {"webhook-signature": "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
            {"webhook-signature": "v1,积分"},
            {"webhook-timestamp": None},
            {"webhook-timestamp": "soon"},
            {"webhook-timestamp": "-1"},
            {"webhook-timestamp": "nan"},
            {"webhook-timestamp": "1e9"},
            {"webhook-timestamp": "9" * 30},
            {"webhook-id": None},
            {"webhook-id": "msg_2"},
        ],
    )
    def test_anything_odd_is_401_and_nothing_is_kept(self, website, odd):
        answer = push(website, event(), headers=odd)
        assert (answer.status_code, answer.json()["code"]) == (401, "signature_invalid")
        assert not InboxMessage.objects.exists()

    @pytest.mark.parametrize("way", [-1, 1])
    def test_it_is_good_for_five_minutes_both_ways(self, website, way):
        answer = push(website, event(), when=timezone.now() + way * timedelta(seconds=360))
        assert answer.status_code == 401
        answer = push(website, event(), when=timezone.now() + way * timedelta(seconds=240))
        assert answer.status_code == 202
        given = int(VECTOR["timestamp"])
        right = {"webhook-id": VECTOR["id"], "webhook-timestamp": str(given), "webhook-signature": VECTOR["signature"]}
        for seconds, is_good in ((300, True), (301, False)):
            now = timezone.datetime.fromtimestamp(given + way * seconds, tz=timezone.get_fixed_timezone(0))
            with nullcontext() if is_good else pytest.raises(signatures.Invalid):
                signatures.verify(right, VECTOR["body"], VECTOR["secret"], now)

    def test_it_covers_every_byte(self, website):
        signed = json.dumps(event()).encode()
        now = timezone.now()
        signature = Webhook(website.inbound_secret).sign("msg_1", now, signed.decode())
        assert push(website, signed + b" ", headers={"webhook-signature": signature}).status_code == 401

    def test_the_secret_is_the_channels_own(self, website):
        other = make.channel("mini-program")
        assert push(other, event(), headers={"X-Channel": "website"}).status_code == 401

    @pytest.mark.parametrize(
        ("channel", "status", "code"),
        [(None, 400, "channel_required"), ("nobody", 400, "channel_unknown"), ("app", 403, "channel_inactive")],
    )
    def test_a_channel_must_be_named_known_and_on(self, website, channel, status, code):
        make.channel("app", is_active=False)
        answer = push(website, event(), headers={"X-Channel": channel})
        assert (answer.status_code, answer.json()["code"]) == (status, code)

    def test_a_key_is_no_signature(self, website):
        key = make.backend_client(website).headers["Authorization"]
        answer = push(website, event(), headers={"webhook-signature": None, "Authorization": key})
        assert answer.status_code == 401


class TestStoring:
    @pytest.mark.parametrize("media", ["application/json", "application/cloudevents+json; charset=utf-8"])
    def test_one_event(self, website, handled, media):
        answer = push(website, event(external_id="7"), media=media)
        assert (answer.status_code, answer.json()) == (202, counts(accepted=1))
        ((channel, data, occurred_at, by),) = handled
        assert (channel, data, by) == ("website", {"external_id": "7"}, "channel/website")
        assert occurred_at.isoformat() == "2020-11-22T06:08:31.120000+00:00"

    def test_a_batch_is_applied_in_its_order(self, website, handled):
        answer = push(website, [event(str(n), external_id=str(n)) for n in range(5)])
        assert answer.json() == counts(accepted=5)
        assert [data["external_id"] for _channel, data, _at, _by in handled] == list("01234")

    def test_the_same_again_is_a_duplicate_however_it_is_spelled(self, website, handled):
        push(website, event())
        again = json.dumps(dict(reversed(event().items())), indent=2).encode()
        assert push(website, again).json() == counts(duplicates=1)
        assert push(website, [event(), event()]).json() == counts(duplicates=2)
        assert len(handled) == 1

    def test_with_an_idempotency_key_the_answer_is_given_again(self, website, handled):
        key = {"Idempotency-Key": "key-1"}
        first, second = push(website, event(), headers=key), push(website, event(), headers=key)
        assert first.json() == second.json() == counts(accepted=1)
        assert ("Idempotency-Replayed" in first, second["Idempotency-Replayed"]) == (False, "true")
        assert push(website, event("2"), headers=key).json()["code"] == "idempotency_key_reused"

    def test_the_same_twice_in_one_batch(self, website, handled):
        assert push(website, [event(), event()]).json() == counts(accepted=1, duplicates=1)
        assert len(handled) == 1

    def test_another_fact_under_a_known_id_is_kept_for_a_person(self, website, handled):
        push(website, event(amount=1))
        for _ in range(2):
            assert push(website, event(amount=2)).json() == counts(quarantined=1)
        assert push(website, [event("9"), event("9", amount=3)]).json() == counts(accepted=1, quarantined=1)
        assert len(handled) == 2
        assert states().count(("quarantined", "id_reused")) == 2

    def test_the_same_id_of_another_channel_is_another_message(self, website, handled):
        other = make.channel("mini-program")
        push(website, event())
        assert push(other, event() | {"source": "/channels/mini-program"}).json() == counts(accepted=1)
        assert len(handled) == 2

    @pytest.mark.parametrize("type", ["order.danced", "wechat_pay.TRANSACTION.SUCCESS"])
    def test_a_type_that_is_not_for_channels_is_quarantined(self, website, handled, type):
        assert push(website, event(type=type)).json() == counts(quarantined=1)
        assert states() == [("quarantined", "type_unknown")]
        assert handled == []

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"source": "/channels/mini-program"}, "source"),
            ({"source": None}, "source"),
            ({"specversion": "0.3"}, "specversion"),
            ({"id": ""}, "id"),
            ({"id": "x" * 256}, "id"),
            ({"id": 7}, "id"),
            ({"type": "x" * 61}, "type"),
            ({"subject": "x" * 121}, "subject"),
            ({"time": "yesterday"}, "time"),
            ({"data": []}, "data"),
            ({"data": None}, "data"),
        ],
    )
    def test_an_envelope_that_is_not_in_order_is_400_and_nothing_is_kept(self, website, change, field):
        answer = push(website, event() | change)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
        assert [error["field"] for error in answer.json()["errors"]] == [field]
        answer = push(website, [event("8"), event("9") | change])
        assert [error["field"] for error in answer.json()["errors"]] == [f"1.{field}"]
        assert not InboxMessage.objects.exists()

    @pytest.mark.parametrize("body", [b"", b"[]", b"7", b"{", b"[7]", b'{"id":1,"id":2}', b"\xff"])
    def test_what_is_no_event_is_refused(self, website, body):
        now = timezone.now()
        given = str(int(now.timestamp()))
        signature = signatures.signature("msg_1", given, body, website.inbound_secret)
        headers = {"X-Channel": "website", "webhook-id": "msg_1", "webhook-timestamp": given}
        for media in ("application/json", MANY):
            answer = Client().post(
                "/api/v1/inbox", body, content_type=media, headers=headers | {"webhook-signature": signature}
            )
            assert answer.status_code == 400
        assert not InboxMessage.objects.exists()

    @pytest.mark.slow
    def test_a_batch_has_500_events_at_most(self, website):
        assert push(website, [event(str(n)) for n in range(501)]).status_code == 400
        assert not InboxMessage.objects.exists()
        assert push(website, [event(str(n), subject=f"order/{n}") for n in range(500)]).json() == counts(500)

    def test_another_media_type_is_415(self, website):
        assert push(website, event(), media="text/plain").status_code == 415

    def test_it_is_encrypted_at_rest_and_forgotten_after_three_days(self, website):
        push(website, event(phone="13800138000"))
        with connection.cursor() as cursor:
            cursor.execute("SELECT body::text FROM sync_inboxmessage")
            assert b"13800138000".hex() not in cursor.fetchone()[0]
        InboxMessage.objects.update(applied_at=Now() - timedelta(days=4))
        retention.drop_messages()
        assert InboxMessage.objects.get().body is None


class TestApplying:
    def test_a_refusal_is_quarantined_with_its_code_and_leaves_nothing_behind(self, website):
        push(website, event(refuse="amount_mismatch"))
        assert states() == [("quarantined", "amount_mismatch contact.phone:invalid")]
        assert not Event.objects.exists()

    def test_a_mistake_of_ours_is_quarantined_and_says_nothing_of_the_person(self, website):
        push(website, event(**{"break": True}))
        assert states() == [("quarantined", "internal: KeyError")]

    def test_what_is_quarantined_holds_up_nothing(self, website, handled):
        push(website, [event("1", refuse="not_found"), event("2")])
        assert [state for state, _problem in states()] == ["quarantined", "applied"]

    @pytest.mark.parametrize("data", [{"refuse": "unavailable"}, {"break": True}, {}])
    def test_one_that_was_tried_each_minute_for_weeks_holds_up_nobody_else(self, website, handled, data):
        inbox.store("channels/website", "old", "order.placed", "order/old", orjson.dumps({"data": data}))
        inbox.store("channels/website", "new", "order.placed", "order/new", b'{"data": {}}')
        InboxMessage.objects.filter(message_id="old").update(attempts=32_767, next_at=F("next_at") - timedelta(hours=1))
        inbox.apply_due()
        assert InboxMessage.objects.get(message_id="new").state == "applied"
        assert InboxMessage.objects.get(message_id="old").attempts == 32_767

    def test_a_passing_failure_is_tried_again_and_holds_up_its_subject_only(self, website, handled):
        handlers.failing[:] = [OperationalError("away")]
        first, second, other = event("1", fail=True), event("2"), event("3", subject="order/8")
        assert push(website, [first, second, other]).json() == counts(accepted=3)
        assert [state for state, _problem in states()] == ["waiting", "waiting", "applied"]
        assert inbox.apply_due() == 0
        InboxMessage.objects.update(next_at=Now())
        tasks.apply_inbox()
        assert [state for state, _problem in states()] == ["applied"] * 3
        assert [data for _channel, data, _at, _by in handled] == [{}, {"fail": True}, {}]

    def test_a_long_queue_that_waits_keeps_no_other_subject_from_its_turn(self, website, handled):
        facts = [inbox.Fact(str(n), "order.placed", "order/7", orjson.dumps(event(str(n)))) for n in range(1_100)]
        inbox.store_many("channels/website", facts)
        inbox.store("channels/website", "x", "order.placed", "order/8", orjson.dumps(event("x")))
        InboxMessage.objects.filter(message_id="0").update(next_at=Now() + timedelta(hours=1))
        assert inbox.apply_due() == 1
        assert InboxMessage.objects.get(state="applied").subject == "order/8"

    def test_an_answer_that_is_not_there_at_the_moment_is_passing(self, website):
        push(website, event(refuse="wechat_unavailable"))
        assert states() == [("waiting", "wechat_unavailable")]

    def test_the_request_that_brought_it_is_named_on_the_events(self, website):
        push(website, event(), headers={"X-Request-ID": "req-7"})
        assert Event.objects.get().correlation_id == "req-7"

    def test_a_provider_takes_the_same_road(self, handled):
        told = {"out_trade_no": "7", "amount": {"total": 1}}
        stored = ("wechat-pay/1900000001", "n-1", "wechat_pay.TRANSACTION.SUCCESS", "wechat_pay/7", orjson.dumps(told))
        assert inbox.store(*stored) is True
        assert inbox.store(*stored) is False
        assert inbox.apply("wechat-pay/1900000001", "wechat_pay/7") == 1
        ((channel, data, _at, by),) = handled
        assert (channel, data, by) == (None, told, "provider/wechat-pay/1900000001")

    test_a_provider_takes_the_same_road = pytest.mark.django_db(test_a_provider_takes_the_same_road)

    @pytest.mark.django_db
    def test_a_provider_speaks_no_word_of_a_channel(self, handled):
        assert inbox.store("wechat-pay/1900000001", "n-1", "order.paid", "order/7", b"{}") is False
        assert inbox.apply_due() == 0


@pytest.mark.django_db(transaction=True)
def test_fifty_copies_at_once_have_one_effect(handled):
    website = make.channel("website")
    answers = []

    def send():
        answers.append(push(website, event(external_id="7")).json())
        connection.close()

    senders = [threading.Thread(target=send) for _ in range(50)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    until(lambda: InboxMessage.objects.get().state == "applied")
    assert sum(answer["accepted"] for answer in answers) == 1
    assert sum(answer["duplicates"] for answer in answers) == 49
    assert len(handled) == Event.objects.count() == 1
