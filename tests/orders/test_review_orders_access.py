"""Orders as attackers meet them: other channels' staff and backends, lying carriers, files that burst, the erased."""

import io
import zipfile

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from config import roles
from members.models import Member, MemberNotice
from orders import services
from orders.models import Bill, Order, OrderTerms, Recipient, Shipment
from orders.services import handling, reassigning
from orders.shipping import following, kuaidi100
from sync import clock, spreadsheets
from sync.act import Actor
from sync.ids import uuid7
from sync.models import InboxMessage
from tests import make
from tests.config import make_staff
from tests.orders import courier as c
from tests.orders import make_facts, make_orders, make_pushes, make_staff_work
from tests.orders import make_parcels as p
from tests.orders.make_pages import do, page, said
from tests.orders.test_leaving import erased, over

pytestmark = pytest.mark.django_db
ADDRESS = {"receiver": "李雷", "phone": "+8613900139000", "street": "龙井路 1 号"}


@pytest.fixture
def shop():
    return make.channel()


def holder(*permissions: str, channels):
    """A browser of somebody who may do just this."""
    person = make_staff.person("", channels)
    roles.grant(person, channels)
    for each in permissions:
        app, _dot, name = each.partition(".")
        person.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=name))
    browser = Client()
    browser.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    return browser


def test_what_another_channel_told_of_its_order_of_the_same_number_is_not_read_on_this_one(shop):
    other = make.channel("rival", group="rival")
    mine = make_orders.order(external_id="1001")
    theirs = make_orders.order(channel="rival", external_id="1001")
    kept = {"message_id": "1", "type": "order.updated", "subject": "order/1001", "body_digest": b"1"}
    foreign = InboxMessage.objects.create(sender="channels/rival", body='{"phone": "13900139000"}', **kept)
    own = InboxMessage.objects.create(sender="channels/website", body='{"note": "ours"}', **kept)
    finance = make_staff.signed_in("finance", [shop])
    path = page(mine).replace("change/", "messages/{}/")
    assert finance.post(path.format(foreign.pk), {"reason": "看看"}).status_code == 404
    assert "ours" in said(finance.post(path.format(own.pk), {"reason": "看看"}))
    assert str(foreign.pk) not in said(finance.get(page(mine)))
    assert str(foreign.pk) in said(make_staff.signed_in("finance", [other]).get(page(theirs)))


def test_an_order_page_tells_of_nothing_that_its_reader_may_not_look_at(shop):
    order = make_staff_work.one_of_each(make.member(phone=make.mobile()), shop)
    told = holder("orders.view_order", channels=[shop]).get(page(order)).context["story"]
    assert [str(entry.words) for _day, entries in told["days"] for entry in entries] == []
    told = holder("orders.view_order", "orders.view_shipment", channels=[shop]).get(page(order)).context["story"]
    assert {entry.group for _day, entries in told["days"] for entry in entries} == {"goods"}


def test_the_button_that_enters_an_order_leads_there(shop):
    browser = holder("orders.view_order", "orders.enter_order", channels=[shop])
    assert browser.get(reverse("admin:orders_order_enter"), follow=True).redirect_chain[-1][0].endswith("/order/enter/")


@pytest.mark.parametrize("name", ["13800138000", "M"])
def test_whoever_may_not_look_at_members_finds_none_by_giving_or_entering_orders(shop, name):
    order = make_orders.order(member=make.member(phone=make.mobile()))
    victim = make.member(phone="+8613800138000", nickname="林小溪")
    typed = victim.number if name == "M" else name
    browser = holder("orders.view_order", "orders.reassign_order", "orders.enter_order", channels=[shop])
    assert "林小溪" not in said(do(browser, order, "reassign", is_sure=False, member=typed))
    found = browser.get(reverse("admin:orders_order_entering"), {"q": typed}, follow=True)
    assert "林小溪" not in said(found)
    assert browser.get(reverse("admin:orders_order_entering"), {"member": victim.pk}).status_code == 404


def test_an_order_that_is_given_to_a_member_shows_its_channel_nothing_else_of_them(shop):
    make.channel("rival", group="rival")
    victim = make.member(phone=make.mobile(), nickname="林小溪")
    order = make_orders.order(member=make.member(channel="rival"), channel="rival")
    by = handling.Hand(id=uuid7(), by=Actor("staff", "1"), reason="下错账号", seen=order.version)
    reassigning.reassign(order=order.pk, to=victim.pk, hand=by)
    rival = make.backend_client("rival")
    assert rival.get(f"members/{victim.pk}").status_code == 404
    assert rival.get(f"members/{victim.pk}/points").status_code == 404
    assert rival.get(f"orders/{order.number}").json()["member_id"] == str(victim.pk)


def test_finance_of_one_channel_does_not_read_the_bills_of_anothers_merchant(shop):
    make.channel("rival", group="rival")
    make_staff_work.bill()
    finance = make_staff.signed_in("finance", [shop])
    bill = reverse("admin:orders_bill_change", args=[Bill.objects.get().pk])
    lines = reverse("admin:orders_billline_changelist")
    assert finance.get(bill).status_code == 404
    assert finance.get(lines).context["cl"].result_count == 0
    shop.merchant_id = Bill.objects.get().merchant.mchid
    shop.save()
    assert finance.get(bill).status_code == 200
    assert finance.get(lines).context["cl"].result_count > 0


def leave(member: Member) -> None:
    """They are erased."""
    erased(member)
    Member.objects.filter(pk=member.pk).update(status="erased")


