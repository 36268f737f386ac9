"""What staff find about tiers in the admin: terms that explain themselves, tiers with benefits, changes, reasons."""

import pytest
from django.urls import reverse

from loyalty.models import Benefit, Programme, Tier
from tests import make
from tests.config import make_staff
from tests.loyalty.make_tiers import account, benefit, bought, by_growth, last, later, programme, purchase, refunded

pytestmark = pytest.mark.django_db
LISTED = reverse("admin:loyalty_tierchange_changelist")


@pytest.fixture
def website():
    return make.channel()


@pytest.fixture
def operator(website):
    return make_staff.signed_in("operator", [website])


@pytest.fixture
def administrator(website):
    return make_staff.signed_in("administrator", [website])


@pytest.fixture
def buyer(website):
    programme()
    return account()


def page_of(row) -> str:
    return reverse(f"admin:loyalty_{row._meta.model_name}_change", args=[row.pk])


def terms(**changed) -> dict:
    """The form of the programme as the page sends it."""
    now = Programme.current()
    kept = {name: getattr(now, name) for name in [field.name for field in Programme._meta.fields] if name != "id"}
    return kept | {"fen_per_point": "0.01"} | changed


def tier_form(tier: Tier | None = None, benefits: tuple = (), **changed) -> dict:
    """The form of a tier with its benefits: (row or None, code, name, value, is it to go)."""
    kept = {"name": tier.name, "threshold_fen": f"{tier.threshold_fen / 100:.2f}"} if tier else {}
    rows = {"benefits-TOTAL_FORMS": len(benefits), "benefits-INITIAL_FORMS": len([b for b in benefits if b[0]])}
    for place, (row, code, name, value, goes) in enumerate(benefits):
        named = {"id": row.pk if row else "", "tier": tier.pk if tier else "", "code": code, "name": name}
        named |= {"value": value} | ({"DELETE": "on"} if goes else {})
        rows |= {f"benefits-{place}-{key}": each for key, each in named.items()}
    return kept | rows | changed


def test_the_terms_are_changed_on_their_page_and_the_change_is_remembered(administrator):
    row = programme()
    assert administrator.post(page_of(row), terms(window_months=6, fen_per_point="0.05")).status_code == 302
    changed = Programme.current()
    assert (changed.window_months, changed.fen_per_point) == (6, 5)
    page = administrator.get(page_of(row)).content.decode()
    assert "administrator-" in page
    assert 'value="0.05"' in page


@pytest.mark.parametrize(
    "wrong",
    [
        {"window_months": 0},
        {"redeem_percent": 101},
        {"fen_per_point": "0.001"},
        {"fen_per_point": "0"},
        {"validity": "x"},
    ],
)
def test_terms_that_cannot_be_are_refused_with_the_reason(administrator, wrong):
    row = programme()
    before = make.snapshot()["loyalty_programme"]
    answer = administrator.post(page_of(row), terms(**wrong))
    assert list(answer.context["adminform"].errors) == list(wrong)
    assert make.snapshot()["loyalty_programme"] == before


def test_there_is_one_set_of_terms_to_add_and_no_second(administrator):
    add = reverse("admin:loyalty_programme_add")
    assert administrator.get(add).status_code == 200
    assert administrator.post(add, terms(tier_months=24)).status_code == 302
    assert Programme.current().tier_months == 24
    assert administrator.get(add).status_code == administrator.post(add, terms()).status_code == 403


def test_a_tier_is_made_with_its_benefits_in_yuan(administrator):
    sent = tier_form(None, ((None, "shipping", "包邮", "", False),), code="black", name="黑卡", threshold_fen="30000.5")
    assert administrator.post(reverse("admin:loyalty_tier_add"), sent).status_code == 302
    made = Tier.objects.get(code="black")
    assert (made.threshold_fen, made.benefits.get().name) == (3_000_050, "包邮")


def test_benefits_are_changed_and_taken_away_on_the_page_of_their_tier(administrator, buyer):
    first, second = benefit("silver"), benefit("silver", "gift", "生日礼", "50")
    sent = tier_form(
        first.tier, ((first, "shipping", "包邮", "满 99", False), (second, "gift", "生日礼", "50", True)), name="银卡+"
    )
    assert administrator.post(page_of(first.tier), sent).status_code == 302
    assert Tier.objects.get(code="silver").name == "银卡+"
    assert [(each.code, each.value) for each in Benefit.objects.all()] == [("shipping", "满 99")]
    page = administrator.get(page_of(first.tier)).content.decode()
    for said in ("权益 生日礼 已移除", "权益 包邮", "满 99", "银卡+"):
        assert said in page


