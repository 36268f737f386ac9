"""Being forgotten: asked for, thought over, carried out once, on every floor."""

import json
from datetime import timedelta

import pytest
from django.db import connection

from loyalty import services as loyalty
from loyalty.services import bonuses
from members import erasing, exporting, merging, privacy, services
from members.models import (
    Address,
    Avatar,
    Consent,
    ExportFile,
    FieldWrite,
    Freeze,
    Identity,
    LinkCase,
    Member,
    Merge,
    PrivacyRequest,
    Request,
    Session,
)
from orders.models import Order, Payment, Recipient
from sync import events, forgetting, inbox
from sync.act import SYSTEM, act
from sync.clock import Clock
from sync.http import Problem
from sync.models import Audience, Event, IdempotentAnswer, InboxMessage, Ticket
from sync.queries import feed
from tests import make
from tests.loyalty import make_holds
from tests.loyalty.make_points import balance, rule
from tests.members import make_privacy
from tests.orders import make_orders

pytestmark = pytest.mark.django_db
PHONE = "+8613800138000"
PLACE = {"receiver": "王小明", "phone": PHONE, "province": "浙江省", "city": "杭州市", "street": "文三路 1 号"}


def done(order: Order) -> Order:
    """Over and done with."""
    Order.objects.filter(pk=order.pk).update(
        payment_status="paid",
        paid_at=Clock(),
        paid_fen=order.total_fen,
        fulfilment_status="completed",
        completed_at=Clock(),
    )
    return order


def test_asking_gives_the_day_and_asking_again_the_same():
    client = make_privacy.stepped_up()
    first, second = client.post("me/erasure"), client.post("me/erasure")
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json() == second.json()
    asked = PrivacyRequest.objects.get()
    assert timedelta(days=7) == asked.due_at - asked.asked_at
    assert privacy.is_being_erased(client.member.id)


def test_asking_takes_a_step_up_and_so_does_a_repeat():
    client = make.member_client()
    before = make.snapshot()
    refused = client.post("me/erasure")
    assert (refused.status_code, refused.json()["code"]) == (403, "step_up_required")
    assert make.snapshot() == before

    confirmed = make_privacy.stepped_up(client.member)
    key = {"Idempotency-Key": "once"}
    assert confirmed.post("me/erasure", headers=key).status_code == 202
    assert confirmed.post("me/erasure", headers=key)["Idempotency-Replayed"] == "true"
    Session.objects.update(stepped_up_at=None)
    assert confirmed.post("me/erasure", headers=key).json()["code"] == "step_up_required"


def test_until_it_is_due_everything_works_and_it_can_be_withdrawn():
    client = make_privacy.stepped_up()
    client.post("me/erasure")
    assert erasing.erase_due() == 0
    assert client.get("me").status_code == 200

    assert client.delete("me/erasure").status_code == 204
    assert client.delete("me/erasure").status_code == 204
    make_privacy.come_due()
    assert erasing.erase_due() == 0
    assert PrivacyRequest.objects.get().state == "withdrawn"
    assert not privacy.is_being_erased(client.member.id)


def unpaid(member):
    make_orders.order(member=member)


def unshipped(member):
    Order.objects.filter(pk=make_orders.order(member=member).pk).update(payment_status="paid", paid_at=Clock())


def undelivered(member):
    unshipped(member)
    Order.objects.update(fulfilment_status="shipped", shipped_at=Clock())


def holding(member):
    loyalty.earn(member=member.pk, points=5, reference="e", by=SYSTEM)
    make_holds.hold(member, 5)


def owing(member):
    earned = loyalty.earn(member=member.pk, points=5, reference="e", by=make.BACKEND)
    loyalty.spend(member=member.pk, points=5, reference="s", by=make.BACKEND)
    loyalty.reverse(entry=earned.pk, by=make.BACKEND)


def restricted(member):
    Freeze.objects.create(member=member, scopes=["orders"], reason="fraud", by="staff/1", approved_by="staff/2")


