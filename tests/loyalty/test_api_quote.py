"""What points are worth towards a basket."""

from datetime import timedelta

import pytest

from loyalty.models import Account, Lot
from sync import clock
from sync.ids import uuid7
from tests import make
from tests.loyalty.make_points import holder, post, posting, rule
from tests.loyalty.make_purchases import activate, boost, buy
from tests.loyalty.make_tiers import programme

pytestmark = pytest.mark.django_db


@pytest.fixture
def backend():
    return make.backend_client(scopes=["points:read"])


def quote(backend, member, items_fen: int = 10_000):
    return backend.post("points/quote", {"member_id": str(getattr(member, "pk", member)), "items_fen": items_fen})


def quoted(*about) -> tuple[int, int, int]:
    return tuple(quote(*about).json()[name] for name in ("redeemable_points", "discount_fen", "earns"))


def test_all_points_may_pay_unless_the_programme_says_otherwise(backend):
    rule()
    member = holder(3_000)
    before = make.snapshot()
    assert quoted(backend, member) == (3_000, 3_000, 70)
    assert quoted(backend, member, 2_550) == (2_550, 2_550, 0)
    assert quoted(backend, member, 0) == (0, 0, 0)
    assert make.snapshot() == before


@pytest.mark.parametrize(
    ("fen_per_point", "redeem_percent", "expected"),
    [
        (10, 100, (1_000, 10_000, 0)),
        (10, 50, (500, 5_000, 50)),
        (3, 100, (3_000, 9_000, 10)),
        (7, 33, (471, 3_297, 67)),
    ],
)
def test_the_programme_says_what_points_are_worth_and_may_pay(backend, fen_per_point, redeem_percent, expected):
    rule()
    programme(fen_per_point=fen_per_point, redeem_percent=redeem_percent)
    assert quoted(backend, holder(3_000)) == expected


def test_earning_follows_the_tier_the_channel_and_the_cap_of_the_day(backend):
    programme()
    made = rule(state="draft", cap_per_day=250)
    boost(made, 2, channel=backend.channel)
    activate(made)
    member = make.member()
    assert quoted(backend, member) == (0, 0, 200)
    assert quoted(make.backend_client("mini-program"), member) == (0, 0, 100)
    buy(member, 20_000)
    assert quoted(backend, member)[2] == 50


def test_without_a_rule_nothing_is_earned(backend):
    assert quoted(backend, holder(1)) == (1, 1, 0)


def test_points_that_are_over_pay_nothing(backend):
    member = make.member()
    post(member, posting(100, expires_at=clock.now() + timedelta(days=1)))
    Lot.objects.update(expires_at=clock.now())
    Account.objects.update(due_at=clock.now())
    assert quoted(backend, member) == (0, 0, 0)


def test_who_is_absorbed_is_quoted_as_who_absorbed_them(backend):
    survivor = holder(50)
    assert quoted(backend, make.member(status="merged", merged_into=survivor)) == (50, 50, 0)


def test_only_members_the_channel_sees_are_quoted(backend):
    stranger = holder(100, channel=make.channel("elsewhere", group="others"))
    for member in (stranger, uuid7()):
        answer = quote(backend, member)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("member_id", value) for value in (None, "", "x", 1, ["x"])),
        *(("items_fen", value) for value in (None, -1, 1.5, "1", True, 10**12 + 1)),
    ],
)
def test_a_field_that_is_wrong_is_named(backend, field, value):
    answer = backend.post("points/quote", {"member_id": str(uuid7()), "items_fen": 1} | {field: value})
    assert (answer.status_code, [error["field"] for error in answer.json()["errors"]]) == (400, [field])


def test_quoting_takes_the_scope():
    answer = quote(make.backend_client(scopes=["points:write"]), holder())
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