@pytest.fixture
def gone(shop):
    """An order that was paid back and never sent, of a member who was erased."""
    order = make_staff_work.paid(make_orders.order(member=make.member(), address=ADDRESS, buyer_note="放门口"))
    Order.objects.filter(pk=order.pk).update(refund_status="full", refunded_fen=order.paid_fen)
    leave(order.member)
    return Order.objects.get(pk=order.pk)


def test_nothing_personal_is_written_anew_on_the_order_of_somebody_erased(gone):
    backend = make.backend_client()
    before = make.snapshot()
    for change in ({"buyer_note": "找李雷"}, {"address": ADDRESS}):
        refused = backend.patch(f"orders/{gone.number}", change)
        assert (refused.status_code, refused.json()["code"]) == (409, "order_state")
    assert make.snapshot() == before
    make_facts.tell("order.updated", {"external_id": gone.external_id, "buyer_note": "找李雷", "address": ADDRESS})
    gone.refresh_from_db()
    assert gone.buyer_note is None
    assert not Recipient.objects.exists()
    assert list(gone.superseded.values_list("reason", flat=True)) == ["erased"]


def test_the_reason_of_a_refund_of_somebody_erased_is_not_kept(shop):
    order = over(make_staff_work.paid(make_orders.order(member=make.member())))
    leave(order.member)
    line = {"line_id": str(order.lines.get().pk), "quantity": 1, "amount_fen": 100}
    executed = {"provider": "offline", "transaction_id": "R1", "refunded_at": make.NOON.isoformat()}
    asked = {"external_id": "R1", "items": [line], "reason": "李雷不要了", "executed": executed}
    backend = make.backend_client()
    made = backend.post(f"orders/{order.number}/refunds", asked)
    assert (made.status_code, made.json()["reason"]) == (201, "")
    assert order.refunds.get().reason is None
    assert backend.post(f"orders/{order.number}/refunds", asked).status_code == 200


def test_a_carrier_asked_while_its_receiver_is_erased_tells_nothing_any_more(settings):
    p.carriers()
    with c.listening(settings) as outside:
        parcel = p.ship(p.paid(member=make.member()), carrier="yuantong", number="YT1")
        following.follow_due()
        outside.last = c.param(parcel, c.entry("14:08", "李雷已签收"), state="3")["lastResult"] | {"status": "200"}
        asking = Shipment.objects.select_related("carried_by").get(pk=parcel.pk)
        Member.objects.filter(pk=parcel.order.member_id).update(status="erased")
        following.ask(asking)
    parcel.refresh_from_db()
    assert parcel.tracking is None


@pytest.mark.parametrize("time", ["0001-01-01 00:00:00", "0001-01-01 08:00:00", "9999-12-31 23:59:59"])
def test_a_time_at_the_end_of_the_calendar_is_left_out(time):
    found = kuaidi100.entries({"data": [{"ftime": time, "context": "x"}]}, now=clock.now())
    assert all(entry["at"].startswith("0001-01-0") for entry in found)


def test_a_message_names_only_carriers_the_hub_knows(shop):
    OrderTerms.objects.create(channel=shop, falls_back_to_sms=True)
    victim = make.member(phone="+8613800138000")
    order = make_staff_work.paid(make_orders.order(member=victim))
    lure = "中奖了 http://evil.example/x"
    services.ship(order=order.pk, carrier=lure, tracking_number="X1", by=make.BACKEND)
    told = MemberNotice.objects.get().values
    assert "evil" not in str(told)
    assert told["carrier"] == "快递"


def test_a_spreadsheet_that_bursts_is_refused_before_it_is_built():
    with pytest.raises(spreadsheets.BadFile):
        list(spreadsheets.rows(_book(b"<row>" + b"<c/>" * 8_000_000 + b"</row>")))


@pytest.mark.parametrize("encoding", ["foo", "rot13", "utf-7", "idna"])
def test_xml_in_an_encoding_nobody_speaks_is_refused_like_any_other_lie(encoding):
    body = f'<?xml version="1.0" encoding="{encoding}"?><xml><Encrypt>x</Encrypt></xml>'.encode()
    for is_sealed in (True, False):
        make_pushes.channel(sealed=is_sealed)
        assert make_pushes.post(body, make_pushes.query(token="guessed")).status_code == 401
    with pytest.raises(spreadsheets.BadFile):
        list(spreadsheets.rows(_book(b"", f'<?xml version="1.0" encoding="{encoding}"?>'.encode())))


def test_a_text_within_thousands_of_others_is_read_all_the_same():
    nested = b"<row><c t='inlineStr'>" + b"<is>" * 5_000 + b"<t>D1</t>" + b"</is>" * 5_000 + b"</c></row>"
    assert list(spreadsheets.rows(_book(nested))) == [(1, ["D1"])]


def _book(rows: bytes, head: bytes = b"") -> bytes:
    held, kept = io.BytesIO(), zipfile.ZIP_DEFLATED
    relation = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    with zipfile.ZipFile(held, "w", kept) as book:
        sheets = f'<workbook xmlns:r="{relation}"><sheets><sheet r:id="rId1"/></sheets></workbook>'
        book.writestr("xl/workbook.xml", sheets)
        book.writestr("xl/_rels/workbook.xml.rels", '<R><R Id="rId1" Target="worksheets/sheet1.xml"/></R>')
        book.writestr("xl/worksheets/sheet1.xml", head + b"<worksheet>" + rows + b"</worksheet>")
    return held.getvalue()
