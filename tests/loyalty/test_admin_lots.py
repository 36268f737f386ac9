"""Pages of entries, lots, draws and holds: what drew on what, both ways; found by kind, within one's channels."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from loyalty.models import Account, Draw, Entry, Hold, Lot
from tests import make
from tests.config import make_staff
from tests.loyalty import make_points
from tests.loyalty.make_balance import indebted, storied
from tests.loyalty.make_holds import hold, run_out
from tests.loyalty.make_pages import list_of, page_of, read

pytestmark = pytest.mark.django_db
MODELS = [Account, Entry, Lot, Draw, Hold]


@pytest.fixture
def operator():
    return make_staff.signed_in("operator", [make.channel("website")])


@pytest.fixture
def told():
    return storied(phone="+8613912345678")


def links(browser, row) -> set[str]:
    return set(re.findall(r'class="hub-link" href="([^"]+)"', browser.get(page_of(row)).content.decode()))


def test_a_spending_names_the_lots_it_drew_on(operator, told):
    page = read(operator, told.spent)
    assert re.search(r"动用或退回的批次 .* 取用 GIFT-1 \S+ −100 0 取用 GIFT-2 \S+ −30 0 ", page)
    assert "使用 130 积分（TILL-1），从最先过期的批次取用。" in page
    assert "250 → 120" in page
    assert {page_of(told.first.lot), page_of(told.second.lot)} <= links(operator, told.spent)


def test_a_reversal_and_what_it_reverses_lead_to_each_other(operator, told):
    page = read(operator, told.returned)
    assert re.search(r"退回 GIFT-2 \S+ \+10 0 ", page)
    assert page_of(told.spent) in links(operator, told.returned)
    assert "被以下明细冲回" in read(operator, told.spent)
    assert page_of(told.returned) in links(operator, told.spent)


def test_a_capture_leads_to_its_hold_and_back(operator, told):
    captured = told.captured
    page = read(operator, captured)
    assert re.search(r"预占扣减 GIFT-2 \S+ 0 −50 ", page)
    assert {page_of(told.held), page_of(told.held.holding)} <= links(operator, captured)
    assert page_of(captured) in links(operator, told.held)
    assert re.search(r"预占 80 已扣减 50 释放 30 ", read(operator, told.held.holding))


def test_an_earning_names_its_lot_and_all_that_has_drawn_on_it(operator, told):
    page = read(operator, told.second)
    assert "由此生成的批次" in page
    drawn = page.partition("此后动用这个批次的明细")[2]
    for reference in ("TILL-1", "CART-1", "CART-2"):
        assert reference in drawn


def test_an_open_hold_says_when_it_lets_go(operator, told):
    assert re.search(r"自动释放 \d{4}-\d\d-\d\d \d\d:\d\d:\d\d 剩 \d\d 分", read(operator, told.open.holding))


def test_a_hold_that_ran_out_unnoticed_is_told_so(operator):
    held = hold(make_points.holder(30))
    run_out(held)
    assert "已到期，待释放" in read(operator, held)


def test_a_refund_that_left_a_debt_is_told(operator):
    make_points.rule()
    owed = indebted()
    page = read(operator, owed.reversal)
    assert "扣回 129 积分，这些积分由“订单 D2026112200001”获得。 其中 100 积分已被用掉，现为欠积分。" in page
    assert re.search(r"欠积分 \+100 ", page)
    assert page_of(owed.earned) in links(operator, owed.reversal)


FILTERS = [("pending", {"GIFT-4"}), ("waiting", {"GIFT-5"}), ("held", {"GIFT-2"}), ("gone", {"GIFT-1"})]
FILTERS += [("expired", {"GIFT-3"}), ("expiring", set()), ("", {f"GIFT-{number}" for number in range(1, 6)})]


@pytest.mark.parametrize(("chosen", "references"), FILTERS)
def test_lots_are_filtered_by_what_staff_asks(operator, told, chosen, references):
    found = operator.get(list_of(Lot), {"is": chosen} if chosen else {}).context["cl"].result_list
    assert {lot.entry.reference for lot in found} == references


@pytest.mark.parametrize("model", [Entry, Lot, Hold])
def test_they_are_found_by_phone_member_number_and_id(operator, told, model):
    make_points.holder(10)
    count = model.objects.filter(account=told.account).count()
    for text in ("13912345678", told.member.number, str(told.account.pk)):
        assert operator.get(list_of(model), {"q": text}).context["cl"].result_count == count


@pytest.mark.parametrize("model", MODELS)
def test_staff_of_one_channel_find_nothing_of_anothers_members(told, model):
    other = make_staff.signed_in("operator", [make.channel("mini-program")])
    assert other.get(list_of(model)).context["cl"].result_count == 0
    row = Account.objects.get() if model is Account else model.objects.first()
    assert other.get(page_of(row)).status_code == 404


@pytest.mark.parametrize("role", ["operator", "support", "finance", "auditor", "manager", "administrator"])
def test_who_looks_at_accounts_looks_at_lots_draws_and_holds(told, role):
    browser = make_staff.signed_in(role, [make.channel("website")])
    assert [browser.get(list_of(model)).status_code for model in MODELS] == [200] * 5


def test_an_engineer_sees_none_of_them(told):
    browser = make_staff.signed_in("engineer", [make.channel("website")])
    assert [browser.get(list_of(model)).status_code for model in MODELS] == [403] * 5


COSTS = dict.fromkeys(MODELS, 8)


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("model", MODELS)
def test_a_list_costs_the_same_however_long(operator, django_assert_num_queries, model, rows):
    for _each in range(rows):
        hold(make_points.holder(30))
    operator.get(list_of(model))
    with django_assert_num_queries(COSTS[model]):
        assert operator.get(list_of(model)).context["cl"].result_count >= rows


def pages(rows: int) -> dict:
    """A lot and a spending with so many draws, a hold with its entries; by model."""
    member = make_points.holder(30)
    for number in range(rows - 1):
        make_points.post(member, make_points.posting(30, f"g{number}"))
    spent = make_points.post(member, make_points.posting(-25 * rows, "spent")).entry
    return {Entry: spent, Lot: spent.draws.first().lot, Hold: hold(member, rows), Draw: spent.draws.first()}


PAGE_COSTS = {Lot: 11, Hold: 10, Draw: 8}


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("model", PAGE_COSTS)
def test_a_page_costs_the_same_however_much_it_names(operator, django_assert_num_queries, model, rows):
    row = pages(rows)[model]
    operator.get(page_of(row))
    with django_assert_num_queries(PAGE_COSTS[model]):
        operator.get(page_of(row))


@pytest.mark.parametrize("model", [Entry, Account])
def test_a_page_on_which_others_hang_panels_costs_the_same_however_much_it_names(operator, model):
    spent = [pages(rows)[Entry] for rows in (1, 3)]
    few, many = spent if model is Entry else [entry.account for entry in spent]
    operator.get(page_of(few))
    costs = []
    for row in (few, many):
        with CaptureQueriesContext(connection) as asked:
            operator.get(page_of(row))
        costs.append(len(asked))
    assert costs[1] <= costs[0] <= 26


@pytest.mark.slow
@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_every_page_opens_in_both_languages(operator, told, language):
    for model in MODELS:
        assert operator.get(list_of(model), headers={"Accept-Language": language}).status_code == 200
        for row in model.objects.all():
            read(operator, row, language)
