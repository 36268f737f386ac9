"""An order's page tells the whole story, where it stands and what comes next; it costs the same however long it is."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation

from orders.admin import standing
from orders.models import Order
from sync.models import Event, Settled
from tests import make
from tests.config import make_staff
from tests.orders import make_orders, make_staff_work
from tests.orders.make_pages import page, said
from tests.sync import make_deliveries

pytestmark = pytest.mark.django_db


@pytest.fixture
def finance():
    return make_staff.signed_in("finance", [make.channel()])


def story(browser, order: Order) -> list:
    """The entries of an order's page, newest first."""
    told = browser.get(page(order)).context["story"]
    return [entry for _day, entries in [*told["days"], *told["older"]] for entry in entries]


def sentences(order: Order) -> str:
    told = standing.of(Order.objects.get(pk=order.pk))
    return " ".join(str(each) for each in [*told["said"], *told["alarms"]])


def test_everything_that_happened_is_on_one_timeline(finance):
    make_orders.earning()
    member = make.member(phone=make.mobile())
    order = make_staff_work.one_of_each(member, make.channel())
    make_staff_work.message(order.payments.get())
    found = story(finance, order)
    words = " ".join(f"{each.words} {' '.join(map(str, each.more))} {each.who}" for each in found)
    parts = ("订单已付款", "SF12345", "申请退款", "仓库补发", "129", "来晚了", "微信支付发来", "发货信息", "派送中")
    for part in parts:
        assert part in words, part
    assert "13800138000" not in words
    assert "138****8000" in words
    assert found == sorted(found, key=lambda each: (each.at, each.rank), reverse=True)


@pytest.mark.parametrize("rows", [1, 3])
def test_the_page_costs_the_same_however_much_belongs_to_it(finance, rows):
    order = make_staff_work.paid(make_orders.order(member=make.member(), lines=3))
    make_staff_work.uploaded(order)
    for turn, line in enumerate(list(order.lines.all())[:rows]):
        items = [{"line_id": line.pk, "quantity": 1}]
        make_staff_work.tracked(make_staff_work.shipped(order, f"SF{turn}", items=items), 100)
        make_staff_work.asked_back(order, 100)
    finance.get(page(order))
    with CaptureQueriesContext(connection) as asked:
        assert finance.get(page(order)).status_code == 200
    assert len(asked) == 42


def test_three_hundred_entries_are_readable(finance):
    order = make_staff_work.paid(make_orders.order(member=make.member()))
    make_staff_work.tracked(make_staff_work.shipped(order), 300)
    shown = finance.get(page(order))
    assert shown.context["story"]["count"] > 300
    assert said(shown).count('class="hub-entry') == shown.context["story"]["count"]
    assert "<details" in said(shown)


def test_who_may_not_look_elsewhere_is_not_told_here():
    order = make_staff_work.one_of_each(make.member(), make.channel())
    make_staff_work.message(order.payments.get())
    support = make_staff.signed_in("support", [make.channel()])
    finance = make_staff.signed_in("finance", [make.channel()])
    ways = [way["url"] for each in story(support, order) for way in each.ways]
    assert not any("/messages/" in url for url in ways)
    assert any("/messages/" in way["url"] for each in story(finance, order) for way in each.ways)


def test_whom_it_was_told_is_said_of_the_channels_that_the_reader_holds():
    website, mini = make.channel(), make.channel("mini-program")
    order = make_orders.order(member=make.member(), channel=website)
    event = Event.objects.get(type="order.placed")
    Settled.objects.create(event=event)
    for channel in (website, mini):
        make_deliveries.delivery(make_deliveries.endpoint(channel), event)
    finance = make_staff.signed_in("finance", [website])
    told = " ".join(str(each.more) for each in story(finance, order))
    assert f"{website.name} " in told
    assert mini.name not in told


def test_hostile_words_of_a_carrier_are_only_words(finance):
    order = make_staff_work.paid(make_orders.order(member=make.member()))
    make_staff_work.tracked(make_staff_work.shipped(order), 1, text="<script>alert(1)</script>")
    assert "<script>alert(1)" not in said(finance.get(page(order)))


def test_the_head_says_once_what_is_to_be_done(finance):
    order = make_staff_work.paid(make_orders.order(member=make.member()))
    head = said(finance.get(page(order))).partition("hub-standing-head")[2].partition("</div>")[0]
    assert head.count("待发货") == 1
    make_staff_work.asked_back(order)
    head = said(finance.get(page(order))).partition("hub-standing-head")[2].partition("</div>")[0]
    assert (head.count("退款中"), head.count("待发货")) == (1, 1)


@pytest.mark.parametrize(("language", "words", "others"), [("zh-hans", "返回", "关闭"), ("en", "Back", "Close")])
def test_the_way_back_does_not_read_as_closing_the_order(finance, language, words, others):
    order = make_staff_work.paid(make_orders.order(member=make.member()))
    with translation.override(None):
        shown = said(finance.get(page(order), headers={"Accept-Language": language}))
    foot = shown.partition('id="submit-row"')[2].partition("</form>")[0]
    assert (words in foot, others in foot) == (True, False)
    assert "/admin/orders/order/?" in foot or 'href="/admin/orders/order/"' in foot


def test_what_comes_next_by_itself_is_said():
    order = make_orders.order(member=make.member())
    soon = timezone.now() + timedelta(minutes=30)
    Order.objects.filter(pk=order.pk).update(closes_at=soon)
    assert f"{timezone.localtime(soon):%H:%M}" in sentences(order)
    make_orders.payment(order, asks=2, asked_at=timezone.now(), expires_at=soon)
    assert "2 次" in sentences(order)
    order.payments.all().delete()
    make_staff_work.paid(order)
    assert "待发货" not in sentences(order)  # the badge before them says so
    make_staff_work.shipped(order)
    assert "已全部发出" in sentences(order)
    refund = make_staff_work.asked_back(order)
    assert refund.number in sentences(order)


def test_money_that_does_not_fit_is_an_alarm():
    order = make_orders.order(member=make.member())
    order.cases.create(
        kind="wrong_amount", transaction_id="1", amount_fen=100, paid_at=make.NOON, provider="wechat_pay"
    )
    assert "¥1.00" in str(standing.of(order)["alarms"][0])


def test_a_channels_number_that_reads_like_a_providers_word_shows_nothing_of_that_provider(finance):
    paid = make_staff_work.paid(make_orders.order(member=make.member()))
    payment = paid.payments.get()
    message = make_staff_work.message(payment)
    theirs = make_orders.order(member=make.member(), external_id=message.subject)
    assert any("/messages/" in way["url"] for each in story(finance, paid) for way in each.ways)
    assert not any("/messages/" in way["url"] for each in story(finance, theirs) for way in each.ways)
