"""The page of an account explains its balance: figures, sums that agree, lots, holds, entries."""

import re

import pytest

from loyalty.models import Account, Entry, Lot
from sync.reconcile import run
from tests import make
from tests.config import make_staff
from tests.loyalty import make_points
from tests.loyalty.make_balance import indebted, storied
from tests.loyalty.make_pages import list_of, page_of, read
from tests.loyalty.make_points import execute
from tests.loyalty.test_records import absorb

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator():
    return make_staff.signed_in("operator", [make.channel("website")])


def test_the_sums_are_shown_as_numbers_that_add_up(operator):
    page = read(operator, storied().account)
    assert "可用 60 = 批次剩余 160 − 待到账 100 ✓" in page
    assert "待到账 100 = 待到账批次剩余 100 ✓" in page
    assert "预占 20 = 未结束的预占 20 = 批次内预占 20 ✓" in page
    assert re.search(r"全部 \d+ 条明细合计 60 / 100 / 20 / 0 ✓", page)
    assert "✗" not in page


def test_every_figure_says_what_it_means(operator):
    page = read(operator, storied().account)
    assert "现在就能使用" in page
    assert re.search(r"最早一批有效至 \d{4}-\d\d-\d\d（剩 \d+ 天）", page)
    assert "其中 60 分等待员工审核" in page
    assert re.search(r"下一笔 \d{4}-\d\d-\d\d 00:00 到账", page)
    assert re.search(r"未结束的预占 1 笔 最早一笔 .* 自动释放", page)
    assert "没有欠积分" in page


def test_a_debt_is_explained(operator):
    make_points.rule()
    page = read(operator, indebted().account)
    assert "欠积分 100 退款时积分已被用掉而欠下，以后获得的积分优先抵扣" in page
    assert "没有剩余积分的批次" in page


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_the_page_names_lots_holds_and_entries(operator, language):
    told = storied()
    page = read(operator, told.account, language)
    for reference in ("GIFT-2", "GIFT-4", "GIFT-5", "CART-2", "TILL-1", "↩ CART-1", "开业礼"):
        assert reference in page
    words = {
        "zh-hans": ["预占扣减", "等待员工审核", "永久有效", "website"],
        "en": ["Spent from a hold", "Never expires"],
    }
    for word in words[language]:
        assert word in page


def test_what_expires_soon_is_counted_and_marked(operator):
    member = make_points.holder(50)
    lot = Lot.objects.get(account__member=member)
    execute("UPDATE loyalty_lot SET expires_at = clock_timestamp() + interval '5 days' WHERE entry_id = %s", lot.pk)
    page = operator.get(page_of(member.account)).content.decode()
    assert "其中 50 分将在 30 天内过期" in page
    assert 'hub-tag-busy">剩 5 天' in page
    assert operator.get(list_of(Lot), {"is": "expiring"}).context["cl"].result_count == 1


def test_an_account_without_entries_says_when_there_will_be_some(operator):
    account = Account.objects.create(member=make.member())
    page = read(operator, account)
    assert "还没有积分明细：会员消费或由渠道发放后会出现在这里" in page
    assert "没有剩余积分的批次" in page
    assert "没有未结束的预占" in page


def test_sums_that_do_not_agree_are_red_and_lead_to_the_discrepancy(operator):
    account = storied().account
    execute("UPDATE loyalty_account SET available = available + 5 WHERE id = %s", account.pk)
    page = read(operator, account)
    assert "可用 65 ≠ 批次剩余 160 − 待到账 100 ✗ 相差 5" in page
    assert "下一次对账会登记这项差异" in page
    run("loyalty.reconcile.lots")
    run("loyalty.reconcile.balances")
    page = operator.get(page_of(account)).content.decode()
    assert "未解决的差异：2 项" in page
    found = re.search(r'href="([^"]+discrepancy[^"]+)"', page)[1].replace("&amp;", "&")
    assert operator.get(found).context["cl"].result_count == 2


def test_a_lot_that_tells_another_story_than_its_journal_is_red(operator):
    told = storied()
    lot = Lot.objects.get(pk=told.first.pk)
    assert "剩余 0 = 获得 100 − 取用 100 + 退回 0 ✓" in read(operator, lot)
    execute("UPDATE loyalty_lot SET remaining = remaining - 1 WHERE entry_id = %s", told.second.pk)
    assert "✗ 相差 1" in read(operator, Lot.objects.get(pk=told.second.pk))


def test_what_is_wrong_with_a_lot_is_told_on_its_account(operator):
    told = storied()
    execute("UPDATE loyalty_lot SET held = held + 1 WHERE entry_id = %s", told.second.pk)
    run("loyalty.reconcile.journal")
    page = operator.get(page_of(told.account)).content.decode()
    assert "未解决的差异：1 项" in page
    assert f"q=lot%2F{told.second.pk}" in page


def test_what_is_due_but_not_settled_is_said(operator):
    account = storied().account
    execute("UPDATE loyalty_account SET due_at = clock_timestamp() - interval '1 second' WHERE id = %s", account.pk)
    assert "一分钟内自动结算" in read(operator, account)


def test_support_who_sees_no_discrepancies_is_told_whom_to_tell():
    account = storied().account
    execute("UPDATE loyalty_account SET held = held + 5 WHERE id = %s", account.pk)
    run("loyalty.reconcile.holds")
    support = make_staff.signed_in("support", [make.channel("website")])
    page = support.get(page_of(account)).content.decode()
    assert "未解决的差异：2 项" in page
    assert "/admin/sync/discrepancy/" not in page


def test_the_members_page_shows_the_balance_and_the_way_to_it(operator):
    told = storied()
    page = operator.get(page_of(told.member)).content.decode()
    assert f'href="{page_of(told.account)}">查看余额</a>' in page
    assert "↩" in page
    empty = operator.get(page_of(make.member())).content.decode()
    assert "还没有积分账户：第一次获得积分时自动建立" in empty


def test_entries_are_found_by_the_number_of_their_order(operator):
    make_points.rule()
    owed = indebted()
    found = operator.get(list_of(Entry), {"q": "d2026112200001"}).context["cl"].result_list
    assert {entry.pk for entry in found} == {owed.earned.pk, owed.reversal.pk}
    assert operator.get(list_of(Entry), {"q": "D2026112200009"}).context["cl"].result_count == 0


def test_what_came_with_a_merge_is_read_in_one_history(operator):
    told, survivor = storied(), make_points.holder(30)
    absorb(told.member, survivor)
    account = Account.objects.get(member=survivor)
    page = read(operator, account)
    assert "可用 90 = 批次剩余 190 − 待到账 100 ✓" in page
    for word in ("合并转入", "合并转出", "TILL-1", "GIFT-2"):
        assert word in page
    every = re.search(r'href="([^"]+account__in=[^"]+)"', operator.get(page_of(account)).content.decode())[1]
    assert operator.get(every).context["cl"].result_count == Entry.objects.count()