@pytest.mark.parametrize(
    ("why", "reason"),
    [
        (unpaid, "order"),
        (unshipped, "order"),
        (undelivered, "order"),
        (holding, "hold"),
        (owing, "debt"),
        (restricted, "freeze"),
    ],
)
def test_what_is_not_over_stands_in_the_way(why, reason):
    client = make_privacy.stepped_up()
    why(client.member)
    before = make.snapshot()

    refused = client.post("me/erasure")

    assert (refused.status_code, refused.json()["code"]) == (409, "erasure_blocked")
    assert refused.json()["reasons"] == [reason]
    assert refused.json()["detail"]
    assert make.snapshot() == before


def test_what_comes_in_between_puts_it_off_and_staff_see_why():
    client = make_privacy.stepped_up()
    client.post("me/erasure")
    order = make_orders.order(member=client.member)
    make_privacy.come_due()

    assert erasing.erase_due() == 0
    asked = PrivacyRequest.objects.get()
    assert (asked.state, asked.reasons) == ("open", ["order"])
    assert client.get("me").status_code == 200
    assert privacy.watch() == 1

    done(order)
    assert erasing.erase_due() == 1
    assert PrivacyRequest.objects.get().reasons == []
    assert privacy.watch() == 0


@pytest.fixture
def lived():
    """Somebody of whom every floor keeps something."""
    member = make.member(phone=PHONE, openid="openid-of-ming-long", nickname="小明", email="ming@example.cn")
    client = make_privacy.stepped_up(member)
    member.birthday, member.gender = "1990-05-17", "male"
    member.save()
    order = make_orders.order(
        member=member, address=PLACE, contact={"phone": PHONE, "name": "王小明"}, buyer_note="请快点"
    )
    Payment.objects.create(
        order=order, provider="wechat_pay", amount_fen=order.total_fen, state="paid", paid_at=Clock(),
        transaction_id="42", payer="openid-of-ming-long", params="{}",
    )  # fmt: skip
    done(order)
    loyalty.earn(member=member.pk, points=50, reference="e", by=SYSTEM)
    Address.objects.create(member=member, **PLACE)
    Avatar.objects.create(member=member, content=b"picture", content_type="image/webp")
    FieldWrite.objects.create(member=member, field="nickname", at=Clock(), rank=3, by="x", value_digest=b"1")
    Consent.objects.create(member=member, purpose="terms", version="1", act="granted", evidence="小明 at the till")
    other = make.member(phone="+8613900139000")
    LinkCase.objects.create(member=other, other=member, kind="merge", identity_kind="phone", mask="138****8000")
    privacy.ask_export(member=member.pk, channel=client.channel, by=SYSTEM)
    exporting.make_due()
    IdempotentAnswer.objects.create(caller=f"member/{member.pk}", key="k", request_digest=b"", status=200, body="小明")
    client.post("ws-tickets")
    return client


def test_nothing_of_the_person_stays_and_what_the_books_need_does(lived):
    member = lived.member
    assert make_privacy.erase(lived) == 1

    member.refresh_from_db()
    assert (member.status, member.nickname, member.gender) == ("erased", "", "unknown")
    assert (member.phone, member.email, member.birthday, member.phone_mask, member.phone_last4) == (
        None,
        None,
        None,
        "",
        "",
    )
    for model in (Address, Avatar, FieldWrite, ExportFile, Recipient, Ticket, IdempotentAnswer):
        assert not model.objects.exists(), model
    assert not Identity.objects.filter(member=member).exists()
    assert set(Session.objects.filter(member=member).values_list("device", "revoked_reason")) == {("", "erased")}
    assert Consent.objects.get(member=member).evidence == ""
    assert (LinkCase.objects.get().mask, LinkCase.objects.get().state) == ("***", "declined")
    order = Order.objects.get()
    assert (order.member_id, order.buyer_note, order.lines.count(), order.total_fen) == (member.pk, None, 1, 12_900)
    assert (order.payments.get().payer, order.payments.get().amount_fen) == (None, 12_900)
    assert member.account.available == 0


