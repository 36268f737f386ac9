"""Rules in the admin: drafted, edited as long as they are drafts, compared, and only then activated."""

import re

import pytest
from django.urls import reverse

from loyalty.models import EarnBoost, EarnRule
from tests import make
from tests.config import make_staff
from tests.loyalty.make_points import rule, tiers
from tests.loyalty.make_purchases import activate, boost, buy, purchase, refund

pytestmark = pytest.mark.django_db
LIST = "admin:loyalty_earnrule_changelist"
EMPTY_BOOSTS = {f"boosts-{name}": n for name, n in (("TOTAL_FORMS", 0), ("INITIAL_FORMS", 0), ("MIN_NUM_FORMS", 0))}
DATES = {"starts_at_0": "2026-11-12", "starts_at_1": "00:00", "ends_at_0": "2026-11-11", "ends_at_1": "00:00"}
TERMS = {"points_per_yuan": "2", "growth_per_yuan": "1", "includes": "", "excludes": "GIFT-*, CARD"}


@pytest.fixture
def administrator():
    return make_staff.signed_in("administrator", [make.channel()])


@pytest.fixture
def operator():
    return make_staff.signed_in("operator", [make.channel()])


def url(name: str, row=None) -> str:
    return reverse(f"admin:loyalty_earnrule_{name}", args=[row.pk] if row else [])


def next_draft(browser) -> EarnRule:
    active = EarnRule.objects.get(state="active")
    answer = browser.post(url("draft", active))
    draft = EarnRule.objects.get(state="draft")
    assert (answer.status_code, answer.url) == (302, url("change", draft))
    return draft


def seen(browser, draft: EarnRule) -> str:
    """What the page of comparison hands to who looked at it."""
    page = browser.get(url("compare", draft)).content.decode()
    return re.search(r'name="seen" value="([^"]+)"', page)[1]


def test_a_draft_is_made_edited_compared_and_activated(administrator):
    silver = tiers()[1]
    rule()
    member = make.member()
    buy(member, 10_000)
    draft = next_draft(administrator)

    added = {"boosts-0-name": "银卡", "boosts-0-multiplier": "1.5", "boosts-0-tier": silver.pk, "boosts-TOTAL_FORMS": 1}
    saved = administrator.post(url("change", draft), TERMS | EMPTY_BOOSTS | added | {"boosts-0-includes": "TEA-*"})
    assert saved.status_code == 302, saved.context["errors"]
    draft.refresh_from_db()
    assert (draft.points_per_yuan, draft.excludes) == (2, ["GIFT-*", "CARD"])
    assert (draft.boosts.get().tier, draft.boosts.get().includes) == (silver, ["TEA-*"])

    page = administrator.get(url("compare", draft))
    assert (page.context["diff"].before, page.context["diff"].after) == (100, 200)
    assert purchase().order_number in page.content.decode()
    done = administrator.post(url("compare", draft), {"seen": seen(administrator, draft)})

    assert (done.status_code, done.url) == (302, url("change", draft))
    draft.refresh_from_db()
    assert (draft.state, draft.activated_by[:6]) == ("active", "staff/")
    assert EarnRule.objects.get(version=1).state == "retired"
    assert buy(member, 10_000, "D2") == 200


def test_a_new_rule_begins_with_kind_and_code(administrator):
    answer = administrator.post(url("add"), {"kind": "birthday", "code": "birthday"})
    made = EarnRule.objects.get()
    assert (answer.url, made.state, made.version) == (url("change", made), "draft", 1)
    page = administrator.get(url("change", made)).content.decode()
    assert "id_fixed_points" in page
    assert "id_points_per_yuan" not in page
    again = administrator.post(url("add"), {"kind": "paid", "code": "birthday"})
    assert "code" in again.context["adminform"].errors


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"points_per_yuan": "-1"}, "points_per_yuan"),
        ({"points_per_yuan": "1001"}, "points_per_yuan"),
        ({"excludes": "T*A"}, "excludes"),
        (
            {"starts_at_0": "2026-11-12", "starts_at_1": "00:00", "ends_at_0": "2026-11-11", "ends_at_1": "00:00"},
            "ends_at",
        ),
    ],
)
def test_terms_that_cannot_be_are_refused_at_their_field(administrator, wrong, field):
    rule()
    draft = next_draft(administrator)
    answer = administrator.post(url("change", draft), TERMS | EMPTY_BOOSTS | wrong)
    assert list(answer.context["adminform"].errors) == [field]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [({"boosts-0-multiplier": "101"}, "multiplier"), ({"boosts-0-includes": "*-TEA"}, "includes")],
)
def test_multipliers_that_cannot_be_are_refused_at_their_field(administrator, wrong, field):
    rule()
    draft = next_draft(administrator)
    added = {"boosts-TOTAL_FORMS": 1, "boosts-0-name": "x", "boosts-0-multiplier": "2"}
    answer = administrator.post(url("change", draft), TERMS | EMPTY_BOOSTS | added | wrong)
    assert list(answer.context["inline_admin_formsets"][0].formset.errors[0]) == [field]
    assert not EarnBoost.objects.exists()