def test_growth_has_to_lead_up_as_spending_does(administrator):
    by_growth()
    gold = Tier.objects.get(code="gold")
    for wrong in (1_000, 999):
        answer = administrator.post(page_of(gold), tier_form(gold, threshold_growth=wrong))
        assert "threshold_growth" in answer.context["adminform"].errors
    assert administrator.post(page_of(gold), tier_form(gold, threshold_growth=1_001)).status_code == 302


def test_an_operator_looks_at_terms_and_tiers_and_changes_neither(operator, buyer):
    kept = benefit("silver")
    before = make.snapshot()
    for row, sent in ((Programme.current(), terms(tier_months=1)), (kept.tier, tier_form(kept.tier, name="x"))):
        assert operator.get(page_of(row)).status_code == 200
        assert operator.post(page_of(row), sent).status_code == 403
    assert {**make.snapshot(), "django_session": 0} == {**before, "django_session": 0}


def test_money_is_read_in_yuan_by_whoever_cannot_change_it(operator, buyer):
    tier = operator.get(page_of(Tier.objects.get(code="gold"))).content.decode()
    assert "¥5,000.00" in tier
    assert "500000" not in tier
    assert "¥0.01" in operator.get(page_of(Programme.current())).content.decode()


def test_the_page_of_a_member_says_why_this_tier(operator, buyer):
    bought(buyer, 120_000, days_ago=3, channel=make.channel())
    refunded(bought(buyer, 50_000), 20_000)
    page = operator.get(reverse("admin:members_member_change", args=[buyer.member_id])).content.decode()
    for said in ("为什么是这个等级", "¥1,500.00", "还差 ¥3,500.00", "−¥200.00", "届时保级宽限至"):
        assert said in page


def test_the_page_of_an_account_says_why_this_tier(operator, buyer):
    bought(buyer, 120_000)
    page = operator.get(page_of(buyer)).content.decode()
    assert "为什么是这个等级" in page
    assert "普通会员 → 银卡（达到门槛）" in page


def test_many_parts_are_summed_in_one_line(operator, buyer):
    for _part in range(12):
        purchase(buyer, 100)
    page = operator.get(page_of(buyer)).content.decode()
    assert "更早的 2 笔" in page
    assert "¥12.00" in page


def test_without_tiers_nothing_is_said(operator):
    page = operator.get(page_of(account())).content.decode()
    assert "为什么是这个等级" not in page


def changes_shown(browser, **query) -> set[str]:
    """The changes of a list, as from-to."""
    rows = browser.get(LISTED, query).context["cl"].result_list
    return {f"{row.before.code}-{row.after.code}" for row in rows}


def test_changes_are_found_by_direction_tier_cause_and_member(operator, buyer):
    refunded(bought(buyer, 100_000), 1)
    other = account()
    bought(other, 500_000)
    assert changes_shown(operator) == {"normal-silver", "silver-normal", "normal-gold"}
    assert changes_shown(operator, way="down") == {"silver-normal"}
    assert changes_shown(operator, way="up") == {"normal-silver", "normal-gold"}
    assert changes_shown(operator, way="same") == set()
    assert changes_shown(operator, to="gold") == {"normal-gold"}
    assert changes_shown(operator, cause__exact="refunded") == {"silver-normal"}
    assert changes_shown(operator, q=other.member.number) == {"normal-gold"}
    assert changes_shown(operator, q=str(buyer.pk)) == {"normal-silver", "silver-normal"}


def test_a_change_shows_the_numbers_that_decided(operator, buyer):
    bought(buyer, 123_400)
    page = operator.get(page_of(last(buyer))).content.decode()
    assert "¥1,234.00" in page
    assert "¥1,000.00" in page


def test_changes_of_members_of_other_channels_are_not_there(operator):
    programme()
    foreign = account(make.member(channel=make.channel("mini-program")))
    bought(foreign, 100_000)
    assert changes_shown(operator) == set()
    assert operator.get(page_of(last(foreign))).status_code == 404


@pytest.mark.parametrize("rows", [1, 3])
def test_the_list_costs_the_same_however_many(operator, buyer, django_assert_num_queries, rows):
    for _row in range(rows):
        each = account()
        bought(each, 100_000)
        later(each, days=1)
    with django_assert_num_queries(9):  # who asks and what they may, the count, the rows, the tiers to filter by
        assert operator.get(LISTED).context["cl"].result_count == rows