def test_the_receipt_counts_and_names_nobody(lived):
    make_privacy.erase(lived)
    receipt = PrivacyRequest.objects.get(kind="erasure").receipt
    assert receipt["gone"]["identities"] == 2
    assert receipt["gone"]["recipients"] == 1
    assert receipt["gone"]["points"] == 50
    assert receipt["kept"]["orders"] == 1
    assert receipt["told"] == ["website"]
    for word in ("小明", "8000", "openid", "ming"):
        assert word not in str(receipt)


def test_who_saw_the_member_is_told_last_of_all_and_the_token_is_dead(lived):
    make_privacy.erase(lived)
    told = make.events_of(lived.member)
    assert told[-1].type == "member.erased"
    assert told[-1].data["id"] == str(lived.member.id)
    assert "phone" in told[-1].data["changed"]
    assert told[-1].source == "/channels/website"
    assert [event.type for event in told].count("member.erased") == 1
    refused = lived.get("me")
    assert (refused.status_code, refused.json()["code"]) == (401, "token_revoked")
    backend = make.backend_client()
    assert backend.get(f"members/{lived.member.id}").status_code == 404


def test_it_happens_once(lived):
    make_privacy.erase(lived)
    before = make.snapshot()
    make_privacy.come_due()
    assert erasing.erase_due() == 0
    assert erasing.erase(PrivacyRequest.objects.get(kind="erasure").pk) is False
    assert make.snapshot() == before | {"members_privacyrequest": make.snapshot()["members_privacyrequest"]}


def test_nobody_sees_the_member_once_the_event_is_forgotten(lived, settings):
    make_privacy.erase(lived)
    assert erasing.end_audiences() == 0
    settings.EVENT_RETENTION_DAYS = -1
    assert erasing.end_audiences() == 1
    assert not Audience.objects.filter(subject=events.of_member(lived.member.pk)).exists()


@act
def merged(source, target):
    source, target = services.lock(source.id, target.id)
    return merging.merge(source, target, why="王小明 said so", by=SYSTEM)


def test_whoever_was_absorbed_is_forgotten_too_and_nothing_can_be_undone():
    target, source = make.member(nickname="大明"), make.member(phone=PHONE, nickname="王小明")
    Address.objects.create(member=source, **PLACE)
    merged(source, target)
    client = make_privacy.stepped_up(target)

    assert make_privacy.erase(client) == 1

    source.refresh_from_db()
    assert (source.status, source.nickname, source.phone, source.merged_into_id) == ("merged", "", None, target.pk)
    merge = Merge.objects.get()
    assert (merge.journal, merge.sealed, merge.why) == ({}, None, "")
    assert not Address.objects.exists()
    with pytest.raises(Problem, match="case_closed"):
        merging.require_two(target.__class__.objects.get(pk=target.pk), make.member())


def test_what_staff_wrote_about_the_person_goes_that_they_decided_stays(admin_user):
    client = make_privacy.stepped_up()
    about = {"member": client.member, "kind": "freeze", "asked_by": admin_user}
    Request.objects.create(**about, reason="王小明 cheated", terms={"scopes": ["orders"], "note": "王小明"})
    privacy.enter(member=client.member.pk, kind="restriction", note="王小明 called", by=make.STAFF)

    make_privacy.erase(client)

    request = Request.objects.get()
    assert (request.state, request.reason, request.terms) == ("withdrawn", "***", {"scopes": ["orders"]})
    assert set(PrivacyRequest.objects.values_list("state", "note")) == {("withdrawn", ""), ("done", "")}


def test_coming_back_makes_a_new_member(doors, agreed):
    first = doors.sms("13800138000").json()["member"]["id"]
    assert make_privacy.erase(make_privacy.stepped_up(Member.objects.get(pk=first))) == 1
    again = doors.sms("13800138000").json()
    assert again["created"] is True
    assert again["member"]["id"] != first


