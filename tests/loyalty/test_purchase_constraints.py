"""What PostgreSQL itself refuses of purchases and their refunds."""

import pytest
from django.db import DatabaseError, IntegrityError

from loyalty.models import PurchaseRefund
from tests import make
from tests.loyalty.make_points import execute, rule
from tests.loyalty.make_purchases import buy, purchase, refund

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("change", "held_by"),
    [
        ("UPDATE loyalty_purchase SET refunded_fen = paid_fen + 1", "purchase_refunded_within_paid"),
        ("UPDATE loyalty_purchase SET reversed_points = points + 1", "purchase_reversed_within_earned"),
        ("UPDATE loyalty_purchase SET lost_growth = growth + 1", "purchase_growth_lost_within_gained"),
        ("UPDATE loyalty_purchaseline SET refunded_fen = fen + 1", "purchase_line_refunded_within_paid"),
        ("UPDATE loyalty_purchaseline SET reversed_points = points + 1", "purchase_line_reversed_within_earned"),
        (
            "INSERT INTO loyalty_purchaseline (purchase_id, line, sku, fen, points, refunded_fen, reversed_points)"
            " SELECT purchase_id, line, sku, 0, 0, 0, 0 FROM loyalty_purchaseline",
            "purchase_line_once",
        ),
        (
            "INSERT INTO loyalty_purchase SELECT (jsonb_populate_record(p, jsonb_build_object("
            "'id', gen_random_uuid(), 'entry_id', NULL))).* FROM loyalty_purchase p",
            "order_number",
        ),
    ],
)
def test_the_database_refuses_a_purchase_that_cannot_be(change, held_by):
    rule()
    buy(make.member())
    with pytest.raises(IntegrityError, match=held_by):
        execute(change)


@pytest.mark.parametrize(
    ("fields", "held_by"),
    [
        ({"fen": 0}, "amounts_in_bounds"),
        ({"deducted_fen": 101}, "amounts_in_bounds"),
        ({"owed": -1}, "amounts_in_bounds"),
        ({"points": 1}, "entry_follows_points"),
        ({"reference": "R1"}, "reference"),
    ],
)
def test_the_database_refuses_a_refund_that_cannot_be(fields, held_by):
    rule()
    buy(make.member())
    refund([100])
    known = {"purchase": purchase(), "reference": "R2", "fen": 100, "parts": {}}
    with pytest.raises(IntegrityError, match=held_by):
        PurchaseRefund.objects.create(**known | fields)


@pytest.mark.parametrize("change", ["UPDATE loyalty_purchaserefund SET owed = 1", "DELETE FROM loyalty_purchaserefund"])
def test_a_refund_is_never_changed(change):
    rule()
    buy(make.member())
    refund([100])
    with pytest.raises(DatabaseError, match="Cannot update or delete rows"):
        execute(change)
