"""Finding in the admin: by kind and nothing else; what is masked cannot be asked out by query parameters."""

import pytest
from django.db import connection

from members.models import Member
from orders.models import Order
from sync.admin import pages, search
from sync.models import Delivery
from tests import make, plans
from tests.config import make_staff
from tests.config.make_staff import PHONE
from tests.config.test_admin import list_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def world():
    return make_staff.World()


@pytest.fixture
def browser(world):
    return make_staff.signed_in(is_superuser=True)


def found(browser, name: str, **query) -> list:
    return [row.pk for row in browser.get(list_of(name), query).context["cl"].result_list]


@pytest.mark.parametrize("typed", [PHONE, "137 1234 5678", "１３７１２３４５６７８", "5678", "林小", "number", "id"])
def test_a_member_is_found_by_phone_last_four_number_and_nickname(world, browser, typed):
    known = {"number": world.member.number, "id": str(world.member.pk)}
    assert found(browser, "members.Member", q=known.get(typed, typed)) == [world.member.pk]


@pytest.mark.parametrize("typed", ["1371234", "13712345679", "37", "+86137", "%", "小溪", "'; DROP", "x" * 5000])
def test_a_part_of_a_phone_finds_nobody(world, browser, typed):
    assert found(browser, "members.Member", q=typed) == []


def test_a_masked_phone_is_not_found_out_by_trying_all_it_may_be(world, browser, settings, monkeypatch, still_windows):
    settings.QUOTA_FACTOR = 1
    monkeypatch.setattr(pages, "PHONES_SEARCHED", ((3, 86_400),))
    for middle in range(3):
        assert found(browser, "members.Member", q=f"137{middle:04d}5678") == []
    assert found(browser, "members.Member", q=PHONE) == found(browser, "orders.Order", q=PHONE) == []
    assert found(browser, "members.Member", q=world.member.number) == [world.member.pk]


def test_an_order_is_found_by_its_numbers_and_its_members_phone(world, browser):
    for typed in (world.order.number, world.order.external_id, world.order.number.lower()):
        assert found(browser, "orders.Order", q=typed) == [world.order.pk]
    for typed in (PHONE, world.member.number):
        assert found(browser, "orders.Order", q=typed) == [world.shipped.pk, world.order.pk]


def test_an_event_is_found_by_id_subject_and_type(world, browser):
    assert found(browser, "sync.Event", q=str(world.event.pk)) == [world.event.pk]
    assert world.event.pk in found(browser, "sync.Event", q=f"member/{world.member.pk}")
    assert world.event.pk in found(browser, "sync.Event", q="order.paid")


@pytest.mark.parametrize(
    "query",
    [
        "phone_index__startswith=a",
        "phone__regex=1",
        "phone_last4__startswith=5",
        "phone_last4=5678",
        "email__isnull=0",
        "nickname__regex=(",
        "name__regex=(",
        "identities__value_index=1",
        "home_channel__app_secret__isnull=1",
        "status__in=active,frozen",
        "_to_field=phone_index",
    ],
)
def test_no_parameter_asks_what_no_filter_offers(world, browser, query):
    assert browser.get(f"{list_of('members.Member')}?{query}").status_code == 400


@pytest.mark.parametrize("query", ["q=%00", "status__exact=%00", "o=%00", "p=%00", "channel=a%00b", "name=%00"])
def test_a_nul_is_refused_and_breaks_nothing(browser, query):
    assert browser.get(f"{list_of('members.Member')}?{query}").status_code == 400


@pytest.mark.parametrize(
    "query",
    [
        "p=abc",
        "p=-1",
        "p=99999999999999",
        "o=1.2.3",
        "o=-99",
        "all=",
        "e=1",
        "_facets=True",
        "status__exact=nobody",
        "created_at_from_0=nonsense&created_at_to_0=2026-99-99",
        "channel=nowhere",
        "_popup=1",
    ],
)
def test_nonsense_is_no_server_error(browser, query):
    answer = browser.get(f"{list_of('members.Member')}?{query}", follow=True)
    assert answer.status_code in {200, 400}


@pytest.mark.parametrize("key", ["nobody", "%00", "1", "_5F", "0" * 400, "01a2-../../x"])
def test_a_page_of_nothing_is_not_found(browser, key):
    assert browser.get(f"/admin/members/member/{key}/change/").status_code in {400, 404}


def test_a_list_cannot_be_sorted_by_what_is_masked(world, browser):
    plain = found(browser, "members.Member")
    for column in range(1, 9):
        assert found(browser, "members.Member", o=str(column)) == plain
        assert found(browser, "members.Member", o=f"-{column}") == plain


def test_a_big_table_is_counted_to_ten_thousand_only(browser, monkeypatch):
    monkeypatch.setattr("sync.admin.paging.CAP", 3)
    for _each in range(6):
        make.member(phone=None)
    page = browser.get(list_of("members.Member"))
    assert (page.context["cl"].result_count, page.context["cl"].paginator.is_capped) == (3, True)
    assert "3+" in " ".join(page.content.decode().split())


def test_a_filter_by_channel_offers_only_channels_that_are_held(world):
    browser = make_staff.signed_in("operator", [world.website])
    page = browser.get(list_of("orders.Order"), {"channel": "mini-program"})
    assert [row.pk for row in page.context["cl"].result_list] == [world.shipped.pk, world.order.pk]
    assert "channel=mini-program" not in page.content.decode().replace("?channel=mini-program", "")


@pytest.mark.parametrize(
    ("rows", "index"),
    [
        (Member.objects.filter(phone_index=b"x"), "member_phone_once"),
        (Member.objects.filter(phone_last4="5678"), "member_phone_last4"),
        (Member.objects.filter(nickname__startswith="小"), "member_nickname_prefix"),
        (Delivery.objects.filter(state="dead").order_by("-id"), "delivery_dead"),
        (Order.objects.order_by("-placed_at", "-id")[:50], "order_newest"),
    ],
)
def test_what_staff_ask_most_is_answered_by_an_index(world, rows, index):
    assert index in plans.of_rows(rows, without=("seqscan", "sort"))


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_question_that_takes_too_long_is_answered_with_advice(world, browser, monkeypatch):

    slow = "pg_sleep(60) IS NOT NULL"
    bent = lambda queryset, _searches, _text: queryset.extra(where=[slow])  # noqa: E731, S610 - a text of ours
    monkeypatch.setattr(search, "found", bent)
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = '2s'")
    answer = browser.get(list_of("members.Member"), {"q": "x"}, follow=True)
    with connection.cursor() as cursor:
        cursor.execute("RESET statement_timeout")
    assert answer.status_code == 200
    assert answer.redirect_chain == [(list_of("members.Member"), 302)]
    assert [str(each) for each in answer.context["messages"]]
