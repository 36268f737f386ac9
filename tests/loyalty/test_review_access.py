"""What staff and channels try beyond what is theirs: guessing, naming others' orders, sending what breaks."""

import tracemalloc

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from loyalty.admin import adjusting_files
from loyalty.models import Adjustment, AdjustmentFile, EarnRule, Purchase
from loyalty.services import adjusting_lines, rule_versions
from members import codes
from tests import make
from tests.config import make_staff
from tests.loyalty.make_adjusting import adjusted, brought, content, limits, reason
from tests.loyalty.make_purchases import activate, buy, refund
from tests.loyalty.test_facts import tell

pytestmark = pytest.mark.django_db(transaction=True)
BRING = "/admin/loyalty/adjustmentfile/bring/"
PHONE = "+8613712345678"


@pytest.fixture(autouse=True)
def terms():
    limits(alone=100, per_day=1_000)
    reason()


@pytest.fixture
def website():
    return make.channel("website")


def desk(role: str, *channels):
    return make_staff.signed_in(role, channels or [make.channel("website")])


def bring(browser, *lines: str, name: str = "p.csv"):
    return browser.post(BRING, {"file": SimpleUploadedFile(name, content(*lines))}, follow=True)


def act(row, name: str) -> str:
    return reverse(f"admin:loyalty_{row._meta.model_name}_act", args=[row.pk, name])


def guesses(first: int, count: int) -> list[str]:
    return [f"1371234{n:04d},5,goodwill,,{n}" for n in range(first, first + count)]


def test_a_masked_phone_is_not_found_out_by_bringing_all_it_may_be(settings, monkeypatch, still_windows):
    settings.QUOTA_FACTOR = 1
    monkeypatch.setattr(adjusting_files, "PHONES_UNKNOWN", {"limit": 20, "every": 86_400})
    make.member(phone=PHONE)
    browser = desk("finance")

    refused = bring(browser, *guesses(5_670, 30))

    assert [str(each) for each in refused.context["messages"]] == ["请求过于频繁"]
    assert AdjustmentFile.objects.count() == 0
    bring(browser, *guesses(5_678, 2))
    assert AdjustmentFile.objects.count() == 0


def test_files_of_phones_that_members_have_are_not_counted(settings, monkeypatch):
    settings.QUOTA_FACTOR = 1
    monkeypatch.setattr(adjusting_files, "PHONES_UNKNOWN", {"limit": 1, "every": 86_400})
    members = [make.member(phone=f"+86137123456{n}") for n in range(10, 15)]
    bring(desk("support"), *(f"137123456{n},5,goodwill,,{n}" for n in range(10, 15)))
    assert AdjustmentFile.objects.get().wrong == 0
    assert len(members) == 5


def test_a_comparison_names_no_order_of_a_channel_that_is_not_held(website):
    mini = make.channel("mini-program")
    activate(EarnRule.objects.create(code="paid", points_per_yuan=1))
    buy(make.member(), 10_000, "D10000000001", channel=website)
    buy(make.member(channel="mini-program"), 99_900, "D20000000002", channel=mini)
    draft = rule_versions.draft_from(EarnRule.objects.get(code="paid").pk)
    EarnRule.objects.filter(pk=draft.pk).update(points_per_yuan=2)
    compared = reverse("admin:loyalty_earnrule_compare", args=[draft.pk])

    page = desk("operator", website).get(compared).content.decode()

    assert "D10000000001" in page
    assert "D20000000002" not in page
    assert "D20000000002" in desk("operator", website, mini).get(compared).content.decode()


def test_purchases_are_seen_with_their_channel(website):
    mini = make.channel("mini-program")
    both = make.member()
    buy(both, 10_000, "D10000000001", channel=website)
    buy(both, 99_900, "D20000000002", channel=mini)
    refund([100], "R20000000002", "D20000000002")
    browser, other = desk("operator", website), Purchase.objects.get(order_number="D20000000002")

    for kind in ("purchase", "purchaseline", "purchaserefund"):
        assert "D20000000002" not in browser.get(f"/admin/loyalty/{kind}/").content.decode()
    assert browser.get(reverse("admin:loyalty_purchase_change", args=[other.pk])).status_code == 404
    account = browser.get(reverse("admin:loyalty_account_change", args=[other.account_id])).content.decode()
    assert str(other.pk) not in account


def test_words_longer_than_can_be_kept_break_no_page():
    browser, words = desk("finance"), "x" * 600
    posted, asked = adjusted(make.member(), 50), adjusted(make.member(), 500)
    for row, name in ((posted, "undo"), (asked, "refuse")):
        assert browser.post(act(row, name), {"words": words}).status_code == 302
    file = brought(f"{make.member().number},500,goodwill,,a", channels=["website"])
    assert browser.post(act(file, "refuse"), {"words": words}).status_code == 302


def test_a_request_known_by_somebody_elses_id_is_refused():
    member, other = make.member(), adjusted(make.member(), 50)
    form = {"id": str(other.pk), "member": str(member.pk), "way": "give", "points": 5, "reason": "goodwill"}
    answer = desk("support").post("/admin/loyalty/adjustment/ask/", form)
    assert (answer.status_code, Adjustment.objects.count()) == (200, 1)


def test_a_file_of_millions_of_short_lines_is_refused_without_reading_them_all():
    peaks = []
    for lines in (25_000, 400_000):
        content = b"1\n" * lines
        tracemalloc.start()
        with pytest.raises(adjusting_lines.BadFile):
            adjusting_lines.read(content, "x")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 20 * 400_000  # the text itself; every line read would be ten times that


@pytest.mark.parametrize("cell", ["＝1+1", "＠SUM(1)", "＋1", "－1"])
def test_full_width_signs_make_no_formula_either(cell):
    made = brought(f"nobody,5,goodwill,,{cell}", channels=["website"])
    answer = desk("support").get(f"/admin/loyalty/adjustmentfile/{made.pk}/problems.csv")
    assert f",'{cell}," in answer.content.decode()


def test_codes_guessed_through_the_inbox_are_counted_like_those_posted(settings, still_windows):
    settings.QUOTA_FACTOR = 1
    make.channel("website")
    wrong = {"kind": "member_code", "value": codes._checked(9 * 10**15)}
    fact = {"identity": wrong, "points": 5, "reason": "till", "reference": "r"}
    refused = [tell("earned", str(turn), **fact) for turn in range(61)]
    assert refused == ["code_invalid"] * 60 + ["rate_limited"]
    posted = make.backend_client().post("members/resolve", {"identities": [wrong]})
    assert posted.status_code == 429