@pytest.mark.parametrize("state", ["active", "retired"])
def test_what_is_or_was_in_force_is_only_looked_at(administrator, state):
    drafted = rule(state="draft")
    boost(drafted, 2)
    EarnRule.objects.update(state=state)
    page = administrator.get(url("change", drafted))
    assert page.status_code == 200
    assert "id_points_per_yuan" not in page.content.decode()
    before = make.snapshot()
    assert administrator.post(url("change", drafted), TERMS | EMPTY_BOOSTS).status_code == 403
    assert administrator.post(url("delete", drafted), {"post": "yes"}).status_code == 403
    assert administrator.get(url("compare", drafted)).url == url("change", drafted)
    assert make.snapshot() == before


def test_a_draft_may_be_thrown_away(administrator):
    rule()
    draft = next_draft(administrator)
    assert administrator.post(url("delete", draft), {"post": "yes"}).status_code == 302
    assert EarnRule.objects.get().state == "active"


def test_a_draft_begun_is_gone_on_with(administrator):
    active = rule()
    draft = next_draft(administrator)
    assert administrator.post(url("draft", active)).url == url("change", draft)
    assert EarnRule.objects.count() == 2


def somebody_else() -> str:
    """What another administrator has seen of the draft."""
    return seen(make_staff.signed_in("administrator", [make.channel()]), EarnRule.objects.get(state="draft"))


def another_draft() -> str:
    other = rule(code="other", state="draft", kind="birthday")
    return seen(make_staff.signed_in("administrator", [make.channel()]), other)


@pytest.mark.parametrize("said", [lambda: "", lambda: "forged:1:2", somebody_else, another_draft])
def test_nothing_is_activated_that_was_not_seen_compared(administrator, said):
    rule()
    draft, token = next_draft(administrator), said()
    before = make.snapshot()
    answer = administrator.post(url("compare", draft), {"seen": token})
    assert answer.url == url("compare", draft)
    assert make.snapshot() == before


def test_a_draft_changed_after_it_was_seen_is_not_activated(administrator):
    rule()
    draft = next_draft(administrator)
    token = seen(administrator, draft)
    EarnRule.objects.filter(pk=draft.pk).update(points_per_yuan=9)
    before = make.snapshot()
    answer = administrator.post(url("compare", draft), {"seen": token}, follow=True)
    assert answer.context["diff"].basis
    assert len(answer.context["messages"]) == 1
    assert make.snapshot() == before


def test_an_operator_looks_but_neither_drafts_nor_activates(administrator, operator):
    active = rule()
    draft = next_draft(administrator)
    page = operator.get(url("compare", draft))
    assert page.status_code == 200
    token = re.search(r'name="seen" value="([^"]+)"', page.content.decode())[1]
    engineer = make_staff.signed_in("engineer")
    before = make.snapshot()
    assert operator.post(url("compare", draft), {"seen": token}).status_code == 403
    assert operator.post(url("draft", active)).status_code == 403
    assert operator.get(url("add")).status_code == 403
    assert engineer.get(url("compare", draft)).status_code == 403
    assert make.snapshot() == before


COSTS = {"earnrule": 9, "earnboost": 9, "purchase": 9, "purchaseline": 9, "purchaserefund": 9}


@pytest.mark.parametrize("name", COSTS)
@pytest.mark.parametrize("rows", [1, 3])
def test_a_list_costs_the_same_however_many(administrator, django_assert_num_queries, name, rows):
    for n in range(rows):
        drafted = rule(code=f"r{n}", state="draft")
        boost(drafted, 2, tier=tiers()[n], channel=make.channel())
        activate(drafted)
        buy(make.member(), [10_000], f"D{n}", channel=make.channel())
        refund([500], f"R{n}", f"D{n}")
        EarnRule.objects.filter(pk=drafted.pk).update(state="retired")
    administrator.get(reverse(LIST))
    with django_assert_num_queries(COSTS[name]):
        page = administrator.get(reverse(f"admin:loyalty_{name}_changelist"))
    assert page.context["cl"].result_count == rows


@pytest.mark.parametrize("rows", [1, 3])
def test_a_page_of_comparison_costs_the_same_however_many(administrator, django_assert_num_queries, rows):
    rule()
    draft = next_draft(administrator)
    for n in range(rows):
        boost(draft, 2, channel=make.channel())
        buy(make.member(), [10_000], f"D{n}", channel=make.channel())
    administrator.get(url("compare", draft))
    with django_assert_num_queries(19):
        assert len(administrator.get(url("compare", draft)).context["diff"].biggest) == rows


@pytest.mark.parametrize("rows", [1, 3])
def test_the_page_of_a_purchase_costs_the_same_however_many_lines(administrator, django_assert_num_queries, rows):
    rule()
    buy(make.member(), [1_000] * rows)
    refund([1_000] * rows)
    page = reverse("admin:loyalty_purchase_change", args=[purchase().pk])
    administrator.get(page)
    with django_assert_num_queries(15):
        assert administrator.get(page).status_code == 200
