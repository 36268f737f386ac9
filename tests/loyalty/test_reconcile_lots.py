"""Lots that do not hold what an account says, holds that do not add up, a journal that tells another story: named."""

from datetime import timedelta

import pytest
from django.utils import timezone

from loyalty import reconcile, services
from loyalty.models import Account, Lot
from sync.act import Actor
from sync.models import Discrepancy
from sync.reconcile import Mismatch, run
from tests import make
from tests.loyalty.make_points import execute, holder
from tests.loyalty.test_records import absorb

pytestmark = pytest.mark.django_db
WEBSITE = Actor("channel", "website", "website")
EACH = ["lots", "holds", "journal"]


@pytest.fixture
def account() -> Account:
    """With a lot that was drawn on, one that is pending, and an open hold."""
    website = make.channel("website")
    member = holder(100)
    services.spend(member=member.pk, points=30, reference="spent", by=WEBSITE, channel=website)
    later = {"available_at": timezone.now() + timedelta(days=7), "by": WEBSITE}
    services.book(member=member.pk, channel=website, kind="earn", points=40, reference="later", **later)
    held = {"reference": "held", "expires_in": timedelta(hours=1), "by": WEBSITE, "is_present": True}
    services.hold(member=member.pk, channel=website, points=20, **held)
    return Account.objects.get(member=member)


def found(name: str) -> list[Mismatch]:
    return list(getattr(reconcile, name)())


@pytest.mark.parametrize("name", EACH)
def test_what_adds_up_is_not_named(account, name, django_assert_num_queries):
    holder(10)
    with django_assert_num_queries(1):
        assert found(name) == []


def test_members_who_were_merged_still_add_up(account):
    absorb(account.member, holder(30))
    assert [each for name in EACH for each in found(name)] == []


CASES = [  # which reconciliation, what somebody with a console does, what is named and how it is put right
    ("lots", "UPDATE loyalty_account SET available = available {} 7", "lots", "97", "90"),
    ("lots", "UPDATE loyalty_account SET pending = pending {} 7", "lots", "97", "90"),
    ("lots", "UPDATE loyalty_lot SET remaining = remaining {} 5 WHERE NOT is_pending", "lots", "90", "95"),
    ("holds", "UPDATE loyalty_account SET held = held {} 7", "open_holds", "27", "20"),
    ("holds", "UPDATE loyalty_hold SET points = points {} 3", "open_holds", "20", "23"),
    ("holds", "UPDATE loyalty_lot SET held = held {} 2 WHERE NOT is_pending", "held_in_lots", "20", "22"),
    ("journal", "UPDATE loyalty_lot SET remaining = remaining {} 5 WHERE NOT is_pending", "remaining", "50", "55"),
    ("journal", "UPDATE loyalty_lot SET held = held {} 2 WHERE NOT is_pending", "held", "20", "22"),
]


@pytest.mark.parametrize(("name", "sql", "field", "expected", "stored"), CASES)
def test_what_was_changed_by_sql_is_named_until_it_is_put_right(account, name, sql, field, expected, stored):
    path = f"loyalty.reconcile.{name}"
    execute(sql.format("+"))
    ran = run(path)
    assert not ran.error
    named = Discrepancy.objects.get(field=field)
    lot = Lot.objects.get(account=account, is_pending=False)
    subject = f"lot/{lot.pk}" if name == "journal" else f"account/{account.pk}"
    assert (named.subject, named.expected, named.found) == (subject, expected, stored)
    assert named.resolved_at is None

    execute(sql.format("-"))
    assert run(path).found == 0
    assert not Discrepancy.objects.filter(resolved_at=None).exists()


def test_pending_points_without_a_pending_lot_are_named(account):
    execute("UPDATE loyalty_lot SET is_pending = FALSE WHERE is_pending")
    assert found("lots") == [Mismatch(f"account/{account.pk}", "pending_lots", "40", "0")]


def test_however_much_is_wrong_the_list_ends(account):
    for sql in (reconcile.LOTS, reconcile.HOLDS, reconcile.JOURNAL):
        assert f"LIMIT {reconcile.LIMIT}" in sql
