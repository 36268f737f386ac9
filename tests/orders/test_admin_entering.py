"""An order entered by hand: by the rules of POST orders, seen before, once, with who and why; terms and carriers."""

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse

from orders.models import Carrier, Intervention, Order, OrderTerms, ShippingFile, ShippingRow
from sync.ids import uuid7
from tests import make
from tests.config import make_staff
from tests.orders import make_orders, make_staff_work
from tests.orders.make_pages import page, refusals, said

pytestmark = pytest.mark.django_db
PATH = "/admin/orders/order/enter/"


@pytest.fixture
def support():
    return make_staff.signed_in("support", [make.channel()])


def form(**fields) -> dict:
    known = {"id": uuid7(), "channel": make.channel().pk, "reason": "电话下单", "member": "", "shipping": "10"}
    known |= {"item-sku": ["TEA-1", ""], "item-name": ["明前龙井", ""], "item-quantity": ["2", "1"]}
    return known | {"item-price": ["88.50", ""], "discount": "7", "sure": "1"} | fields


def test_an_order_is_entered_once_for_a_member(support):
    member, given = make.member(phone=make.mobile()), form()
    given["member"] = member.pk
    shown = support.post(PATH, {name: value for name, value in given.items() if name != "sure"})
    assert "¥180.00" in said(shown)
    assert not Order.objects.exists()
    answer = support.post(PATH, given)
    support.post(PATH, given)
    order = Order.objects.get()
    assert (answer.status_code, answer["Location"]) == (302, page(order))
    assert (order.member_id, order.total_fen, order.payment_status) == (member.pk, 18_000, "unpaid")
    kept = Intervention.objects.get()
    assert (kept.kind, kept.reason) == ("entered", "电话下单")
    assert "order.placed" in make.types_of(member)


def test_the_member_is_found_by_phone(support):
    phone = make.mobile()
    member = make.member(phone=phone)
    assert support.get(PATH, {"q": phone[3:]})["Location"].endswith(f"?member={member.pk}")


@pytest.mark.parametrize(
    "fields",
    [
        {"reason": ""},
        {"item-price": ["abc", ""]},
        {"item-quantity": ["0", "1"]},
        {"item-sku": ["", ""], "item-name": ["", ""], "item-price": ["", ""]},
        {"discount": "9999"},
        {"receiver": "林小溪"},
        {"channel": ""},
    ],
)
def test_what_does_not_add_up_is_not_entered(support, fields):
    before = make.snapshot()
    assert refusals(support.post(PATH, form(**fields)))
    assert make.snapshot() == before


def test_nobody_enters_for_a_channel_or_a_member_they_do_not_see(support):
    other = make.channel("mini-program")
    stranger = make.member(channel="mini-program", phone=make.mobile())
    assert refusals(support.post(PATH, form(channel=other.pk)))
    assert support.post(PATH, form(member=stranger.pk)).status_code == 404
    assert make_staff.signed_in("operator", [make.channel()]).get(PATH).status_code == 403
    assert not Order.objects.exists()


def test_an_administrator_sets_terms_and_carriers():
    boss, channel = make_staff.signed_in("administrator", [make.channel()]), make.channel()
    terms = {"close_after_minutes": 30, "complete_after_days": 5, "complete_shipped_after_days": 10, "misfits": "ask"}
    answer = boss.post(reverse("admin:orders_orderterms_add"), terms | {"channel": channel.pk})
    assert answer.status_code == 302, answer.context["adminform"].errors
    assert OrderTerms.objects.get(channel=channel).close_after_minutes == 30
    known = make_staff_work.carrier()
    kept = {"name": "顺丰", "name_en": "", "kind": "express", "wechat_code": "SF", "aliases": '["SF"]'}
    answer = boss.post(reverse("admin:orders_carrier_change", args=[known.pk]), kept | {"is_active": "on"})
    assert answer.status_code == 302, answer.context["adminform"].errors
    assert Carrier.objects.get(pk=known.pk).name == "顺丰"


def test_the_database_keeps_shipping_files_and_manual_work_as_they_were():
    user = make_staff.person("administrator")
    order = make_staff_work.paid(make_orders.order())
    file = make_staff_work.file_of(order, user)
    row, kept = file.rows.get(), Intervention.objects.create(order=order, kind="paid", reason="x", by="staff/1")
    for refused in (
        lambda: ShippingFile.objects.filter(pk=file.pk).update(state="running"),
        lambda: ShippingFile.objects.filter(pk=file.pk).update(state="done"),
        lambda: ShippingRow.objects.filter(pk=row.pk).update(state="shipped"),
        lambda: ShippingRow.objects.filter(pk=row.pk).update(order=None),
        lambda: ShippingRow.objects.create(file=file, line=row.line, state="wrong"),
        lambda: Intervention.objects.create(kind="paid", reason="x", by="staff/1"),
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            refused()
    for refused in (file.delete, row.delete, kept.delete, kept.save):
        with pytest.raises(Exception, match="Cannot"), transaction.atomic():
            refused()