def test_whoever_comes_back_is_welcomed_once(doors, agreed):
    rule(kind="registration", code="welcome", fixed_points=100, points_per_yuan=0, activated_at=make.NOON)
    first = Member.objects.get(pk=doors.sms("13800138000").json()["member"]["id"])
    assert bonuses.sweep("registration") == 1
    assert make_privacy.erase(make_privacy.stepped_up(first)) == 1
    again = Member.objects.get(pk=doors.sms("13800138000").json()["member"]["id"])
    assert bonuses.sweep("registration") == 0
    assert (balance(first), balance(again)) == ((0, 0, 0, 0), (0, 0, 0, 0))


def message(name: str, data: dict, state: str, sender: str = "channels/website") -> InboxMessage:
    inbox.store(sender, name, "order.placed", name, json.dumps({"data": data}).encode())
    applied = {"applied_at": Clock()} if state == "applied" else {}
    InboxMessage.objects.filter(message_id=name).update(state=state, **applied)
    return InboxMessage.objects.get(message_id=name)


def test_messages_that_name_the_person_lose_their_bodies_and_stay_known():
    member = make.member(phone=PHONE)
    make.identity(member, "external", "77", channel=make.channel())
    order = done(make_orders.order(member=member, external_id="W-1"))
    named = [
        message("1", {"contact": {"phone": "138 0013 8000"}}, "quarantined"),
        message("2", {"number": order.number}, "quarantined"),
        message("3", {"external_id": "W-1"}, "applied"),
        message("4", {"identity": {"kind": "external", "value": "77"}}, "applied"),
        message("5", {"member_id": str(member.pk)}, "applied"),
    ]
    others = [
        message("6", {"contact": {"phone": "13900139000"}}, "quarantined"),
        message("7", {"external_id": "W-1"}, "applied", sender="channels/app"),
        message("8", {"quantity": "77"}, "applied"),
    ]
    make_privacy.erase(make_privacy.stepped_up(member))
    kept = InboxMessage.objects.in_bulk()
    assert [kept[each.pk].body for each in named] == [None] * 5
    assert all(kept[each.pk].body for each in others)


def test_a_message_that_waits_is_worked_on_first():
    client = make_privacy.stepped_up(make.member(phone=PHONE))
    message("1", {"contact": {"phone": PHONE}}, "waiting")
    assert make_privacy.erase(client) == 0
    assert PrivacyRequest.objects.get().reasons == ["message"]
    InboxMessage.objects.update(state="quarantined")
    assert erasing.erase_due() == 1


def test_a_message_that_no_key_opens_stands_in_nobodys_way(caplog):
    sealed = message("1", {"contact": {"phone": PHONE}}, "quarantined")
    InboxMessage.objects.filter(pk=sealed.pk).update(body=b"\x00")
    assert make_privacy.erase(make_privacy.stepped_up(make.member(phone=PHONE))) == 1
    assert f"{sealed.pk} does not open" in caplog.text


def test_a_text_that_is_no_json_names_nobody():
    assert forgetting.says("channels/website", "<xml>", {("", "13800138000")}) is False


def test_nothing_is_given_or_sold_to_somebody_who_was_erased():
    member = make.member()
    make_privacy.erase(make_privacy.stepped_up(member))
    before = make.snapshot()
    with pytest.raises(Problem, match="not_found"):
        loyalty.earn(member=member.pk, points=1, reference="late", by=SYSTEM)
    with pytest.raises(Problem, match="not_found"):
        make_orders.order(member=member)
    assert make.snapshot() == before


def test_the_feed_tells_a_channel_and_then_nothing_more(lived):
    make_privacy.erase(lived)
    with connection.cursor() as cursor:
        cursor.execute("SELECT sync_settle()")
    page = feed(make.channel("mini-program"), after=0, limit=100, types=["member.erased"])
    assert len(page.events) == 1
    assert Event.objects.filter(subject=events.of_member(lived.member.pk)).last().type == "member.erased"
