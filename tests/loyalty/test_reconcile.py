"""A balance that is not the sum of its entries is named."""

import pytest

from loyalty.models import Account
from sync.models import Discrepancy
from sync.reconcile import Mismatch, run
from tests.loyalty.make_points import drifted, execute, holder

pytestmark = pytest.mark.django_db


def test_accounts_that_add_up_are_not_named(django_assert_num_queries):
    for points in (0, 10, 20):
        holder(points)
    with django_assert_num_queries(1):
        assert drifted() == []


@pytest.mark.parametrize("component", ["available", "pending", "held", "debt"])
def test_a_balance_changed_by_sql_is_named(component):
    holder(10)
    member = holder(0 if component == "debt" else 20)  # nobody has both
    account, _made = Account.objects.get_or_create(member=member)
    stored = getattr(account, component)
    execute(f"UPDATE loyalty_account SET {component} = {component} + 7 WHERE id = %s", account.pk)  # noqa: S608

    assert drifted() == [Mismatch(f"account/{account.pk}", component, str(stored), str(stored + 7))]


def test_an_account_with_points_but_no_entry_is_named():
    account = Account.objects.create(member=holder(), pending=5, debt=2)
    subject = f"account/{account.pk}"
    assert drifted() == [Mismatch(subject, "pending", "0", "5"), Mismatch(subject, "debt", "0", "2")]


def test_a_run_keeps_what_it_found_until_it_agrees_again():
    member = holder(20)
    Account.objects.filter(member=member).update(available=21)
    run("loyalty.reconcile.balances")
    found = Discrepancy.objects.get()
    assert (found.field, found.expected, found.found, found.resolved_at) == ("available", "20", "21", None)

    Account.objects.filter(member=member).update(available=20)
    run("loyalty.reconcile.balances")
    found.refresh_from_db()
    assert found.resolved_at is not None
