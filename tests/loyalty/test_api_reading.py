"""Points as members read them: what PostgreSQL writes is what the queries say, at every moment, in one round trip."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from loyalty import ledger, queries, reading, records, services, standing
from loyalty.models import Account, Entry, Lot
from loyalty.told import as_entry
from sync import clock
from sync.act import SYSTEM, act
from sync.http import instant
from tests import make, plans
from tests.loyalty.clock import simulated, stand
from tests.loyalty.make_holds import hold, run_out
from tests.loyalty.make_points import holder, post, posting, rule, tiers
from tests.loyalty.make_purchases import buy
from tests.loyalty.make_tiers import benefit, bonus, by_growth, programme, purchase
from tests.loyalty.make_tiers import judged as judge

pytestmark = pytest.mark.django_db


@pytest.fixture
def client():
    return make.member_client()


def earn(client, points: int, reference: str = "r", **fields) -> Entry:
    return post(client.member, posting(points, reference, **fields)).entry


def entries(client) -> list[dict]:
    return client.get("me/points/entries", limit=100).json()["results"]


def page_by_page(client) -> tuple[list[dict], list[dict]]:
    """All entries, one a page, to the end and back again."""
    page = client.get("me/points/entries", limit=1).json()
    there = [page["results"][0]]
    while page["next"]:
        page = client.get(page["next"].removeprefix("http://127.0.0.1:8000")).json()
        there += page["results"]
    back = [page["results"][0]]
    while page["previous"]:
        page = client.get(page["previous"].removeprefix("http://127.0.0.1:8000")).json()
        back += page["results"]
    return there, back


def later(**delta) -> dict:
    return {"expires_at": clock.now() + timedelta(**delta)}


def test_a_member_without_an_entry_has_nothing_and_the_lowest_tier(client):
    tiers()
    response = client.get("me/points")
    assert response.status_code == 200
    assert response["ETag"].startswith('"')
    assert response.json() == {
        "available": 0,
        "pending": 0,
        "held": 0,
        "debt": 0,
        "expiring": [],
        "tier": {
            "code": "normal",
            "name": "普通会员",
            "since": instant(client.member.created_at),
            "until": None,
            "qualifying": 0,
            "next": {"code": "silver", "missing": 100_000},
            "benefits": [],
        },
        "version": 0,
    }


def test_both_channels_read_the_same_points(client):
    tiers(), rule()
    phone = make.member_client(client.member, "mini-program")
    buy(client.member, 150_000, channel=client.channel)

    seen = client.get("me/points").json()

    assert (seen["available"], seen["tier"]["code"], seen["version"]) == (1_500, "silver", 1)
    assert phone.get("me/points").json() == seen
    backend = make.backend_client("mini-program", scopes=["points:read"])
    assert backend.get(f"members/{client.member.pk}/points").json() == seen


def nothing(client):
    """Not even a tier."""


def a_bit_of_everything(client):
    programme(notice_days=30)
    for days in (10, 10.5, 29, 31, 400):
        earn(client, 10, str(days), **later(days=days))
    earn(client, 7, "to come", moves=ledger.Moves(pending=7), available_at=clock.now() + timedelta(days=5))
    earn(client, 3, "staff", moves=ledger.Moves(pending=3), **later(days=10))
    hold(client.member, 15)
    benefit("normal"), benefit("silver", "gift", "生日礼", "¥50")


def a_debt(client):
    tiers()
    earning = services.earn(member=client.member.pk, points=100, reference="e", by=make.BACKEND)
    services.spend(member=client.member.pk, points=60, reference="s", by=SYSTEM)
    services.reverse(entry=earning.pk, by=make.BACKEND)


def silver_by_spending(client):
    programme(window_months=6, tier_months=3)
    mine = Account.objects.create(member=client.member)
    purchase(mine, 120_000, days_ago=3)
    purchase(mine, 70_000, days_ago=200)
    purchase(mine, 40_000, days_ago=100, refunded_fen=10_000)
    judge(mine)
    benefit("silver"), benefit("silver", "a", "A")


def gold_by_growth(client):
    by_growth()
    mine = Account.objects.create(member=client.member)
    purchase(mine, 1, growth=5_000, days_ago=1)
    bonus(mine, 300, days_ago=2)
    bonus(mine, 300, days_ago=500)
    judge(mine)


def tiers_by_growth_alone(client):
    by_growth()


STATES = [nothing, a_bit_of_everything, a_debt, silver_by_spending, gold_by_growth, tiers_by_growth_alone]


@pytest.mark.parametrize("state", STATES)
def test_what_postgresql_writes_is_what_the_queries_say(client, state):
    state(client)
    assert client.get("me/points").json() == queries.as_points(client.member.pk)


def test_points_that_go_soon_are_summed_by_the_moment_the_soonest_first(client):
    programme(notice_days=30)
    at = clock.now() + timedelta(days=20)
    for reference, expires_at in (("1", at), ("2", at), ("3", at - timedelta(days=1)), ("4", at + timedelta(days=11))):
        earn(client, 10, reference, expires_at=expires_at)
    seen = client.get("me/points").json()["expiring"]
    assert seen == [{"points": 10, "at": instant(at - timedelta(days=1))}, {"points": 20, "at": instant(at)}]


def test_a_hold_that_ran_out_is_shown_released_though_nothing_ran(client):
    earn(client, 100)
    held = hold(client.member, 40)
    assert client.get("me/points").json()["held"] == 40
    run_out(held)
    seen = client.get("me/points").json()
    assert (seen["available"], seen["held"], seen["version"]) == (100, 0, 3)
    assert [entry["kind"] for entry in entries(client)] == ["released", "held", "earned"]
    assert make.types_of(client.member)[-1] == "points.released"


def test_the_entries_too_are_settled_before_they_are_read(client):
    earn(client, 100)
    run_out(hold(client.member, 40))
    assert [(entry["kind"], entry["points"]) for entry in entries(client)] == [
        ("released", 40),
        ("held", -40),
        ("earned", 100),
    ]


def test_a_backend_reads_no_lot_that_has_expired(client):
    earn(client, 100, **later(days=1))
    Lot.objects.update(expires_at=clock.now())
    Account.objects.update(due_at=clock.now())
    backend = make.backend_client()
    assert backend.get(f"members/{client.member.pk}/points").json()["available"] == 0
    assert make.types_of(client.member)[-1] == "points.expired"


def test_every_kind_of_entry_is_written_as_the_queries_say(client):
    earn(client, 100, channel=client.channel, **later(days=9))
    earn(client, 20, "to come", moves=ledger.Moves(pending=20), available_at=clock.now() + timedelta(days=5))
    services.capture(hold=hold(client.member, 30).pk, by=make.BACKEND, points=10)
    spent = services.spend(member=client.member.pk, points=5, reference="s", by=make.BACKEND)
    services.reverse(entry=spent.pk, by=make.BACKEND)
    post(client.member, posting(9, "m", kind="moved"))
    known = Entry.objects.select_related("channel", "follows").order_by("-version")
    assert entries(client) == [as_entry(entry) for entry in known]
    assert {entry["kind"] for entry in entries(client)} == {
        "earned", "held", "spent", "released", "reversed", "adjusted"
    }  # fmt: skip
    assert {entry["reference"] for entry in entries(client) if entry["kind"] == "released"} == {"h"}


def test_entries_page_by_cursor_and_news_shift_nothing(client):
    for number in range(5):
        earn(client, 1, str(number))
    first = client.get("me/points/entries", limit=2).json()
    earn(client, 1, "news")
    second = client.get(first["next"].removeprefix("http://127.0.0.1:8000")).json()
    back = client.get(second["previous"].removeprefix("http://127.0.0.1:8000")).json()
    assert [e["reference"] for e in first["results"] + second["results"]] == ["4", "3", "2", "1"]
    assert back["results"] == first["results"]
    assert first["previous"] is None


def test_the_survivor_of_a_merge_reads_the_entries_of_both(client):
    absorbed = holder(30)
    earn(client, 5, "own")

    @act
    def move():
        records.Loyalty().move(absorbed.pk, client.member.pk)

    move()
    seen = entries(client)
    assert sorted(entry["points"] for entry in seen) == [-30, 5, 30, 30]
    assert [entry["created_at"] for entry in seen] == sorted((e["created_at"] for e in seen), reverse=True)
    assert client.get("me/points").json()["available"] == 35
    assert page_by_page(client) == (seen, seen[::-1])


def test_a_page_that_began_with_two_accounts_goes_on_by_time_when_they_have_parted(client):
    other = holder(30)
    for number in range(3):
        earn(client, 1, str(number))
    journal = act(lambda: records.Loyalty().move(other.pk, client.member.pk))()
    page = client.get("me/points/entries", limit=2).json()
    assert [entry["points"] for entry in page["results"]] == [30, -30]  # the last one is of the other account
    act(lambda: records.Loyalty().restore(other.pk, client.member.pk, journal))()
    page = client.get(page["next"].removeprefix("http://127.0.0.1:8000")).json()
    assert [entry["reference"] for entry in page["results"]] == ["2", "1"]


def test_entries_of_an_account_follow_each_other_as_they_were_posted_even_where_a_clock_was_set_back(client):
    with simulated():
        for number, hour in enumerate((12, 11, 13)):
            stand(datetime(2026, 11, 20, hour, tzinfo=UTC))
            earn(client, 1, str(number))
        there, back = page_by_page(client)
    assert [entry["reference"] for entry in there] == ["2", "1", "0"]
    assert back == there[::-1]


def test_a_page_of_entries_reads_no_more_than_its_own(client):
    earn(client, 1)
    sql = reading.ENTRIES.format(or_were="", after=reading.AFTER.format(side="<"), later="", way="DESC")
    plan = plans.of(sql, {"member": client.member.pk, "most": 20, "version": 7}, without=("seqscan", "bitmapscan"))
    own, _several = re.findall(r"entry_version_once[^\n]*\n *Index Cond: (.*)", plan)
    assert "(version < " in own
    assert "Backward using entry_version_once" in plan


@pytest.mark.parametrize("rows", [1, 3])
def test_points_and_entries_cost_the_same_however_many(client, django_assert_num_queries, rows):
    programme()
    for number in range(rows):
        earn(client, 1, str(number), **later(days=number + 1))
    client.get("me/points")  # the first use of a token is noted once
    with django_assert_num_queries(0):  # the session and the page are prepared statements: they go past Django's cursor
        assert len(client.get("me/points/entries").json()["results"]) == rows
    with django_assert_num_queries(0):  # as above
        assert len(client.get("me/points").json()["expiring"]) == rows


def test_why_this_tier_in_numbers_that_add_up(client):
    assert client.get("me/tier").json()["code"] == "not_found"
    silver_by_spending(client)
    seen = client.get("me/tier").json()
    assert seen["tier"] == client.get("me/points").json()["tier"]
    counted = seen["counted"]
    assert sum(item["counted"] for item in counted["items"]) + counted["rest"]["counted"] == counted["total"] == 150_000
    assert (seen["tier"]["qualifying"], seen["threshold"]) == (150_000, 100_000)
    assert seen["last_change"]["to"] == "silver"
    assert standing.why(client.member.pk)["review"] == seen["review"]
